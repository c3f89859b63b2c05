import pytest
import torch

from impasto.errors import UsageError
from impasto.training.device import choose_device, use_bfloat16


def test_the_cpu_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")


def test_a_gpu_is_taken_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto", 1) == torch.device("cuda", 1)


@pytest.mark.parametrize(("name", "message"), [("cuda", "device cuda: this torch has only cpu"), ("tpu", "unknown")])
def test_a_device_that_is_not_there_is_refused(monkeypatch, name, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=message):
        choose_device(name)


def test_a_precision_that_is_given_is_used():
    assert use_bfloat16("bfloat16", torch.device("cpu"))
    assert not use_bfloat16("float32", torch.device("cpu"))
    assert not use_bfloat16("auto", torch.device("mps"))
