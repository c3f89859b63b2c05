"""Flags of the command line made of the dataclasses that hold the values: a default and its help have one home."""

from dataclasses import field, fields, make_dataclass
from typing import Any, get_type_hints


def flags_of(cls: type, leave_out: tuple[str, ...] = ()) -> Any:
    """A dataclass with the fields of ``cls``, all None by default: its flags, as the command line has them."""
    hints = get_type_hints(cls)

    def flag(name: str, help: str, default: Any) -> tuple[str, Any, Any]:
        shown = "" if default is None or default == "" else f" (default: {_plain(default)})"
        return name, hints[name] | None, field(default=None, metadata={"help": f"{help}{shown}"})

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
