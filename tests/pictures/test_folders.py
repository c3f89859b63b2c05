import pytest

from impasto.errors import ImageError
from impasto.pictures.folders import find_images, scan_folder


def test_images_are_found_in_subfolders_sorted_and_without_hidden_files(tmp_path):
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


def test_what_is_skipped_in_a_folder_is_counted(tmp_path):
    for name in ["a.png", "b.HIF", "c.jfif", "d.txt", "e.MP4", "f.mp4", "deep/g.nef", "h", ".hidden"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scan = scan_folder(tmp_path)
    assert [path.name for path in scan.images] == ["a.png", "b.HIF", "c.jfif"]
    assert {path.name for path in scan.skipped} == {"d.txt", "e.MP4", "f.mp4", "g.nef", "h"}
    assert scan.skipped_summary() == (
        "5 files were skipped, not pictures by their extension (2 .mp4, 1 .nef, 1 .txt, 1 no extension); "
        "raw photos have to be exported as JPEG or TIFF first"
    )
    assert scan_folder(tmp_path / "deep").skipped_summary().startswith("1 file was skipped")
    assert scan_folder(tmp_path / "deep").images == []


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.png").touch()
    assert find_images("~") == [tmp_path / "a.png"]
