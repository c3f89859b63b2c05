import pytest

from impasto.errors import TrainingError
from impasto.training.photos import built_in_photos, content_photos


def test_the_built_in_set_is_enough_to_learn_from():
    learning, held_out = content_photos(None, None)
    assert len(learning) >= 20
    assert len(held_out) == 4
    assert not set(learning) & set(held_out)
    assert set(learning) | set(held_out) == set(built_in_photos())


def test_folders_are_searched_through_and_some_photos_kept_apart(photo_folder):
    learning, held_out = content_photos(photo_folder, None)
    assert len(learning) == 10
    assert len(held_out) == 4
    assert any("deeper" in path.parts for path in learning)


def test_held_out_photos_can_be_listed(photo_folder, tmp_path):
    listed = tmp_path / "held_out.txt"
    listed.write_text("# two\n3.png\n\n4.JPG\n")
    learning, held_out = content_photos(photo_folder, listed)
    assert [path.name for path in held_out] == ["3.png", "4.JPG"]
    assert len(learning) == 12


def test_held_out_photos_can_be_a_folder(photo_folder):
    learning, held_out = content_photos(photo_folder, photo_folder / "deeper")
    assert len(learning) == 7
    assert len(held_out) == 7


def test_no_photo_to_learn_from_is_an_error(tmp_path, photo_folder):
    with pytest.raises(TrainingError, match="no pictures in this folder"):
        content_photos(tmp_path, None)
    with pytest.raises(TrainingError, match="all its pictures are held out"):
        content_photos(photo_folder, photo_folder)
    (tmp_path / "list.txt").write_text("nowhere.jpg")
    with pytest.raises(TrainingError, match=r"not in the content folder: nowhere.jpg"):
        content_photos(photo_folder, tmp_path / "list.txt")
