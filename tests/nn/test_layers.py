import pytest
import torch

from impasto.nn.layers import Conv, narrow_conv
from impasto.nn.norm import bounded


@pytest.mark.parametrize("size", [(20, 20), (21, 20), (20, 23), (9, 11)])
def test_the_narrow_convolution_is_the_plain_one(size):
    """Another arrangement of the same sums: equal results and gradients."""
    conv = torch.nn.Conv2d(5, 3, 9).double()
    x = torch.randn(2, 5, *size, dtype=torch.float64, requires_grad=True)
    found = []
    for y in (conv(x), narrow_conv(x, conv)):
        weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape)
        found.append((y, *torch.autograd.grad((y * weights).sum(), [x, conv.weight, conv.bias])))
    for plain, narrow in zip(*found, strict=True):
        torch.testing.assert_close(plain, narrow)


@pytest.mark.parametrize("padding", ["reflect", "replicate", "circular", "zero"])
def test_convolution_keeps_the_size_and_strides_round_up(padding):
    assert Conv(3, 4, 9, padding=padding)(torch.rand(1, 3, 11, 13)).shape == (1, 4, 11, 13)
    assert Conv(3, 4, 3, stride=2, padding=padding)(torch.rand(1, 3, 11, 14)).shape == (1, 4, 6, 7)


def test_beyond_the_bound_gradients_lead_back_only():
    x = torch.tensor([-3.0, -3.0, -1.0, 1.0, 3.0, 3.0], requires_grad=True)
    y = bounded(x, 2.0)
    assert y.tolist() == [-2.0, -2.0, -1.0, 1.0, 2.0, 2.0]
    y.backward(torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0, -1.0]))  # a step goes against the gradient
    assert x.grad.tolist() == [0.0, -1.0, 1.0, 1.0, 1.0, 0.0]
