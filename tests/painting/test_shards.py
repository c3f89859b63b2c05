"""Parts of a batch: together they are the whole, and each picture is always in the same."""

import io
import sys
import types
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from impasto.errors import UsageError
from impasto.painting.batch import paint_files
from impasto.painting.plan import FileOptions, plan_files
from impasto.painting.shards import Shard, count_list, read_list
from impasto.pictures.write import save_image
from tests.conftest import make_photo


def negative(pixels, settings):
    return 255 - pixels


def folder(root, count=12):
    for number in range(count):
        path = root / ("deep/er" if number % 3 else ".") / f"{number} ü.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(path, make_photo(number, 20, 24))
    return root


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*.png"))}


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_shards_together_are_one_run_byte_for_byte(tmp_path, count):
    source = folder(tmp_path / "in")
    paint_files(source, tmp_path / "whole", negative)
    painted = []
    for number in range(1, count + 1):
        result = paint_files(
            source, tmp_path / "parts", negative, options=FileOptions(shard=f"{number}/{count}", resume=True)
        )
        painted += [item.source for item in result.painted]
    assert len(painted) == len({*painted}) == 12
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_the_part_of_a_picture_depends_on_its_relative_path_alone(tmp_path):
    names = [PurePosixPath(f"a/{number}.jpg") for number in range(400)]
    parts = {name: [number for number in range(1, 5) if name in Shard(number, 4)] for name in names}
    assert all(len(found) == 1 for found in parts.values())
    sizes = np.bincount([found[0] for found in parts.values()])[1:]
    assert sizes.min() > 70  # 100 on average
    # SHA-256 of "a/7.jpg", first 8 bytes, modulo 1000.
    assert PurePosixPath("a/7.jpg") in Shard(1 + 178, 1000)
    assert (PurePosixPath("u\u0308.jpg") in Shard(1, 2)) == (PurePosixPath("\u00fc.jpg") in Shard(1, 2))
    few, many = folder(tmp_path / "few", 3), folder(tmp_path / "many")
    of_few = {job.target.name for job in plan_files(few, tmp_path / "out", FileOptions(shard="2/3")).jobs}
    of_many = {job.target.name for job in plan_files(many, tmp_path / "out", FileOptions(shard="2/3")).jobs}
    assert of_few == of_many & {path.name for path in few.rglob("*.png")}


def test_results_of_other_shards_are_no_obstacle(tmp_path):
    source = folder(tmp_path / "in")
    paint_files(source, source / "out", negative, options=FileOptions(shard="1/2"))
    rest = plan_files(source, source / "out", FileOptions(shard="2/2"))
    assert rest.jobs
    assert not rest.notes
    with pytest.raises(UsageError, match="--resume"):
        plan_files(source, source / "out", FileOptions(shard="1/2"))


def test_a_part_of_a_list_without_pictures_is_nothing_to_do(tmp_path):
    listed = [(Path(f"a/{number}.jpg"), Path(f"a/{number}.jpg")) for number in range(20)]
    jobs = [
        job
        for part in range(1, 31)
        for job in plan_files([], tmp_path, FileOptions(shard=f"{part}/30"), listed=listed).jobs
    ]
    assert sorted(job.source for job in jobs) == sorted(source for source, _ in listed)
    with pytest.raises(UsageError, match="give at least one"):
        plan_files([], tmp_path, FileOptions(shard="1/2"), listed=[])


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", "1/0", "-1/3", "1/2/3", "1.0/2", "²/3", ""])
def test_parts_that_do_not_exist_are_wrong_usage(text):
    with pytest.raises(UsageError, match="shard"):
        FileOptions(shard=text)


def test_a_list_keeps_the_paths_of_its_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "in", 3)
    lines = ["in/0 ü.png", "", f"{tmp_path}/in/deep/er/1 ü.png", "in/deep/../deep/er/2 ü.png\r"]
    Path("list.txt").write_text("\n".join(lines), encoding="utf-8")
    inside = tmp_path.relative_to(tmp_path.anchor)
    assert [name for _, name in read_list(Path("list.txt"))] == [
        Path("in/0 ü.png"),
        inside / "in/deep/er/1 ü.png",
        inside / "in/deep/er/2 ü.png",
    ]
    assert count_list(Path("list.txt")) == 3
    plan = plan_files([], "out", listed=read_list(Path("list.txt")))
    assert plan.jobs[0].target == Path("out/in/0 ü.png")
    assert plan.jobs[2].source.exists()


def test_a_list_comes_from_standard_input_too(monkeypatch):
    stream = types.SimpleNamespace(buffer=io.BytesIO(b"a.jpg\nb/c.jpg\n"))
    monkeypatch.setattr(sys, "stdin", stream)
    assert [str(path) for path, _ in read_list(Path("-"))] == ["a.jpg", "b/c.jpg"]


def test_lists_that_cannot_be_read_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="cannot read this list"):
        [*read_list(tmp_path / "missing.txt")]
    with pytest.raises(UsageError, match="cannot read this list"):
        count_list(tmp_path / "missing.txt")
    (tmp_path / "list.txt").write_text("https://example.org/a.jpg\n")
    with pytest.raises(UsageError, match=r"list\.txt"):
        [*read_list(tmp_path / "list.txt")]
    with pytest.raises(UsageError, match="standard output"):
        plan_files([], "-", listed=[(Path("a.png"), Path("a.png"))])


def test_one_picture_in_a_list_goes_into_a_folder(tmp_path):
    (job,) = plan_files([], tmp_path / "out", listed=[(Path("a/b.png"), Path("a/b.png"))]).jobs
    assert job.target == tmp_path / "out/a/b.png"


def test_a_list_from_windows_is_read(tmp_path):
    (tmp_path / "list.txt").write_bytes("a.jpg\r\nb.jpg\r\n".encode("utf-8-sig"))
    assert [str(path) for path, _ in read_list(tmp_path / "list.txt")] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    "content", ["a.jpg\nb.jpg\n".encode("utf-16"), b"a.jpg\0b.jpg\0", b"\x89PNG\r\n\x1a\n\0\0\0\r"]
)
def test_what_is_no_text_is_no_list(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UsageError, match=r"list\.txt: is not a list: give a text file in UTF-8"):
        [*read_list(tmp_path / "list.txt")]
