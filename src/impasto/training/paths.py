"""The paths of a run's files."""

from pathlib import Path

from impasto.errors import TrainingError
from impasto.models.catalog import NETWORK
from impasto.models.stylefile import SUFFIX
from impasto.training.config import TrainConfig


def run_folder(output: Path) -> Path:
    """The folder of the run that makes ``output``: a model file, a style file, or a folder of several styles."""
    if not output.suffix:
        return output / "run"
    return output.with_suffix(".run" if output.suffix == ".onnx" else f"{output.suffix}.run")


def results_of(config: TrainConfig) -> list[Path]:
    """The files that a run writes: a model or a style; for several pictures the network and a style for each."""
    if len(config.styles) == 1:
        return [config.output]
    return [config.output / NETWORK, *(config.output / f"{path.stem}{SUFFIX}" for path in config.styles)]


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents, where missing.

    Raises:
        TrainingError: if the operating system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot make this folder: {error.strerror}") from error
