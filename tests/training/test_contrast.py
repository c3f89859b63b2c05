import numpy as np
import pytest
import torch

from impasto.nn.generators import LightGenerator
from impasto.training.contrast import CONTRAST, contrast, match_contrast


def light(styles):
    torch.manual_seed(0)
    generator = LightGenerator(width=8, blocks=1, styles=styles, noise_scales=(1, 2))
    with torch.no_grad():
        for norm in generator.conditional_norms():
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.3)
    return generator.eval()


def test_contrast_is_the_standard_deviation_of_the_weighted_mean_of_the_channels():
    picture = np.random.default_rng(0).random((1, 3, 20, 30), np.float32)
    expected = np.tensordot([0.299, 0.587, 0.114], picture[0].astype(float), 1).std(ddof=1)
    assert contrast(torch.from_numpy(picture)) == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_amplifying_multiplies_what_the_last_convolution_adds_to_its_bias():
    generator, photo = light(2), torch.rand(1, 3, 32, 32) * 255
    noise = generator.draw_noise(1, 32, 32)
    generator.last.conv.bias.zero_()
    before = [generator.paint(photo, noise, generator.style_weights([k])) for k in range(2)]
    generator.amplify(1, 1.7)
    after = [generator.paint(photo, noise, generator.style_weights([k])) for k in range(2)]
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1], 1.7 * before[1])


@torch.no_grad()
@pytest.mark.parametrize("factor", [0.8, 1.3])
def test_paintings_get_the_contrast_that_is_wanted_and_other_styles_stay(factor):
    generator, photos = light(3), [torch.rand(1, 3, 32, 32) for _ in range(4)]

    def found(style):
        weights = generator.style_weights([style])
        noise = [generator.draw_noise(1, 32, 32, source=torch.Generator().manual_seed(k)) for k in range(4)]
        return np.mean([contrast(generator(x, z, weights)) for x, z in zip(photos, noise, strict=True)])

    before = [found(k) for k in range(3)]
    match_contrast(generator, [factor * before[0], before[1]], photos)
    assert found(0) == pytest.approx(factor * CONTRAST * before[0], rel=0.03)
    assert found(1) == pytest.approx(CONTRAST * before[1], rel=0.03)
    assert found(2) == pytest.approx(before[2], rel=1e-4)


def test_contrast_is_changed_within_limits_only():
    generator = light(1)
    assert match_contrast(generator, [10.0], [torch.rand(1, 3, 32, 32)]) == [1.6]
    assert match_contrast(generator, [0.0], [torch.rand(1, 3, 32, 32)]) == [pytest.approx(1 / 1.6)]
