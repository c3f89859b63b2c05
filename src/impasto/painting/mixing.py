"""Mixtures of styles of one network."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from impasto.errors import ModelError, UsageError
from impasto.models.catalog import Variant, find_style
from impasto.models.modelfile import ModelInfo
from impasto.models.stylefile import Style
from impasto.pictures.sources import file_or_name


def check_name(name: object) -> None:
    """Raise UsageError unless this is a name, a path, or names and their shares."""
    if not isinstance(name, str | os.PathLike | Mapping) or name == "":
        raise UsageError(f"give the name of a style, a file, or styles and their shares, not {name!r}")


def mix_styles(shares: Mapping[str, float], variant: Variant) -> tuple[Style, Path]:
    """Mix styles, and find the model file of their network.

    Args:
        shares: Name of a shipped style, or style file -> its share, 0 or more. Shares are scaled to sum to 1.
        variant: The network for shipped styles.

    Raises:
        UsageError: There is no style, a share is not a number of 0 or more, or a shipped style's name is unknown.
        ModelError: A style file is missing or damaged, or the styles have different networks.
    """
    try:
        sound = all(0 <= share < float("inf") for share in shares.values()) and sum(shares.values()) > 0
    except TypeError:  # not numbers
        sound = False
    if not sound:
        found = f", not {', '.join(f'{name}:{share}' for name, share in shares.items())}" if shares else ""
        raise UsageError(f"give at least one style, and shares of 0 or more, not all 0{found}")
    for name in shares:
        check_name(name)
    styles = [find_style(file_or_name(name), variant) for name in shares]
    style, network = styles[0]
    for name, (other, path) in zip(shares, styles, strict=True):
        if other.info.network != style.info.network:
            raise ModelError(
                f"{name} is a style of another network, {path}, than those before it, {network}: they cannot be mixed "
                "(--fast, or variant=, chooses the network of a shipped style)"
            )
        if len(other.parameters) != len(style.parameters):
            raise ModelError(f"the style {other.info.name} does not fit its network {path}; make it again")
    weights = np.array([*shares.values()], np.float64) / sum(shares.values())
    parameters = np.stack([one.parameters for one, _ in styles])
    return Style(style.info, (weights @ parameters).astype(np.float32), style.photo), network


def check_fit(style: Style, info: ModelInfo, network: Path) -> None:
    """Raise ModelError unless the number of the style's parameters is that of its network."""
    if len(style.parameters) != info.style_size:
        raise ModelError(f"the style {style.info.name} does not fit its network {network}; make it again")
