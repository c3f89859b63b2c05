"""Files of `torch.save`; the oracle is torch itself."""

import io
import pickle
import struct
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from impasto.convert.checkpoint import read_checkpoint
from impasto.errors import ModelError
from tests.convert.torch_files import saved

LAYOUTS = [False, True]


def tensors():
    torch.manual_seed(0)
    big = torch.randn(6, 8)
    return OrderedDict(
        whole=torch.randn(2, 3, 4),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
        turned=big.T,
        part=big[1:5:2, 3:],
        again=big,
        parameter=torch.nn.Parameter(torch.randn(5)),
        half=torch.randn(7).half(),
        brain=torch.randn(7).bfloat16(),
        double=torch.randn(7).double(),
        expanded=torch.randn(3, 1),
    )


@pytest.mark.parametrize("legacy", LAYOUTS)
def test_every_tensor_is_what_torch_saved(legacy):
    wanted = tensors()
    found = read_checkpoint(saved(wanted, legacy=legacy))
    assert [*found] == [*wanted]
    for name, tensor in wanted.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], tensor.detach().float().numpy(), err_msg=name)


@pytest.mark.parametrize("legacy", LAYOUTS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickles_is_read(legacy, protocol, tmp_path):
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    torch.save(module.state_dict(), tmp_path / "x", pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    found = read_checkpoint((tmp_path / "x").read_bytes())
    assert {*found} == {name for name in module.state_dict() if "num_batches" not in name}  # a whole number
    np.testing.assert_array_equal(found["0.weight"], module[0].weight.detach().numpy())


@pytest.mark.parametrize("legacy", LAYOUTS)
def test_weights_inside_dictionaries_are_found(legacy):
    state = OrderedDict({"a.weight": torch.ones(3), "a.running_mean": torch.zeros(3)})
    moments = {number: {"step": torch.tensor(2.0), "exp_avg": torch.zeros(9)} for number in range(9)}
    optimizer = {"state": moments, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999)}]}
    beside = {"epoch": torch.tensor(3.0), "optimizer": optimizer, "callbacks": {}, "loss": 0.5}
    for value in ({**beside, "state_dict": state}, {"trained": {**beside, "generator": state}}):
        found = read_checkpoint(saved(value, legacy=legacy))
        assert {name: array.tolist() for name, array in found.items()} == {
            "a.weight": [1, 1, 1],
            "a.running_mean": [0, 0, 0],
        }


def test_a_dictionary_that_is_contained_many_times_is_read_once():
    """Its copies would take hours: some 10 ** 12."""
    value = OrderedDict({"a.weight": torch.ones(3)})
    for _ in range(3):
        value = dict.fromkeys(range(10_000), value)
    assert [*read_checkpoint(saved(value, legacy=False))] == ["a.weight"]


class _Stored:
    """A tensor as torch before 0.4 pickled it, on a graphics card: with another function, and maybe in a view."""

    def __init__(self, key, view, shape):
        self.storage = SimpleNamespace(key=key, view=view)
        self.shape = shape

    def __reduce__(self):
        strides = tuple(int(np.prod(self.shape[place + 1 :])) for place in range(len(self.shape)))
        return torch._utils._rebuild_tensor, (self.storage, 0, self.shape, strides)


class _OldPickler(pickle.Pickler):
    def persistent_id(self, item):
        if not isinstance(item, SimpleNamespace):
            return None
        return "storage", torch.cuda.FloatStorage, item.key, "cuda:0", 10, item.view


def test_files_of_torch_before_0_4_are_read():
    stream = io.BytesIO()
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    state = OrderedDict({"whole": _Stored("7", None, (2, 5)), "part": _Stored("7", ("8", 4, 6), (3, 2))})
    for value in (0x1950A86A20F9469CFC6C, 1001, system):
        pickle.dump(value, stream, protocol=2)
    _OldPickler(stream, protocol=2).dump(state)
    pickle.dump(["7"], stream, protocol=2)
    numbers = np.arange(10, dtype="<f4")
    stream.write(struct.pack("<q", 10) + numbers.tobytes())
    found = read_checkpoint(stream.getvalue())
    np.testing.assert_array_equal(found["whole"], numbers.reshape(2, 5))
    np.testing.assert_array_equal(found["part"], numbers[4:].reshape(3, 2))


@pytest.mark.parametrize("legacy", LAYOUTS)
def test_a_whole_module_is_refused_by_the_name_of_its_class(legacy):
    with pytest.raises(ModelError, match=r"'torch\.nn\.modules\.linear\.Linear'.*state_dict"):
        read_checkpoint(saved(torch.nn.Linear(2, 2), legacy=legacy))


@pytest.mark.parametrize("value", [{}, [], 3, "text", {"a": 1}, {"n": torch.tensor([1, 2])}], ids=str)
def test_files_without_weights_are_refused(value):
    with pytest.raises(ModelError, match="contains no weights"):
        read_checkpoint(saved(value))


@pytest.mark.parametrize("legacy", LAYOUTS)
def test_a_file_that_is_cut_short_is_refused_at_every_length(legacy):
    content = saved(OrderedDict(a=torch.ones(40), b=torch.ones(3)), legacy=legacy)
    for length in range(4, len(content) - 1, 7):
        with pytest.raises(ModelError):
            read_checkpoint(content[:length])


def test_tar_archives_and_other_zip_archives_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"torch before 0\.2"):
        read_checkpoint(b"sys_info".ljust(257, b"\0") + b"ustar" + bytes(300))
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    with pytest.raises(ModelError, match=r"not one of torch\.save"):
        read_checkpoint((tmp_path / "x.npz").read_bytes())
