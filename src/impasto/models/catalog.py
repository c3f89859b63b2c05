"""The shipped styles. All styles share two networks; for each network, a style is a file of a few KB."""

import functools
import os
from pathlib import Path
from typing import Literal, get_args

import platformdirs

from impasto.errors import ModelError, UsageError
from impasto.models.kinds import check_kind, kind_of, training_command
from impasto.models.modelfile import network_hash
from impasto.models.stylefile import SUFFIX, Style, StyleInfo, read_style
from impasto.pictures.formats import READABLE_SUFFIXES

NETWORK = "network.onnx"
"""The name of a network's model file, beside the style files that fit it."""

Variant = Literal["best", "fast"]
"""A shipped network: "best" has the better quality, "fast" takes half the time. Every shipped style exists for both."""
VARIANTS: tuple[Variant, ...] = get_args(Variant)

_DATA = Path(__file__).parents[1] / "data"


def shipped_network(variant: Variant = "best") -> Path:
    """The model file of a shipped network.

    Raises:
        UsageError: There is no such variant.
    """
    if variant not in VARIANTS:
        raise UsageError(f"unknown variant {variant!r}; use one of {', '.join(VARIANTS)}")
    return _DATA / variant / NETWORK


def compiled_folder(network: Path) -> Path | None:
    """The user's cache folder, where engines may store compiled graphs; None for networks that are not shipped."""
    if network not in map(shipped_network, VARIANTS):
        return None  # the cache would grow with every model that is used
    return cache_folder()


def cache_folder() -> Path | None:
    """The user's cache folder.

    The environment variable IMPASTO_CACHE sets another folder (~ is expanded). Returns None if the variable is empty
    or the folder is not writeable; then nothing is cached.
    """
    named = os.environ.get("IMPASTO_CACHE")
    if named == "":
        return None
    try:
        folder = Path(named).expanduser() if named else platformdirs.user_cache_path("impasto", appauthor=False)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return folder if os.access(folder, os.W_OK) else None


def shipped_names(variant: Variant = "best") -> tuple[str, ...]:
    """The names of the shipped styles, in alphabetical order. No style file is opened.

    Raises:
        UsageError: There is no such variant.
    """
    return tuple(_style_paths(shipped_network(variant).parent))


def shipped(variant: Variant = "best") -> dict[str, Style]:
    """The shipped styles by name, in alphabetical order.

    Raises:
        UsageError: There is no such variant.
    """
    return {name: _shipped_style(path) for name, path in _style_paths(shipped_network(variant).parent).items()}


@functools.cache
def _style_paths(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))}


@functools.cache
def _shipped_style(path: Path) -> Style:
    return read_style(path)


def styles(variant: Variant = "best") -> tuple[StyleInfo, ...]:
    """The descriptions of the shipped styles: name, title, artist, year, license and training."""
    return tuple(style.info for style in shipped(variant).values())


def variant_of(network: str) -> Variant:
    """The shipped network with this hash (`network_hash`); "best" if there is none."""
    return next((variant for variant in VARIANTS if _shipped_hash(variant) == network), "best")


def _shipped_hash(variant: Variant) -> str:
    """The network's hash, read from one of its style files, which is faster than hashing the network."""
    path = next(iter(_style_paths(shipped_network(variant).parent).values()))
    return _shipped_style(path).info.network


def is_style(name_or_path: str | os.PathLike[str]) -> bool:
    """Whether the argument is a style and not a model file.

    True for a shipped name, a style file, and a name that does not exist (the error message then suggests styles).

    Raises:
        UsageError: It is a picture, which has to be learned first, or a settings file.
    """
    name = os.fspath(name_or_path)
    suffix = Path(name).suffix
    if suffix.lower() != ".onnx" and (not exists(name) or name in shipped_names()):
        return True
    is_style_file = suffix == SUFFIX
    if kind_of(name) in ("picture", "settings"):
        check_kind(name, "style" if is_style_file else "model")
    return is_style_file


def is_file(name: str) -> bool:
    """Whether the argument is a path, and not the (possibly misspelled) name of a shipped style."""
    return name not in shipped_names() and (Path(name).suffix.lower() in (".onnx", SUFFIX) or exists(name))


def exists(name: str) -> bool:
    """Whether a file or folder with this name exists; False for invalid file names."""
    return os.path.exists(name)  # noqa: PTH110 (Path.exists raises for names that are too long)


def find_style(name_or_path: str | os.PathLike[str], variant: Variant = "best") -> tuple[Style, Path]:
    """A style and its network's model file.

    Args:
        name_or_path: The name of a shipped style, or a style file. The network of a style file is a shipped one, or
            `network.onnx` in the same folder.
        variant: The network for shipped styles; ignored for a style file.

    Raises:
        UsageError: No shipped style has this name (the message offers similar ones), or there is no such variant.
        ModelError: The file is not a style file, or its network is missing.
    """
    style = read_named(name_or_path, variant)
    if os.fspath(name_or_path) in shipped_names(variant):
        return style, shipped_network(variant)
    network = network_of(style.info, Path(name_or_path))
    if network is not None:
        return style, network
    raise ModelError(
        f"{name_or_path}: its network ({style.info.network[:12]}...) is not here: put its {NETWORK} beside the style, "
        "or, if that was the shared network of another version, learn the style again"
    )


def network_of(style: StyleInfo, path: Path) -> Path | None:
    """The model file of a style's network: a shipped one, or `network.onnx` beside the style file ``path``."""
    for variant in VARIANTS:
        if _shipped_hash(variant) == style.network:
            return shipped_network(variant)
    beside = path.with_name(NETWORK)
    return beside if beside.exists() and network_hash(beside) == style.network else None


def read_named(name_or_path: str | os.PathLike[str], variant: Variant = "best") -> Style:
    """A style, without looking for its network. Arguments and errors are those of :func:`find_style`."""
    name = os.fspath(name_or_path)
    if name in shipped_names(variant):
        return _shipped_style(_style_paths(shipped_network(variant).parent)[name])
    path = Path(name)
    if path.suffix != SUFFIX and not exists(name):
        raise UsageError(f"no style is called {name!r}: {_hint(path)}`impasto styles` lists all")
    check_kind(path, "style")
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: is not a style file: give one made by `impasto train`, *{SUFFIX}")
    return read_style(path)


def _hint(path: Path) -> str:
    """A suggestion for a name that does not exist; "" if there is none."""
    from difflib import get_close_matches

    if path.suffix.lower() in READABLE_SUFFIXES:
        return f"no such file; the style of a picture has to be learned first, {training_command(path)}; "
    near = get_close_matches(str(path).lower(), shipped_names(), n=3, cutoff=0.4)
    return f"did you mean {' or '.join(near)}? " if near else ""
