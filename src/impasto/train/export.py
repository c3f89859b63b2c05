"""From a trained generator to the model file everyone can run."""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto.errors import ModelError
from impasto.modelfile import ModelInfo, write_model
from impasto.nn.generators import Generator

OPSET = 18
TOLERANCE = 1 / 255
"""How far ONNX Runtime's pixels may lie from torch's, in [0, 1]."""


class _Exported(nn.Module):
    """What the file computes: the generator with its pixels clipped to [0, 1]; a sigmoid's are there already."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, image: Tensor, noise: Tensor | None = None, style: Tensor | None = None) -> Tensor:
        painted: Tensor = self.generator(image, noise, style)
        return painted if self.generator.output == "sigmoid" else painted.clamp(0.0, 1.0)


def export_generator(generator: Generator, info: ModelInfo, path: Path) -> None:
    """Write the generator as a model file (docs/model-format.md), after checking that ONNX Runtime agrees with torch.

    Batch, height and width are dynamic; weights are float32. The generator is used in eval() mode and left as it was.

    Raises:
        ModelError: if the two runtimes differ by more than 1/255 anywhere, or the file cannot be written.
    """
    training = generator.training
    generator.eval()
    try:
        inputs = example_inputs(generator, len(info.styles), batch=2, height=160, width=192)
        data = to_onnx(generator, inputs)
        for height, width in ((160, 192), (generator.minimum_size + 3, generator.minimum_size + 14)):
            difference = disagreement(
                generator, data, example_inputs(generator, len(info.styles), batch=1, height=height, width=width)
            )
            if not difference <= TOLERANCE:
                raise ModelError(
                    f"{path}: not written: ONNX Runtime's picture differs from torch's by {difference * 255:.1f}/255 "
                    "at one pixel: please report this with the run's config.json"
                )
        write_model(path, data, info)
    finally:
        generator.train(training)


def example_inputs(generator: Generator, styles: int, *, batch: int, height: int, width: int) -> dict[str, Tensor]:
    """Inputs of the right shapes, by the names the file gives them; seeded."""
    source = torch.Generator().manual_seed(0)
    inputs = {"image": torch.rand(batch, 3, height, width, generator=source)}
    if generator.noise_channels:
        inputs["noise"] = torch.rand(batch, generator.noise_channels, height, width, generator=source)
    if styles > 1:
        inputs["style"] = torch.full((batch, styles), 1.0 / styles)
    return inputs


def to_onnx(generator: Generator, inputs: dict[str, Tensor]) -> bytes:
    """The generator as an ONNX model with dynamic batch, height and width, by tracing it on ``inputs``."""
    batch = torch.export.Dim("batch", min=1)
    height = torch.export.Dim("height", min=generator.minimum_size)
    width = torch.export.Dim("width", min=generator.minimum_size)
    shapes: dict[str, dict[int, object]] = {
        name: {0: batch} if name == "style" else {0: batch, 2: height, 3: width} for name in inputs
    }
    device = next(generator.parameters()).device
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")  # the exporter's own deprecations, nothing a person could act on
        program = torch.onnx.export(
            _Exported(generator),
            kwargs={name: x.to(device) for name, x in inputs.items()},
            input_names=list(inputs),
            output_names=["stylized"],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    return data


@torch.no_grad()
def disagreement(generator: Generator, model: bytes, inputs: dict[str, Tensor]) -> float:
    """The greatest difference of any pixel between ONNX Runtime and torch on these inputs, in [0, 1]."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {name: x.numpy() for name, x in inputs.items()})
    device = next(generator.parameters()).device
    ours = _Exported(generator)(**{name: x.to(device) for name, x in inputs.items()}).cpu().numpy()
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max())


class _quiet:  # noqa: N801 - reads as a verb
    """Silence a logger that reports optional packages as missing."""

    def __init__(self, name: str) -> None:
        self.logger = logging.getLogger(name)

    def __enter__(self) -> None:
        self.level = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self.logger.setLevel(self.level)
