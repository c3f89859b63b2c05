"""The programs of docs/howto/export.md, as they stand there, paint what Impasto paints."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.cli.main import main
from impasto.painting.load import load
from tests.conftest import make_photo

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "export.md"


def program(language):
    (found,) = re.findall(rf"(?ms)^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the exported style, and a photo in two formats."""
    folder = tmp_path_factory.mktemp("program")
    assert main(["export", "great_wave", "--fast", "-o", str(folder / "wave.onnx")]) == 0
    photo = Image.fromarray(make_photo(2, 61, 93))
    photo.save(folder / "photo.ppm")
    photo.save(folder / "photo.jpg", quality=100, subsampling=0)
    return folder


def check(folder, photo, painted):
    stylizer = load("great_wave", variant="fast", backend="onnxruntime", precision="float32")
    wanted = stylizer(folder / photo)
    away = np.abs(np.asarray(Image.open(folder / painted)).astype(int) - wanted)
    assert away.shape == wanted.shape
    assert away.mean() < 0.5
    assert away.max() <= 8  # decoders of JPEG differ by a level


def run(*words, cwd):
    return subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True)


def test_python(folder, monkeypatch):
    monkeypatch.chdir(folder)
    exec(compile(program("python"), str(PAGE), "exec"), {})
    check(folder, "photo.jpg", "painted.png")


@pytest.mark.slow
def test_javascript(folder):
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        pytest.skip("the JavaScript program is not run here without Node.js and npm")
    options = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        run(npm, "install", *options, "onnxruntime-web@1.30.0", "sharp@0.35", cwd=folder)
    except subprocess.CalledProcessError as cause:
        pytest.skip(f"the JavaScript program is not run here: npm has no packages ({cause.stderr.strip()[:200]})")
    (folder / "paint.mjs").write_text(program("js"), encoding="utf-8")
    (folder / "painted.png").unlink(missing_ok=True)
    run(node, "paint.mjs", cwd=folder)
    check(folder, "photo.jpg", "painted.png")


@pytest.mark.slow
def test_cpp(folder):
    openvino, compiler = pytest.importorskip("openvino"), shutil.which("g++")
    home = Path(openvino.__file__).parent
    if not compiler or not (home / "include" / "openvino").is_dir():
        pytest.skip("the C++ program is not compiled here without g++ and OpenVINO's headers")
    (folder / "paint.cpp").write_text(program("cpp"), encoding="utf-8")
    (library,) = (home / "libs").glob("libopenvino.so.*")
    words = ["-std=c++17", "-Wall", "-Werror", f"-isystem{home / 'include'}", "paint.cpp", "-o", "paint"]
    run(compiler, *words, str(library), f"-Wl,-rpath,{home / 'libs'}", cwd=folder)
    run("./paint", "wave.onnx", "photo.ppm", "painted.ppm", cwd=folder)
    check(folder, "photo.ppm", "painted.ppm")
