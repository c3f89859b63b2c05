"""The one progress bar, on a terminal and in a log, and one-line messages."""

import io
import sys

import pytest

from impasto.cli import console
from impasto.cli.console import complain, progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_there_is_a_line_at_once_and_then_now_and_then(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 5.0, 11.0, 11.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with progress_bar("learning", 1.0) as bar:
        for share, left in ((0.1, 90.0), (0.2, 80.0), (0.3, 70.0)):
            bar.update(share, f"step {share}", left)
    assert capsys.readouterr().err == " 10% step 0.1, 90 s left\n 30% step 0.3, 70 s left\n"


def test_a_whole_total_is_shown_as_a_count(capsys):
    with progress_bar("optimizing", 50) as bar:
        bar.update(3, "objective 2.1")
    assert capsys.readouterr().err == "3/50 objective 2.1\n"


@pytest.mark.parametrize("quiet", [True, False])
def test_messages_are_always_printed(capsys, quiet):
    with progress_bar("learning", 1.0, quiet=quiet, lines=False) as bar:
        bar.update(0.5, "step 2")
        bar.message("the loss exploded")
    assert capsys.readouterr().err == "the loss exploded\n"


def test_on_a_terminal_there_is_a_bar_with_the_title_the_text_and_the_time_left(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("learning", 1.0) as bar:
        bar.update(0.5, "objective [2.1]", 65)
        bar.message("the loss [exploded]")
    for expected in ("learning", "50%", "objective [2.1]", "1:05 left", "the loss [exploded]"):
        assert expected in terminal.getvalue()


def test_a_dumb_terminal_gets_lines(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")
    with progress_bar("learning", 1.0) as bar:
        bar.update(0.5, "step 2")
    assert terminal.getvalue() == " 50% step 2\n"


def test_no_color_is_respected(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    with progress_bar("painting", 2) as bar:
        bar.update(1)
    assert "\x1b[3" not in terminal.getvalue()
    assert "\x1b[38" not in terminal.getvalue()


def test_an_error_is_one_line(capsys):
    complain("first\n   second\n")
    assert capsys.readouterr().err == "impasto: error: first second\n"


def test_control_characters_in_names_are_printed_escaped(capsys):
    complain("a\x1b[31m\x07.jpg: is damaged")
    console.note("b\nc\x9b.jpg")
    assert capsys.readouterr().err == "impasto: error: a\\x1b[31m\\x07.jpg: is damaged\nimpasto: b\\nc\\x9b.jpg\n"
