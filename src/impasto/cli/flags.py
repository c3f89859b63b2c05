"""Flags of the command line made of the dataclasses that hold the values: a default and its help have one home."""

from collections.abc import Sequence
from dataclasses import field, fields, make_dataclass
from typing import Annotated, Any, get_args, get_type_hints

from cyclopts import Parameter, Token
from cyclopts.validators import Number


def whole_number(type_: Any, tokens: Sequence[Token]) -> Any:
    """A converter for flags: the parser's own would take 1.5 for 2."""
    return _number(int, tokens[0].value, "a whole number")


def from_least(least: int, most: int | None = None) -> Parameter:
    """A flag that is a whole number in this range."""
    return Parameter(converter=whole_number, validator=Number(gte=least, lte=most))


def _number(kind: type, text: str, wanted: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"'{text}' is not {wanted}") from None


def _told(hint: Any, help: str) -> Any:
    """The type of a flag which, given what is no number, says what it means and so what it takes."""
    kind = next((kind for kind in (int, float) if kind in (hint, *get_args(hint))), None)
    if kind is None:
        return hint | None
    wanted = f"{'a whole number' if kind is int else 'a number'}: {help}"
    return Annotated[hint | None, Parameter(converter=lambda _, tokens: _number(kind, tokens[0].value, wanted))]


def flags_of(cls: type, leave_out: tuple[str, ...] = ()) -> Any:
    """A dataclass with the fields of ``cls``, all None by default: its flags, as the command line has them."""
    hints = get_type_hints(cls)

    def flag(name: str, help: str, default: Any) -> tuple[str, Any, Any]:
        shown = "" if default is None or default == "" else f" (default: {_plain(default)})"
        return name, _told(hints[name], help), field(default=None, metadata={"help": f"{help}{shown}"})

    made = [flag(f.name, f.metadata["help"], f.default) for f in fields(cls) if f.name not in leave_out]
    # Without a module of its own the command line's parser cannot resolve the fields.
    return make_dataclass(f"{cls.__name__}Flags", made, frozen=True, namespace={"__module__": __name__})


def _plain(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)


def given(flags: Any) -> dict[str, Any]:
    """Those of :func:`flags_of` that were on the command line, by the field's name."""
    if flags is None:  # not one of them was given
        return {}
    return {f.name: value for f in fields(flags) if (value := getattr(flags, f.name)) is not None}
