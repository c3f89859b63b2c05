"""The built wheel, installed without extras in an environment of its own: it paints, and torch is not there."""

import os
import subprocess
import sys
import venv
from pathlib import Path

from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.conftest import make_photo
from tests.graphs import write_test_model

ROOT = Path(__file__).parents[1]
LARGEST_WHEEL = 12_000_000


def test_the_wheel_paints_without_torch(tmp_path):
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    programs = home / ("Scripts" if sys.platform == "win32" else "bin")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(program, *arguments):
        command = [str(programs / program), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        return result.returncode, result.stdout + result.stderr

    quiet = ("--quiet", "--disable-pip-version-check")
    code, output = run("python", "-m", "pip", "wheel", *quiet, "--no-deps", "--wheel-dir", tmp_path, ROOT)
    assert code == 0, output
    wheel = next(tmp_path.glob("impasto-*.whl"))
    assert wheel.stat().st_size <= LARGEST_WHEEL
    code, output = run("python", "-m", "pip", "install", *quiet, wheel)
    assert code == 0, output

    write_test_model(tmp_path / "m.onnx")
    save_image(tmp_path / "a.png", make_photo(0))
    code, output = run("impasto", "stylize", "a.png", "-m", "m.onnx", "-o", "b.png")
    assert code == 0, output
    assert (load_image(tmp_path / "b.png") == 255 - make_photo(0)).all()

    installed = next(home.rglob("site-packages/impasto"))
    assert (installed / "py.typed").exists()
    licenses = next(home.rglob("impasto-*.dist-info/licenses"))
    assert {path.name for path in licenses.rglob("*") if path.is_file()} == {"LICENSE", "LICENSES.md"}

    code, output = run("impasto", "train", "a.png", "-o", "n.onnx")
    assert code == 1
    assert output == "impasto: error: this command needs torch; pip install 'impasto[train]'\n"

    for missing in ("torch", "onnx", "openvino", "matplotlib", "impasto_train_data"):
        code, output = run("python", "-c", f"import {missing}")
        assert code != 0
        assert "ModuleNotFoundError" in output
