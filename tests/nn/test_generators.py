import pytest
import torch

from impasto.errors import UsageError
from impasto.models.modelfile import ModelInfo
from impasto.nn.generators import GENERATORS, NOISE_SCALES, build_generator
from impasto.nn.norm import NORMS, InstanceNorm
from impasto.training.config import PRESETS

SMALL = {
    "residual": {"width": 4, "blocks": 1},
    "light": {"width": 8, "blocks": 1},
    "texture": {"width": 4, "levels": 3},
}


NOISY = ("light", {"noise_scales": NOISE_SCALES})


def small(name, **arguments):
    torch.manual_seed(0)
    return build_generator(name, {**SMALL[name], **arguments})


def parameters(generator):
    return sum(p.numel() for p in generator.parameters())


@pytest.mark.parametrize(
    ("name", "arguments", "published"),
    [
        ("residual", {"width": 32}, 1_679_235),  # fast-neural-style
        ("residual", {"width": 16}, 424_899),  # its released instance-norm models
        ("texture", {"noise": 0}, 116_915),  # texture_nets, pyramid
        ("texture", {"noise": 3}, 116_915 + 1_296),
        ("texture", {"noise": 0, "levels": 5}, 71_659),
    ],
)
def test_parameter_counts_are_the_published(name, arguments, published):
    assert parameters(build_generator(name, arguments)) == published


@pytest.mark.parametrize(
    ("preset", "published"), [("johnson2016", 1_679_235), ("ulyanov2016", 118_211), ("ulyanov2017", 116_915)]
)
def test_presets_are_the_published_networks(preset, published):
    recipe = PRESETS[preset]
    assert parameters(build_generator(recipe.generator, recipe.generator_arguments())) == published


def test_johnsons_receptive_border_is_40_pixels():
    recipe = PRESETS["johnson2016"]
    generator = build_generator(recipe.generator, recipe.generator_arguments())
    assert generator.border == 40  # fast-neural-style, "reflect-start"
    assert [layer.conv.conv.padding for layer in generator.down] == [(4, 4), (1, 1), (1, 1)]
    assert [block.conv.conv.padding for block in generator.blocks] == [(0, 0)] * 5


def test_the_light_network_has_the_documented_cost():
    costs = []
    for name, arguments in (("light", {}), ("light", {"width": 64}), ("residual", {})):
        generator = build_generator(name, arguments)
        products = []
        for layer in generator.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.register_forward_hook(
                    lambda m, x, y, products=products: products.append(y.numel() * m.weight[0].numel())
                )
        with torch.no_grad():
            generator(torch.rand(1, 3, 64, 64))
        costs.append(round(sum(products) / 64**2, -2))
    assert costs == [108_300, 28_800, 42_300]


def test_authors_scales_start_in_0_to_1():
    recipe = PRESETS["ulyanov2017"]
    generator = build_generator(recipe.generator, recipe.generator_arguments())
    scales = torch.cat([p.flatten() for name, p in generator.named_parameters() if "norm.weight" in name])
    assert 0 <= scales.min() < 0.05
    assert 0.95 < scales.max() <= 1


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (1, 1), (3, 200), (47, 33)])
@pytest.mark.parametrize("norm", [*NORMS])
@pytest.mark.parametrize("name", [*GENERATORS])
def test_any_size_comes_back(name, norm, size):
    with torch.no_grad():
        y = small(name, norm=norm)(torch.rand(2, 3, *size))
    assert y.shape == (2, 3, *size)
    assert torch.isfinite(y).all()
    assert 0 <= y.min() <= y.max() <= 1


@pytest.mark.parametrize("preset", [*PRESETS])
def test_presets_run_at_an_odd_size(preset):
    recipe = PRESETS[preset]
    with torch.no_grad():
        y = build_generator(recipe.generator, recipe.generator_arguments())(torch.rand(1, 3, 75, 98))
    assert y.shape == (1, 3, 75, 98)


