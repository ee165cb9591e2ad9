"""What a file of the .efz format can be: damaged, or made to harm."""

from efflab.errors import CheckpointError


class EfzError(CheckpointError):
    """A file that is no .efz file of this version, is damaged or cut short, or claims what it cannot hold."""
