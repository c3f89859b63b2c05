"""`impasto gatys` as a person calls it."""

import pytest

from impasto.cli.main import main
from tests.cli.commands import error_of


def test_gatys_paints(tmp_path, photo_folder, style_file, tiny_vgg_file, capsys):
    words = ["gatys", str(photo_folder / "0.JPG"), str(style_file), "-o", str(tmp_path / "p.png")]
    words += ["--evaluations", "5", "--size", "48", "--loss-network", str(tiny_vgg_file)]
    assert main([*words, "--start", "noise", "--method", "adam"]) == 0
    assert "after 5 evaluations" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"p.png", "p.curve.json"}
    assert main(words) == 2
    assert "p.png and 1 more: exists: add --force to replace it" in error_of(capsys)
    assert main([*words, "--force"]) == 0


def test_gatys_says_what_is_wrong(tmp_path, photo_folder, style_file, capsys):
    pytest.importorskip("torch")
    words = ["gatys", str(photo_folder / "0.JPG"), str(style_file), "-o", str(tmp_path / "p.png")]
    assert main([*words, "--evaluations", "0"]) == 2
    assert "--evaluations. Must be >= 1" in error_of(capsys)
    assert main([*words, "--preset", "x"]) == 2
    assert "unknown preset" in error_of(capsys)
    assert not list(tmp_path.iterdir())
