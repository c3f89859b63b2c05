import sys

import pytest

from impasto import TrainingError
from impasto.files import TRAINING_DATA, training_data


def test_training_data_is_found_in_its_package(tmp_path, monkeypatch):
    (tmp_path / TRAINING_DATA / "photos").mkdir(parents=True)
    (tmp_path / TRAINING_DATA / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, TRAINING_DATA, raising=False)
    assert training_data("photos") == tmp_path / TRAINING_DATA / "photos"


def test_missing_training_data_names_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, TRAINING_DATA, None)  # a missing package, as import sees it
    with pytest.raises(TrainingError, match=r"^the training data is not installed: pip install 'impasto\[train\]'$"):
        training_data("photos")


def test_an_incomplete_package_names_the_missing_file(tmp_path, monkeypatch):
    (tmp_path / TRAINING_DATA).mkdir()
    (tmp_path / TRAINING_DATA / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, TRAINING_DATA, raising=False)
    with pytest.raises(TrainingError, match=r"photos: is missing: reinstall the package impasto-train-data"):
        training_data("photos")
