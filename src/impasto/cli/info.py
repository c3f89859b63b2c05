"""The command `impasto info`."""

import json
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from impasto import __version__
from impasto.cli.engine import describe_engine, engine_record, load_stylizer
from impasto.cli.flags import NOT_FAST, PaintingFlags, Switch, reflowed
from impasto.errors import ImpastoError, ModelError, UsageError
from impasto.models.catalog import (
    VARIANTS,
    Variant,
    compiled_folder,
    is_file,
    is_style,
    network_of,
    read_named,
    shipped,
    shipped_network,
)
from impasto.models.modelfile import ModelInfo, read_info
from impasto.models.stylefile import StyleInfo
from impasto.painting.devices import CPU, states
from impasto.painting.engines import ENGINES, choose_engine
from impasto.painting.settings import AS_IT_IS
from impasto.painting.stylizer import Stylizer
from impasto.pictures.sources import file_or_name
from impasto.processor import cores

WORKS = "works"
"""The state of a device that works."""
EXTRAS = {
    "pyvips": "16-bit pictures",
    "pillow-heif": "HEIC",
    "pillow-jxl-plugin": "JPEG XL",
    "av": "video",
    "torch": "training",
}
"""Optional packages, and their purpose."""


@reflowed
def info(
    file: str | None = None,
    /,
    *,
    fast: Annotated[bool, Switch] = False,
    devices: Annotated[bool, Switch] = False,
    engine: Annotated[PaintingFlags | None, Parameter(name="*")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Describe a model or a style; or, without a file, this installation: versions, engines, precision and speed.

    Args:
        file: The model or style file, or the name of a shipped style.
        fast: Describe the shipped style of the fast network.
        devices: List the devices that networks can run on: which work here, and what the others need.
        as_json: Print one JSON object.
    """
    engine = engine or PaintingFlags()
    if devices:
        if file is not None:
            raise UsageError("--devices describes this computer: leave the file out")
        record = _devices()
        rows = {name: state if state != WORKS else f"{WORKS}: --device {name}" for name, state in record.items()}
    elif file is None:
        record = _installation(engine)
        rows = _installation_rows(record)
    else:
        record, rows = _file(file_or_name(file), engine, fast=fast)
    if as_json:
        print(json.dumps(record, sort_keys=True))
        return 0
    width = max(map(len, rows))
    for name, value in rows.items():
        if value:
            print(f"{name:{width}}  {value}")
    return 0


# ---- speed --------------------------------------------------------------------------------------------------------


def _measure(name: str, variant: Variant, engine: PaintingFlags) -> dict[str, Any]:
    """The engine and the seconds per megapixel, or the error."""
    found: dict[str, Any] = {"engine": None, "precision": None, "threads": None, "seconds_per_megapixel": None}
    try:
        stylizer = load_stylizer(name, variant, engine)
        return engine_record(stylizer) | {"seconds_per_megapixel": _seconds_per_megapixel(stylizer)}
    except ImpastoError as reason:  # the rest is still useful
        return found | {"error": str(reason)}


TIMED_SIDE = 512
"""Side of the picture with which the speed is measured, pixels."""


def _seconds_per_megapixel(stylizer: Stylizer) -> float:
    """The fastest of three runs for a picture in memory, painted at its own size."""
    gray = np.full((TIMED_SIDE, TIMED_SIDE, 3), 128, np.uint8)
    stylizer(gray, AS_IT_IS)  # compiles, allocates
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        stylizer(gray, AS_IT_IS)
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1e6 / gray[..., 0].size


def _speed(found: Mapping[str, Any]) -> str:
    if "error" in found:
        return f"cannot paint on this computer: {found['error']}"
    return f"{found['seconds_per_megapixel']:.2g} s per megapixel on this computer ({describe_engine(found)})"


def _devices() -> dict[str, str]:
    """Each device, and its state: "works", or why it does not and what to install."""
    prefix = "device {}: "
    found = {device.name: (problem or WORKS).removeprefix(prefix.format(device.name)) for device, problem in states()}
    return {CPU: WORKS, **found}


# ---- this installation --------------------------------------------------------------------------------------------


def _installation(engine: PaintingFlags) -> dict[str, Any]:
    """The versions, engines and speed on this computer."""
    folder = compiled_folder(shipped_network())
    style = next(iter(shipped()))
    return {
        "version": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "cores": cores(),
        "engines": {name: _engine_state(name) for name in ENGINES},
        "extras": {package: _version(package) for package in EXTRAS},
        "cache": None if folder is None else str(folder),
        "styles": [*shipped()],
        "networks": {variant: _measure(style, variant, engine) for variant in VARIANTS},
    }


def _installation_rows(record: Mapping[str, Any]) -> dict[str, str]:
    rows = {
        "impasto": record["version"],
        "python": f"{record['python']} ({record['executable']})",
        "system": record["system"],
        "cores": f"{record['cores']} that this process may use",
    }
    rows |= {ENGINES[name].title: state for name, state in record["engines"].items()}
    for package, found in record["extras"].items():
        rows[EXTRAS[package]] = f"{package} {found or 'is not installed'}"
    rows["cache"] = record["cache"] or "none: the folder cannot be written to, or IMPASTO_CACHE is empty"
    rows["styles"] = f"{len(record['styles'])}, see `impasto styles`"
    for variant, measured in record["networks"].items():
        rows[f"{variant} network"] = _speed(measured)
    return rows


def _engine_state(name: str) -> str:
    """The version of an engine, or why it cannot be used."""
    try:
        choose_engine(name)
    except ImpastoError as reason:
        return str(reason)
    return _version(name) or "installed"


def _version(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# ---- one file -----------------------------------------------------------------------------------------------------


def _file(file: str, engine: PaintingFlags, *, fast: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Everything about a model or style: the record for JSON, and the rows to print."""
    if fast and is_file(file):
        raise UsageError(NOT_FAST)
    variant: Variant = "fast" if fast else "best"
    found, kind, rows = _describe(file, variant)
    size = None if file in shipped() else _size(file)
    where = "comes with Impasto" if size is None else f"{size / 1e6:.2f} MB, format {found.format}"
    record = {"file": file, "kind": kind, "bytes": size}
    rows = {"file": f"{file} ({where})", **rows}
    if kind != "network":
        measured = _measure(file, variant, engine)
        record |= measured
        rows["speed"] = _speed(measured)
    rows |= {f"training: {name}": str(value) for name, value in found.training.items()}
    return record | asdict(found), rows


def _describe(file: str, variant: Variant) -> tuple[ModelInfo | StyleInfo, str, dict[str, str]]:
    """The file's description, its kind (style, model or network), and the rows to print."""
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
        "license": model.license,
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
        "license": style.license,
        "source": style.source,
        "network": f"{where} ({style.network[:12]}...)",
    }
