"""Nothing is executed: a corpus of pickles that would, in every place where a file may have them."""

import pickle
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.convert.checkpoint import read_checkpoint
from impasto.convert.pickles import PickleReader
from impasto.errors import ModelError
from tests.convert.malicious import as_legacy, as_zip, lying_tensors, programs, state, suspicious

PLACES = {"alone": lambda data: data, "zip": as_zip, "legacy": as_legacy}


def refused(content):
    """The one line with which a file is refused."""
    with pytest.raises(ModelError) as caught:
        read_checkpoint(content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_corpus_is_dangerous_to_python(tmp_path):
    marker = tmp_path / "executed"
    for name, program in programs(marker):
        value = pickle.loads(program)
        if hasattr(value, "close"):
            value.close()
        assert marker.exists(), name
        marker.unlink()


@pytest.mark.parametrize("place", PLACES)
def test_programs_are_refused_and_nothing_is_executed(place, tmp_path):
    marker = tmp_path / "executed"
    audited = []
    watching = [True]
    sys.addaudithook(lambda event, _: audited.append(event) if watching[0] else None)
    for name, program in programs(marker):
        refused(PLACES[place](program))
        with pytest.raises(ModelError):
            PickleReader(program).read()
        assert not marker.exists(), name
    watching[0] = False
    assert not {"pickle.find_class", "os.system", "subprocess.Popen"} & {*audited}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("name", "data"), [*suspicious()], ids=[name for name, _ in suspicious()])
def test_pickles_of_anything_but_weights_are_refused(place, name, data):
    refused(PLACES[place](data))


@pytest.mark.parametrize("place", ["zip", "legacy"])
@pytest.mark.parametrize(("name", "data"), [*lying_tensors()], ids=[name for name, _ in lying_tensors()])
def test_tensors_that_do_not_fit_their_storage_are_refused(place, name, data):
    refused(PLACES[place](data))


@pytest.mark.parametrize("place", ["zip", "legacy"])
def test_a_tensor_that_fits_is_read_from_the_same_bytes(place):
    numbers = torch.tensor([1.0, 2, 3, 4]).numpy().tobytes()
    found = read_checkpoint(PLACES[place](state(b"K\x01", (3,), (1,)), numbers=numbers))
    assert found["w"].tolist() == [2, 3, 4]


def test_a_refusal_says_what_the_file_names():
    program = b"\x80\x02cposix\nsystem\n."
    assert "'posix.system'" in refused(as_zip(program))
    assert "state_dict" in refused(as_zip(program))


@pytest.mark.parametrize(
    "content",
    [
        as_zip(state(b"K\x00", (4,), (1,)), packed=True),
        as_zip(state(b"K\x00", (4,), (1,)), numbers=bytes(12)),
        as_zip(state(b"K\x00", (4,), (1,)), key="../0"),
        as_zip(state(b"K\x00", (4,), (1,)).replace(b"X\x01\x00\x00\x000", b"X\x03\x00\x00\x00../")),
        as_zip(state(b"K\x00", (4,), (1,)), **{"constants.pkl": b"\x80\x02N."}),
        as_zip(state(b"K\x00", (4,), (1,)), byteorder=b"big"),
        as_zip(b"\x80\x02" + b"N0" * 2_500_000 + b"N."),
        as_zip(state(b"K\x00", (4,), (1,)))[:-30],
        as_legacy(state(b"K\x00", (4,), (1,)))[:-3],
        as_legacy(state(b"K\x00", (4,), (1,))).replace(b"little_endian", b"notatall_used"),
        as_legacy(state(b"K\x00", (4,), (1,)), numbers=bytes(8)),
    ],
    ids=range(11),
)
def test_files_that_lie_about_their_storages_are_refused(content):
    refused(content)


WHOLE = [as_zip(state(b"K\x00", (4,), (1,))), as_legacy(state(b"K\x00", (4,), (1,)))]


@settings(max_examples=200)
@given(st.sampled_from(WHOLE), st.data())
def test_damaged_files_are_read_or_refused(content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_checkpoint(bytes(damaged[: data.draw(st.integers(0, len(damaged)))] or damaged))
    except ModelError as reason:
        assert "\n" not in str(reason)
    else:
        assert all(array.dtype == "float32" for array in found.values())


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_random_bytes_are_no_pickle_that_does_anything(content):
    try:
        PickleReader(content).read()
    except ModelError as reason:
        assert "\n" not in str(reason)
