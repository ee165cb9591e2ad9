"""What coded data can be: damaged."""

from efflab.errors import EfflabError


class HuffmanError(EfflabError):
    """Coded data, or the lengths of a code, are not what an encoder writes."""
