"""Writes styles as a web page: a folder of static files that paints in the visitor's browser."""

import gzip
import hashlib
import html
import io
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.errors import ModelError, UsageError
from impasto.export.runtime import LICENSE, runtime_files
from impasto.models.catalog import Variant, shipped_names
from impasto.models.onnx_file import Tensor, Value, parse_model
from impasto.options import opt
from impasto.painting import framing, strokes
from impasto.painting.finishing import NEAR_PHOTO
from impasto.painting.load import load
from impasto.painting.network import ModelGraph
from impasto.painting.settings import STROKES_AT
from impasto.painting.stylizer import Stylizer
from impasto.painting.tiles import WHOLE_PIXELS
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side

MARK = "page.json"
"""The file by which a folder is known as such a page."""
THUMBNAIL = 128
"""Short side of a style's thumbnail, pixels."""
ICON_SIZES = (192, 512)
SEEDS = 16
"""Number of seeds of networks whose noise is numpy's: the state of its generator is written for each."""
_PAGE = Path(__file__).with_name("page")
_SHARED = Path(__file__).parents[1] / "web" / "static"
_SHARED_FILES = (
    "css/base.css",
    "css/paint.css",
    *(f"js/{name}.js" for name in ("controls", "dom", "gallery", "state", "theme", "viewer")),
    "icons.svg",
    "icon.svg",
    "example.webp",
)
"""Files of the page of `impasto serve` that this page has, too."""
_RUNTIMES = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
}
"""Script, module and binary of ONNX Runtime; the second has WebGPU."""
NUMBERS = {
    "strokes_at": STROKES_AT,
    "least_side": strokes.LEAST_SIDE,
    "whole_pixels": WHOLE_PIXELS,
    "detail": strokes.DETAIL,
    "again": strokes.AGAIN,
    "near_photo": NEAR_PHOTO,
    "blank": framing.BLANK,
    "full": framing.FULL,
    "sampled": framing.SAMPLED,
}
"""Sizes and weights by which the page paints as Impasto does."""


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """What a page is called, and what it contains."""

    title: str = opt("Impasto", "title of the page (--web)")
    ort: Path | None = opt(
        None,
        "folder with the unpacked npm package onnxruntime-web, or the package, for use without a network (--web); "
        "default: fetched by npm, once",
    )
    no_webgpu: bool = opt(
        False, "leave out WebGPU (--web), which visitors with a graphics processor can switch on, and load then"
    )


@dataclass(frozen=True)
class WrittenPage:
    """What was written."""

    folder: Path
    styles: tuple[str, ...]
    first_load: int
    """Bytes that a visitor loads, as they are stored; most files are compressed."""
    later: int
    """Bytes that are loaded only on request: WebGPU."""


def export_page(
    names: Sequence[str],
    folder: Path,
    options: PageOptions | None = None,
    *,
    variant: Variant = "fast",
    overwrite: bool = False,
    report: Callable[[int, str], None] = lambda done, name: None,
) -> WrittenPage:
    """Write a page that paints in these styles, whole or not at all.

    Args:
        names: Names of shipped styles, style files and model files; none for all shipped styles.
        folder: The folder to write.
        options: See `PageOptions`.
        variant: The network for shipped styles.
        overwrite: Replace a page that is there.
        report: Called with the number of styles that are done and the next one's name.

    Raises:
        UsageError: The folder exists, and is not empty or a page to replace; a style is given twice or unknown.
        ModelError: A style or model cannot be read, or the folder cannot be written.
        BackendError: ONNX Runtime for browsers cannot be had.
    """
    options = options or PageOptions()
    _check_folder(folder, overwrite)
    names = [*names] or [*shipped_names(variant)]
    files, described, networks = _styles(names, variant, report)
    runtime = runtime_files(options.ort)
    runtimes: dict[str, dict[str, Any]] = {}
    for kind, (script, module, binary) in _RUNTIMES.items():
        if kind == "webgpu" and options.no_webgpu:
            continue
        files |= {f"ort/{name}": runtime[name] for name in (script, module)}
        runtimes[kind] = {"script": f"ort/{script}", "module": f"ort/{module}"}
        runtimes[kind]["binary"] = _packed(files, f"ort/{binary}", runtime[binary])
    files["ort/LICENSE.txt"] = LICENSE.encode()
    files |= _static_files(options.title)
    page = {"title": options.title, "runtimes": runtimes, "networks": networks, "styles": described, "numbers": NUMBERS}
    files[MARK] = json.dumps(page, separators=(",", ":")).encode()  # in order: the page loads the first network at once
    later = [name for name in files if "jspi" in name or name.startswith("icon-") or name.endswith("LICENSE.txt")]
    files["sw.js"] = _service_worker(files, later)
    _write(folder, files)
    on_request = sum(len(files[name]) for name in later if "jspi" in name)
    first = sum(_transferred(name, content) for name, content in files.items() if name not in later)
    return WrittenPage(folder, tuple(style["name"] for style in described), first, on_request)


