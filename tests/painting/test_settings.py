import numpy as np
import pytest

from impasto.errors import UsageError
from impasto.painting.settings import SavedSettings, Settings, read_settings, write_settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"stroke_size": 0.001},
        {"stroke_size": 9},
        {"stroke_size": "big"},
        {"seed": -1},
        {"keep_colors": "all"},
        {"crisp": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_settings_that_are_written_are_read_with_styles_in_their_order(tmp_path):
    saved = SavedSettings(
        style={"udnie": 1, "great_wave": 0.5, "a": 2.0},
        variant="fast",
        settings=Settings(strength=0.5, keep_colors="match", seed=3),
    )
    write_settings(tmp_path / "a.json", saved)
    found = read_settings(tmp_path / "a.json")
    assert found == saved
    assert list(found.style) == ["udnie", "great_wave", "a"]
    (tmp_path / "b.json").write_text('{"impasto": 1}')
    assert read_settings(tmp_path / "b.json") == SavedSettings()


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"impasto": 1, "seed": 1, "seed": 2}'])
def test_other_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.json: is not a settings file") as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers(tmp_path):
    settings = Settings(strength=np.float32(0.5), stroke_size=np.float64(2), crisp=np.bool_(True), seed=np.int64(7))
    assert settings == Settings(strength=0.5, stroke_size=2.0, crisp=True, seed=7)
    assert [type(value) for value in (settings.strength, settings.crisp, settings.seed)] == [float, bool, int]
    write_settings(tmp_path / "s.json", SavedSettings(style={"udnie": 1.0}, settings=settings))
    assert read_settings(tmp_path / "s.json").settings == settings
    with pytest.raises(UsageError, match="strength must be from 0"):
        Settings(strength=np.array([0.5, 1.0]))


def test_home_is_expanded_and_an_address_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_settings("~/s.json", SavedSettings(style={"udnie": 1.0}))
    assert (tmp_path / "s.json").exists()
    assert read_settings("~/s.json").style == {"udnie": 1.0}
    with pytest.raises(UsageError, match="is an address"):
        read_settings("https://example.org/s.json")
