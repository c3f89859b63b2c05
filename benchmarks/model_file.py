"""Time reading and rewriting a model file; compare with the `onnx` package, and with storing the layout in the file.

python benchmarks/model_file.py [--repeats 15]

Prints for each shipped network: milliseconds (the minimum of all repeats) for reading, parsing and rewriting with the
project's codec; the size of the file and of its channels-last form; and seconds for a picture of 512 x 384 pixels with
one thread of ONNX Runtime, in both layouts. Then the milliseconds to import the `onnx` package after numpy.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
from stopwatch import timed

from impasto.models import forms
from impasto.models.catalog import VARIANTS, shipped, shipped_network
from impasto.models.modelfile import read_model
from impasto.models.onnx_file import parse_model
from impasto.models.runtime import onnx_runtime


def least(work: Callable[[], object], repeats: int) -> float:
    """The minimum time of the work, milliseconds."""
    return 1000 * min(timed(work) for _ in range(repeats))


def paint(content: bytes, inputs: dict[str, np.ndarray]) -> Callable[[], object]:
    """A function that paints with this graph."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)


def import_onnx(repeats: int) -> float:
    """Milliseconds to import onnx after numpy, in processes of their own."""
    code = "import time, numpy; start = time.perf_counter(); import onnx; print(time.perf_counter() - start)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(repeats)]
    return 1000 * min(float(run.stdout) for run in runs)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    image = np.random.default_rng(0).random((1, 3, 384, 512), dtype=np.float32)
    for variant in VARIANTS:
        path = shipped_network(variant)
        file = read_model(path)
        content, ranges = file.content, file.info.ranges
        model = parse_model(content)
        last = forms.rewrite(content, channels_last=True)
        work: dict[str, Callable[[], object]] = {
            "read": partial(read_model, path),
            "parse": partial(parse_model, content),
            "encode": model.encoded,
            "channels last": partial(forms.rewrite, content, channels_last=True),
            "and 8 bits": partial(forms.rewrite, content, ranges=ranges, channels_last=True),
            "measuring": partial(forms.rewrite, content, "measuring", channels_last=True),
            "frozen": partial(forms.rewrite, content, "frozen", channels_last=True),
        }
        figures = "; ".join(f"{name} {least(each, repeats):.1f}" for name, each in work.items())
        print(f"{variant}: {len(content)} bytes, channels last {len(last)}; milliseconds: {figures}")
        inputs = {"image": image, "style": shipped(variant)["udnie"].parameters}
        plain, changed = (least(paint(graph, inputs), repeats) / 1000 for graph in (content, last))
        more = changed / plain - 1
        print(f"{variant}: ONNX Runtime {plain:.3f} s a picture, channels last {changed:.3f} s ({more:+.0%})")
    print(f"import onnx: {import_onnx(min(repeats, 5)):.0f} ms")


if __name__ == "__main__":
    main()
