from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from impasto.errors import ModelError
from impasto.models.stylefile import Style, StyleInfo, read_style, write_style

INFO = StyleInfo(name="große welle", network="ab" * 32, title="Wave", artist="Hokusai", training={"steps": 3})
STYLE = Style(INFO, np.arange(6, dtype=np.float32), np.ones(6, np.float32))


def test_what_is_written_is_read(tmp_path):
    write_style(tmp_path / "a.safetensors", STYLE)
    found = read_style(tmp_path / "a.safetensors")
    assert found.info == INFO
    np.testing.assert_array_equal(found.parameters, STYLE.parameters)
    np.testing.assert_array_equal(found.photo, STYLE.photo)
    write_style(tmp_path / "b.safetensors", found)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("length", [0, 1, 8, 100, -1])
def test_a_file_cut_short_is_refused(tmp_path, length):
    path = tmp_path / "a.safetensors"
    write_style(path, STYLE)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ModelError, match=r"a\.safetensors: is not a style file, or damaged"):
        read_style(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match="no such style file"):
        read_style(tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match="cannot read"):
        read_style(tmp_path)
    path = tmp_path / "other.safetensors"
    save_file({"x": np.ones(3, np.float32)}, path)
    with pytest.raises(ModelError, match="is not a style file; give one"):
        read_style(path)
    write_style(path, replace(STYLE, info=replace(INFO, format=9)))
    with pytest.raises(ModelError, match="style of format 9, this version of Impasto reads 1"):
        read_style(path)
    save_file({"style": np.ones(3, np.float32), "photo": np.ones(3, np.float32)}, path, {"impasto": "[]"})
    with pytest.raises(ModelError, match="description is damaged"):
        read_style(path)
    for damaged in (np.full(6, np.nan, np.float32), np.ones(5, np.float32), np.ones(6, np.float64)):
        write_style(path, replace(STYLE, parameters=damaged))
        with pytest.raises(ModelError, match="its numbers are damaged"):
            read_style(path)
