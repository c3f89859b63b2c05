"""Which pictures are painted, and where each result goes."""

import itertools
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import ImageError, UsageError
from impasto.painting import plan as plan_module
from impasto.painting.plan import FileOptions, plan_files
from impasto.pictures.formats import READABLE_SUFFIXES
from impasto.pictures.write import save_image
from tests.conftest import make_photo


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def targets(*arguments, **options):
    plan = plan_files(*arguments, FileOptions(**options))
    return {str(job.source): str(job.target) for job in (*plan.jobs, *plan.skipped)}


# ---- names --------------------------------------------------------------------------------------------------------

NAMES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["a", "b", "a.b", "a_1"]),
    st.sampled_from(["", *READABLE_SUFFIXES[:12], ".PNG", ".heic"]),
    st.sampled_from([*READABLE_SUFFIXES, ".JPG", ".Png", ".HEIC"]),
)


@pytest.mark.parametrize("format", [None, "jpg", "png", "keep"])
@given(names=st.sets(NAMES, min_size=1, max_size=8), variants=st.sampled_from([1, 2]))
def test_the_name_of_a_result_does_not_depend_on_other_pictures(format, names, variants):
    """Painted together or one by one, every picture has the same result, and no two have one."""
    with tempfile.TemporaryDirectory() as folder:
        touch(*(f"{folder}/in/{name}" for name in names))
        options = FileOptions(format=format, variants=variants)
        together = plan_files(f"{folder}/in", f"{folder}/out", options).jobs
        alone = [job for name in names for job in plan_files(f"{folder}/in/{name}", f"{folder}/out/", options).jobs]
        assert {*together} == {*alone}
        assert len({job.target for job in together}) == variants * len(names)


def test_a_picture_that_comes_later_is_painted_by_resume(here):
    touch("in/IMG_2.heic")
    first = targets("in", "out")
    for target in first.values():
        touch(target)
    touch("in/IMG_2.png", "in/IMG_2.jpg", "in/IMG_2.HEIC")
    plan = plan_files("in", "out", FileOptions(resume=True))
    assert [str(job.source) for job in plan.skipped] == ["in/IMG_2.heic"]
    assert {str(job.source) for job in plan.jobs} == {"in/IMG_2.png", "in/IMG_2.jpg", "in/IMG_2.HEIC"}


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("a.jpg", None, "a.jpg"),
        ("a.JPEG", None, "a.JPEG"),
        ("a.heic", None, "a.heic.jpg"),
        ("a.HIF", None, "a.HIF.jpg"),
        ("a.png", None, "a.png"),
        ("a.tif", None, "a.tif"),
        ("a.gif", None, "a.gif.png"),
        ("a.gif.png", None, "a.gif.png.png"),
        ("a.v2.png", None, "a.v2.png"),
        ("a.png", "jpg", "a.png.jpg"),
        ("a.jpg", "jpg", "a.jpg"),
        ("a.tif", "tiff", "a.tif"),
        ("a.avif", "keep", "a.avif"),
        ("a.heic", "keep", "a.heic.jpg"),
        ("a.heic", "webp", "a.heic.webp"),
    ],
)
def test_results_of_another_format_keep_the_whole_name(here, name, format, expected):
    touch(f"in/{name}")
    assert targets("in", "out", format=format) == {f"in/{name}": f"out/{expected}"}


def test_standard_input_has_a_name_in_a_folder(here):
    assert targets("-", "out/") == {"-": "out/stdin.png"}
    assert targets("-", "out/", format="jpg") == {"-": "out/stdin.jpg"}


def test_the_format_of_one_file_is_that_of_its_name(here):
    touch("a.heic")
    assert targets("a.heic", "b.jpg", format="jpg") == {"a.heic": "b.jpg"}
    with pytest.raises(UsageError, match=r"b\.png: its extension does not agree with --format jpg"):
        plan_files("a.heic", "b.png", FileOptions(format="jpg"))


@pytest.mark.parametrize("ignores_case", [True, False])
def test_names_that_differ_by_case_are_one_file_for_some_disks(here, monkeypatch, ignores_case):
    touch("in/a.png", "in/A.png")
    if not Path("in/a.png").samefile("in/A.png") and ignores_case:
        monkeypatch.setattr(plan_module, "_ignores_case", lambda folder: True)
    if ignores_case and len(os.listdir("in")) == 2:  # noqa: PTH208
        with pytest.raises(UsageError, match="would become one file"):
            plan_files("in", "out")
    elif len(os.listdir("in")) == 2:  # noqa: PTH208
        assert len(plan_files("in", "out").jobs) == 2
    assert not Path("out").exists()


