"""Each measure against its definition, computed another way; then what must hold for any pictures."""

import numpy as np
import pytest
import torch

from impasto.evaluation.measures import BROAD, FINE, LAYERS, Gaussian, StyleMeasure, difference, self_similarity
from impasto.evaluation.measures import wasserstein as squared_distance
from impasto.nn.tensors import to_tensor
from tests.conftest import make_photo


@pytest.fixture
def network(real_loss_network):
    return real_loss_network


def features(seed, channels=5, height=7, width=9):
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed)).relu()


def square_root(matrix):
    """By the Denman-Beavers iteration, which knows no eigenvalues."""
    y, z = matrix, np.eye(len(matrix))
    for _ in range(60):
        y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
    return y


def test_a_gaussian_has_the_mean_and_covariance_of_all_positions():
    x = features(1)
    vectors = x[0].flatten(1).numpy()
    found = Gaussian.of(x)
    np.testing.assert_allclose(found.mean, vectors.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(vectors, bias=True), rtol=1e-5, atol=1e-7)


def test_the_distance_is_that_of_wasserstein_by_its_formula():
    one, other = Gaussian.of(features(1)), Gaussian.of(3 * features(2) + 0.5)
    a, b = one.covariance.numpy(), other.covariance.numpy()
    root = square_root(a)
    expected = np.sum((one.mean - other.mean).numpy() ** 2) + np.trace(a + b - 2 * square_root(root @ b @ root))
    assert squared_distance(one, other) == pytest.approx(expected, rel=1e-6)
    assert squared_distance(other, one) == pytest.approx(expected, rel=1e-6)
    assert squared_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_of_one_channel_it_is_the_difference_of_means_and_deviations():
    """The optimal transport between normal distributions on a line, known in closed form."""
    one, other = features(3, channels=1), 2 * features(4, channels=1) - 1
    means, deviations = zip(*((float(x.mean()), float(x.std(correction=0))) for x in (one, other)), strict=True)
    expected = (means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2
    assert squared_distance(Gaussian.of(one), Gaussian.of(other)) == pytest.approx(expected, rel=1e-6)


def test_fewer_positions_than_channels_are_no_harm():
    few = features(5, channels=40, height=2, width=3)
    shifted = few + 0.25
    assert squared_distance(Gaussian.of(few), Gaussian.of(shifted)) == pytest.approx(40 * 0.25**2, rel=1e-5)
    one, other = Gaussian.of(few), Gaussian.of(features(6, channels=40, height=8, width=9))
    assert squared_distance(one, other) == pytest.approx(squared_distance(other, one), rel=1e-6)


def test_self_similarity_is_its_definition_by_loops():
    x, positions = features(6), torch.tensor([3, 0, 41, 17])
    vectors = [x[0].flatten(1)[:, i].double().numpy() for i in positions]
    expected = np.array([[1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in vectors] for a in vectors])
    expected /= expected.sum(axis=0)
    np.testing.assert_allclose(self_similarity(x, positions), expected, atol=1e-9)


def test_self_similarity_does_not_change_with_contrast_and_does_with_places():
    x, positions = features(7), torch.arange(30)
    same = self_similarity(x, positions)
    assert difference(same, self_similarity(4 * x, positions)) == pytest.approx(0, abs=1e-9)
    assert difference(same, self_similarity(x.flip(3), positions)) > 0.1


def test_the_photo_is_at_one_with_its_form_and_the_style_at_zero(network):
    style, photo = to_tensor(make_photo(1, 96, 128)), to_tensor(make_photo(2, 96, 112))
    measure = StyleMeasure(style, network)
    reference = measure.reference(photo)
    unstyled = measure.compare(photo, reference)
    assert unstyled.style_distance == pytest.approx(1, rel=1e-6)
    assert unstyled.broad == pytest.approx(1, rel=1e-6)
    assert unstyled.fine == pytest.approx(1, rel=1e-6)
    assert unstyled.form == pytest.approx(0, abs=1e-6)
    same = measure.compare(style, measure.reference(style))
    assert same.form == pytest.approx(0, abs=1e-6)
    distances = measure.reference(style).distances
    assert max(distances.values()) < 1e-6 * max(reference.distances.values())


def test_the_scores_are_means_over_their_layers_and_scales(network):
    style, photo, picture = (to_tensor(make_photo(seed, 96, 112)) for seed in (1, 2, 3))
    measure = StyleMeasure(style, network)
    wanted, found = measure.reference(photo).distances, measure.reference(picture).distances
    shares = {place: found[place] / wanted[place] for place in wanted}
    assert {*shares} == {(scale, layer) for scale in (1, 2, 4) for layer in LAYERS}
    scores = measure.compare(picture, measure.reference(photo))
    assert scores.style_distance == pytest.approx(np.mean([*shares.values()]), rel=1e-6)
    assert scores.broad == pytest.approx(np.mean([shares[place] for place in BROAD]), rel=1e-6)
    assert scores.fine == pytest.approx(np.mean([shares[place] for place in FINE]), rel=1e-6)


def test_the_distance_at_a_scale_is_that_of_the_features_of_the_smaller_picture(network):
    style, photo = to_tensor(make_photo(1, 64, 96)), to_tensor(make_photo(2, 64, 80))
    found = StyleMeasure(style, network).reference(photo).distances
    with torch.no_grad():
        half = [
            torch.nn.functional.interpolate(x, (32, x.shape[3] // 2), mode="bilinear", antialias=True)
            for x in (style, photo)
        ]
        one, other = (Gaussian.of(network(x, ["relu3_1"])["relu3_1"]) for x in half)
    assert found[2, "relu3_1"] == pytest.approx(squared_distance(one, other), rel=1e-6)


def test_a_picture_moved_to_the_side_keeps_its_style_and_loses_its_form(network):
    style, photo = to_tensor(make_photo(1, 128, 160)), to_tensor(make_photo(2, 128, 160))
    measure = StyleMeasure(style, network)
    turned = measure.compare(photo.flip(3), measure.reference(photo))
    assert turned.style_distance == pytest.approx(1, abs=0.1)
    assert turned.form > 0.5
