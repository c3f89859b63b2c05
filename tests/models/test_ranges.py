import numpy as np

from impasto.models.ranges import best_range


def test_the_range_is_that_of_least_change():
    sizes = np.random.default_rng(0).random(4096).astype(np.float32)
    loud = np.append(sizes, np.float32(50))
    for features, levels in ((loud, 255), (np.concatenate([loud, -loud]), 127)):
        least, most = best_range(features)

        def change(reach, features=features, levels=levels):
            step = reach / levels
            kept = np.clip(np.rint(np.abs(features) / step), 0, levels) * step
            return float((np.abs(np.abs(features) - kept) ** 1.5).mean())

        best = min((np.abs(features).max() * share / 64 for share in range(1, 65)), key=change)
        assert least == (0 if levels == 255 else -most)
        assert change(most) <= 1.1 * change(best)
        assert most < 50


def test_features_that_are_all_zero_have_a_range():
    assert best_range(np.zeros((1, 2, 3, 3), np.float32)) == (0.0, 0.0002)
