"""The paper's figures 2, 3 and 5 again, the recipes' pictures, and claims 2 and 3, with results/published's networks.

    python -m experiments figures [--only 2 3 5 recipes uses] [--data FOLDER]

The figures need neither photos nor training: weights, photos and style are in the repository. Claims 2 and 3 ("uses")
are measured on the held-out photos of FOLDER, and left out without it. Some minutes on two cores.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from experiments.at_scale import GENERATORS, SEEDS, SHOWN_FROM
from experiments.at_scale_others import RECIPES
from experiments.contrast import CONTRASTS, LOW_CONTRAST, changed, deviation
from experiments.in_use import averaged_over, with_own_statistics
from experiments.lab import HERE, PAGE, file_hash
from experiments.plan import NORMS, QUICK, load_records
from experiments.published import RECORDS, RECORDS_GPU, Arm, Scale, Studio
from impasto.errors import ImpastoError, TrainingError
from impasto.evaluation import artifacts
from impasto.evaluation.measures import StyleMeasure
from impasto.files import replacing
from impasto.nn.generator import Generator
from impasto.nn.losses import PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import save_image
from impasto.training.draws import draw_noise

EXAMPLES = HERE.parent / "examples"
PHOTO = EXAMPLES / "photos" / "castle.jpg"
STYLE = EXAMPLES / "more_styles" / "starry_night.jpg"
AVERAGED = 32
"""Squares whose statistics replace the picture's own, for claim 2."""
MEASURED = 2
"""Held-out photos to which the slow measures of `impasto evaluate` are applied."""
SIZES = (512, 1080)
"""The paper's, short sides in pixels."""
SHOWN = {"texture pyramid": "texture-{}-0", "residual": "residual16-{}-0"}
"""The generators of figure 5, and the records of their networks."""
CORNER = 128
"""Side of what figure 3 shows of the border, pixels."""
DETAIL = 400
"""Side of the part that is shown pixel by pixel at the larger size."""


WHAT = ("2", "3", "5", "recipes", "uses")
"""What the command makes."""


def records_folder() -> Path:
    """Where the main records are: those of a GPU, if there are any."""
    return RECORDS_GPU if RECORDS_GPU.exists() else RECORDS


def load_network(folder: Path, name: str) -> Generator:
    """The network of this record, in eval().

    Raises:
        TrainingError: there is none.
    """
    file = folder / f"{name}.json"
    if not file.exists():
        raise TrainingError(f"{file}: this network is not trained yet: python -m experiments published --data FOLDER")
    generator = Arm(**json.loads(file.read_text(encoding="utf-8"))["arm"]).build()
    weights = {key: value.float() for key, value in load_file(file.with_suffix(".safetensors")).items()}
    generator.load_state_dict({**generator.state_dict(), **weights})
    return generator.eval()


@torch.no_grad()
def painted(generator: Generator, photo: Pixels) -> Pixels:
    """The photo repainted in one pass."""
    noise = draw_noise(generator, range(1), photo.shape[:2], 0, torch.device("cpu"))
    return to_picture(generator(to_tensor(photo), noise).clamp(0, 1))


