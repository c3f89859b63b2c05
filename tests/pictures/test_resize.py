import numpy as np
import pytest

from impasto.errors import ImageError
from impasto.pictures.resize import resize, resize_short_side
from tests.pictures.images import noise


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((40, 60), 20, (20, 30)), ((60, 40), 80, (120, 80)), ((1, 1000), 4, (4, 4000)), ((1000, 1), 1, (1000, 1))],
)
def test_the_short_side_has_the_size_asked_for(shape, size, expected):
    assert resize_short_side(noise(*shape), size).shape[:2] == expected


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_strips_of_a_resized_image_fit_together(kind):
    picture = np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, (31, 23, 3), dtype=kind)
    for height in (145, 17):
        whole = resize(picture, 23, height)
        strips = [resize(picture, 23, height, rows=slice(top, top + 13)) for top in range(0, height, 13)]
        assert np.abs(np.concatenate(strips).astype(int) - whole).max() <= 1


def test_resizing_to_nothing_is_refused():
    with pytest.raises(ImageError, match="1 or more"):
        resize_short_side(noise(), 0)


def test_resizing_to_more_than_fits_is_refused():
    with pytest.raises(ImageError, match="short side of 20000: 30000 x 20000 pixels are too many"):
        resize_short_side(noise(), 20_000)
