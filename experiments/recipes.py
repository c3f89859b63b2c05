"""Claim 8: the original recipes, run as published except for the budget.

The presets `ulyanov2016`, `ulyanov2017` and `johnson2016` of `impasto train`; docs/papers.md lists, line by line, where
they differ from the publications. Nothing is claimed: it is shown how far each comes with a small budget.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import impasto
from experiments.lab import VERSION, Lab, digest, evenly
from experiments.page import Plots, Section, between, mean, sheet, spread_terms, table
from impasto.errors import TrainingError
from impasto.nn.tensors import to_tensor
from impasto.training.config import PRESETS, TrainConfig
from impasto.training.paths import run_folder
from impasto.training.trainer import train

NAMES = ("ulyanov2016", "ulyanov2017", "johnson2016")
PHOTOS = 256


def measure(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {}
    columns = []
    for name in NAMES:
        for seed in lab.budget.seeds:
            model = _trained(lab, name, seed)
            pictures = [impasto.load(model, precision="float32")(photo) for photo in lab.held_out]
            terms = [lab.terms(to_tensor(picture), number) for number, picture in enumerate(pictures)]
            lines = (run_folder(model) / "log.jsonl").read_text(encoding="utf-8").splitlines()
            # Every tenth step is logged, and one every minute; a resumed run may repeat some.
            own = {line["step"]: line["objective"] for line in map(json.loads, lines) if line["step"] % 10 == 1}
            found.setdefault(name, []).append(
                {
                    "terms": [mean(column) for column in zip(*terms, strict=True)],
                    "own": sorted(own.items()),
                    "seconds": json.loads(lines[-1])["seconds"],
                    "steps": lab.budget.recipe_pictures // PRESETS[name].batch,
                }
            )
            threads = json.loads((run_folder(model) / "config.json").read_text(encoding="utf-8"))["threads"]
            lab.note({"preset": name, "seed": seed}, found[name][-1]["seconds"], threads, _trained_by(model))
            if seed == lab.budget.seeds[0]:
                columns.append(pictures[:3])
    rows = [list(row) for row in zip(lab.held_out[: len(columns[0])], *columns, strict=True)]
    sheet(lab, "recipes", rows, ("photo", *NAMES))
    return found


def _trained(lab: Lab, name: str, seed: int) -> Path:
    """The model of this recipe: from the work folder, or trained now."""
    recipe = PRESETS[name]
    if lab.budget.name == "quick":
        size = lab.budget.crop
        recipe = replace(recipe, crop=size, first_crop=size, style_size=size, photo_from=size, photo_to=size, batch=1)
    steps = lab.budget.recipe_pictures // recipe.batch
    key = digest([str((VERSION, recipe, steps, sorted(lab.origin.items(), key=str)))])
    folder = lab.work / "recipes" / key
    folder.mkdir(parents=True, exist_ok=True)
    config = TrainConfig(
        styles=(lab.style_file,),
        output=folder / f"{name}_{seed}.onnx",
        recipe=recipe,
        preset=name,
        content=_photos(lab),
        minutes=None,
        steps=steps,
        seed=seed,
        threads=torch.get_num_threads(),
        precision="bfloat16" if lab.bfloat16 else "float32",
    )
    done = folder / f"{name}_{seed}.done"
    if not done.exists():
        lab.say(f"training {name}, seed {seed}")
        checkpoint = run_folder(config.output) / "checkpoint.pt"
        result = train(config, resume=checkpoint.exists())
        if not result.finished:
            raise KeyboardInterrupt
        done.write_text(lab.commit, encoding="utf-8")
    return config.output


def _trained_by(model: Path) -> str:
    """The commit of the code that trained it."""
    return model.with_suffix(".done").read_text(encoding="utf-8")


def _photos(lab: Lab) -> Path:
    """A folder with training photos, evenly spaced in the list of all."""
    chosen = evenly(lab.learning, PHOTOS)
    photos = lab.work / "recipes" / f"photos_{digest([str(lab.origin['learning'])])}"
    if not photos.exists():
        part = photos.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for number, path in enumerate(chosen):
            shutil.copyfile(path, part / f"{number:04}{path.suffix}")
        part.rename(photos)
    if len([*photos.iterdir()]) != len(chosen):
        raise TrainingError(f"{photos}: has other files than those that were written: delete it")
    return photos


def report(found: dict[str, Any], plots: Plots) -> Section:
    rows = [
        [
            name,
            str(found[name][0]["steps"]),
            between([one["seconds"] for one in found[name]], 0),
            *spread_terms(*zip(*(one["terms"] for one in found[name]), strict=True)),
        ]
        for name in NAMES
    ]
    lines = {}
    for name in NAMES:
        curves = [dict(map(tuple, one["own"])) for one in found[name]]
        steps = sorted(set.intersection(*map(set, curves)))
        lines[name] = (steps, [[curve[step] / curve[steps[0]] for step in steps] for curve in curves])
    return Section(
        title="The original recipes",
        claim="How far the published recipes come with few steps.",
        parts=(),
        rule="nothing is claimed, so there is no verdict.",
        reason="The published runs take 3,000 (texture_nets_v1), 40,000 (Johnson) and 50,000 steps (texture_nets); "
        f"these take the number in the table, on {PHOTOS} photos (evenly spaced in data.json, by name), logged every "
        "tenth step, in bfloat16 where the processor has it. After so few steps no recipe has a good picture. All "
        "other differences are listed in docs/papers.md, and in the code at each preset.",
        figures=[
            plots.curves(
                "recipes_curves",
                lines,
                x="training steps",
                y="own objective / its first",
                log="y",
            ),
            ("recipes.jpg", "Each recipe after its budget, first seed."),
        ],
        tables=[table(["preset", "steps", "seconds", "content error", "style error", "objective"], rows)],
    )
