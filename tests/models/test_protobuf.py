"""The wire format; the oracle is protobuf itself, by way of the `onnx` package."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.models.onnx_file import Tensor
from impasto.models.protobuf import TruncatedError, WireError, bytes_field, fields


@given(st.integers(0, 2**64 - 1))
def test_onnx_reads_the_numbers_that_are_written_and_the_other_way_round(number):
    tensor = onnx.TensorProto(dims=[number if number < 2**63 else number - 2**64])
    (item,) = fields(tensor.SerializeToString(), {1: 0})
    assert item.value == number
    read = onnx.TensorProto.FromString(Tensor("", (number,), 0, b"").encoded())
    assert read.dims[0] % 2**64 == number


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\x08", TruncatedError),  # a tag, and no number
        (b"\x08\x80", TruncatedError),  # a number that goes on
        (b"\x12\x05abc", TruncatedError),  # a length of more than there is
        (b"\x12" + b"\xff" * 9 + b"\x01", TruncatedError),  # a length of nearly 2^64
        (b"\x08" + b"\xff" * 11, WireError),  # a number of more than 64 bits
        (b"\x09" + b"\0" * 8, WireError),  # another wire type
        (b"\x78\x01", WireError),  # an unknown field
        (b"\x00\x01", WireError),  # field 0
    ],
)
def test_bytes_that_are_no_message_are_refused(content, error):
    with pytest.raises(WireError) as caught:
        list(fields(content, {1: 0, 2: 2}))
    assert type(caught.value) is error


def test_a_field_holds_its_content():
    (item,) = fields(bytes_field(5, b"abc"), {5: 2})
    assert (item.number, item.value, item.stop - item.body) == (5, 3, 3)