@pytest.mark.parametrize("contrast", [0.25, 0.5, 1.0])
@pytest.mark.parametrize(("name", "arguments"), [*((name, {}) for name in GENERATORS), NOISY])
def test_instance_norm_drops_the_photos_contrast(name, arguments, contrast):
    """The paper's claim: g(a x + b) = g(x); here within 1/255, b of each color its own, at full network size."""
    torch.manual_seed(1)
    generator = build_generator(name, arguments)
    photo = smooth_picture(96, 130)
    dimmed = contrast * photo + (1 - contrast) * torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)
    noise = generator.draw_noise(1, 96, 130) if generator.noise_channels else None
    with torch.no_grad():
        change = (generator(photo, noise) - generator(dimmed, noise)).abs().max()
    assert change < 1 / 255


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("name", [*GENERATORS])
def test_without_instance_norm_contrast_stays(name, norm):
    generator = small(name, norm=norm, **({"standardize": False} if name == "texture" else {}))
    photos = [smooth_picture(96, 96, seed) for seed in range(4)]
    with torch.no_grad():
        for _ in range(20):  # let batch norm's running averages settle
            generator.train()(torch.cat(photos))
        generator.eval()
        noise = torch.rand(1, generator.noise_channels, 96, 96) if generator.noise_channels else None
        change = (generator(photos[0], noise) - generator(0.25 * photos[0], noise)).abs().max()
    assert change > 10 / 255


@pytest.mark.parametrize("name", [*GENERATORS])
def test_instance_networks_are_the_same_in_training_and_inference(name):
    generator, photo = small(name), smooth_picture(64, 64)
    noise = torch.rand(1, generator.noise_channels, 64, 64) if generator.noise_channels else None
    with torch.no_grad():
        assert torch.equal(generator.train()(photo, noise), generator.eval()(photo, noise))


def test_noise_reaches_every_scale():
    generator, photo = small("texture"), smooth_picture(64, 64)
    noise = torch.rand(1, 6, 64, 64, requires_grad=True)
    generator(photo, noise).square().sum().backward()
    used = noise.grad.abs().sum(dim=1)[0] > 0
    fine, coarse = noise.grad[0, :3].abs().sum(0) > 0, noise.grad[0, 3:].abs().sum(0) > 0
    assert used.any()
    assert fine.all()
    for ratio in (2, 4):  # each scale draws from positions of its own
        assert coarse[ratio // 2 :: ratio, ratio // 2 :: ratio].all()
    assert int(coarse.sum()) == 32 * 32 + 16 * 16


def test_noise_makes_variants_and_is_repeatable():
    generator, photo = small("texture"), smooth_picture(64, 64)
    one, two = torch.rand(2, 1, 6, 64, 64)
    with torch.no_grad():
        assert torch.equal(generator(photo, one), generator(photo, one))
        assert not torch.allclose(generator(photo, one), generator(photo, two))


def test_smooth_noise_is_standard_normal_on_its_grid_and_bilinear_between():
    generator = small("light", noise_scales=(1, 4))
    noise = generator.draw_noise(200, 64, 46, source=torch.Generator().manual_seed(0))
    assert noise.shape == (200, 2, 16, 12)
    assert abs(float(noise.mean())) < 0.05
    assert float(noise[:, 0].var()) == pytest.approx(1.0, abs=0.05)
    # Value 2 lies an eighth of the way from the first grid point to the second, in both directions.
    assert float(noise[:, 1, 2, 2].var()) == pytest.approx((0.875**2 + 0.125**2) ** 2, abs=0.12)
    # Between four grid points a bilinear surface has no second differences in either direction.
    inside = noise[:, 1, 2:6, 2:6]
    torch.testing.assert_close(inside.diff(n=2, dim=1), torch.zeros(200, 2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.diff(n=2, dim=2), torch.zeros(200, 4, 2), atol=1e-5, rtol=0)


def test_noise_is_repeatable_by_its_source_and_changes_every_position():
    generator = small("light", noise_scales=NOISE_SCALES)
    even = torch.full((1, 3, 64, 64), 0.5) + 0.01 * smooth_picture(64, 64)
    one, again, two = (generator.draw_noise(1, 64, 64, source=torch.Generator().manual_seed(k)) for k in (1, 1, 2))
    with torch.no_grad():
        painted = [generator(even, noise) for noise in (one, again, two)]
    assert torch.equal(painted[0], painted[1])
    changed = (painted[0] - painted[2]).abs().amax(dim=1)[0]
    assert float((changed > 1 / 255).float().mean()) > 0.9


def test_noise_counts_as_its_normalization_scales_it_and_not_at_all_at_zero():
    generator, photo = small("light", noise_scales=(1, 2)), smooth_picture(48, 40)
    without = small("light")
    without.load_state_dict(generator.state_dict(), strict=False)
    with torch.no_grad():
        generator.noise.norm.weight.zero_()
        torch.testing.assert_close(generator(photo), without(photo))
        generator.noise.norm.weight.fill_(1.0)
        assert not torch.allclose(generator(photo), without(photo), atol=0.01)


def test_noise_scales_must_be_whole_numbers_from_one():
    with pytest.raises(UsageError, match="noise_scales must be a whole number of 1 or more, not 0"):
        build_generator("light", {"noise_scales": (1, 0)})


def test_several_styles_differ_and_mix():
    generator, photo = small("residual", styles=2), smooth_picture(48, 48)
    for name, parameter in generator.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(parameter, -1, 1)
    with torch.no_grad():
        a, b, mixed = (generator(photo, style=torch.tensor([s])) for s in ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5]))
    assert not torch.allclose(a, b)
    assert not torch.allclose(mixed, a)


