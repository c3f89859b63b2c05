"""Time one frame with Impasto's generators and other projects' networks, alternating in one process.

    make bench DATA=folder
    python benchmarks/speed.py [--data DATA] [--size 1280x720] [--rounds 9] [--out benchmarks/speed.json] [--plot FILE]

Every round runs every network once (A B C A B C). Medians and their ratios are reported, as other programs may use the
computer. "best" and "fast" are the shipped networks, in one of their styles; other sizes of `light` are untrained, with
a strength input as `impasto train` writes them: speed does not depend on weights. DATA/peers contains other projects'
networks; without DATA they are left out. A whole call is timed, from uint8 picture to uint8 picture; for PyTorch,
multistyle26 and "statistics given" (the frozen form, with the statistics of an earlier frame) only the network.

"of peak" is the rate of multiplications and additions in the network's convolutions, relative to the rate that a matrix
product of 2048 x 2048 reaches in the same process and precision. Networks also run in 8 bits and bfloat16 if these are
faster on this processor.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from quality import OneOfMany
from stopwatch import timed

from impasto.models.catalog import Variant
from impasto.models.modelfile import ModelInfo
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.painting.engine import Array
from impasto.painting.load import load, load_foreign
from impasto.painting.settings import AS_IT_IS
from impasto.painting.stylizer import Stylizer
from impasto.processor import has_int8, has_quick_bfloat16
from impasto.training.config import PRESETS
from impasto.training.export import export_generator
from impasto.training.ranges import feature_ranges

SHIPPED: dict[Variant, str] = {"best": "impasto", "fast": "fast"}
"""Each shipped network, and the preset of its shape."""
UNTRAINED = {
    "light, 96 channels": {"width": 96},
    "light, 64 channels, 3 blocks": {"width": 64, "blocks": 3},
    "light, 48 channels": {"width": 48},
    "light, 48 channels, 3 blocks": {"width": 48, "blocks": 3},
}
GIVEN = "statistics given"
JOHNSON = "Johnson 2016, PyTorch eager"
MULTISTYLE = "multistyle26, ONNX Runtime"


def operations(generator: Generator, height: int, width: int) -> float:
    """Multiplications and additions of the convolutions for one frame."""
    total = 0

    def count(module: torch.nn.Module, taken: tuple[torch.Tensor, ...], given: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module, torch.nn.Conv2d)
        total += 2 * given.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in generator.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        generator.eval()(torch.rand(1, 3, height // 4, width // 4), None, generator.style_weights([0]))
    for hook in hooks:
        hook.remove()
    return 16.0 * total


def with_statistics(stylizer: Stylizer, batch: Array) -> Callable[[], object]:
    """A function that paints with the statistics of a frame that was painted before."""
    network = stylizer.network
    inputs = {"image": batch, **network.style_inputs(stylizer.style, 1.0)}
    _, statistics = network.measure(inputs)
    network.release("measuring")
    return lambda: network.run_frozen({**inputs, **statistics})


def matrix_peak(number_format: torch.dtype, size: int = 2048) -> float:
    """Operations per second of a matrix product."""
    a, b = ((100 * torch.rand(size, size)).to(number_format) for _ in range(2))
    multiply = torch._int_mm if number_format == torch.int8 else torch.mm
    times = [timed(lambda: multiply(a, b)) for _ in range(9)]
    return 2.0 * size**3 / statistics.median(times[2:])


def engines() -> dict[str, dict[str, Any]]:
    """The engines on this computer: a name, and the arguments of `load`."""
    found: dict[str, dict[str, Any]] = {"OpenVINO": {"backend": "openvino", "precision": "float32"}}
    if has_int8():
        found["OpenVINO int8"] = {"backend": "openvino", "precision": "int8"}
    if has_quick_bfloat16():
        found["OpenVINO bfloat16"] = {"backend": "openvino", "precision": "bfloat16"}
    return found | {"ONNX Runtime": {"backend": "onnxruntime", "precision": "float32"}}


def plot(seconds: dict[str, list[float]], size: str, file: Path) -> None:
    """Draw the medians as bars, with Impasto's and other networks in two colors, and the range as error bars."""
    from matplotlib.figure import Figure

    names = sorted(seconds, key=lambda name: -statistics.median(seconds[name]))
    medians = [1000 * statistics.median(seconds[name]) for name in names]
    below = [median - 1000 * min(seconds[name]) for name, median in zip(names, medians, strict=True)]
    above = [1000 * max(seconds[name]) - median for name, median in zip(names, medians, strict=True)]
    colors = ["#0b5fa5" if name.startswith((*SHIPPED, *UNTRAINED)) else "#b0b0b0" for name in names]
    figure = Figure(figsize=(8, 0.32 * len(names) + 0.8), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, medians, xerr=[below, above], color=colors, ecolor="#444", capsize=2)
    axes.set(xscale="log", xlabel=f"one {size} frame, milliseconds (log scale); blue: ours", xlim=(20, None))
    for median, y in zip(medians, range(len(names)), strict=True):
        axes.text(21, y, f"{median:.0f}", va="center", color="white", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    figure.savefig(file, dpi=120, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/speed.json"))
    parser.add_argument("--plot", type=Path, default=Path("docs/images/speed.png"))
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    batch = np.ascontiguousarray(frame.transpose(2, 0, 1)[np.newaxis], dtype=np.float32) / np.float32(255)
    work: dict[str, Callable[[], object]] = {}
    cost: dict[str, float] = {}

    with tempfile.TemporaryDirectory() as folder:
        for variant, preset in SHIPPED.items():
            name: str = variant
            recipe = PRESETS[preset]
            network = build_generator(recipe.generator, recipe.generator_arguments())
            arithmetic = operations(network, height, width)
            for engine, how in engines().items():
                stylizer = load("udnie", variant=variant, **how)
                work[f"{name}, {engine}"] = partial(stylizer, frame, AS_IT_IS)
                cost[f"{name}, {engine}"] = cost[f"{name}, {GIVEN}, {engine}"] = arithmetic
                work[f"{name}, {GIVEN}, {engine}"] = with_statistics(stylizer, batch)
        for name, arguments in UNTRAINED.items():
            torch.manual_seed(0)
            generator = build_generator("light", {**arguments, "styles": 2})
            path = Path(folder) / f"{name}.onnx"
            ranges = feature_ranges(generator, [torch.rand(1, 3, 256, 256)])
            info = ModelInfo(architecture="light", arguments=arguments, styles=("s",), ranges=ranges, strength=True)
            export_generator(generator, info, path)
            for engine, how in engines().items():
                stylizer = load(path, **how)
                work[f"{name}, {engine}"] = partial(stylizer, frame, AS_IT_IS)
                cost[f"{name}, {engine}"] = operations(generator, height, width)
        recipe = PRESETS["johnson2016"]
        johnson = build_generator(recipe.generator, recipe.generator_arguments()).eval()
        image = torch.from_numpy(batch)
        cost[JOHNSON] = operations(johnson, height, width)

        def run_johnson() -> None:
            with torch.inference_mode():
                johnson(image)

        work[JOHNSON] = run_johnson
        if options.data is not None:
            peers = options.data / "peers"
            multistyle = OneOfMany(peers / "multistyle26.onnx", 19)
            work[MULTISTYLE] = lambda: multistyle.run_all({"image": batch})
            for name in ("pt_udnie_nc16_b4_e2_1e05_1e10", "lengstrom_udnie"):
                for engine, how in engines().items():
                    if how["precision"] == "int8":  # nobody knows its ranges
                        continue
                    peer = load_foreign(peers / f"{name}.onnx", **how)
                    work[f"{name}, {engine}"] = partial(peer, frame, AS_IT_IS)

        peaks = {kind: matrix_peak(getattr(torch, kind)) for kind in ("float32", "bfloat16", "int8")}
        for run in work.values():
            run()  # compiles, allocates
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(options.rounds):
            for name, run in work.items():
                seconds[name].append(timed(run))

    medians = {name: statistics.median(found) for name, found in seconds.items()}
    print(f"{options.size}, {os.cpu_count()} cores, {platform.machine()}, {options.rounds} rounds")
    print(", ".join(f"{name} matrix product: {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()) + "\n")
    ratio = [JOHNSON, *([MULTISTYLE] if MULTISTYLE in medians else [])]
    print("| network | ms | frames/s | GFLOP/s | of peak | " + " | ".join(f"x {name}" for name in ratio) + " |")
    print("|---|" + "---|" * (4 + len(ratio)))
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        peak = peaks[next((kind for kind in ("bfloat16", "int8") if kind in name), "float32")]
        speed = f"{cost[name] / median / 1e9:.0f} | {cost[name] / median / peak:.0%}" if name in cost else " | "
        faster = " | ".join(f"{medians[other] / median:.1f}" for other in ratio)
        print(f"| {name} | {1000 * median:.0f} | {1 / median:.1f} | {speed} | {faster} |")
    record = {"size": options.size, "peaks": peaks, "seconds": seconds, "operations": cost}
    options.out.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    plot(seconds, options.size, options.plot)


if __name__ == "__main__":
    main()
