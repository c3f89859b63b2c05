"""The program: exit codes, streams, tracebacks and help."""

import subprocess
import sys
from pathlib import Path

import pytest

from impasto import __version__
from impasto.cli.main import app, main
from impasto.pictures.read import load_image
from tests.cli.commands import fails


@pytest.mark.parametrize("arguments", [["--traceback", "info", "x.onnx"], ["info", "x.onnx", "--traceback"]])
def test_traceback_shows_the_rest(here, capsys, arguments):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("impasto: error: x.onnx: no such model file")


def test_a_missing_extra_is_named(here, capsys, monkeypatch):
    (here / "needs_torch.py").write_text("import torch\n\ndef command() -> None: ...\n")
    monkeypatch.syspath_prepend(here)
    monkeypatch.setitem(sys.modules, "torch", None)  # what a missing package looks like to import
    app.command("needs_torch:command", name="needs-torch")
    try:
        assert "needs torch; pip install 'impasto[train]'" in fails(capsys, 1, "needs-torch")
    finally:
        del app["needs-torch"]


@pytest.mark.parametrize("cause", ["OSError('no fbgemm.dll')", "ImportError('DLL load failed')", "TypeError('ABI')"])
@pytest.mark.parametrize("place", ["module", "function"])
def test_an_extra_that_is_installed_but_broken_is_named(here, capsys, monkeypatch, cause, place):
    (here / "torch").mkdir()
    (here / "torch" / "__init__.py").write_text(f"raise {cause}\n")
    code = {"module": "import torch\ndef command() -> None: ...", "function": "def command() -> None: import torch"}
    (here / "needs_torch.py").write_text(code[place])
    monkeypatch.syspath_prepend(here)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.delitem(sys.modules, "needs_torch", raising=False)
    app.command("needs_torch:command", name="needs-torch")
    try:
        message = fails(capsys, 1, "needs-torch")
        assert "torch is installed but broken (" in message and cause.split("'")[1] in message
        assert message.rstrip().endswith("install it again: pip install 'impasto[train]'")
    finally:
        del app["needs-torch"]
        sys.modules.pop("needs_torch", None)


def test_other_missing_modules_are_bugs_and_shown_as_such(here, monkeypatch):
    def broken() -> None:
        import no_such_module  # noqa: F401

    app.command(broken)
    try:
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            main(["broken"])
    finally:
        del app["broken"]


def test_an_interrupt_is_quiet(here, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("impasto.painting.batch.read_picture", interrupt)
    assert "interrupted" in fails(capsys, 130, "stylize", "a.png", "-m", "m.onnx", "-o", "b.png")


@pytest.mark.parametrize(
    "program", [["-m", "impasto"], ["-c", "import sys, impasto.cli.main; sys.exit(impasto.cli.main.main())"]]
)
def test_the_program_exits_with_the_code(here, program):
    def run(*arguments):
        return subprocess.run([sys.executable, *program, *arguments], capture_output=True, text=True)

    assert run("--version").stdout.strip() == __version__
    assert run("stylize", "a.png", "-m", "m.onnx", "-o", "b.png").returncode == 0
    assert (load_image("b.png") == 255 - load_image("a.png")).all()
    missing = run("info", "missing.onnx")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.count("\n") == 1
    assert run("nonsense").returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["stylize", "--help"], ["info", "--help"], []])
def test_help_goes_to_stdout(capsys, arguments):
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert "Usage: impasto" in output.out
    assert output.err == ""


@pytest.mark.parametrize(
    ("closed", "code", "output"),
    [(">&-", 0, "b.png"), ("2>&-", 0, "b.png"), (">&-", 1, "-"), ("<&- >&- 2>&-", 0, "b.png")],
)
def test_closed_streams_are_no_reason_to_fail(here, closed, code, output):
    command = f"'{sys.executable}' -m impasto stylize a.png -m m.onnx -o {output} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, Path("b.png").exists()) == (code, code == 0)
    assert code or (load_image("b.png") == 255 - load_image("a.png")).all()  # nothing was printed into it
    assert done.stderr == ("impasto: error: standard output: is closed; give a file with -o\n" if code else "")


@pytest.mark.parametrize("place", [0, 1, -1])
def test_verbose_says_what_was_chosen(here, capsys, place):
    words = ["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--force", "--backend=onnxruntime", "--threads=1"]
    assert main(words) == 0
    assert capsys.readouterr().err == ""
    words.insert(place, "--verbose")
    assert main(words) == 0
    error = capsys.readouterr().err
    assert "impasto: m.onnx: loaded in " in error
    assert "ONNX Runtime, float32, 1 thread" in error


def test_what_the_library_logs_as_a_warning_is_one_line(here, capsys):
    import logging

    def warn() -> None:
        logging.getLogger("impasto.painting").warning("in tiles, as memory is short")

    app.command(warn)
    try:
        assert main(["warn"]) == 0
    finally:
        del app["warn"]
    assert capsys.readouterr().err == "impasto: in tiles, as memory is short\n"
    assert not logging.getLogger("impasto").handlers


@pytest.mark.parametrize("word", ["nonsense", "stylise"])
def test_an_unknown_command_is_refused_without_loading_the_others(here, word):
    code = (
        f"import sys; from impasto.cli.main import main; code = main([{word!r}]); print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2 False\n"
    assert done.stderr.startswith(f"impasto: error: unknown command '{word}'.")
    assert ("Did you mean 'stylize'?" in done.stderr) == (word == "stylise")


def test_a_command_runs_with_the_garbage_collector_on(tmp_path):
    code = (
        "import gc, sys\n"
        "from impasto.__main__ import run\n"
        "from impasto.cli.main import app\n"
        "app.command(lambda: print(gc.isenabled(), gc.get_freeze_count() > 0), name='probe')\n"
        "sys.argv[1:] = ['probe']\n"
        "run()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (result.stdout, result.stderr, result.returncode) == ("True True\n", "", 0)
