"""Build the wheel, install it in fresh environments, and run the torch-free tests on what was installed.

python tools/test_wheel.py 3.12 3.13          each of these Pythons, newest dependencies
python tools/test_wheel.py --oldest 3.11      the oldest dependencies that pyproject.toml allows

The checkout's src/ is never imported: every environment checks that `impasto` comes from its own site-packages. A
Python is found on PATH, among pyenv's versions, or among uv's own; one that is missing fails the run, or is passed
over with --skip-missing.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "wheel-tests"
EXTRAS = ("openvino", "formats")
TEST_TOOLS = ("pytest>=8.3", "pytest-xdist>=3.6", "hypothesis>=6.112", "onnx>=1.17", "psutil>=6")
BESIDE = str(Path(sys.executable).parent)
UV = shutil.which("uv", path=os.pathsep.join([BESIDE, os.environ.get("PATH", "")]))
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def call(*command: str | Path | None, cwd: Path = ROOT) -> None:
    """Run a command; its failure ends this program."""
    subprocess.run([str(word) for word in command], check=True, cwd=cwd, env=ENVIRONMENT)


def version_of(python: Path) -> str | None:
    """Return the version, as "3.12", that an interpreter says it has; None where it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([str(python), "-c", code], capture_output=True, text=True, env=ENVIRONMENT)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def find_python(version: str) -> Path | None:
    """Return an interpreter of this version ("3.12"); nothing is downloaded."""
    candidates = [Path(path) for path in (shutil.which(f"python{version}"), sys.executable) if path]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python"))
    if UV:
        command = [UV, "python", "find", "--no-python-downloads", version]
        found = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
        candidates += [Path(found.stdout.strip())] if found.returncode == 0 else []
    return next((path for path in candidates if version_of(path) == version), None)


def build_wheel() -> Path:
    """Build the wheel of the checkout and return its path."""
    folder = WORK / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    call(UV, "build", "--quiet", "--wheel", "--out-dir", folder)
    return next(folder.glob("impasto-*.whl"))


def install(python: Path, home: Path, wheel: Path, oldest: bool) -> Path:
    """Make an environment with the wheel, its extras and the test tools; return its interpreter."""
    call(UV, "venv", "--quiet", "--clear", "--python", python, home)
    inside = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = (UV, "pip", "install", "--quiet", "--python", inside)
    if oldest:  # the direct requirements as old as they may be, then the wheel itself
        extras = [word for extra in EXTRAS for word in ("--extra", extra)]
        call(*pip, "--resolution", "lowest-direct", "-r", ROOT / "pyproject.toml", *extras)
        call(*pip, "--no-deps", wheel)
    else:
        call(*pip, f"{wheel}[{','.join(EXTRAS)}]")
    call(*pip, *TEST_TOOLS)
    code = "import sys, impasto; assert impasto.__file__.startswith(sys.prefix), impasto.__file__"
    call(inside, "-c", code)
    return inside


def test(python: Path, home: Path) -> None:
    """Paint one photo with the installed command, then run the tests."""
    photo, painted = ROOT / "examples" / "photos" / "kitten.jpg", home / "painted.jpg"
    call(python, "-m", "impasto", "stylize", photo, "--style", "udnie", "-o", painted, "--force", cwd=home)
    pytest = (python, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")
    call(*pytest, "tests")  # the folder tests/ is importable from the root, src/ is not


def main() -> int:
    """Test the wheel on each Python named; return 1 where one is missing or its tests fail."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", help="Python versions, as 3.12")
    parser.add_argument("--oldest", action="store_true", help="install the oldest dependencies that are allowed")
    parser.add_argument("--skip-missing", action="store_true", help="pass over a Python that is not installed")
    options = parser.parse_args()
    if UV is None:
        parser.error("uv is missing: pip install uv")
    wheel = build_wheel()
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
    for version in options.versions:
        label = f"Python {version}, {'oldest' if options.oldest else 'newest'} dependencies"
        python = find_python(version)
        if python is None:
            advice = f"not installed: `uv python install {version}` or `pyenv install {version}`"
            print(f"{label}: {'skipped' if options.skip_missing else 'failed'}: {advice}", flush=True)
            if options.skip_missing:
                continue
            return 1
        home = WORK / f"{version}{'-oldest' if options.oldest else ''}"
        try:
            test(install(python, home, wheel, options.oldest), home)
        except subprocess.CalledProcessError as error:
            print(f"{label}: failed: {error}", flush=True)
            return 1
        print(f"{label}: passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
