"""Makes command-line flags from dataclasses, so that defaults and help texts are defined once."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from cyclopts import CoercionError, Parameter, Token
from cyclopts.validators import Number

from impasto.errors import ImageError, UsageError
from impasto.models.catalog import shipped_names
from impasto.models.kinds import check_kind
from impasto.options import opt
from impasto.painting.choice import PrecisionChoice
from impasto.painting.devices import CPU
from impasto.painting.engines import Backend
from impasto.pictures.sources import local_path

NOT_FAST = "--fast is for the styles that come with Impasto; a file has its own network: leave it out"

Command = TypeVar("Command", bound=Callable[..., object])


def reflowed(command: Command) -> Command:
    """The command with each argument's description on one line of its docstring: `--help` wraps it."""
    command.__doc__ = re.sub(r"\n {12}(?=\S)", " ", command.__doc__ or "")
    return command


Switch = Parameter(negative="")
"""A flag without a value that has no opposite."""


def _path(_: Any, tokens: Sequence[Token]) -> Path:
    """Expand ~ in a path. URLs are rejected."""
    try:
        return local_path(tokens[0].value)
    except ImageError as reason:
        raise CoercionError(msg=str(reason)) from None  # in a list, the text of a ValueError would be lost


FilePath = Annotated[Path, Parameter(converter=_path)]
"""The type of every flag and argument that is a path."""


def check_picture(path: Path) -> None:
    """Raise UsageError if the path is a model, a style or the name of a style instead of a picture."""
    if str(path) in shipped_names() and not path.exists():
        raise UsageError(f"{path}: is the name of a style; give a picture, as the file that it was learned from")
    check_kind(path, "picture")


def whole_number(least: int, most: int | None = None) -> Parameter:
    """A flag that is a whole number in this range."""
    return Parameter(
        converter=lambda _, tokens: _number(int, tokens, "a whole number"), validator=Number(gte=least, lte=most)
    )


def _number(kind: type, tokens: Sequence[Token], wanted: str) -> Any:
    text = tokens[0].value
    try:
        return kind(text)  # the parser's own conversion would take 1.5 for 2
    except ValueError:
        raise ValueError(f"'{text}' is not {wanted}") from None


def flags_of(cls: type, leave_out: tuple[str, ...] = (), *, negatives: bool = True) -> Any:
    """A dataclass with the fields of ``cls``, all None by default, for the command line.

    Args:
        cls: A dataclass whose fields are made by :func:`impasto.options.opt`.
        leave_out: Fields that are not flags.
        negatives: Whether a flag without a value has an opposite, ``--no-NAME``.
    """
    hints = get_type_hints(cls)
    made = []
    for item in fields(cls):
        if item.name in leave_out:
            continue
        help = item.metadata["help"]
        shown = "" if item.default in (None, "", False) else f" (default: {_plain(item.default)})"
        flag = _flag(hints[item.name], item.metadata, negatives)
        made.append((item.name, flag, field(default=None, metadata={"help": f"{help}{shown}"})))
    # The parser can resolve the fields only if the class has a module.
    return make_dataclass(f"{cls.__name__}Flags", made, frozen=True, namespace={"__module__": __name__})


def _flag(hint: Any, metadata: Any, negatives: bool) -> Any:
    """The type of a flag, with the converter and the range of a number."""
    kinds = (hint, *get_args(hint))
    if bool in kinds:
        return hint | None if negatives else Annotated[hint | None, Switch]
    if Path in kinds:
        return FilePath | None
    kind = next((kind for kind in (int, float) if kind in kinds), None)
    if kind is None:
        return hint | None
    wanted = f"{'a whole number' if kind is int else 'a number'}: {metadata['help']}"
    limits = Number(gte=metadata.get("least"), lte=metadata.get("most"))
    return Annotated[
        hint | None,
        Parameter(converter=lambda _, tokens: _number(kind, tokens, wanted), validator=limits),
    ]


def _plain(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)


def flags_set(flags: Any) -> dict[str, Any]:
    """The flags of :func:`flags_of` that are on the command line, by field name."""
    if flags is None:  # none of them was given
        return {}
    return {item.name: value for item in fields(flags) if (value := getattr(flags, item.name)) is not None}


@dataclass(frozen=True, kw_only=True)
class EngineFlags:
    """Engine options of all commands that paint."""

    backend: Backend = opt(
        "auto", "inference engine; auto is the faster of those that are installed, measured once on this computer"
    )
    threads: Annotated[int | None, whole_number(1)] = opt(
        None, "number of threads; default: one for each core that this process may use"
    )


@dataclass(frozen=True, kw_only=True)
class PaintingFlags(EngineFlags):
    """Engine options, including the precision."""

    precision: PrecisionChoice = opt(
        "auto",
        "arithmetic: float32, bfloat16 or int8; auto is the fastest on this computer. On average, results differ from "
        "float32 by a fifth of a level (of 255) in bfloat16, and by one level in int8",
    )
    device: str = opt(
        CPU,
        "where to compute: cpu, cuda, tensorrt, directml, coreml, openvino:GPU or openvino:NPU; a device that does not "
        "work is an error. auto is the first that works. `impasto info --devices` lists what this computer has",
    )
