import pytest

from impasto.errors import ImageError
from impasto.pictures.folders import find_images


def test_find_images_is_recursive_sorted_and_picky(tmp_path):
    for name in ["b.JPG", "a.png", "deep/er/c.WebP", "notes.txt", ".hidden.png", ".cache/d.png", "._b.JPG"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)] == ["a.png", "b.JPG", "deep/er/c.WebP"]


def test_find_images_needs_a_folder(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ImageError, match="no such folder"):
        find_images(tmp_path / "missing")
    with pytest.raises(ImageError, match="is not a folder"):
        find_images(tmp_path / "a.png")
