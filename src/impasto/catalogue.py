"""The styles that come with the package: two networks, and for each style and network a file of a few KB.

A style's plain name means the network that paints best; "fast/" before it, the one that is quickest.
"""

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


BEST, FAST = "best", "fast"
"""The package's networks, each a folder: its model file and its styles."""


def shipped_network(network: str = BEST) -> Path:
    """The model file that all shipped styles of :data:`BEST` or :data:`FAST` share."""
    return _data() / network / NETWORK


@functools.cache
def shipped(network: str = BEST) -> dict[str, Style]:
    """The shipped styles of one network by their names, in alphabetical order."""
    prefix = "" if network == BEST else f"{network}/"
    files = sorted((_data() / network).glob(f"*{SUFFIX}"))
    return {f"{prefix}{path.stem}": read_style(path) for path in files}


def is_shipped(name: str) -> bool:
    """Whether a style that comes with Impasto, on either network, is called so."""
    return name in shipped() or name in shipped(FAST)


def fast(name: str) -> str:
    """The name of the same shipped style on the quick network; any other name as it is."""
    return f"{FAST}/{name}" if name in shipped() else name


def styles() -> tuple[StyleInfo, ...]:
    """The styles that come with Impasto: name, title, artist, year, licence and how each was made."""
    return tuple(style.info for style in shipped().values())


def is_style(name_or_path: str | os.PathLike[str]) -> bool:
    """Whether this means a style, and not a model file: a shipped name, a style file, or nothing that is there."""
    path = Path(name_or_path)
    if path.suffix.lower() == ".onnx":  # the usual model: no need to read every style for it
        return False
    return path.suffix == SUFFIX or not path.exists() or is_shipped(os.fspath(name_or_path))


def find_style(name_or_path: str | os.PathLike[str]) -> tuple[Style, Path]:
    """A shipped style by name, or any by its file; and its network's model file.

    A file's network is a shipped one, or the file `network.onnx` beside it.

    Raises:
        UsageError: No shipped style is called so; near names are offered.
        ModelError: The file is no style file, or its network is not there.
    """
    name = os.fspath(name_or_path)
    for network in (BEST, FAST):
        if name in shipped(network):
            return shipped(network)[name], shipped_network(network)
    path = Path(name)
    if path.suffix != SUFFIX and not path.exists():
        known = shipped(FAST) if name.startswith(f"{FAST}/") else shipped()
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"no style is called {name!r}: {hint}`impasto styles` lists all")
    if not is_style(path):
        raise ModelError(f"{path}: is no style file; a model file is given with --model")
    style = read_style(path)
    for file in (shipped_network(), shipped_network(FAST), path.with_name(NETWORK)):
        if file.exists() and network_hash(file) == style.info.network:
            return style, file
    raise ModelError(
        f"{path}: its network ({style.info.network[:12]}...) is not here: put its {NETWORK} beside the style"
    )


def network_hash(network: Path) -> str:
    """The SHA-256 by which a style names its network's model file."""
    return hashlib.sha256(network.read_bytes()).hexdigest()


def _data() -> Path:
    return Path(str(resources.files("impasto") / "data"))
