"""The errors Impasto raises on purpose.

    ImpastoError             catch this one to catch them all
    ├── ImageError           a picture cannot be read, made or written
    ├── ModelError           a model or style file is missing, invalid or damaged, or the model fails
    ├── BackendError         an inference engine is missing, broken or unsuitable
    ├── TrainingError        a training run cannot start or continue
    ├── VideoError           a clip cannot be read or written
    └── UsageError           an argument is invalid; the command line exits with 2 instead of 1

Every message is one line that says what is wrong, where, and what to do about it. Anything else that escapes
from Impasto (a ValueError, say) is a bug in Impasto or in the code that calls it.
"""


class ImpastoError(Exception):
    """The base class of all errors below. `str()` of it is a message of one line."""


class ImageError(ImpastoError):
    """A picture cannot be read, made or written."""


class ModelError(ImpastoError):
    """A model or style file is missing, invalid, damaged or of an unknown format version; or the model fails."""


class BackendError(ImpastoError):
    """An inference engine is not installed, is broken, or does not support the request."""


class TrainingError(ImpastoError):
    """A training run cannot start or continue."""


class VideoError(ImpastoError):
    """A clip cannot be read or written."""


class UsageError(ImpastoError):
    """An argument, or a combination of arguments, is invalid regardless of the content of files."""