def _check_folder(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; give a folder to write the page to")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise UsageError(f"{folder}: is a folder with other files; give a new one")
    if not overwrite:
        raise UsageError(f"{folder}: exists: add --force to replace the page in it")


# ---- styles and networks ----------------------------------------------------------------------------------------


class _Networks:
    """The networks of a page and their styles' scales and shifts."""

    def __init__(self) -> None:
        self.graphs: dict[str, ModelGraph] = {}
        self.vectors: dict[str, list[Any]] = {}

    def add(self, stylizer: Stylizer) -> tuple[str, int]:
        """The network's name on the page, and the style's number."""
        graph = stylizer.network.graph
        assert isinstance(graph, ModelGraph)
        name = graph.digest[:12]
        self.graphs[name] = graph
        vectors = self.vectors.setdefault(name, [] if stylizer.style is None else [stylizer.style.photo])
        if stylizer.style is None:
            return name, 0
        vectors.append(stylizer.style.parameters)
        return name, len(vectors) - 2

    def described(self, files: dict[str, bytes]) -> dict[str, Any]:
        """The description of each network, whose files are added to ``files``. The most used network comes first."""
        found = {}
        for name in sorted(self.graphs, key=lambda each: -len(self.vectors[each])):
            graph, vectors = self.graphs[name], self.vectors[name]
            content = np.concatenate(vectors).astype("<f4").tobytes() if vectors else b""
            found[name] = {
                "graph": _packed(files, f"networks/{name}.onnx", with_noise_of_fours(graph.content)),
                "vectors": _packed(files, f"networks/{name}.styles", content) if content else None,
                "info": _info(graph),
            }
        return found


def with_noise_of_fours(content: bytes) -> bytes:
    """The graph with a number of noise channels that is divisible by 4; the added ones have no effect.

    ONNX Runtime's WebGPU computes convolutions of 6 channels wrongly (1.30).
    """
    model = parse_model(content)
    sources = {node.output: node.inputs[0] for node in model.nodes if node.operator == "Pad"}
    readers = [node for node in model.nodes if "noise" in node.inputs]
    kernels = {
        node.inputs[1]
        for node in model.nodes
        if node.operator == "Conv" and sources.get(node.inputs[0], node.inputs[0]) == "noise"
    }
    if len(readers) != 1 or len(kernels) != 1:
        return content
    (name,) = kernels
    kernel = model.constants[name].floats()
    more = -kernel.shape[1] % 4
    if not more:
        return content
    wide = np.pad(kernel, [(0, 0), (0, more), (0, 0), (0, 0)])
    inputs = [
        Value("noise", (value.shape[0], wide.shape[1], *value.shape[2:])) if value.name == "noise" else value
        for value in model.inputs
    ]
    constants = {**model.constants, name: Tensor.from_array(name, wide)}
    return replace(model, inputs=tuple(inputs), constants=constants).encoded()


def _info(graph: ModelGraph) -> dict[str, Any]:
    """What the page has to know of a network."""
    info = graph.info
    names = ("multiple_of", "minimum_size", "noise_channels", "noise_stride", "noise_scales", "reach")
    found = {name: getattr(info, name) for name in (*names, "style_size", "late_size", "strength")}
    if info.noise_channels and not info.noise_scales:
        states = [np.random.default_rng(seed).bit_generator.state["state"] for seed in range(SEEDS)]
        found["seeds"] = [[str(state["state"]), str(state["inc"])] for state in states]
    return found


def _styles(
    names: Sequence[str], variant: Variant, report: Callable[[int, str], None]
) -> tuple[dict[str, bytes], list[dict[str, Any]], dict[str, Any]]:
    """Files by name, the styles' descriptions, and the networks'."""
    files: dict[str, bytes] = {}
    described: list[dict[str, Any]] = []
    networks = _Networks()
    photo = load_image(_SHARED / "example.webp")
    for number, name in enumerate(names):
        report(number, name)
        stylizer = load(name, variant=variant, backend="onnxruntime", precision="float32")
        record = _record(name, stylizer)
        if any(style["name"] == record["name"] for style in described):
            raise UsageError(f"two styles are called {record['name']}: give each once, or rename a file")
        record["network"], record["index"] = networks.add(stylizer)
        painted = stylizer(photo)
        record["picture"] = f"styles/{record['name']}.webp"
        files[record["picture"]] = _webp(resize_short_side(painted, THUMBNAIL), 72)
        if not described:
            record["example"] = "styles/example.webp"
            files[record["example"]] = _webp(painted, 80)
            files |= {f"icon-{size}.png": _icon(painted, size) for size in ICON_SIZES}
        described.append(record)
    found = networks.described(files)
    main = next(iter(found))
    for style in described:  # styles of one network can be mixed
        style["kind"] = "style" if style["network"] == main and networks.vectors[main] else "model"
    return files, described, found


def _record(name: str, stylizer: Stylizer) -> dict[str, Any]:
    if stylizer.style is None:
        info = stylizer.info
        title = info.style_title or Path(name).stem
        return {"name": Path(name).stem, "title": title, "artist": "", "year": "", "license": info.license}
    style = stylizer.style.info
    return {
        "name": style.name,
        "title": style.title or style.name,
        "artist": style.artist,
        "year": style.year,
        "license": style.license,
    }


# ---- files ------------------------------------------------------------------------------------------------------


def _packed(files: dict[str, bytes], name: str, content: bytes) -> dict[str, Any]:
    """Add a compressed file; the page unpacks it, so that every host sends few bytes. Returns its entry."""
    name = f"{name}.pack"
    files[name] = gzip.compress(content, 9, mtime=0)
    return {"file": name, "bytes": len(files[name])}


def _transferred(name: str, content: bytes) -> int:
    """The bytes that a host sends: hosts compress text."""
    return (
        len(gzip.compress(content))
        if name.rpartition(".")[2] in ("html", "css", "js", "mjs", "json", "svg")
        else len(content)
    )


def _static_files(title: str) -> dict[str, bytes]:
    own = {path.relative_to(_PAGE).as_posix(): path.read_bytes() for path in sorted(_PAGE.rglob("*")) if path.is_file()}
    del own["sw.js"]
    files = own | {name: (_SHARED / name).read_bytes() for name in _SHARED_FILES}
    files["index.html"] = own["index.html"].replace(b"{title}", html.escape(title).encode())
    icons = [{"src": f"icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"} for size in ICON_SIZES]
    app = {
        "name": title,
        "short_name": title[:12],
        "description": "Your photo, repainted in the styles of paintings, on your own device.",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#f6f4f0",
        "theme_color": "#fdfcfa",
        "icons": [*icons, {**icons[-1], "purpose": "maskable"}],
    }
    files["app.webmanifest"] = json.dumps(app, sort_keys=True).encode()
    return files


def _service_worker(files: Mapping[str, bytes], later: Sequence[str]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    constants = {
        "VERSION": digest.hexdigest()[:16],
        "FILES": ["./", *sorted(set(files) - {*later})],
        "LATER": sorted(later),
    }
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    return head.encode() + (_PAGE / "sw.js").read_bytes()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files beside the folder, and put them in its place."""
    target = Path(os.path.realpath(folder))
    part, old = (target.with_name(f".impasto-{secrets.token_hex(8)}") for _ in range(2))
    try:
        for name, content in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if target.exists():
            target.rename(old)
        part.rename(target)
    except OSError as cause:
        if old.exists() and not target.exists():
            old.rename(target)
        raise ModelError(
            f"{folder}: cannot write: {cause.strerror or cause}; check the disk and permissions"
        ) from cause
    finally:
        for rest in (part, old):
            with suppress(OSError):
                shutil.rmtree(rest)


# ---- pictures ---------------------------------------------------------------------------------------------------


def _webp(pixels: Pixels, quality: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", quality=quality, method=6)
    return stream.getvalue()


def _icon(painted: Pixels, size: int) -> bytes:
    """A square of a painting, with few colors, so that the file is small."""
    side = min(painted.shape[:2])
    left = (painted.shape[1] - side) // 2
    square = Image.fromarray(painted[:side, left : left + side]).resize((size, size), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    square.quantize(64).save(stream, "PNG", optimize=True)
    return stream.getvalue()
