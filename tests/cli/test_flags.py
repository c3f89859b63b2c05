"""Flags made from dataclasses, and paths."""

import inspect
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from cyclopts import App, CycloptsError, Parameter

from impasto.cli.flags import FilePath, flags_of, flags_set
from impasto.cli.main import COMMANDS, main
from impasto.errors import UsageError
from impasto.options import check_ranges, opt
from impasto.pictures.sources import file_or_name
from tests.cli.commands import fails


@dataclass(frozen=True)
class Options:
    count: int = opt(3, "how many", least=1, most=9)
    share: float = opt(0.5, "how much")
    place: Path | None = opt(None, "where")
    on: bool = opt(False, "whether")

    def __post_init__(self):
        check_ranges(self)


def parse(*words, negatives=True):
    flags = flags_of(Options, negatives=negatives)
    app = App(result_action="return_value")

    @app.default
    def command(options: Annotated[flags | None, Parameter(name="*")] = None):
        return flags_set(options)

    return app(list(words), exit_on_error=False, print_error=False)


def test_only_flags_that_were_given_are_returned():
    assert parse() == {}
    assert parse("--count", "4", "--on") == {"count": 4, "on": True}
    assert parse("--no-on", "--share=0.25") == {"on": False, "share": 0.25}
    with pytest.raises(CycloptsError):
        parse("--no-on", negatives=False)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--count=2.5", "'2.5' is not a whole number: how many"),
        ("--count=0", ">= 1"),
        ("--count=10", "<= 9"),
        ("--share=much", "'much' is not a number: how much"),
        ("--place=https://example.org/a", "is an address"),
    ],
)
def test_a_wrong_value_says_what_is_wanted(word, message):
    with pytest.raises(CycloptsError, match=message):
        parse(word)


def test_ranges_hold_in_python_as_well():
    assert Options(count=9).count == 9
    for wrong in (0, 10, "3", True):
        with pytest.raises(UsageError, match="count must be from 1 to 9"):
            Options(count=wrong)


def test_the_default_and_the_help_come_from_the_dataclass():
    help = {item.name: item.metadata["help"] for item in fields(flags_of(Options))}
    assert help == {
        "count": "how many (default: 3)",
        "share": "how much (default: 0.5)",
        "place": "where",
        "on": "whether",
    }


# ---- paths --------------------------------------------------------------------------------------------------------


def paths_in(hint: Any) -> list[bool]:
    """For every path in a type: whether it is a FilePath."""
    if get_origin(hint) is Annotated and get_args(hint)[0] is Path:
        return [get_args(FilePath)[1] in get_args(hint)]
    if hint is Path:
        return [False]
    if is_dataclass(hint):
        return [found for inner in get_type_hints(hint, include_extras=True).values() for found in paths_in(inner)]
    return [found for inner in get_args(hint) if get_origin(hint) is not None for found in paths_in(inner)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_path_of_every_command_is_expanded(command):
    needed = {**dict.fromkeys(("train", "gatys", "evaluate"), "torch"), "serve": "starlette", "camera": "starlette"}
    if command in needed:
        pytest.importorskip(needed[command])
    module, name = COMMANDS[command][0].split(":")
    function = getattr(import_module(module), name)
    found = [all(paths_in(hint)) for hint in get_type_hints(function, include_extras=True).values()]
    assert all(found), inspect.signature(function)


@pytest.fixture
def home(here, monkeypatch):
    """A home folder that is not the current one, with all that a command reads."""
    folder = here / "home"
    folder.mkdir()
    for name in ("a.png", "m.onnx"):
        (here / name).rename(folder / name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


def test_the_home_folder_is_expanded_in_every_path(home, here, capsys):
    words = ["stylize", "~/a.png", "--model=~/m.onnx", "--mask=~/a.png", "--save-settings=~/s.json"]
    assert main([*words, "--output=~/b.png"]) == 0
    assert main(["stylize", "~/a.png", "--settings=~/s.json", "--output=~/new/"]) == 0
    assert main(["info", "~/m.onnx"]) == 0
    assert {path.name for path in home.iterdir()} == {"a.png", "m.onnx", "b.png", "s.json", "new"}
    assert [path.name for path in here.iterdir()] == ["home"]


@pytest.mark.parametrize(
    "command",
    [
        "stylize https://example.org/a.jpg -s udnie -o b.png",
        "stylize a.png -s udnie -o https://example.org/b.png",
        "stylize a.png -s https://example.org/s.safetensors -o b.png",
        "stylize a.png -m https://example.org/m.onnx -o b.png",
        "stylize a.png -m m.onnx --mask https://example.org/m.png -o b.png",
        "stylize a.png --settings https://example.org/m.json -o b.png",
        "styles --sheet https://example.org/a.jpg -o b.png",
        "info https://example.org/m.onnx",
    ],
)
def test_an_address_is_answered_in_one_line(here, capsys, command):
    assert "is an address; download it first" in fails(capsys, 2, *command.split())


def test_names_of_styles_stay_names():
    assert file_or_name("udnie") == "udnie"
    assert file_or_name("~/x/") == f"{Path.home() / 'x'}/"
    assert file_or_name("~/x.onnx") == str(Path.home() / "x.onnx")