def test_a_strength_moves_a_style_toward_the_last_one():
    generator = small("residual", styles=3)
    chosen = generator.style_weights([0, 1, 1], torch.tensor([1.0, 0.25, 0.0]))
    torch.testing.assert_close(chosen, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75], [0.0, 0.0, 1.0]]))
    assert torch.equal(generator.style_weights([0, 1]), torch.eye(3)[:2])
    assert small("residual").style_weights([0]) is None


@pytest.mark.parametrize("name", ["residual", "light"])
def test_residual_sums_stay_within_the_bound(name):
    """A spot far brighter than the rest is just what instance normalization makes loud."""
    photo = 0.2 + 0.01 * torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    photo[:, :, 40:44, 40:44] = 1.0
    loudest = {}
    for bound in (0.0, 1.5):
        generator = small(name, bound=bound)
        seen = []
        for block in generator.blocks:
            block.register_forward_hook(lambda _, inputs, output, seen=seen: seen.append(output.abs().max().item()))
        with torch.no_grad():
            generator(photo)
        loudest[bound] = max(seen)
    assert loudest[0.0] > 5.0
    assert loudest[1.5] == 1.5


def test_the_originals_have_no_bound():
    recipe = PRESETS["johnson2016"]
    generator = build_generator("residual", recipe.generator_arguments())
    assert all(block.bound == 0 for block in generator.blocks)
    arguments = {**recipe.generator_arguments(), "norm": "instance"}
    for layer in build_generator("residual", arguments).up:
        assert (layer.negative_slope, layer.norm.limit) == (0, 0)


def test_a_flat_picture_has_no_border():
    """With reflection, a constant picture stays constant to the edge: no frame can come from the padding."""
    with torch.no_grad():
        y = small("residual")(torch.full((1, 3, 40, 40), 0.3))
    assert (y - y[:, :, :1, :1]).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("diffusion", {}, "unknown generator 'diffusion': choose one of residual, light, texture"),
        ("residual", {"depth": 3}, "cannot be made with"),
        ("residual", {"norm": "group"}, "unknown norm 'group'"),
        ("residual", {"padding": "mirror"}, "unknown padding 'mirror'"),
        ("residual", {"upsample": "bicubic"}, "unknown upsampling 'bicubic'"),
        ("texture", {"output": "relu"}, "unknown output 'relu'"),
        ("residual", {"bound": -1.0}, "bound must be a number of 0 or more, not -1.0"),
        ("light", {"width": 0}, "width must be a whole number of 1 or more, not 0"),
        ("light", {"bound": float("inf")}, "bound must be a number of 0 or more, not inf"),
        ("light", {"limit": -1}, "limit must be a number of 0 or more, not -1"),
    ],
)
def test_wrong_arguments_are_errors_that_name_the_right_ones(name, arguments, message):
    with pytest.raises(UsageError, match=message):
        build_generator(name, arguments)


def smooth_picture(height, width, seed=0):
    """Something like a photo: smooth shapes over the whole range."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("size", [(64, 64), (61, 83), (50, 47)])
@pytest.mark.parametrize(("name", "arguments"), [("residual", {"width": 2}), ("light", {"width": 2, "blocks": 3})])
def test_strides_give_the_feature_sizes_of_every_instance_norm(name, arguments, size):
    generator, seen = build_generator(name, arguments), []
    for layer in generator.modules():
        if isinstance(layer, InstanceNorm):
            layer.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    with torch.no_grad():
        generator(torch.rand(1, 3, *size))
    info = ModelInfo(architecture=name, arguments={}, styles=("s",), reach=generator.reach, strides=generator.strides)
    assert [(rows, columns) for _, rows, columns in info.feature_sizes(*size)] == seen
