"""ONNX Runtime for browsers: fetched, checked, kept. A small package stands for the real one."""

import base64
import hashlib
import io
import tarfile

import pytest

from impasto.errors import BackendError, UsageError
from impasto.export import runtime
from impasto.export.runtime import runtime_files

CONTENT = {"a.mjs": b"script", "a.wasm": b"\0asm"}


def archive_of(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def package(monkeypatch, tmp_path):
    """The archive of the small package; the cache folder is empty, and no npm is found."""
    archive = archive_of(CONTENT | {"unused.js": b"more"})
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    monkeypatch.setattr(runtime, "INTEGRITY", f"sha512-{digest}")
    monkeypatch.setattr(runtime, "FILES", {k: hashlib.sha256(x).hexdigest() for k, x in CONTENT.items()})
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return archive


def put_npm(tmp_path, script):
    npm = tmp_path / "bin" / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)


def test_a_package_and_a_folder_are_read_and_checked(package, tmp_path):
    (tmp_path / "p.tgz").write_bytes(package)
    assert runtime_files(tmp_path / "p.tgz") == CONTENT
    (tmp_path / "unpacked" / "dist").mkdir(parents=True)
    for name, content in CONTENT.items():
        (tmp_path / "unpacked" / "dist" / name).write_bytes(content)
    assert runtime_files(tmp_path / "unpacked") == runtime_files(tmp_path / "unpacked" / "dist") == CONTENT
    (tmp_path / "unpacked" / "dist" / "a.wasm").write_bytes(b"another")
    with pytest.raises(BackendError, match=r"its a.wasm is not that of onnxruntime-web"):
        runtime_files(tmp_path / "unpacked")
    (tmp_path / "unpacked" / "dist" / "a.wasm").unlink()
    with pytest.raises(BackendError, match=r"has no a.wasm"):
        runtime_files(tmp_path / "unpacked")
    (tmp_path / "p.tgz").write_bytes(archive_of(CONTENT | {"unused.js": b"less"}))
    with pytest.raises(BackendError, match="hash differs"):
        runtime_files(tmp_path / "p.tgz")
    with pytest.raises(UsageError, match="no such folder"):
        runtime_files(tmp_path / "nothing")


def test_npm_fetches_it_once(package, tmp_path):
    (tmp_path / "served.tgz").write_bytes(package)
    put_npm(tmp_path, f"/bin/cp {tmp_path}/served.tgz {runtime._ARCHIVE} && echo $@ >> {tmp_path}/calls")
    assert runtime_files() == CONTENT
    assert runtime_files() == CONTENT
    assert (tmp_path / "calls").read_text().count("pack onnxruntime-web@") == 1
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(b"damaged")
    assert runtime_files() == CONTENT
    assert (tmp_path / "calls").read_text().count("pack onnxruntime-web@") == 2
    assert kept.read_bytes() == package


def test_another_package_than_the_one_on_record_is_refused_and_not_kept(package, tmp_path):
    (tmp_path / "served.tgz").write_bytes(archive_of({"a.mjs": b"evil"}))
    put_npm(tmp_path, f"/bin/cp {tmp_path}/served.tgz {runtime._ARCHIVE}")
    with pytest.raises(BackendError, match="hash differs"):
        runtime_files()
    assert not [*(tmp_path / "cache").iterdir()]


def test_without_npm_or_a_network_one_line_says_what_to_do(package, tmp_path):
    with pytest.raises(BackendError, match=r"install Node.js, or give --ort"):
        runtime_files()
    put_npm(tmp_path, "echo 'npm error code ENOTFOUND' >&2; echo more >&2; exit 1")
    with pytest.raises(BackendError, match=r"\(npm error code ENOTFOUND\): connect, or give --ort") as caught:
        runtime_files()
    assert "\n" not in str(caught.value)
