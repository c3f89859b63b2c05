from impasto.nn.tensors import to_picture, to_tensor
from tests.conftest import make_photo


def test_a_picture_survives_the_way_to_tensor_and_back():
    photo = make_photo(0)
    image = to_tensor(photo)
    assert image.shape == (1, 3, 80, 100)
    assert 0 <= image.min() <= image.max() <= 1
    assert (to_picture(image) == photo).all()
