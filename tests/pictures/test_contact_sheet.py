import numpy as np
import pytest

from impasto.errors import ImageError
from impasto.pictures.contact_sheet import contact_sheet
from tests.pictures.images import noise


def test_contact_sheet_keeps_aspects_and_puts_pictures_side_by_side():
    red = np.full((10, 20, 3), (255, 0, 0), np.uint8)
    blue = np.full((40, 20, 3), (0, 0, 255), np.uint8)
    sheet = contact_sheet([[red, blue], [red]], cell=64)
    assert (sheet[0] == 255).all()
    assert (sheet[:, 0] == 255).all()
    assert (sheet == (255, 0, 0)).all(axis=2).sum() == 2 * 64 * 32
    assert (sheet == (0, 0, 255)).all(axis=2).sum() == 64 * 32


def test_contact_sheet_labels_add_a_line_of_text():
    rows = [[noise(64, 64), noise(64, 64)]]
    plain = contact_sheet(rows, cell=64)
    labeled = contact_sheet(rows, labels=["content", "a label far too long for its column"], cell=64)
    assert labeled.shape[0] > plain.shape[0]
    assert labeled.shape[1] == plain.shape[1]
    assert labeled[: labeled.shape[0] - plain.shape[0]].min() < 100


def test_contact_sheet_of_nothing_is_refused():
    with pytest.raises(ImageError, match="at least one"):
        contact_sheet([[], []])
    with pytest.raises(ImageError, match="2 labels for 1 columns"):
        contact_sheet([[noise()]], labels=["a", "b"])
