"""What the metadata, the constraints and the scripts around the package say agrees."""

import platform
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tools.test_wheel import find_python, version_of

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    Requirement(text) for text in PROJECT["dependencies"] + [one for some in EXTRAS.values() for one in some]
]


def constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("wanted", REQUIREMENTS, ids=lambda wanted: wanted.name)
def test_the_constraints_hold_a_version_of_every_requirement_that_it_allows(wanted):
    if wanted.name == "impasto-train-data":
        return  # installed from the checkout
    pinned = [one for one in constraints() if one.name.lower() == wanted.name.lower()]
    assert pinned, "run make lock"
    for one in pinned:
        (version,) = (Version(spec.version) for spec in one.specifier)
        assert version in wanted.specifier


def test_the_data_package_has_the_version_that_the_train_extra_asks_for():
    wanted = next(Requirement(text) for text in EXTRAS["train"] if text.startswith("impasto-train-data"))
    source = ROOT / "packages/impasto-train-data/src/impasto_train_data/__init__.py"
    version = next(line.split('"')[1] for line in source.read_text().splitlines() if line.startswith("__version__"))
    assert Version(version) in wanted.specifier


def test_torch_versions_with_known_holes_are_refused():
    torch = next(Requirement(text) for text in EXTRAS["train"] if text.startswith("torch"))
    assert Version("2.9.1") not in torch.specifier
    assert Version("2.10.0") in torch.specifier


def test_the_wheel_is_tested_on_every_python_that_the_metadata_names():
    named = {
        line.rsplit(" ", 1)[1]
        for line in PROJECT["classifiers"]
        if line.startswith("Programming Language :: Python :: 3.")
    }
    tested = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "test_wheel.py 3" in line)
    assert set(tested.split("test_wheel.py")[1].split()) == named
    workflow = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert all(f'"{version}"' in workflow for version in named)


def test_a_python_is_found_by_its_version():
    mine = "{}.{}".format(*platform.python_version_tuple())
    assert version_of(find_python(mine)) == mine
    assert find_python("3.99") is None
    assert version_of(Path(sys.executable).with_name("no-such-python")) is None
