"""Folders of weights as ml5 reads them; see test_converter for what such a network paints."""

import json

import numpy as np
import pytest

from impasto.convert.weight_folder import read_weight_folder
from impasto.errors import ModelError
from tests.convert.files import write_weight_folder

ARRAYS = {"Variable": np.arange(12, dtype=np.float32).reshape(3, 4), "Variable_1": np.ones(2, np.float32)}


def test_every_variable_is_read(tmp_path):
    found = read_weight_folder(write_weight_folder(tmp_path, ARRAYS))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "a/b", "..", "", "a\\b", "a\0b", 3, None, ["x"]])
def test_a_file_outside_the_folder_is_not_read(tmp_path, file):
    (tmp_path / "secret").write_bytes(bytes(8))
    folder = write_weight_folder(tmp_path / "model", ARRAYS)
    manifest = {"Variable": {"filename": file, "shape": [2]}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        read_weight_folder(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [[3, 5], [2**40], [-3, -4], [0], [1.5], [True], "12", None])
def test_shapes_that_do_not_fit_the_file_are_refused(tmp_path, shape):
    folder = write_weight_folder(tmp_path, ARRAYS)
    manifest = {"Variable": {"filename": "Variable", "shape": shape}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError):
        read_weight_folder(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "[" * 100_000, '{"Variable": 3}'], ids=range(6))
def test_damaged_manifests_are_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError):
        read_weight_folder(tmp_path)
