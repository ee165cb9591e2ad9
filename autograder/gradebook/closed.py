"""What the formgrader's server lets nobody do, whoever holds its token."""

from typing import Any

from jupyter_server.auth import Authorizer


class Closed(Authorizer):
    """No kernel, no session, no file: all that a Jupyter server offers beside the formgrader, which does not ask here.

    So nothing that a student wrote can be run from the server that shows it.
    """

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:  # noqa: ARG002 - Jupyter's form
        """Refuse."""
        return False