class Remade:
    """The figures.

    Args:
        folder: the records of the networks.
        page: where pictures are written.
        sizes: short sides of the photos, pixels; the paper's.
        fewest: steps that a network must have taken to be shown.
        say: called with messages on progress.
    """

    def __init__(
        self,
        folder: Path,
        page: Path,
        say: Callable[[str], None],
        sizes: tuple[int, int] = (SIZES[0], SIZES[1]),
        fewest: int = SHOWN_FROM,
    ) -> None:
        self.folder, self.page, self.say, self.sizes, self.fewest = folder, page, say, sizes, fewest
        there = load_records(folder)
        self.generators = {
            title: {norm: load_network(folder, name.format(norm)) for norm in NORMS}
            for title, name in SHOWN.items()
            if all(name.format(norm) in there and there[name.format(norm)]["step"] >= fewest for norm in NORMS)
        }
        self.steps = {
            f"{title}, {norm}": there[SHOWN[title].format(norm)]["step"] for title in self.generators for norm in NORMS
        }
        if not self.generators:
            raise TrainingError(f"{folder}: no generator has taken {fewest} steps with both normalizations yet")

    def photo(self, size: int) -> Pixels:
        """The example photo at this short side."""
        return resize_short_side(load_image(PHOTO), size)

    def figure_2(self) -> None:
        """Falling contrast, and what each network makes of it."""
        faded = [changed(self.photo(self.sizes[0]), contrast) for contrast in CONTRASTS]
        rows, captions = [faded], [[f"photo, contrast {contrast:g}" for contrast in CONTRASTS]]
        for title, by_norm in self.generators.items():
            for norm in NORMS[::-1]:
                rows.append([painted(by_norm[norm], photo) for photo in faded])
                captions.append([f"{title}, {norm}"] * len(faded))
        self._save("remade_2", contact_sheet(rows, captions=captions, cell=300))

    def figure_3(self) -> None:
        """Two corners, pixel by pixel, enlarged three times."""
        photo = self.photo(self.sizes[0])
        corners = {
            "top left": (slice(None, CORNER), slice(None, CORNER)),
            "bottom right": (slice(-CORNER, None), slice(-CORNER, None)),
        }
        pictures = {"photo": photo}
        for title, by_norm in self.generators.items():
            for norm in NORMS[::-1]:
                pictures[f"{title}, {norm}"] = painted(by_norm[norm], photo)
        rows = [[_enlarged(picture[corner], 3) for picture in pictures.values()] for corner in corners.values()]
        self._save("remade_3", contact_sheet(rows, labels=list(pictures), cell=3 * CORNER))

    def figure_5(self) -> None:
        """Both generators with both normalizations, at both sizes."""
        for size in self.sizes:
            photo = self.photo(size)
            rows, captions = [], []
            beside = {"batch": (photo, "photo"), "instance": (_like(load_image(STYLE), photo), "style, cropped")}
            results = {
                (title, norm): painted(by_norm[norm], photo)
                for title, by_norm in self.generators.items()
                for norm in NORMS
            }
            for norm in NORMS[::-1]:
                rows.append([beside[norm][0], *(results[title, norm] for title in self.generators)])
                names = [f"{title}, {norm}" for title in self.generators]
                captions.append([beside[norm][1], *(f"{name}, {self.steps[name]} steps" for name in names)])
            self._save(f"remade_5_{SIZES[self.sizes.index(size)]}", contact_sheet(rows, captions=captions, cell=480))
        part = min(DETAIL, *photo.shape[:2])
        middle = [slice((side - part) // 2, (side + part) // 2) for side in photo.shape[:2]]
        details = [[results[title, norm][middle[0], middle[1]] for title in self.generators] for norm in NORMS[::-1]]
        captions = [[f"{title}, {norm}" for title in self.generators] for norm in NORMS[::-1]]
        self._save("remade_5_detail", contact_sheet(details, captions=captions, cell=DETAIL))

    def figure_recipes(self) -> None:
        """The photo, and what the network of each recipe makes of it."""
        photo, there = self.photo(self.sizes[0]), load_records(self.folder)
        pictures = {"photo": photo}
        for recipe, name in RECIPES.items():
            if name in there and there[name]["step"] >= self.fewest:
                label = f"{recipe}, {there[name]['step']} steps"
                pictures[label] = painted(load_network(self.folder, name), photo)
        rows = [[*pictures.values()][first : first + 2] for first in range(0, len(pictures), 2)]
        captions = [[*pictures][first : first + 2] for first in range(0, len(pictures), 2)]
        self._save("remade_recipes", contact_sheet(rows, captions=captions, cell=480))

    def uses(self, studio: Studio) -> None:
        """Claims 2 and 3: the other statistics in use, and photos at a quarter of their contrast, of all seeds.

        Beside them, for claim 1, the measures of `impasto evaluate`. Networks that have not gone on since they were
        measured are not measured again.
        """
        file = self.folder / "uses.json"
        photos = [path.name for path in studio.held_out_files]
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"photos": []}
        networks = kept.get("networks", {}) if kept["photos"] == photos else {}
        measure = StyleMeasure(to_tensor(resize_short_side(studio.style, studio.scale.photo_size)), studio.network)
        side = studio.scale.crop
        squares = [to_tensor(studio.photos[path][:side, :side]) for path in studio.learning[:AVERAGED]]
        for name, record in self.measured().items():
            weights = file_hash(self.folder / f"{name}.safetensors")
            if networks.get(name, {}).get("weights") == weights:
                continue
            self.say(f"claims 2 and 3: {name}")
            arm, generator = Arm(**record["arm"]), load_network(self.folder, name)
            own = studio.own_loss(arm)
            other = averaged_over(generator, squares) if arm.norm == "instance" else with_own_statistics(generator)
            rows = [
                _used(photo, generator, other, own, measure if number < MEASURED else None)
                for number, photo in enumerate(studio.held_out)
            ]
            networks[name] = {"step": record["step"], "weights": weights, "photos": rows}
        with replacing(file, TrainingError) as part:
            part.write_text(json.dumps({"photos": photos, "networks": networks}, indent=1) + "\n", encoding="utf-8")

    def measured(self) -> dict[str, Any]:
        """The records of the networks of claim 1 that have taken enough steps, by name."""
        names = [f"{name}-{norm}-{seed}" for name in GENERATORS.values() for seed in range(SEEDS) for norm in NORMS]
        there = load_records(self.folder)
        return {name: there[name] for name in names if name in there and there[name]["step"] >= self.fewest}

    def _save(self, name: str, picture: Pixels) -> None:
        self.page.mkdir(parents=True, exist_ok=True)
        save_image(self.page / f"{name}.jpg", picture, quality=85)
        self.say(f"{name}.jpg")


@torch.no_grad()
def _used(
    pixels: Pixels, generator: Generator, other: Generator, own: PerceptualLoss, measure: StyleMeasure | None
) -> dict[str, Any]:
    """Of one photo: its own objective as trained and the other way, the change with contrast, and the measures."""
    photo = to_tensor(pixels)
    target = own.content_target(photo)
    noise = draw_noise(generator, range(1), photo.shape[2:], 0, torch.device("cpu"))
    plain, elsewise, faint, unrounded = (
        network(seen, noise).clamp(0, 1)
        for network, seen in (
            (generator, photo),
            (other, photo),
            (generator, to_tensor(changed(pixels, LOW_CONTRAST))),
            (generator, (photo - 0.5) * LOW_CONTRAST + 0.5),
        )
    )
    found: dict[str, Any] = {
        "change": 255 * float((faint - plain).abs().mean()),
        "unrounded": 255 * float((unrounded - plain).abs().mean()),
        "kept": deviation(faint) / deviation(plain),
        "as_trained": float(own(plain, target).total),
        "other_way": float(own(elsewise, target).total),
    }
    if measure is not None:
        scores = asdict(measure.compare(plain, measure.reference(photo)))
        found["measures"] = {**scores, "border": artifacts.measure(to_picture(plain), pixels).border}
    return found


def _like(picture: Pixels, photo: Pixels) -> Pixels:
    """The middle of the picture, in the photo's proportions."""
    height = min(picture.shape[0], round(picture.shape[1] * photo.shape[0] / photo.shape[1]))
    width = min(picture.shape[1], round(height * photo.shape[1] / photo.shape[0]))
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _enlarged(picture: Pixels, times: int) -> Pixels:
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Make them; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments figures", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=WHAT, default=WHAT)
    parser.add_argument("--data", type=Path, help="folder with content/open and styles")
    parser.add_argument("--quick", action="store_true", help="tiny, of a quick run's networks in the work folder")
    parser.add_argument("--work", type=Path, default=HERE.parent / "runs" / "paper")
    options = parser.parse_args(arguments)
    folder, page = records_folder(), PAGE
    if options.quick:
        folder, page = options.work / "results" / "published", options.work / "page"
    try:
        remade = Remade(folder, page, say, (96, 128), 1) if options.quick else Remade(folder, page, say)
        for name in options.only:
            if name != "uses":
                getattr(remade, f"figure_{name}")()
            elif options.data or options.quick:
                scale = QUICK if options.quick else Scale()
                remade.uses(Studio(options.data, scale, options.work, folder, torch.device("cpu"), say))
            else:
                say("claims 2 and 3 are left as they are: they need --data FOLDER")
    except ImpastoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
