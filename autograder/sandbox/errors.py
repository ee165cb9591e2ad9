"""What can go wrong with a sandbox itself, whatever the submission is."""

from efflab.errors import EfflabError


class SandboxError(EfflabError):
    """The sandbox cannot be had or does not start; the sentence says what to do."""
