import itertools

import pytest
import torch
from torch import nn

from impasto.errors import UsageError
from impasto.nn.norm import NORMS, BatchNorm, ContrastNorm, InstanceNorm, contrast_norm, instance_norm, make_norm


@pytest.fixture
def features():
    return torch.randn(3, 5, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1


def randomized(layer):
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.3, 1.7)
    return layer.double()


def by_definition_instance(x, eps):
    """Eq. 3, written out with einsum."""
    positions = x.shape[2] * x.shape[3]
    mean = torch.einsum("tijk->ti", x) / positions
    centered = x - torch.einsum("ti,tijk->tijk", mean, torch.ones_like(x))
    variance = torch.einsum("tijk,tijk->ti", centered, centered) / positions
    return torch.einsum("tijk,ti->tijk", centered, (variance + eps) ** -0.5)


def test_instance_norm_is_equation_3(features):
    layer = InstanceNorm(5).double()
    # Statistics are float32 by design, hence not 1e-12.
    torch.testing.assert_close(layer(features), by_definition_instance(features, layer.eps), atol=1e-5, rtol=1e-5)


def test_instance_norm_is_torchs_without_running_statistics(features):
    ours = randomized(InstanceNorm(5))
    theirs = nn.InstanceNorm2d(5, affine=True, track_running_stats=False).double()
    theirs.weight.data, theirs.bias.data = ours.weight.data[0], ours.bias.data[0]
    torch.testing.assert_close(ours(features), theirs(features), atol=1e-5, rtol=1e-5)


def test_instance_norm_is_the_same_in_training_and_in_use(features):
    layer = randomized(InstanceNorm(5))
    assert torch.equal(layer.train()(features), layer.eval()(features))
    assert not list(layer.buffers())


def test_instance_norm_sees_each_image_alone(features):
    layer = randomized(InstanceNorm(5))
    torch.testing.assert_close(layer(features)[1:2], layer(features[1:2]))


def test_instance_norm_keeps_its_statistics_in_float32():
    big = torch.full((1, 2, 8, 8), 300.0, dtype=torch.float16)
    big[:, :, ::2] = -300.0  # its square sums overflow float16
    layer = InstanceNorm(2)
    with torch.no_grad():
        y = layer(big)
    assert y.dtype == torch.float16
    torch.testing.assert_close(y.float().abs(), torch.ones_like(y.float()), atol=2e-3, rtol=0)


def test_batch_norm_is_equation_2(features):
    layer = BatchNorm(5).double().train()
    count = features.numel() / features.shape[1]
    mean = torch.einsum("tijk->i", features) / count
    centered = features - mean.view(1, -1, 1, 1)
    variance = torch.einsum("tijk,tijk->i", centered, centered) / count
    expected = centered * ((variance + layer.eps) ** -0.5).view(1, -1, 1, 1)
    torch.testing.assert_close(layer(features), expected)


def test_batch_norm_equals_torchs(features):
    ours, theirs = BatchNorm(5).double(), nn.BatchNorm2d(5).double()
    torch.testing.assert_close(ours.train()(features), theirs.train()(features))
    torch.testing.assert_close(ours.eval()(features), theirs.eval()(features))


def test_batch_norm_mixes_images_and_differs_in_inference(features):
    layer = BatchNorm(5).double().train()
    together = layer(features)
    assert not torch.allclose(together[:1], layer(features[:1]))
    assert not torch.allclose(together, layer.eval()(features))


def test_contrast_norm_is_equation_1(features):
    positive = features.abs() + 0.1
    expected = torch.einsum("tijk,ti->tijk", positive, 1 / torch.einsum("tilm->ti", positive))
    torch.testing.assert_close(contrast_norm(positive), expected)
    torch.testing.assert_close(contrast_norm(positive).sum(dim=(2, 3)), torch.ones(3, 5, dtype=torch.float64))


