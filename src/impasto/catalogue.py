"""The styles that come with the package: one network and, for each style, a file of a few KB."""

import difflib
import functools
import hashlib
import os
from importlib import resources
from pathlib import Path

from impasto.errors import ModelError, UsageError
from impasto.stylefile import SUFFIX, Style, StyleInfo, read_style

NETWORK = "network.onnx"
"""The name of a network's model file, beside the style files made for it."""


def shipped_network() -> Path:
    """The model file of the network that all shipped styles share."""
    return _data() / NETWORK


@functools.cache
def shipped() -> dict[str, Style]:
    """The shipped styles by name, in alphabetical order."""
    return {path.stem: read_style(path) for path in sorted((_data() / "styles").glob(f"*{SUFFIX}"))}


def styles() -> tuple[StyleInfo, ...]:
    """The styles that come with Impasto: name, title, artist, year, licence and how each was made."""
    return tuple(style.info for style in shipped().values())


def is_style(name_or_path: str | os.PathLike[str]) -> bool:
    """Whether this means a style, and not a model file: a shipped name, a style file, or nothing that is there."""
    name = os.fspath(name_or_path)
    suffix = Path(name).suffix
    if suffix.lower() == ".onnx":  # the usual model: no need to read every style for it
        return False
    return suffix == SUFFIX or not exists(name) or name in shipped()


def exists(name: str) -> bool:
    """Whether there is a file or folder of this name; there is none of a name that no file can have."""
    return os.path.exists(name)  # noqa: PTH110 (Path.exists raises an error for names that are too long)


def find_style(name_or_path: str | os.PathLike[str]) -> tuple[Style, Path]:
    """A shipped style by name, or any by its file; and its network's model file.

    A file's network is the shipped one, or the file `network.onnx` beside it.

    Raises:
        UsageError: No shipped style is called so; near names are offered.
        ModelError: The file is no style file, or its network is not there.
    """
    name = os.fspath(name_or_path)
    if name in shipped():
        return shipped()[name], shipped_network()
    path = Path(name)
    if path.suffix != SUFFIX and not exists(name):
        near = difflib.get_close_matches(name.lower(), shipped(), n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"no style is called {name!r}: {hint}`impasto styles` lists all")
    if not is_style(path):
        raise ModelError(f"{path}: is no style file; a model file is given with --model")
    style = read_style(path)
    for network in (shipped_network(), path.with_name(NETWORK)):
        if network.exists() and network_hash(network) == style.info.network:
            return style, network
    raise ModelError(
        f"{path}: its network ({style.info.network[:12]}...) is not here: put its {NETWORK} beside the style"
    )


def network_hash(network: Path) -> str:
    """The SHA-256 by which a style names its network's model file."""
    return hashlib.sha256(network.read_bytes()).hexdigest()


def _data() -> Path:
    return Path(str(resources.files("impasto") / "data"))
