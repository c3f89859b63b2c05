"""Claim 2: instance normalization is needed at test time too.

arXiv:1607.08022, section 2: "the instance normalization layer is applied at test time as well". The alternative is
measured: a network trained with instance normalization and used with running averages, as
`InstanceNorm2d(track_running_stats=True)` does in eval(). And the reverse: a network trained with batch normalization
and used with the statistics of the single picture.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from experiments.lab import Lab
from experiments.norms import GENERATORS
from experiments.page import Part, Plots, Section, mean, minus, ordered, sheet, spread, spread_terms, table
from impasto.nn.generator import Generator
from impasto.nn.norm import BatchNorm, InstanceNorm
from impasto.training.crops import CropPool
from impasto.training.draws import draw_noise

WAYS = ("as trained", "the other way")


def other_way(lab: Lab, generator: Generator, norm: str) -> Generator:
    """The same weights, used with the other kind of statistics."""
    if norm == "batch":
        return with_own_statistics(generator)
    pool = CropPool(lab.learning, 0, (lab.budget.crop, 2 * lab.budget.crop), seed=1)
    return averaged_over(generator, [pool.cut(index, lab.budget.crop) for index in range(32)])


def with_own_statistics(generator: Generator) -> Generator:
    """A network trained with batch normalization, used with the statistics of the picture itself."""
    changed = copy.deepcopy(generator).eval()
    _replace(changed, BatchNorm, _instance_from)
    return changed


@torch.no_grad()
def averaged_over(generator: Generator, squares: Sequence[Tensor]) -> Generator:
    """A network trained with instance normalization, used with averages of each square's mean and variance.

    That is what torch's layer does in eval() with ``track_running_stats``.
    """
    changed = copy.deepcopy(generator).eval()
    sums: dict[nn.Module, list[Tensor]] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(2, 3))
        both = torch.stack([mean, variance]).mean(dim=1)
        sums.setdefault(layer, []).append(both)

    handles = [layer.register_forward_pre_hook(note) for layer in changed.modules() if isinstance(layer, InstanceNorm)]
    for index, square in enumerate(squares):
        changed(square, draw_noise(changed, range(index, index + 1), square.shape[2:], 1, torch.device("cpu")))
    for handle in handles:
        handle.remove()

    def averaged(layer: nn.Module) -> nn.Module:
        assert isinstance(layer, InstanceNorm)
        made = BatchNorm(layer.weight.shape[1])
        mean, variance = torch.stack(sums[layer]).mean(dim=0)
        made.load_state_dict(
            {"weight": layer.weight[0], "bias": layer.bias[0], "running_mean": mean, "running_var": variance},
            strict=False,
        )
        return made.eval()

    _replace(changed, InstanceNorm, averaged)
    return changed


def _instance_from(layer: nn.Module) -> nn.Module:
    assert isinstance(layer, BatchNorm)
    made = InstanceNorm(layer.num_features)
    made.load_state_dict({"weight": layer.weight[None], "bias": layer.bias[None]})
    return made


def _replace(module: nn.Module, kind: type, make: Any) -> None:
    for name, child in module.named_children():
        if isinstance(child, kind):
            setattr(module, name, make(child))
        else:
            _replace(child, kind, make)


def measure(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for generator in GENERATORS:
        columns = []
        for norm in ("instance", "batch"):
            for way in WAYS:
                used = [
                    one.generator if way == WAYS[0] else other_way(lab, one.generator, norm)
                    for one in lab.arms(generator, norm)
                ]
                found[f"{generator}, {norm}, {way}"] = [lab.evaluate(network) for network in used]
                columns.append([lab.picture(used[0], number) for number in range(min(3, len(lab.held_out)))])
        rows = [list(row) for row in zip(lab.held_out[: len(columns[0])], *columns, strict=True)]
        labels = ("photo", "instance", "inst., averages", "batch", "batch, own")
        sheet(lab, f"in_use_{generator}", rows, labels)
    return found


def report(found: dict[str, Any], plots: Plots) -> Section:
    rows, parts, beside = [], [], []
    for generator in GENERATORS:
        worse = {}
        for norm in ("instance", "batch"):
            statistics = ("its own", "running averages") if norm == "instance" else ("running averages", "its own")
            for name, way in zip(statistics, WAYS, strict=True):
                columns = zip(*found[f"{generator}, {norm}, {way}"], strict=True)
                rows.append([generator, norm, name, *spread_terms(*columns)])
            trained, other = ([terms[2] for terms in found[f"{generator}, {norm}, {way}"]] for way in WAYS)
            worse[norm] = minus(other, trained)
        # One network is used both ways: it is compared with itself, not with other seeds.
        parts.append(
            Part(
                f"{generator}: running averages are worse",
                ordered([0.0] * len(worse["instance"]), worse["instance"]),
                f"The objective rises by {spread(worse['instance'])}, network by network.",
            )
        )
        instance, batch = (
            mean([terms[2] for terms in found[f"{generator}, {norm}, {WAYS[0]}"]]) for norm in ("instance", "batch")
        )
        beside.append(
            Part(
                f"{generator} trained with batch normalization: the picture's own statistics are better",
                ordered(worse["batch"], [0.0] * len(worse["batch"])),
                f"The objective changes by {spread(worse['batch'])}; as trained it is {batch - instance:.3f} above "
                "that with instance normalization.",
                counts=False,
            )
        )
    return Section(
        title="At test time too",
        claim="A network trained with instance normalization needs each picture's own statistics at test time as well.",
        parts=[*parts, *beside],
        rule="a part holds if every network is better with the named statistics than with the others.",
        reason="The networks are those of claim 1. Averages are those of squares of the size used in training, at most "
        "half the size of the photos: part of the difference to a picture's own statistics is due to the size. The "
        "averages that replace instance normalization are over 32 squares, of the variance within each square, as in "
        "torch's layer.",
        figures=[
            (f"in_use_{generator}.jpg", f"{generator}: trained as named, used as trained and the other way.")
            for generator in GENERATORS
        ],
        tables=[table(["generator", "trained with", "used with", "content error", "style error", "objective"], rows)],
    )