def test_contrast_norm_of_signed_features_has_no_pole(features):
    """Where eq. 1's own sum is zero the result is finite, keeps its sign and still drops contrast."""
    balanced = features - features.mean(dim=(2, 3), keepdim=True)
    y = contrast_norm(balanced)
    torch.testing.assert_close(y.abs().sum(dim=(2, 3)), torch.ones(3, 5, dtype=torch.float64))
    torch.testing.assert_close(y.sign(), balanced.sign())
    torch.testing.assert_close(contrast_norm(0.25 * balanced), y)


def test_contrast_norm_leaves_a_zero_channel_zero():
    assert torch.equal(contrast_norm(torch.zeros(1, 2, 2, 2)), torch.zeros(1, 2, 2, 2))


def test_contrast_layer_is_equation_1_times_the_positions(features):
    layer = randomized(ContrastNorm(5)).float()
    x = features.float().abs() + 0.1
    expected = contrast_norm(x) * 42 * layer.weight[0].view(1, -1, 1, 1) + layer.bias[0].view(1, -1, 1, 1)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("kind", ["instance", "contrast"])
def test_styles_mix_by_mixing_vectors(kind, features):
    layer = randomized(NORMS[kind](5, styles=3))
    one_hot = torch.eye(3, dtype=torch.float64)
    each = [layer(features[:1], one_hot[i : i + 1]) for i in range(3)]
    mixed = layer(features[:1], torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(mixed, 0.2 * each[0] + 0.3 * each[1] + 0.5 * each[2])
    # A batch may ask for a different style for each image.
    both = layer(features[:2], one_hot[1:])
    torch.testing.assert_close(both[:1], each[1])


def test_conditional_instance_norm_of_one_style_is_instance_norm(features):
    layer = randomized(InstanceNorm(5))
    assert torch.equal(layer(features), layer(features, torch.ones(3, 1, dtype=torch.float64)))


@pytest.mark.parametrize("kind", [*NORMS])
def test_scales_can_start_as_in_the_authors_code(kind):
    layer = make_norm(kind, 64, init="uniform")
    for name, parameter in layer.named_parameters():
        if name == "weight":
            assert 0 <= parameter.min() < 0.2
            assert 0.8 < parameter.max() <= 1
        else:
            assert not parameter.any()


def test_an_unknown_norm_is_an_error_that_names_the_known():
    with pytest.raises(UsageError, match=r"unknown norm 'layer'.*instance, batch, contrast, none"):
        make_norm("layer", 3)
    with pytest.raises(UsageError, match="one style"):
        make_norm("batch", 3, styles=2)


def test_a_limit_cuts_off_after_normalizing_and_before_scaling():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    x[:, :, 4, 4] = 40.0  # an outlier
    layer = make_norm("instance", 3, styles=2, limit=2.5).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0, 0.5], [0.3, 1.0, 1.0]]))
        layer.bias.copy_(torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.0]]))
    style = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    mean, variance = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), correction=0, keepdim=True)
    cut = ((x - mean) / (variance + layer.eps).sqrt()).clamp(-2.5, 2.5)
    expected = torch.einsum("nchw,ns,sc->nchw", cut, style, layer.weight)
    expected += torch.einsum("ns,sc->nc", style, layer.bias)[:, :, None, None]
    torch.testing.assert_close(layer(x, style), expected)
    assert not torch.allclose(make_norm("instance", 3).double()(x), make_norm("instance", 3, limit=2.5).double()(x))


@pytest.mark.parametrize("count", [1, 2])
def test_gradients_do_not_depend_on_the_memory_format(count):
    """torch 2.13 has wrong gradients of batch normalization if features and gradient differ in memory format."""
    torch.manual_seed(0)
    features, back = torch.randn(count, 8, 9, 7), torch.randn(count, 8, 9, 7)
    scale = torch.rand(count, 8)
    found = []
    layouts = (torch.contiguous_format, torch.channels_last)
    for layout, layout_back in itertools.product(layouts, layouts):
        x = features.clone(memory_format=layout).requires_grad_()
        instance_norm(x, scale, torch.zeros(count, 8)).backward(back.clone(memory_format=layout_back))
        found.append(x.grad)
    for other in found[1:]:
        torch.testing.assert_close(found[0], other)
