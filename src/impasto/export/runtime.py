"""ONNX Runtime for browsers: fetched from the npm registry by npm, checked, and kept in the user's cache folder."""

import base64
import contextlib
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from impasto.errors import BackendError, UsageError
from impasto.files import replacing
from impasto.models.catalog import cache_folder

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""The package's hash in the npm registry (Subresource Integrity)."""
FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    "ort.jspi.min.mjs": "bc57179d923fda2d88d4a395359c8df44399dde087bf9ff44fc0e40ab398e4d9",
    "ort-wasm-simd-threaded.jspi.mjs": "270e2c6da9f297239d301d329782b6446641cb1e16a77967690adcfca35f3268",
    "ort-wasm-simd-threaded.jspi.wasm": "a54c76f86b0f0d9572380cf1c6292a7b3903716ffcbcd6b0e5c7050bf430eb93",
}
"""The files that a page uses, in the package's folder dist, and their SHA-256."""
LICENSE = """MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
"""The license of ONNX Runtime, which the package names and does not contain."""
_SECONDS = 600
_ARCHIVE = f"{PACKAGE}-{VERSION}.tgz"


def runtime_files(place: Path | None = None) -> dict[str, bytes]:
    """The files of ONNX Runtime for browsers, by name, exactly those of `VERSION`.

    Args:
        place: A folder with the unpacked package (``node_modules/onnxruntime-web``), or the package as npm packs it
            (.tgz); None for the user's cache folder, which npm fills when it is empty.

    Raises:
        BackendError: npm is missing or cannot fetch the package, or a file is not that of this version.
        UsageError: There is no such place.
    """
    if place is not None:
        if not place.exists():
            raise UsageError(f"{place}: no such folder or file; give node_modules/{PACKAGE}, or the file {_ARCHIVE}")
        return _from_folder(place) if place.is_dir() else _from_archive(place.read_bytes(), str(place))
    folder = cache_folder()
    kept = None if folder is None else folder / _ARCHIVE
    if kept is not None and kept.is_file():
        with contextlib.suppress(BackendError):  # damaged: fetch it again
            return _from_archive(kept.read_bytes(), str(kept))
    with _fetched() as archive:
        content = archive.read_bytes()
    found = _from_archive(content, "the package from npm")
    if kept is not None:
        with contextlib.suppress(BackendError), replacing(kept, BackendError) as part:
            part.write_bytes(content)
    return found


@contextlib.contextmanager
def _fetched() -> Iterator[Path]:
    """The package, fetched by npm: from its cache or from the registry."""
    advice = f"or give --ort FOLDER, an unpacked {PACKAGE} {VERSION}"
    npm = shutil.which("npm")
    if npm is None:
        raise BackendError(f"npm fetches {PACKAGE}, and is not installed: install Node.js, {advice}")
    with tempfile.TemporaryDirectory() as folder:
        words = [
            npm,
            "pack",
            f"{PACKAGE}@{VERSION}",
            "--prefer-offline",
            "--fetch-retries=1",
            "--loglevel=error",
            "--pack-destination",
            ".",
        ]
        try:
            subprocess.run(
                words, cwd=folder, check=True, capture_output=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.SubprocessError) as cause:
            text = (getattr(cause, "stderr", b"") or b"").decode(errors="replace").split("\n")
            reason = next((line for line in text if line.strip()), type(cause).__name__)
            raise BackendError(f"npm cannot fetch {PACKAGE} {VERSION} ({reason}): connect, {advice}") from cause
        yield Path(folder, _ARCHIVE)


def _from_archive(content: bytes, name: str) -> dict[str, bytes]:
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise BackendError(f"{name}: is not {PACKAGE} {VERSION}: its hash differs from the one on record")
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            members = {name: archive.extractfile(f"package/dist/{name}") for name in FILES}
            return _checked({key: member.read() for key, member in members.items() if member is not None}, name)


def _from_folder(folder: Path) -> dict[str, bytes]:
    dist = folder / "dist" if (folder / "dist").is_dir() else folder
    return _checked({name: (dist / name).read_bytes() for name in FILES if (dist / name).is_file()}, str(folder))


def _checked(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    for file, digest in FILES.items():
        if file not in files:
            raise BackendError(f"{name}: has no {file}; give the whole of {PACKAGE} {VERSION}")
        if hashlib.sha256(files[file]).hexdigest() != digest:
            raise BackendError(f"{name}: its {file} is not that of {PACKAGE} {VERSION}; give that version")
    return files
