"""Chooses engine and precision by a benchmark, which runs once per network, computer and number of threads."""

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import groupby, product
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from impasto.errors import BackendError, ModelError, UsageError
from impasto.files import replacing
from impasto.models.modelfile import ModelInfo
from impasto.models.records import RecordError, from_json, to_json
from impasto.models.stylefile import Style
from impasto.painting.devices import Device
from impasto.painting.engine import Array, Precision, installed_version
from impasto.painting.engines import ENGINES, choose_engine, known_engine
from impasto.painting.network import ModelGraph, Network
from impasto.painting.noise import smooth_noise
from impasto.pictures.picture import Pixels
from impasto.processor import has_int8, processor_identity

_log = logging.getLogger(__name__)

PrecisionChoice = Literal["auto", "float32", "bfloat16", "int8"]
"""A precision, or "auto": the fastest precision whose output is close to float32's, by a benchmark."""
SIDE = 128
"""Side of the benchmark picture, pixels."""
MOST_ROUNDS = 3
"""Largest number of times that each option is timed; once, if the choice is clear then."""
MUCH_FASTER = 0.5
"""If an option takes less than this share of float32's time, no other engine is tried: they have float32 only."""
FASTER = 0.9
"""A less exact option is chosen only if it takes less than this share of the time of a more exact one."""
MOST_LEVELS = 4.0
"""Largest accepted mean difference from float32, levels of 255. A larger one means that the engine is wrong."""
_FORMAT = 2


class Option(NamedTuple):
    """An engine's name and a precision."""

    backend: str
    precision: Precision

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


def choose(
    graph: ModelGraph, style: Style | None, backend: str, precision: PrecisionChoice, folder: Path | None
) -> ModelGraph:
    """The graph with the requested engine and precision; "auto" selects the fastest.

    The first call for a network, computer, set of package versions and number of threads runs a benchmark, which takes
    some tenths of a second: each option paints a small picture. The times are cached.

    Args:
        graph: The graph; its engine and precision are ignored.
        style: The style to benchmark with, as the error of int8 depends on the style; None for a network without
            style input.
        backend: An engine's name, or "auto".
        precision: A precision, or "auto".
        folder: The folder to cache times in; None caches them in this process only.

    Raises:
        UsageError: The backend or precision is unknown.
        BackendError: The engine is missing or broken, or does not support the precision; or the model or the processor
            does not.
    """
    check_precision(precision)
    options = _options(graph.info, backend, precision)
    if len(options) == 1:
        return replace(graph, backend=options[0].backend, precision=options[0].precision)
    speeds = _speeds(graph, style, options, backend, folder)
    # The value ranges of the network are those of the styles that it was made with.
    in_range = style is None or style.info.name in graph.info.styles
    usable = {option: time for option, time in speeds.items() if in_range or option.precision != "int8"}
    best = fastest(usable or speeds)
    return replace(graph, backend=best.backend, precision=best.precision, speeds=tuple(speeds.items()))


def on_device(graph: ModelGraph, style: Style | None, device: Device, backend: str, precision: str) -> ModelGraph:
    """The graph on a device, whose painting of a small picture agrees with the CPU's.

    Args:
        graph: The graph; its engine, precision and device are ignored.
        style: The style to paint with; None for a network without style input.
        device: The device, which works (`impasto.painting.devices.choose_device`).
        backend: "auto", or the name of the device's engine.
        precision: "auto" or "float32".

    Raises:
        UsageError: Another engine is asked for, or the precision is unknown.
        BackendError: Another precision is asked for, or the device computes something else than the CPU.
        ModelError: The device cannot run the graph.
    """
    check_precision(precision)
    if backend not in ("auto", device.backend):
        raise UsageError(
            f"device {device.name} is one of {ENGINES[device.backend].title}: leave --backend {backend} out"
        )
    if precision not in ("auto", "float32"):
        raise BackendError(f"device {device.name} computes in float32: leave --precision {precision} out")
    exact = replace(graph, backend="onnxruntime", precision="float32", cache=None, device=None)
    made = replace(graph, backend=device.backend, precision="float32", cache=None, device=device)
    painted = []
    for one in (exact, made):
        network = Network.of(graph.info, one)
        painted.append(network.run({**network.image_inputs(_picture()), **network.style_inputs(style, 1.0)}))
    away = 255 * float(np.abs(painted[0] - painted[1]).mean())
    if not away <= MOST_LEVELS:  # NaN is not
        raise BackendError(
            f"device {device.name} computes something else than the CPU: {away:.1f} of 255 away on average"
        )
    return made


