"""Checkpoints of TensorFlow 1, on files that TensorFlow wrote (tests/convert/data/README.md)."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.convert.tensorflow import checkpoint_files, read_tensorflow, unsnappy
from impasto.errors import ModelError
from impasto.models.protobuf import WireError
from tests.convert.files import DATA

V1, V2 = DATA / "tf1_v1" / "fns.ckpt", DATA / "tf1_v2" / "fns.ckpt"


def test_both_formats_hold_the_same_variables():
    old, new = (read_tensorflow(checkpoint_files(path)) for path in (V1, V2))
    assert len(old) == 24
    assert {*new} > {*old}  # and those of the optimizer
    for name, array in old.items():
        np.testing.assert_array_equal(array, new[name])
    assert old["Variable"].shape == (9, 9, 3, 2)
    assert old["Variable_15"].shape == (3, 3, 3, 4)
    assert 0.05 < old["Variable"].std() < 0.2  # as they were drawn


@pytest.mark.parametrize("name", ["", "fns.ckpt", "fns.ckpt.index", "fns.ckpt.data-00000-of-00001", "fns.ckpt.meta"])
def test_a_checkpoint_is_found_by_each_of_its_names(name):
    assert checkpoint_files(V2.parent / name) == [
        V2.with_name("fns.ckpt.index"),
        V2.with_name("fns.ckpt.data-00000-of-00001"),
    ]


def test_what_is_no_checkpoint_has_no_files(tmp_path):
    assert checkpoint_files(V1.parent) == [V1]
    assert checkpoint_files(tmp_path) == []
    assert checkpoint_files(tmp_path / "missing.ckpt") == []


def test_of_several_checkpoints_in_a_folder_the_latest_is_read(tmp_path):
    for name in ("fns-9.ckpt", "fns-10.ckpt"):
        shutil.copy(V1, tmp_path / name)
    with pytest.raises(ModelError, match=r"several checkpoints \(fns-10\.ckpt, fns-9\.ckpt\)"):
        checkpoint_files(tmp_path)
    for note, wanted in (("/home/them/run/fns-10.ckpt", "fns-10.ckpt"), ("C:\\\\run\\\\fns-9.ckpt", "fns-9.ckpt")):
        (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{note}"\n')
        assert checkpoint_files(tmp_path) == [tmp_path / wanted]
    for note in ("../secret", "gone.ckpt", ".."):
        (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{note}"\n')
        with pytest.raises(ModelError, match="several"):
            checkpoint_files(tmp_path)


def test_an_index_without_its_data_is_refused(tmp_path):
    shutil.copy(V2.with_name("fns.ckpt.index"), tmp_path)
    with pytest.raises(ModelError, match="needs its index and its data"):
        read_tensorflow(checkpoint_files(tmp_path / "fns.ckpt"))


def test_data_that_are_cut_short_are_refused(tmp_path):
    for path in V2.parent.iterdir():
        shutil.copy(path, tmp_path)
    data = tmp_path / "fns.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cut short"):
        read_tensorflow(checkpoint_files(tmp_path / "fns.ckpt"))


@settings(max_examples=150)
@given(st.data())
def test_damaged_tables_are_read_or_refused(tmp_path_factory, data):
    content = bytearray(V1.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.ckpt"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] or content)
    try:
        found = read_tensorflow([path])
    except ModelError as reason:
        assert "\n" not in str(reason)
    else:
        assert all(array.dtype == "float32" for array in found.values())


def test_snappy_copies_what_came_before():
    # A literal "abcd"; a copy of 8 from 4 back, in the short and the long form; a literal of 64 bytes.
    assert unsnappy(b"\x04" + b"\x0cabcd") == b"abcd"
    assert unsnappy(b"\x0c" + b"\x0cabcd" + b"\x11\x04") == b"abcdabcdabcd"
    assert unsnappy(b"\x0c" + b"\x0cabcd" + b"\x1e\x04\x00") == b"abcdabcdabcd"
    assert unsnappy(b"\x0c" + b"\x0cabcd" + b"\x1f\x04\x00\x00\x00") == b"abcdabcdabcd"
    assert unsnappy(b"\x40" + b"\xf0\x3f" + bytes(range(64))) == bytes(range(64))
    # Snappy itself (cramjam 2.14) made this.
    packed = bytes.fromhex("c6021c696d706173746f20fe0800fe0800fe0800fe0800de0800147061696e7473")
    assert unsnappy(packed) == b"impasto " * 40 + b"paints"


@pytest.mark.parametrize(
    "packed", [b"", b"\x05\x0cabcd", b"\x08\x0cabcd\x01\x09", b"\x08\x0cabcd\x01\x00", b"\xff" * 9]
)
def test_damaged_snappy_is_refused(packed):
    with pytest.raises(WireError):
        unsnappy(packed)
