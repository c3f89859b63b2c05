"""Writes the result of a run: a model file, a style file, or a network with its style files."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from impasto.errors import ModelError
from impasto.models.modelfile import ModelInfo, network_hash, write_model
from impasto.models.runtime import onnx_runtime
from impasto.models.stylefile import SUFFIX, Style, StyleInfo, read_style, write_style
from impasto.nn.generator import Generator
from impasto.training.base import Base
from impasto.training.config import TrainConfig
from impasto.training.onnx_graph import to_onnx
from impasto.training.paths import results_of
from impasto.training.ranges import feature_ranges

TOLERANCE = 1 / 255
"""Largest accepted difference between the pixels of ONNX Runtime and torch, in [0, 1]."""


def write_result(
    generator: Generator, config: TrainConfig, training: dict[str, Any], base: Base | None, photos: Sequence[Tensor]
) -> None:
    """Write the result of a run to the paths in its configuration.

    Args:
        generator: The trained network.
        config: The run's configuration.
        training: The record of the run, for the files' descriptions.
        base: The network that the run started from; only needed for a style file.
        photos: Photos to measure :func:`impasto.training.ranges.feature_ranges` on, float32 (1, 3, H, W).

    Raises:
        ModelError: as :func:`export_generator`, or a file cannot be written.
    """
    if config.style_only:
        assert base is not None
        _write_style(config.output, config, training, base.network, generator.style_parameters()[0], base.photo)
    elif len(config.styles) == 1:
        export_generator(generator, _info(generator, config, training, photos), config.output)
    else:
        _write_network(generator, config, training, photos)


def _write_network(
    generator: Generator, config: TrainConfig, training: dict[str, Any], photos: Sequence[Tensor]
) -> None:
    """Write a network of several styles and their style files; those of a network that it replaces are removed."""
    network, *files = results_of(config)
    stale = _styles_of(network)
    export_generator(generator, _info(generator, config, training, photos), network)
    for path in stale:
        path.unlink()
    sha256 = network_hash(network)
    *styles, photo = generator.style_parameters()
    for file, parameters in zip(files, styles, strict=True):
        _write_style(file, config, training, sha256, parameters, photo)


def _info(generator: Generator, config: TrainConfig, training: dict[str, Any], photos: Sequence[Tensor]) -> ModelInfo:
    names = tuple(path.stem for path in config.styles)
    alone = len(names) == 1
    return ModelInfo(
        architecture=config.recipe.generator,
        arguments=config.recipe.generator_arguments(),
        styles=names,
        style_size=0 if alone else generator.style_parameters().shape[1],
        late_size=0 if alone else generator.late_size(),
        strength=alone and generator.styles > 1,
        style_title=(config.title or names[0]) if alone else "",
        license=config.license,
        source=config.source,
        ranges=feature_ranges(generator, photos) if config.recipe.norm == "instance" else {},
        training=training,
    )


def _write_style(
    path: Path, config: TrainConfig, training: dict[str, Any], network: str, parameters: Tensor, photo: Tensor
) -> None:
    info = StyleInfo(
        name=path.stem,
        network=network,
        title=(config.title or config.styles[0].stem) if config.style_only else path.stem,
        license=config.license,
        source=config.source,
        training=training,
    )
    write_style(path, Style(info, parameters.cpu().float().numpy(), photo.cpu().float().numpy()))


def _styles_of(network: Path) -> list[Path]:
    """The style files beside a network that fit it and no other."""
    if not network.exists():
        return []
    try:
        found, name = [], network_hash(network)
    except ModelError:  # not a network: no style fits it
        return []
    for path in network.parent.glob(f"*{SUFFIX}"):
        with contextlib.suppress(ModelError):  # weights of something else
            if read_style(path).info.network == name:
                found.append(path)
    return found


def export_generator(generator: Generator, info: ModelInfo, path: Path) -> None:
    """Write the generator as a model file (docs/model-format.md), after checking that ONNX Runtime agrees with torch.

    Batch, height and width are dynamic; weights are float32; normalization is that of eval().

    Args:
        generator: The network.
        info: The file's description. Its entries about sizes and noise are replaced by those of the generator.
        path: The file to write.

    Raises:
        ModelError: The pictures of ONNX Runtime and torch differ by more than 1/255 at any pixel, or the file cannot be
            written.
    """
    model = to_onnx(generator, strength=info.strength)
    for height, width in ((96, 112), (generator.minimum_size + 3, generator.minimum_size + 14)):
        inputs = example_inputs(generator, height=height, width=width)
        difference = disagreement(generator, model, inputs)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{path}: not written: ONNX Runtime's picture differs from torch's by {difference * 255:.1f}/255 "
                "at one pixel; please report this with the run's config.json"
            )
    write_model(path, model, replace(info, **facts(generator)))


def facts(generator: Generator) -> dict[str, Any]:
    """The generator's attributes about sizes and noise, as entries of `ModelInfo`."""
    names = ("minimum_size", "noise_channels", "noise_stride", "noise_scales", "reach", "strides")
    return {name: getattr(generator, name) for name in names}


def example_inputs(generator: Generator, *, height: int, width: int, batch: int = 2) -> dict[str, Tensor]:
    """Random inputs of the generator, the same at every call. All pictures of the batch have one style, a mixture."""
    source = torch.Generator().manual_seed(0)
    inputs = {"image": torch.rand(batch, 3, height, width, generator=source)}
    if generator.noise_channels:
        inputs["noise"] = generator.draw_noise(batch, height, width, source=source)
    if generator.styles > 1:
        inputs["style"] = torch.rand(1, generator.styles, generator=source).softmax(dim=1).expand(batch, -1)
    return inputs


@torch.no_grad()
def disagreement(generator: Generator, model: bytes, inputs: dict[str, Tensor]) -> float:
    """The largest difference of any pixel between ONNX Runtime and torch with these inputs, in [0, 1]."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # suppresses the warning that an input with a default cannot be folded
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    arrays = {name: x.numpy() for name, x in inputs.items()}
    if "strength" in {x.name for x in session.get_overridable_initializers()}:
        arrays["strength"] = arrays.pop("style")[0, :1]
    elif "style" in inputs:
        arrays["style"] = (inputs["style"][0] @ generator.style_parameters().cpu()).numpy()
    (theirs,) = session.run(None, arrays)
    device = next(generator.parameters()).device
    training = generator.training
    ours = generator.eval()(**{name: x.to(device) for name, x in inputs.items()}).clamp(0, 1).cpu().numpy()
    generator.train(training)
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max())
