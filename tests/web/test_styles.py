"""Styles that were learned here, and how a request says what to paint with."""

import json

import pytest

from impasto.models.catalog import shipped_names
from impasto.web.limits import Refusal
from impasto.web.styles import Styles, command_of, settings_file
from tests.web.conftest import add_negative


@pytest.fixture
def styles(tmp_path):
    add_negative(tmp_path)
    return Styles(tmp_path / "styles")


def add(styles, folder, title):
    (folder / "a.onnx").write_bytes(b"model")
    (folder / "a.jpg").write_bytes(b"picture")
    return styles.add(title, "model", folder / "a.onnx", folder / "a.jpg")


def test_own_styles_come_first_the_newest_before_the_others(styles, tmp_path):
    name = add(styles, tmp_path, "Meine Küche!")
    assert name == "meine_k_che"
    assert styles.names() == [name, "negative", *shipped_names()]
    assert styles.records()[0]["title"] == "Meine Küche!"


def test_a_name_is_given_once(styles, tmp_path):
    assert [add(styles, tmp_path, "Udnie") for _ in range(2)] == ["udnie_2", "udnie_3"]


def test_a_style_is_renamed_with_its_files_and_deleted(styles, tmp_path):
    assert styles.rename("negative", "Not so") == "not_so"
    assert styles.file("not_so").is_file()
    assert styles.picture("not_so").is_file()
    with pytest.raises(Refusal):
        styles.file("negative")
    styles.delete("not_so")
    assert not list((tmp_path / "styles").iterdir())


def test_another_title_may_leave_the_name(styles):
    assert styles.rename("negative", "NEGATIVE") == "negative"
    assert styles.records()[0]["title"] == "NEGATIVE"
    assert styles.file("negative").is_file()


def test_what_comes_with_impasto_cannot_be_changed(styles):
    for change in (lambda: styles.rename("udnie", "x"), lambda: styles.delete("udnie"), lambda: styles.file("udnie")):
        with pytest.raises(Refusal) as refused:
            change()
        assert refused.value.status == 403


@pytest.mark.parametrize("name", ["../negative", "negative/../negative", "", ".", "NEGATIVE", "a" * 100, "negative\0"])
def test_a_name_is_never_a_path(styles, name):
    with pytest.raises(Refusal) as refused:
        styles.file(name)
    assert refused.value.status == 404


def test_a_style_whose_file_was_deleted_is_named(styles, tmp_path):
    (tmp_path / "styles" / "negative.onnx").unlink()
    with pytest.raises(Refusal, match="the style negative has lost its file"):
        styles.read_options({"styles": {"negative": 1}}, None)


def test_a_damaged_record_hides_only_its_style(styles, tmp_path):
    (tmp_path / "styles" / "broken.json").write_text("{")
    assert "broken" not in styles.names()
    assert "negative" in styles.names()


def test_the_command_and_the_settings_file_say_the_same(styles):
    body = {"styles": {"udnie": 1, "great_wave": 0.5}, "settings": {"strength": 0.5, "crisp": True}, "variant": "fast"}
    options = styles.read_options(body, None)
    assert command_of(options) == (
        "impasto stylize PHOTO.jpg -o PAINTED.jpg --style udnie:1 --style great_wave:0.5 --fast --strength 0.5 --crisp"
    )
    soft = command_of(styles.read_options({"styles": {"udnie": 1}, "settings": {"crisp": False}}, None))
    assert soft.endswith("--style udnie --no-crisp")
    saved = json.loads(settings_file(options))
    assert saved["style"] == {"udnie": 1, "great_wave": 0.5}
    assert (saved["variant"], saved["strength"], saved["crisp"]) == ("fast", 0.5, True)
