"""The errors that a user can cause: each says which argument, what came, and what was expected."""


class EfflabError(ValueError):
    """An argument, file or state that efflab cannot work with; the message is one sentence for the person who made it."""


class DataError(EfflabError):
    """A data set is missing, damaged or cannot be fetched."""


class CheckpointError(EfflabError):
    """A file of weights is damaged, or belongs to another model."""
