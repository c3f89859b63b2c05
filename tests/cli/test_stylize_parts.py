"""`impasto stylize` on parts of a batch, lists of paths, and a Ray cluster (a fake)."""

import json
import sys

import pytest

from impasto.cli.main import main
from impasto.pictures.write import save_image
from tests.cli.commands import fails, paints
from tests.conftest import make_photo
from tests.painting.fake_ray import FakeRay


@pytest.fixture
def photos(here):
    for number in range(6):
        (here / "in").mkdir(exist_ok=True)
        save_image(here / "in" / f"{number}.png", make_photo(number, 20, 24))
    (here / "list.txt").write_text("".join(f"in/{number}.png\n" for number in range(6)))
    return here


@pytest.fixture
def ray(monkeypatch):
    made = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


def names(folder):
    return sorted(path.name for path in folder.rglob("*.png"))


def test_shards_paint_everything_once(photos, capsys):
    paints("in", "-o", "out", "--shard", "1/2")
    first = names(photos / "out")
    paints("in", "-o", "out", "--shard", "2/2")
    assert 0 < len(first) < 6
    assert names(photos / "out") == [f"{number}.png" for number in range(6)]
    capsys.readouterr()
    paints("in", "-o", "out", "--resume")
    assert "6 of 6 results exist" in capsys.readouterr().err
    assert "shard must be I/N" in fails(capsys, 2, "stylize", "in", "-o", "out", "-m", "m.onnx", "--shard", "2")


def test_a_list_is_painted_into_a_folder(photos, capsys):
    paints("--list", "list.txt", "-o", "out")
    assert names(photos / "out/in") == [f"{number}.png" for number in range(6)]
    paints("a.png", "--list", "list.txt", "-o", "more")
    assert (photos / "more/a.png").exists()
    assert "give at least one" in fails(capsys, 2, "stylize", "-o", "out", "-m", "m.onnx")
    assert "no.txt" in fails(capsys, 2, "stylize", "--list", "no.txt", "-o", "x", "-m", "m.onnx")


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (["--ray"], "local"),
        (["--ray", "auto"], "auto"),
        (["--ray", "head:6379"], "head:6379"),
        (["--ray=auto"], "auto"),
    ],
)
def test_ray_takes_an_address_or_none(photos, ray, words, address, monkeypatch):
    monkeypatch.setattr("impasto.painting.ray_pool._check_answers", lambda address: None)
    paints(*words, "in", "-o", "out")
    assert ray.addresses == [address]
    assert names(photos / "out") == [f"{number}.png" for number in range(6)]


def test_what_ray_prints_is_not_among_the_results(photos, ray, capsys):
    ray.says = "(raylet) A worker died.\n"
    paints("in", "-o", "out", "--ray", "--json")
    shown = capsys.readouterr()
    assert len([json.loads(line) for line in shown.out.splitlines()]) == 6
    assert ray.says in shown.err


def test_ray_paints_a_list_and_resumes(photos, ray, capsys):
    paints("--list", "list.txt", "-o", "out", "--ray", "auto", "--shard", "1/2")
    first = names(photos / "out")
    assert 0 < len(first) < 6
    (photos / "list.txt").write_text((photos / "list.txt").read_text() + "in/missing.png\n")
    words = ["stylize", "--list", "list.txt", "-o", "out", "--ray", "auto", "--resume", "-m", "m.onnx"]
    assert main(words) == 1
    assert "in/missing.png" in capsys.readouterr().err
    assert names(photos / "out/in") == [f"{number}.png" for number in range(6)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in", "--ray", "--dry-run"], "--dry-run"),
        (["in/0.png", "--ray", "--grid"], "--grid"),
        (["in", "--list", "list.txt", "--ray"], "takes the list alone"),
        (["--list", "-", "--ray"], "takes the list alone"),
    ],
)
def test_what_ray_cannot_do_is_wrong_usage(photos, ray, capsys, words, message):
    assert message in fails(capsys, 2, "stylize", *words, "-o", "out", "-m", "m.onnx")
