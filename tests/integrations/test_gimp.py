"""The GIMP 3 plug-in on a fake of GIMP's interface. It has not been run in GIMP itself."""

import importlib.util
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from impasto.cli.main import main
from impasto.models.catalog import shipped_names
from impasto.painting.settings import MOST_STRENGTH, STROKE_SIZES
from impasto.pictures.colors import METHODS
from tests.cli.conftest import here  # noqa: F401 (a fixture)
from tests.conftest import make_photo
from tests.integrations import fake_gimp

PLUGIN = Path(__file__).parents[2] / "integrations/gimp/impasto/impasto.py"
INVERT = """
import sys
from PIL import Image, ImageOps
source, target = sys.argv[2], sys.argv[sys.argv.index("-o") + 1]
image = Image.open(source)
painted = ImageOps.invert(image.convert("RGB"))
painted.putalpha(image.getchannel("A"))
painted.save(target)
"""


@pytest.fixture
def plugin(monkeypatch):
    for name, module in fake_gimp.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("gimp_impasto", PLUGIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def command(tmp_path, monkeypatch):
    """A command in place of `impasto` that makes negatives."""
    script = tmp_path / "a command.py"
    script.write_text(INVERT)
    monkeypatch.setenv("IMPASTO_COMMAND", shlex.join([sys.executable, str(script)]))
    return script


def image():
    pixels = np.dstack([make_photo(0, 20, 30), np.full((20, 30), 200, np.uint8)])
    layers = [fake_gimp.Layer(pixels // 2, "top"), fake_gimp.Layer(pixels, "photo", (7, -3))]
    return fake_gimp.Image(layers)


def run(plugin, image, layers, mode="NONINTERACTIVE", **changes):
    made = plugin.Impasto()
    procedure = made.do_create_procedure(plugin.PROCEDURE)
    return made.run(procedure, mode, image, layers, fake_gimp.Config(procedure, **changes), None)


def test_the_layer_is_painted_above_itself_at_its_place(plugin, command):
    photo = image()
    below = photo.layers[1]
    status, error = run(plugin, photo, [below])
    assert (status, error) == ("SUCCESS", None)
    assert [layer.name for layer in photo.layers] == ["top", "photo: great_wave", "photo"]
    painted = photo.layers[1]
    assert painted.place == (7, -3)
    np.testing.assert_array_equal(painted.pixels[..., :3], 255 - below.pixels[..., :3])
    np.testing.assert_array_equal(painted.pixels[..., 3], below.pixels[..., 3])
    assert photo.undo == ["start", "end"]
    assert [made.deleted for made in fake_gimp.created] == [True]


def test_the_dialog_can_be_cancelled(plugin, command):
    fake_gimp.Dialog.answer = False
    photo = image()
    assert run(plugin, photo, [photo.layers[0]], mode="INTERACTIVE")[0] == "CANCEL"
    assert fake_gimp.Dialog.shown == ["Impasto"]
    assert len(photo.layers) == 2
    fake_gimp.Dialog.answer = True
    assert run(plugin, photo, [photo.layers[0]], mode="INTERACTIVE")[0] == "SUCCESS"


def test_a_failure_of_the_command_is_shown_and_changes_nothing(plugin, command):
    command.write_text("import sys\nprint('progress', file=sys.stderr)\nsys.exit('impasto: error: no such style')")
    photo = image()
    status, error = run(plugin, photo, [photo.layers[0]])
    assert status == "EXECUTION_ERROR"
    assert str(error) == "impasto: error: no such style"
    assert len(photo.layers) == 2
    assert photo.undo == ["start", "end"]


def test_a_missing_command_says_what_to_do(plugin, monkeypatch):
    monkeypatch.setenv("IMPASTO_COMMAND", "no-such-command")
    photo = image()
    status, error = run(plugin, photo, [photo.layers[0]])
    assert status == "EXECUTION_ERROR"
    assert "IMPASTO_COMMAND" in str(error)


def test_one_layer_is_painted_at_a_time(plugin):
    photo = image()
    assert run(plugin, photo, photo.layers)[0] == "CALLING_ERROR"
    assert run(plugin, photo, [])[0] == "CALLING_ERROR"


def test_the_choices_are_those_of_impasto(plugin):
    procedure = plugin.Impasto().do_create_procedure(plugin.PROCEDURE)
    assert plugin.Impasto().do_query_procedures() == [plugin.PROCEDURE]
    assert procedure.choices["style"] == sorted(shipped_names())
    assert {*procedure.choices["colors"]} == {"painted", *METHODS}
    assert procedure.limits["strength"] == (0, MOST_STRENGTH)
    assert procedure.limits["stroke-size"][1] == STROKE_SIZES[1]


def test_impasto_understands_the_command(plugin, here):  # noqa: F811
    choices = {"style": "udnie", "strength": 1.0, "stroke": 0.5, "colors": "match"}
    words = plugin.command_line("a.png", "b.png", file="m.onnx", **choices)
    assert words[0] == "impasto"
    assert main(words[1:]) == 0
    assert Path("b.png").exists()
    assert plugin.command_line("a", "b", file="", **choices)[-4:] == ["--style", "udnie", "--keep-colors", "match"]
    assert "--style" in plugin.command_line("a", "b", file="x.safetensors", **choices)


def test_a_command_that_pipx_installed_is_found_without_path(plugin, tmp_path, monkeypatch):
    folder = tmp_path / "home/.local/bin"
    folder.mkdir(parents=True)
    program = folder / "impasto"
    program.write_text(f"#!{sys.executable}\n{INVERT}")
    program.chmod(0o755)
    monkeypatch.delenv("IMPASTO_COMMAND", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(plugin.Path, "home", lambda: tmp_path / "home")
    picture = image()
    run(plugin, picture, picture.layers[1:])
    assert np.array_equal(picture.layers[1].pixels[..., :3], 255 - picture.layers[2].pixels[..., :3])
