import pytest
import torch
import torch.nn.functional as F

from impasto.nn.winograd import LEAST_CHANNELS, FixedConv


@pytest.mark.parametrize(("height", "width"), [(16, 16), (13, 22), (1, 5), (4, 3)])
def test_winograd_equals_the_convolution_and_so_does_its_gradient(height, width):
    torch.manual_seed(0)
    weight, bias = torch.randn(160, LEAST_CHANNELS, 3, 3) * 0.05, torch.randn(160)
    x = torch.randn(2, LEAST_CHANNELS, height, width, requires_grad=True)
    gradient = torch.randn(2, 160, height, width)
    exact = x.detach().double().requires_grad_()
    wanted = F.conv2d(exact, weight.double(), bias.double(), padding=1)
    wanted.backward(gradient.double())
    wanted = wanted.detach()
    result = FixedConv(weight, bias)(x)
    assert "Convolve" in type(result.grad_fn).__name__  # not torch's own
    result.backward(gradient)
    torch.testing.assert_close(result.detach().double(), wanted, atol=3e-5 * float(wanted.abs().max()), rtol=0)
    torch.testing.assert_close(x.grad.double(), exact.grad, atol=3e-5 * float(exact.grad.abs().max()), rtol=0)


def test_few_channels_and_other_dtypes_use_torchs_convolution():
    few = FixedConv(torch.randn(8, 3, 3, 3), torch.zeros(8))
    x = torch.randn(1, 3, 9, 9)
    assert torch.equal(few(x), F.conv2d(x, few.weight, few.bias, padding=1))
    many = FixedConv(torch.randn(128, 128, 3, 3), torch.zeros(128))
    with torch.autocast("cpu", torch.bfloat16):
        assert many(torch.randn(1, 128, 8, 8)).dtype == torch.bfloat16
