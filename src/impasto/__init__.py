"""Impasto learns the style of one picture and repaints photos in it, on an ordinary CPU.

    import impasto

    stylizer = impasto.load("great_wave")
    picture = stylizer(impasto.load_image("photo.jpg"))
    impasto.save_image("painted.jpg", picture)

Importing this package loads neither numpy nor an inference engine nor torch: each name below is imported from its
module on first use (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from impasto.errors import BackendError, ImageError, ImpastoError, ModelError, TrainingError, UsageError, VideoError

if TYPE_CHECKING:
    from impasto.evaluation.scores import evaluate
    from impasto.models.catalog import styles
    from impasto.optimize.gatys import gatys
    from impasto.painting.batch import BatchProgress, BatchResult, paint_files
    from impasto.painting.load import load
    from impasto.painting.plan import FileOptions
    from impasto.painting.regions import paint_regions
    from impasto.painting.settings import SavedSettings, Settings, read_settings, write_settings
    from impasto.painting.sheets import strength_sheet, style_sheet
    from impasto.painting.stylizer import Stylizer
    from impasto.pictures.read import load_image
    from impasto.pictures.write import save_image
    from impasto.training.api import train
    from impasto.video.paint import VideoOptions, VideoProgress, VideoResult, paint_video
    from impasto.video.steady import Steady

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "BatchProgress",
    "BatchResult",
    "FileOptions",
    "ImageError",
    "ImpastoError",
    "ModelError",
    "SavedSettings",
    "Settings",
    "Steady",
    "Stylizer",
    "TrainingError",
    "UsageError",
    "VideoError",
    "VideoOptions",
    "VideoProgress",
    "VideoResult",
    "__version__",
    "evaluate",
    "gatys",
    "load",
    "load_image",
    "paint_files",
    "paint_regions",
    "paint_video",
    "read_settings",
    "save_image",
    "strength_sheet",
    "style_sheet",
    "styles",
    "train",
    "write_settings",
]

_HOME = {
    "evaluate": "impasto.evaluation.scores",
    "load": "impasto.painting.load",
    "BatchProgress": "impasto.painting.batch",
    "BatchResult": "impasto.painting.batch",
    "FileOptions": "impasto.painting.plan",
    "paint_files": "impasto.painting.batch",
    "SavedSettings": "impasto.painting.settings",
    "Settings": "impasto.painting.settings",
    "read_settings": "impasto.painting.settings",
    "write_settings": "impasto.painting.settings",
    "Stylizer": "impasto.painting.stylizer",
    "paint_regions": "impasto.painting.regions",
    "paint_video": "impasto.video.paint",
    "Steady": "impasto.video.steady",
    "VideoOptions": "impasto.video.paint",
    "VideoProgress": "impasto.video.paint",
    "VideoResult": "impasto.video.paint",
    "load_image": "impasto.pictures.read",
    "save_image": "impasto.pictures.write",
    "strength_sheet": "impasto.painting.sheets",
    "style_sheet": "impasto.painting.sheets",
    "styles": "impasto.models.catalog",
    "gatys": "impasto.optimize.gatys",
    "train": "impasto.training.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'impasto' has no attribute {name!r}")
    try:
        value = getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise TrainingError(f"impasto.{name} needs torch: pip install 'impasto[train]'") from None
    globals()[name] = value  # so that this function runs once per name
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
