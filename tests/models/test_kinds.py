"""Pictures, styles, models and settings are told apart by what they hold."""

import io
import os

import pytest
from PIL import Image

import impasto
from impasto.errors import UsageError
from impasto.models.catalog import shipped_network
from impasto.models.kinds import check_kind, kind_of
from impasto.painting.settings import SavedSettings, write_settings
from tests.conftest import make_photo
from tests.graphs import write_test_model


def picture(format):
    file = io.BytesIO()
    Image.fromarray(make_photo(0)).save(file, format)
    return file.getvalue()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """One file of each kind, and with extensions that say something else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    write_test_model("model.onnx")
    write_settings("settings.json", SavedSettings(style={"udnie": 1.0}))
    style = (shipped_network().parent / "udnie.safetensors").read_bytes()
    (tmp_path / "style.safetensors").write_bytes(style)
    (tmp_path / "style.onnx").write_bytes(style)
    (tmp_path / "model").write_bytes((tmp_path / "model.onnx").read_bytes())
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        (tmp_path / f"picture.{format.lower()}").write_bytes(picture(format))
    (tmp_path / "picture.onnx").write_bytes(picture("PNG"))
    (tmp_path / "picture").write_bytes(picture("JPEG"))
    (tmp_path / "damaged.jpg").write_bytes(b"nothing")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "empty").touch()
    return tmp_path


def test_files_are_told_apart(files):
    for path in files.iterdir():
        expected = {"damaged": "picture", "notes": None, "empty": None}.get(path.stem, path.stem)
        assert kind_of(path) == expected, path.name
    assert kind_of("missing") is None
    assert kind_of(300 * "x") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_nothing_is_read_from_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    check_kind(tmp_path / "pipe.png", "style")  # would wait


@pytest.mark.parametrize(
    ("file", "wanted", "message"),
    [
        (
            "picture.png",
            "style",
            "is a picture, not a style file: learn it first, `impasto train picture.png -o picture.onnx`",
        ),
        ("picture", "model", "is a picture, not a model file: learn it first, `impasto train picture -o picture.onnx`"),
        ("style.safetensors", "model", "is a style file, not a model file: give it with --style"),
        ("model.onnx", "style", "is a model file, not a style file: give it with --model"),
        ("settings.json", "style", "is a settings file, not a style file: give it with --settings"),
        ("model.onnx", "picture", "is a model file, not a picture: give a picture"),
        ("folder", "style", "is a folder, not a style file: give one of the files in it"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_advice(files, file, wanted, message):
    with pytest.raises(UsageError) as error:
        check_kind(file, wanted)
    assert str(error.value) == f"{file}: {message}"


@pytest.mark.parametrize("file", ["notes.txt", "missing", "empty"])
def test_what_is_unknown_passes(files, file):
    check_kind(file, "style")


def test_the_command_in_the_advice_can_be_pasted(files):
    name = "my $painting's.png"
    (files / name).write_bytes(picture("PNG"))
    with pytest.raises(UsageError, match="learn it first") as error:
        check_kind(name, "style")
    import shlex

    command = str(error.value).partition("`")[2].rstrip("`")
    assert shlex.split(command) == ["impasto", "train", name, "-o", "my $painting's.onnx"]


def test_loading_a_picture_says_to_learn_it_first(files):
    with pytest.raises(UsageError, match=r"is a picture.*`impasto train picture.png -o picture.onnx`"):
        impasto.load("picture.png")
