"""Claim 7, a style as scales and shifts: those of one style in place of the other's, in the package's network."""

from typing import Any

import torch

from experiments.lab import Lab, file_hash
from experiments.page import sheet
from experiments.why import MIXTURES, PAIR
from impasto.models.catalog import shipped, shipped_network
from impasto.models.modelfile import read_info
from impasto.nn.generators import build_generator
from impasto.nn.losses import YARDSTICK
from impasto.nn.tensors import to_picture
from impasto.optimize.statistics import shipped_statistics
from impasto.training.base import load_base


def measure(lab: Lab) -> dict[str, Any]:
    info = read_info(shipped_network())
    generator = build_generator(info.architecture, {**info.arguments, "styles": 2})
    base = load_base(info.architecture, info.arguments)
    assert base is not None
    one, other = (torch.from_numpy(shipped()[name].parameters) for name in PAIR)
    scales = torch.cat(
        [torch.tensor([True, False]).repeat_interleave(norm.weight.shape[1]) for norm in generator.conditional_norms()]
    )
    parameters = {
        PAIR[0]: one,
        PAIR[1]: other,
        MIXTURES[0]: torch.where(scales, one, other),
        MIXTURES[1]: torch.where(scales, other, one),
    }
    losses = {name: shipped_statistics(name).loss(lab.network, YARDSTICK) for name in PAIR}
    swapped: dict[str, Any] = {}
    rows = []
    for name, vector in parameters.items():
        base.load_into(generator, torch.stack([vector, vector]))
        with torch.no_grad():
            painted = [generator(photo, None, generator.style_weights([0])) for photo in lab.held_out_tensors]
            swapped[name] = {
                style: [
                    float(loss(picture, target).style) for picture, target in zip(painted, lab.targets, strict=True)
                ]
                for style, loss in losses.items()
            }
        rows.append([to_picture(picture) for picture in painted[:3]])
    columns = [list(column) for column in zip(lab.held_out[: len(rows[0])], *rows, strict=True)]
    sheet(lab, "why_swapped", columns, ("photo", *PAIR, "scales 1, shifts 2", "scales 2, shifts 1"))
    return {"network": file_hash(shipped_network()), "swapped": swapped}
