import pytest
import torch
from PIL import Image

from impasto.errors import TrainingError
from impasto.nn.tensors import to_tensor
from impasto.training.crops import CropPool
from impasto.training.photos import content_photos
from tests.conftest import make_photo


def pool(photos, **changes):
    return CropPool(photos, **{"count": 6, "short_sides": (48, 96), "seed": 0, **changes})


def test_order_and_crops_are_functions_of_seed_and_item(photo_folder):
    photos, _ = content_photos(photo_folder, None)
    one, two, other = pool(photos), pool(photos), pool(photos, seed=1)
    order = [one.index(item) for item in range(30)]
    # The second starts in the middle, as a resumed run does.
    assert [two.index(item) for item in range(12, 30)] == order[12:]
    assert order != [other.index(item) for item in range(30)]
    for item in (17, 3):
        assert torch.equal(one.cut(order[item], 32), two.cut(two.index(item), 32))


def test_every_round_shows_every_crop_once_in_a_new_order(photo_folder):
    photos, _ = content_photos(photo_folder, None)
    p = pool(photos)
    rounds = [[p.index(item) for item in range(6 * turn, 6 * turn + 6)] for turn in range(4)]
    assert all(sorted(r) == [*range(6)] for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1


def test_without_a_pool_every_crop_is_new(photo_folder):
    photos, _ = content_photos(photo_folder, None)
    p = pool(photos, count=0)
    assert [p.index(item) for item in range(50)] == [*range(50)]
    assert len({p.cut(index, 32).numpy().tobytes() for index in range(30)}) == 30


def test_photos_are_scaled_to_between_the_two_sizes(photo_folder):
    photos, _ = content_photos(photo_folder, None)
    sides = [pool(photos).crop(index).short_side for index in range(300)]
    assert 48 <= min(sides) < 50
    assert 93 < max(sides) <= 96
    assert sum(side < 68 for side in sides) == pytest.approx(150, abs=30)  # log-uniform: the middle is 48 * sqrt(2)


def test_a_crop_the_size_of_the_photo_is_the_photo(photo_folder):
    p = pool([photo_folder / "0.JPG"], short_sides=(80, 80))
    whole = to_tensor(make_photo(0))
    cut = p.cut(0, 80)
    positions = [whole[..., left : left + 80] for left in range(21)]
    assert min((cut - x).abs().mean() for position in positions for x in (position, position.flip(3))) < 0.02  # JPEG


def test_unreadable_photos_are_named_and_replaced(photo_folder, tmp_path):
    for number, source in enumerate(sorted(photo_folder.glob("*.JPG"))[:3]):
        (tmp_path / f"{number}.jpg").write_bytes(source.read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    photos = sorted(tmp_path.iterdir())
    p = pool(photos, count=8)
    for index in range(8):
        assert p.cut(index, 32).shape == (1, 3, 32, 32)
    assert [path.name for path in p.unreadable] == ["broken.jpg"]
    assert "broken.jpg" in p.unreadable[tmp_path / "broken.jpg"]


def test_no_readable_photo_is_fatal(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not a picture")
    with pytest.raises(TrainingError, match="not one of the 1 content pictures can be read"):
        pool([tmp_path / "a.jpg"]).cut(0, 32)


def test_tiny_and_long_photos_are_enlarged(tmp_path):
    Image.new("RGB", (1, 1), "red").save(tmp_path / "dot.png")
    Image.new("RGB", (300, 2), "blue").save(tmp_path / "line.png")
    p = pool(sorted(tmp_path.iterdir()))
    assert all(p.cut(index, 48).shape == (1, 3, 48, 48) for index in range(6))
