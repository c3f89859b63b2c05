import pytest
import torch
from safetensors.torch import load

from impasto.nn.lpips import Lpips
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import LPIPS_HEADS, packaged
from tests.conftest import make_photo


def test_lpips_is_its_definition(real_loss_network):
    """Zhang et al. 2018, eq. 1, with einsum, from the heads as stored."""
    network = real_loss_network
    one, other = to_tensor(make_photo(1)), to_tensor(make_photo(2))
    heads = load(packaged(LPIPS_HEADS))
    expected = 0.0
    a, b = (network(x, Lpips.LAYERS) for x in (one, other))
    for layer in Lpips.LAYERS:
        unit = [f / (torch.einsum("tijk,tijk->tjk", f, f).sqrt()[:, None] + 1e-10) for f in (a[layer], b[layer])]
        squares = (unit[0] - unit[1]) ** 2
        positions = squares.shape[2] * squares.shape[3]
        expected += float(torch.einsum("tijk,i->t", squares, heads[layer].float()) / positions)
    lpips = Lpips(network)
    assert float(lpips(one, other)) == pytest.approx(expected, rel=1e-4)
    assert float(lpips(one, other)) == pytest.approx(float(lpips(other, one)), rel=1e-5)
    assert float(lpips(one, one)) == 0
