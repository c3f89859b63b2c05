import numpy as np
import pytest

from impasto.errors import ImageError
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image


def test_a_flipped_bit_in_a_png_is_damage_not_a_black_picture(tmp_path):
    save_image(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    data = bytearray((tmp_path / "whole.png").read_bytes())
    data[data.index(b"IDAT") + 2000] ^= 1
    (tmp_path / "flipped.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"flipped\.png: is damaged .*copy or download it again"):
        load_image(tmp_path / "flipped.png")