def test_whether_a_folder_ignores_case_is_tried_and_leaves_nothing_behind(here):
    touch("x")
    assert plan_module._ignores_case(here / "new" / "folder") == Path("X").exists()
    assert [path.name for path in here.iterdir()] == ["x"]


# ---- places -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["~/painted.png", "~/new/", "~"])
def test_the_home_folder_is_expanded(here, monkeypatch, output):
    home = here / "home"
    touch("a.png", "home/b.png")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    (target,) = targets("a.png", output).values()
    assert Path(target).is_relative_to(home)
    assert [str(job.source) for job in plan_files("~/b.png", "out/").jobs] == [str(home / "b.png")]
    assert [str(job.source) for job in plan_files("~/*.png", "out/").jobs] == [str(home / "b.png")]
    assert not Path("~").exists()


def test_an_unknown_user_is_an_error_and_no_folder(here):
    touch("a.png")
    with pytest.raises(UsageError, match=r"there is no user nobody_of_this_name; .* give \./~nobody_of_this_name/b"):
        plan_files("a.png", "~nobody_of_this_name/b.png")
    assert targets("a.png", "./~nobody_of_this_name/") == {"a.png": f"{here}/~nobody_of_this_name/a.png"}


@pytest.mark.parametrize(
    "address",
    ["https://example.org/a.jpg", "http:/example.org/a.jpg", "HTTPS://x/a", "s3://bucket/a.png"],
)
def test_an_address_is_no_file(here, address):
    for arguments in ((address, "out"), (["a.png", address], "out"), ("a.png", address)):
        with pytest.raises(UsageError, match="is an address; download it first"):
            plan_files(*arguments)


def test_files_that_are_no_pictures_are_counted_and_named_once(here):
    touch("in/a.png", "in/notes.txt", "in/deep/b.TXT", "in/c.nef", "in/.hidden", "in/none")
    plan = plan_files("in", "out")
    assert {str(path) for path in plan.ignored} == {"in/notes.txt", "in/deep/b.TXT", "in/c.nef", "in/none"}
    (note,) = plan.notes
    assert note.startswith("in: 4 files were skipped, not pictures by their extension (2 .txt, 1 .nef, 1 no extension)")
    assert "raw photos" in note
    touch("only/a.png")
    assert not plan_files("only", "out").notes


def test_what_was_written_to_the_output_is_not_counted_as_skipped(here):
    touch("in/a.png", "in/out/notes.txt")
    assert not plan_files("in", "in/out").notes


def test_all_suffixes_that_can_be_read_are_found_in_a_folder(here):
    touch(*(f"in/{number}{suffix}" for number, suffix in enumerate((*READABLE_SUFFIXES, ".HIF", ".HEIC"))))
    assert len(plan_files("in", "out").jobs) == len(READABLE_SUFFIXES) + 2


@pytest.mark.parametrize(("pattern", "expected"), [("in/*.png", ["a.png"]), ("in/**/*", ["a.png", "deep/b.png"])])
def test_patterns(here, pattern, expected):
    touch("in/a.png", "in/deep/b.png")
    assert sorted(targets(pattern, "out").values()) == [f"out/{name}" for name in expected]


def test_names_with_brackets_are_names_if_they_exist(here):
    touch("in/[1].png")
    assert targets("in/[1].png", "out/") == {"in/[1].png": "out/[1].png"}


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        ([], "out", "give at least one"),
        (["a.png", "b.png"], "x.png", "do not fit into one file"),
        (["a.png", "b.png"], "-", "takes one picture"),
        (["a.png"], "x.xyz", "unknown picture extension '.xyz'"),
        (["a.png", "a.png"], "out", "is given twice"),
        (["a.png", "in/a.png"], "out", "would both become"),
        (["a.png"], ".", "is one of the inputs and would be overwritten"),
        (["a.png", "b.png"], "a.png", "several pictures do not fit"),
    ],
)
def test_outputs_that_do_not_suit_the_inputs(here, inputs, output, message):
    touch("a.png", "b.png", "in/a.png")
    with pytest.raises(UsageError, match=message):
        plan_files(inputs, output)


def test_an_input_that_is_missing_is_an_error_of_its_own(here):
    with pytest.raises(ImageError, match="missing: no such file or folder"):
        plan_files("missing", "out")


def test_planning_writes_nothing(here):
    for name in ("in/a.png", "in/A.png"):
        Path(name).parent.mkdir(exist_ok=True)
        save_image(name, make_photo(0))
    before = sorted(here.rglob("*"))
    for options in itertools.product([None, "jpg"], [1, 2]):
        plan_files("in", "in/out", FileOptions(format=options[0], variants=options[1]))
    assert sorted(here.rglob("*")) == before
