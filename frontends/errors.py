"""The one error of the frontends."""


class ModelFileError(ValueError):
    """A model that cannot be loaded. The message is one line that names the file, the place and the limit."""