def check_precision(precision: object) -> None:
    """Raise UsageError unless ``precision`` is a precision or "auto"."""
    known = get_args(PrecisionChoice)
    if precision not in known:
        raise UsageError(f"unknown precision {precision!r}; use one of {', '.join(known)}")


def fastest(speeds: Mapping[Option, float]) -> Option:
    """The fastest option; a less exact precision only if it takes less than `FASTER` times as long."""
    best = min(_exact(speeds) or speeds, key=speeds.__getitem__)
    for precision in ("bfloat16", "int8"):
        others = [option for option in speeds if option.precision == precision]
        if others and speeds[other := min(others, key=speeds.__getitem__)] < FASTER * speeds[best]:
            best = other
    return best


def _options(info: ModelInfo, backend: str, precision: PrecisionChoice) -> list[Option]:
    """The options to choose from, at least one. They are not yet known to work."""
    if backend == "auto":
        backends = [name for name in ENGINES if find_spec(name) is not None] or [choose_engine(backend)]
    else:
        backends = [known_engine(backend)]
    if precision != "auto":
        _check_support(info, backends[0], precision)
    found = []
    for name, one in product(backends, get_args(Precision) if precision == "auto" else [precision]):
        with contextlib.suppress(BackendError):
            _check_support(info, name, one)
            found.append(Option(name, one))
    return found


def _check_support(info: ModelInfo, backend: str, precision: Precision) -> None:
    """Raise BackendError if this engine cannot paint with this model in this precision."""
    kind = ENGINES[backend]
    if precision == "float32":
        return
    if not (kind.bfloat16 if precision == "bfloat16" else kind.int8):
        raise BackendError(f"{kind.title} computes in float32 only; use OpenVINO (pip install 'impasto[openvino]')")
    if precision == "int8" and not info.ranges:
        raise BackendError("this model has no value ranges, which int8 needs; use precision float32, or auto")
    if precision == "int8" and not has_int8():
        raise BackendError("this processor has no 8-bit products (VNNI); use precision float32, or auto")


# ---- measuring ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Record:
    """The cached times of a benchmark."""

    milliseconds: dict[str, float]


_measured: dict[str, dict[Option, float]] = {}
_measuring = threading.Lock()


def _speeds(
    graph: ModelGraph, style: Style | None, options: Sequence[Option], backend: str, folder: Path | None
) -> dict[Option, float]:
    """The time of each option that works, in milliseconds, from the cache or by a benchmark.

    Without a record, and if the engine that it recommends does not work any more, they are measured. If an engine does
    not work, no record is written: it may be mended.
    """
    versions = [installed_version(name) for name in dict.fromkeys(option.backend for option in options)]
    names = [str(option) for option in options]
    made_for = [_FORMAT, graph.digest, graph.threads, processor_identity(), names, versions]
    key = hashlib.sha256(repr(made_for).encode()).hexdigest()[:32]
    file = folder / f"{key}.speeds.json" if folder is not None else None
    with _measuring:
        found = _measured.get(key) or _read(file, options)
        if not found or not _works(fastest(found).backend):
            choose_engine(backend)  # raises for one that is wanted and does not work; warns of others
            working = [option for option in options if _works(option.backend)]
            found = _measure(graph, style, working)
            if len(working) == len(options):
                _write(file, found)
        _measured[key] = found
        return found


def _works(backend: str) -> bool:
    try:
        choose_engine(backend)
    except BackendError:
        return False
    return True


