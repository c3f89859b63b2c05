"""The command `impasto info`."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from impasto.cli.flags import NOT_FAST, Switch, file_or_name
from impasto.errors import ImpastoError, ModelError, UsageError
from impasto.models.catalogue import Variant, is_file, is_style, network_of, read_named, shipped_names
from impasto.models.modelfile import ModelInfo, read_info
from impasto.models.stylefile import StyleInfo
from impasto.painting.load import load
from impasto.painting.settings import AS_IT_IS


def info(
    file: str,
    /,
    *,
    fast: Annotated[bool, Switch] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show what a model or style file, or a shipped style, contains, and how fast it is on this computer.

    Args:
        file: The model or style file, or the name of a shipped style.
        fast: The shipped style on the fast network.
        as_json: Print one JSON object.
    """
    file = file_or_name(file)
    if fast and is_file(file):
        raise UsageError(NOT_FAST)
    variant: Variant = "fast" if fast else "best"
    found, kind, rows = _describe(file, variant)
    size = None if file in shipped_names() else _size(file)
    seconds: float | None = None
    if kind != "network":
        try:
            seconds = _seconds_per_megapixel(file, variant)
            rows["speed"] = f"{seconds:.2g} s per megapixel on this computer"
        except ImpastoError as reason:  # the description is still useful
            rows["speed"] = f"cannot paint on this computer: {reason}"
    if as_json:
        record = {"file": file, "kind": kind, "bytes": size, "seconds_per_megapixel": seconds, **asdict(found)}
        print(json.dumps(record, sort_keys=True))
        return 0
    where = "comes with Impasto" if size is None else f"{size / 1e6:.2f} MB, format {found.format}"
    rows = {"file": f"{file} ({where})", **rows}
    rows |= {f"training: {name}": str(value) for name, value in found.training.items()}
    width = max(map(len, rows))
    for name, value in rows.items():
        if value:
            print(f"{name:{width}}  {value}")
    return 0


def _describe(file: str, variant: Variant) -> tuple[ModelInfo | StyleInfo, str, dict[str, str]]:
    """What the file says about itself, its kind (style, model or network), and the rows to print."""
    path = Path(file)
    if not is_style(file):
        model = read_info(path)
        return model, "network" if model.style_size else "model", _model_rows(model)
    style = read_named(file, variant).info
    return style, "style", _style_rows(style, network_of(style, path))


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except OSError as cause:
        raise ModelError(f"{file}: cannot read: {cause.strerror}") from cause


def _seconds_per_megapixel(name: str, variant: Variant) -> float:
    """The least time of three for a picture in memory, painted at its own size."""
    grey = np.full((512, 512, 3), 128, np.uint8)
    stylizer = load(name, variant=variant)
    stylizer(grey, AS_IT_IS)  # compiles, allocates
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        stylizer(grey, AS_IT_IS)
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1e6 / grey[..., 0].size


def _model_rows(model: ModelInfo) -> dict[str, str]:
    arguments = ", ".join(f"{name} {value}" for name, value in model.arguments.items())
    if model.style_size:
        kind = f"a network for style files ({model.style_size} parameters each), which has no style of its own"
    else:
        strength = "any strength" if model.strength else "one fixed strength"
        kind = f"a model: all weights trained for its style; {strength}"
    return {
        "kind": kind,
        "styles": ", ".join(model.styles),
        "picture": model.style_title,
        "licence": model.licence,
        "source": model.source,
        "network": f"{model.architecture} ({arguments})" if arguments else model.architecture,
        "sizes": f"from {model.minimum_size} pixels, multiples of {model.multiple_of}; others are padded",
        "noise": f"{model.noise_channels} channels" if model.noise_channels else "none",
    }


def _style_rows(style: StyleInfo, network: Path | None) -> dict[str, str]:
    where = "not found" if network is None else "/".join(network.parts[-2:])
    return {
        "kind": "a style: scales and shifts for a shared network; any strength, and it can be mixed with others",
        "style": style.name,
        "picture": ", ".join(text for text in (style.title, style.artist, style.year) if text),
        "licence": style.licence,
        "source": style.source,
        "network": f"{where} ({style.network[:12]}...)",
    }
