"""The errors Impasto raises on purpose.

    ImpastoError             catch this one to catch them all
    ├── ImageError           a picture that cannot be read, made or written
    ├── ModelError           a model file that is not one, not ours, or broken
    ├── BackendError         an inference engine that is unknown, missing or refuses to work
    ├── TrainingError        a training run that cannot start or go on
    ├── VideoError           a clip that cannot be read or written
    └── UsageError           a request that makes no sense; the command line exits with 2 instead of 1

Every message is one line that says what is wrong, where, and what to do about it. Anything else that escapes
from Impasto (a ValueError, say) is a bug in Impasto or in the code that calls it.
"""


class ImpastoError(Exception):
    """What every error below is; `str()` of it is one line for a person to read."""


class ImageError(ImpastoError):
    """A picture that cannot be read, made or written."""


class ModelError(ImpastoError):
    """A model file that is missing, not a model, not ours, from the future, or broken."""


class BackendError(ImpastoError):
    """An inference engine that is unknown, not installed, or refuses to work."""


class TrainingError(ImpastoError):
    """A training run that cannot start or go on."""


class VideoError(ImpastoError):
    """A clip that cannot be read or written."""


class UsageError(ImpastoError):
    """A request that makes no sense, whatever the files hold."""
