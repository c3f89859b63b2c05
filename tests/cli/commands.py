"""Running commands in tests."""

import pytest

from impasto.cli.main import main

Captured = pytest.CaptureFixture[str]

QUICK = ["--steps", "3", "--crop", "32", "--first-crop", "32", "--style-size", "48", "--set.width", "4"]
"""Flags of a run that takes seconds."""


def fails(capsys: Captured, code: int, *arguments: str) -> str:
    """The one line on stderr of a command that ends with `code`."""
    assert main(list(arguments)) == code
    error = capsys.readouterr().err
    assert error.startswith("impasto: error: ")
    assert error.count("\n") == 1
    return error


def paints(*arguments: str) -> None:
    assert main(["stylize", *arguments, "-m", "m.onnx"]) == 0


def error_of(capsys: Captured) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in lines if line.startswith("impasto: error: ")]
    assert len(errors) == 1, lines
    assert "Traceback" not in "".join(lines)
    return errors[0]
