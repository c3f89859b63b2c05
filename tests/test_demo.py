import csv
import subprocess
import sys
from pathlib import Path

import pytest

import impasto
from examples.demo import TITLE
from impasto.pictures.read import load_image

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


@pytest.mark.slow
def test_the_demo_paints_in_shipped_styles_then_learns_one_and_paints_in_it(tmp_path):
    command = [sys.executable, str(EXAMPLES / "demo.py"), "0.2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()[0].split(":")[0], done.stdout.splitlines()[-1]
    assert Path(first) == tmp_path / "demo" / "shipped.jpg"
    assert Path(last) == tmp_path / "demo" / "learned.jpg"
    assert min(load_image(first).shape[:2]) > 1500
    assert min(load_image(last).shape[:2]) > 1500
    assert len([*(tmp_path / "demo" / "painted").iterdir()]) == len([*(EXAMPLES / "photos").iterdir()]) == 5


def test_the_demo_learns_a_style_that_is_not_shipped():
    titles = {style.title for style in impasto.styles()}
    assert TITLE.split(" (")[0] not in titles


@pytest.mark.parametrize(
    "folder", [EXAMPLES, ROOT / "packages/impasto-train-data/src/impasto_train_data/photos"], ids=lambda path: path.name
)
def test_every_example_has_its_license_in_the_manifest(folder):
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    pictures = {p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg")}
    assert pictures == rows.keys()
    for row in rows.values():
        assert row["license"].startswith(("CC0", "CC-BY", "public-domain")), row
        assert row["author"]
        assert row["source"]