def _measure(graph: ModelGraph, style: Style | None, options: Sequence[Option]) -> dict[Option, float]:
    """The time of each option for a small picture, in milliseconds; omits those that fail or compute something else.

    Engines after the first are omitted too if the first has an option that is much faster than float32.
    """
    failures: dict[Option, Exception] = {}
    speeds: dict[Option, float] = {}
    exact: Array | None = None
    for _, group in groupby(options, key=lambda option: option.backend):
        found, painted = _measure_engine(graph, style, [*group], failures)
        if exact is None:
            exact = next((painted[option] for option in found if option.precision == "float32"), None)
        for option, milliseconds in found.items():
            away = 0.0 if exact is None else 255 * float(np.abs(painted[option] - exact).mean())
            if away <= MOST_LEVELS:  # NaN is not
                speeds[option] = milliseconds
            else:
                _log.debug("impasto: %s is not used: %.1f levels from float32", option, away)
        if speeds and min(speeds.values()) < MUCH_FASTER * min(_exact(speeds).values(), default=0.0):
            break
    if not speeds:
        raise failures.get(options[0]) or BackendError("no engine computes the same with this model twice")
    return speeds


def _measure_engine(
    graph: ModelGraph, style: Style | None, options: Sequence[Option], failures: dict[Option, Exception]
) -> tuple[dict[Option, float], dict[Option, Array]]:
    """The times of one engine's options in milliseconds, and their paintings; those that fail go to ``failures``."""

    def load(option: Option) -> Network | None:
        try:
            return Network(graph.info, replace(graph, backend=option.backend, precision=option.precision, cache=None))
        except (BackendError, ModelError) as cause:
            failures[option] = cause
            return None

    with ThreadPoolExecutor(graph.threads) as pool:
        loaded = pool.map(load, options)
    networks = {option: network for option, network in zip(options, loaded, strict=True) if network is not None}
    picture = _picture()
    painted: dict[Option, Array] = {}
    speeds: dict[Option, float] = {}
    for turn in range(1 + MOST_ROUNDS):  # the first is a warm-up; options alternate, as other load may slow all down
        if turn > 1 and _is_clear(speeds):
            break
        for option, network in [*networks.items()]:
            inputs = {**network.image_inputs(picture), **network.style_inputs(style, 1.0)}
            start = time.perf_counter()
            try:
                painted[option] = network.run(inputs)
            except ModelError as cause:
                failures[option] = cause
                del networks[option]
                speeds.pop(option, None)
                continue
            milliseconds = 1000 * (time.perf_counter() - start)
            if turn:
                speeds[option] = min(milliseconds, speeds.get(option, milliseconds))
    return speeds, painted


def _is_clear(speeds: Mapping[Option, float]) -> bool:
    """Whether the fastest option would still be chosen if it took a quarter longer."""
    if not speeds:
        return True
    best = fastest(speeds)
    return fastest({**speeds, best: 1.25 * speeds[best]}) == best


def _exact(speeds: Mapping[Option, float]) -> dict[Option, float]:
    return {option: seconds for option, seconds in speeds.items() if option.precision == "float32"}


def _picture() -> Pixels:
    """A picture with structure at all scales, uint8 (SIDE, SIDE, 3)."""
    scales = (1, 1, 1, 4, 4, 4, 16, 16, 16, 64, 64, 64)
    fields = smooth_noise(scales, SIDE, SIDE, 0)[0].reshape(4, 3, SIDE, SIDE)
    weights = np.array([8, 16, 24, 32], np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    picture: Pixels = np.clip(128 + (weights * fields).sum(axis=0), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return picture


def _read(file: Path | None, options: Sequence[Option]) -> dict[Option, float]:
    """The times in a cache file; empty if it is missing or damaged."""
    if file is None:
        return {}
    try:
        record = from_json(_Record, file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecordError):
        return {}
    known = {str(option): option for option in options}
    sound = known.keys() >= record.milliseconds.keys() and all(time > 0 for time in record.milliseconds.values())
    return {known[name]: time for name, time in record.milliseconds.items()} if sound else {}


def _write(file: Path | None, speeds: Mapping[Option, float]) -> None:
    """Write the cache file, if the folder is writeable."""
    if file is None:
        return
    record = _Record({str(option): round(time, 3) for option, time in speeds.items()})
    with contextlib.suppress(OSError, BackendError), replacing(file, BackendError) as part:
        part.write_text(to_json(record) + "\n", encoding="utf-8")
