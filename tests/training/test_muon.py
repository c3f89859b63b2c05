import pytest
import torch

from impasto.training.muon import Muon, orthogonalize


def by_singular_values(matrix, steps=5):
    """The iteration from its definition: an odd polynomial of each singular value."""
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.square().sum().sqrt()
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ (values[:, None] * right)


@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (16, 16), (1, 9)])
def test_orthogonalize_changes_singular_values_only(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) * torch.logspace(0, -3, shape[0])[:, None]  # of very different scales
    torch.testing.assert_close(orthogonalize(matrix).double(), by_singular_values(matrix), rtol=0, atol=2e-4)


def test_a_step_has_the_length_of_its_rate_whatever_the_gradient():
    torch.manual_seed(0)
    kernels = [torch.zeros(4, 6, 3, 3) for _ in range(2)]
    gradient = torch.randn(4, 6, 3, 3)
    for kernel, size in zip(kernels, (1.0, 1e4), strict=True):
        kernel.grad = size * gradient
        Muon([kernel], lr=0.5).step()
    torch.testing.assert_close(kernels[0], kernels[1])
    values = torch.linalg.svdvals(kernels[0].reshape(4, -1))
    assert 0.5 * 0.65 < values.min() <= values.max() < 0.5 * 1.25
    assert float((kernels[0] * gradient).sum()) < 0  # downhill
