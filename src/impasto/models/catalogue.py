"""The styles that come with the package: each a file of a few KB, for either of two networks that all styles share."""

import difflib
import functools
import os
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

import platformdirs

from impasto.errors import ModelError, UsageError
from impasto.models.kinds import check_kind, kind_of, training_command
from impasto.models.modelfile import network_hash
from impasto.models.stylefile import SUFFIX, Style, StyleInfo, read_style
from impasto.pictures.formats import READABLE_SUFFIXES

NETWORK = "network.onnx"
"""The name of a network's model file, beside the style files made for it."""

Variant = Literal["best", "fast"]
"""Which of the networks: "best" paints better, "fast" in half the time. Every shipped style is in both."""
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def shipped_network(variant: Variant = "best") -> Path:
    """The model file of the network that all shipped styles share.

    Raises:
        UsageError: There is no such network.
    """
    if variant not in VARIANTS:
        raise UsageError(f"unknown network '{variant}': choose one of {', '.join(VARIANTS)}")
    return _data() / variant / NETWORK


def compiled_folder(network: Path) -> Path | None:
    """Where engines may keep this network compiled: a folder of the user's for the shipped ones, None for others.

    The environment variable IMPASTO_CACHE names another folder; empty, nothing is kept. None as well where nothing can
    be written.
    """
    if network not in map(shipped_network, VARIANTS):
        return None  # every model once painted with would stay there
    named = os.environ.get("IMPASTO_CACHE")
    if named == "":
        return None
    try:
        folder = Path(named) if named else platformdirs.user_cache_path("impasto", appauthor=False)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter where there is no home
        return None
    return folder if os.access(folder, os.W_OK) else None


def shipped(variant: Variant = "best") -> dict[str, Style]:
    """The shipped styles by name, in alphabetical order; UsageError if there is no such network."""
    return _read_styles(variant)


@functools.cache
def _read_styles(variant: Variant) -> dict[str, Style]:  # apart: a cache tells a default from the same value given
    return {path.stem: read_style(path) for path in sorted(shipped_network(variant).parent.glob(f"*{SUFFIX}"))}


def styles(variant: Variant = "best") -> tuple[StyleInfo, ...]:
    """The styles that come with Impasto: name, title, artist, year, licence and how each was made."""
    return tuple(style.info for style in shipped(variant).values())


def variant_of(network: str) -> Variant:
    """Which of the shipped networks has this hash (`network_hash`); "best" when none has."""
    return next((variant for variant in VARIANTS if next(iter(styles(variant))).network == network), "best")


def is_style(name_or_path: str | os.PathLike[str]) -> bool:
    """Whether this means a style, and not a model file: a shipped name, a style file, or nothing that exists.

    Raises:
        UsageError: It is a picture or a settings file; a picture has to be learnt first.
    """
    name = os.fspath(name_or_path)
    suffix = Path(name).suffix
    # No need to read every shipped style for a model.
    if suffix.lower() != ".onnx" and (not exists(name) or name in shipped()):
        return True
    is_style_file = suffix == SUFFIX
    if kind_of(name) in ("picture", "settings"):
        check_kind(name, "style" if is_style_file else "model")
    return is_style_file


def is_file(name: str) -> bool:
    """Whether this means a file, which has a network of its own, and not a shipped style, if perhaps misspelt."""
    return name not in shipped() and (Path(name).suffix.lower() in (".onnx", SUFFIX) or exists(name))


def exists(name: str) -> bool:
    """Whether there is a file or folder of this name; there is none of a name that no file can have."""
    return os.path.exists(name)  # noqa: PTH110 (Path.exists raises an error for names that are too long)


def find_style(name_or_path: str | os.PathLike[str], variant: Variant = "best") -> tuple[Style, Path]:
    """A shipped style by name, for this network, or any by its file; and its network's model file.

    A file's network is one of the shipped ones, or the file `network.onnx` beside it.

    Raises:
        UsageError: No shipped style is called so; near names are offered. Or no such network.
        ModelError: The file is no style file, or its network is not there.
    """
    style = read_named(name_or_path, variant)
    if os.fspath(name_or_path) in shipped(variant):
        return style, shipped_network(variant)
    network = network_of(style.info, Path(name_or_path))
    if network is not None:
        return style, network
    raise ModelError(
        f"{name_or_path}: its network ({style.info.network[:12]}...) is not here: put its {NETWORK} beside the style, "
        "or, if that was the shared network of another version, learn the style again"
    )


def network_of(style: StyleInfo, path: Path) -> Path | None:
    """The model file of the network that this style, of this file, fits: a shipped one, or the one beside it."""
    for network in (*map(shipped_network, VARIANTS), path.with_name(NETWORK)):
        if network.exists() and network_hash(network) == style.network:
            return network
    return None


def read_named(name_or_path: str | os.PathLike[str], variant: Variant = "best") -> Style:
    """A shipped style by name, for this network, or any by its file; whether its network is there or not.

    Raises:
        UsageError: No shipped style is called so; near names are offered. Or no such network.
        ModelError: The file is no style file.
    """
    name = os.fspath(name_or_path)
    if name in shipped(variant):
        return shipped(variant)[name]
    path = Path(name)
    if path.suffix != SUFFIX and not exists(name):
        near = difflib.get_close_matches(name.lower(), shipped(), n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        if path.suffix.lower() in READABLE_SUFFIXES:
            hint = f"no such file; the style of a picture has to be learnt first, {training_command(path)}; "
        raise UsageError(f"no style is called {name!r}: {hint}`impasto styles` lists all")
    check_kind(path, "style")
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: is not a style file: give one made by `impasto train`, *{SUFFIX}")
    return read_style(path)


def _data() -> Path:
    return Path(str(resources.files("impasto") / "data"))
