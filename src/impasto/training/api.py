"""The function :func:`impasto.train`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from impasto.nn.vgg import Convention
from impasto.pictures.sources import file_or_name
from impasto.training.config import Precision, Recipe, TrainConfig, find_preset
from impasto.training.device import Device
from impasto.training.progress import Progress
from impasto.training.result import TrainResult
from impasto.training.trainer import train as run

StrPath = str | os.PathLike[str]


def train(
    style: StrPath | Sequence[StrPath],
    output: StrPath,
    *,
    minutes: float | None = TrainConfig.minutes,
    steps: int | None = None,
    preset: str = TrainConfig.preset,
    recipe: Recipe | None = None,
    content: StrPath | None = None,
    held_out: StrPath | None = None,
    seed: int = TrainConfig.seed,
    threads: int | None = None,
    device: Device = TrainConfig.device,
    precision: Precision = TrainConfig.precision,
    loss_network: StrPath | None = None,
    convention: Convention = TrainConfig.convention,
    title: str | None = None,
    license: str = "",
    source: str = "",
    resume: bool = False,
    restart: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> TrainResult:
    """Learn the style of a picture and write a model for :func:`impasto.load`; needs ``impasto[train]``.

        impasto.train("painting.jpg", "painting.onnx", minutes=10)
        stylizer = impasto.load("painting.onnx")

    In the main thread, Ctrl-C ends the run after the current step: the result so far is written, and the run can be
    resumed. Torch's number of threads, the random state and the signal handlers are restored at the end.

    Args:
        style: path of the style picture; or paths of several, whose styles share one network and can be mixed.
        output: ``NAME.onnx``, a model; ``NAME.safetensors``, a small style file for the shared network; or a folder,
            for several pictures. ``NAME.run`` beside it holds the run's preview, log and checkpoint.
        minutes: duration of the run, wall-clock time.
        steps: number of steps, instead of ``minutes``; this makes a run repeatable.
        preset: one of "impasto", "fast", "johnson2016", "ulyanov2016" and "ulyanov2017".
        recipe: hyper-parameters, instead of the preset's.
        content: folder of photos to learn from; the built-in ones when None.
        held_out: folder of photos, or text file with names of photos in ``content``, that only measure the result.
        seed: seed of all random choices.
        threads: number of CPU threads; None for one per core that the process may use.
        device: "cpu", "cuda", "mps" or "auto": a CUDA GPU if there is one, else the CPU.
        precision: "float32", "bfloat16" or "auto", the faster one.
        loss_network: file with the weights of another VGG-16 or VGG-19; the built-in VGG-16 when None.
        convention: the preprocessing that those weights expect, "torchvision" or "caffe".
        title: the style picture's title, for the model file; its file name when None.
        license: the style picture's license, for the model file.
        source: where the style picture is from, for the model file.
        resume: continue the unfinished run of this output.
        restart: replace an existing run or result.
        progress: called after every step, in this thread.

    Returns:
        The paths of the result and its scores; see :class:`impasto.training.result.TrainResult`.

    Raises:
        ImpastoError: as :func:`impasto.training.trainer.train`, and UsageError for impossible settings.
    """
    config = TrainConfig(
        styles=(_path(style),) if isinstance(style, str | os.PathLike) else tuple(map(_path, style)),
        output=_path(output),
        recipe=find_preset(preset) if recipe is None else recipe,
        preset=preset,
        content=None if content is None else _path(content),
        held_out=None if held_out is None else _path(held_out),
        minutes=None if steps is not None else minutes,
        steps=steps,
        seed=seed,
        threads=threads,
        device=device,
        precision=precision,
        loss_network=None if loss_network is None else _path(loss_network),
        convention=convention,
        title=title,
        license=license,
        source=source,
    )
    return run(config, resume=resume, restart=restart, progress=progress)


def _path(path: StrPath) -> Path:
    """The path with ~ expanded."""
    return Path(file_or_name(path))
