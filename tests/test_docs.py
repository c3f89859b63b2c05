"""The documentation: its commands and code run as written, page by page; its links lead somewhere; names are complete.

Only the budget is cut, to three steps on a loss network a few channels wide.
"""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

import impasto
from impasto.cli.main import main
from impasto.export.runtime import FILES
from impasto.files import training_data
from tests.conftest import make_photo
from tools.draw_architecture import arrows_of, draw, floors_of, parts_of, sources

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!`)\]\(([^)#\s]*)#?([^)]*)\)")


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def quick(command, weights):
    """The same command on a small budget."""
    words = shlex.split(command)
    if words[1] == "train":
        for flag in ("--minutes", "--steps"):
            if flag in words:
                del words[words.index(flag) : words.index(flag) + 2]
        words += ["--steps", "3", "--crop", "32", "--first-crop", "32", "--style-size", "64", "--pool", "6"]
        words += ["--photo-from", "48", "--photo-to", "64", "--loss-network", str(weights)]
        if "--resume" in words:
            words[words.index("3")] = "5"
    if words[1] == "gatys":
        words[words.index("200")] = "3"
        words[words.index("512")] = "64"
        words += ["--loss-network", str(weights)]
    if "--refine" in words:
        words[words.index("10")] = "2"
    if words[1] == "evaluate":
        words += ["--size", "64"]
    return words


@pytest.mark.usefixtures("networks_stay_loaded")
@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(read(page))])
def test_commands_and_code_run(page, tmp_path, tiny_vgg_file, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("impasto.cli.info.TIMED_SIDE", 64)
    for name in ("style.jpg", "photo.jpg"):
        Image.fromarray(make_photo(1)).save(tmp_path / name)
    for name in ("mask.png", "left.png", "right.png"):
        Image.fromarray(make_photo(2)).convert("L").save(tmp_path / name)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for number in range(12):
        Image.fromarray(make_photo(number)).save(tmp_path / "photos" / "more" / f"{number}.jpg")
    if "clip.mp4" in read(page):
        pytest.importorskip("av")
        from tests.video.clips import make_clip

        make_clip(tmp_path / "clip.mp4", frames=4, size=(96, 64))
    if "mosaic-9.onnx" in read(page):
        from tests.convert.torch_files import zoo_onnx

        (tmp_path / "mosaic-9.onnx").write_bytes(zoo_onnx())
    if "--refine" in read(page):  # toward stored statistics of the real loss network's features
        for module in ("weights", "lpips"):
            monkeypatch.setattr(f"impasto.nn.{module}.packaged", lambda name: training_data(name).read_bytes())
    if "model.onnx" in read(page) and "impasto train style.jpg -o model.onnx" not in read(page):
        assert main(quick("impasto train style.jpg -o model.onnx --content photos", tiny_vgg_file)[1:]) == 0
    if "--web" in read(page):  # without npm's package, which is not everywhere
        monkeypatch.setattr("impasto.export.web_page.runtime_files", lambda place: dict.fromkeys(FILES, b""))
    ran = 0
    for kind, text in BLOCK.findall(read(page)):
        if kind == "python":
            exec(compile(text, page, "exec"), {})
            ran += 1
            continue
        for line in text.splitlines():
            if line.startswith("impasto "):
                assert main(quick(line, tiny_vgg_file)[1:]) == 0, f"{line}\n{capsys.readouterr().err}"
                ran += 1
            else:
                assert line.startswith("pip install"), line
    assert ran or "pip install" in read(page)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target, place in LINK.findall(read(page)):
        if "://" in target:
            continue
        file = ((ROOT / page).parent / target) if target else ROOT / page
        assert file.exists(), target
        if place and file.suffix == ".md":
            assert place in anchors(file.read_text(encoding="utf-8")), f"{target}#{place}"


def anchors(text):
    """What headings are called in links, as GitHub and the site generator have it."""
    titles = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_pictures_have_a_description(page):
    assert "![](" not in read(page)


def test_the_readme_is_short():
    assert read("README.md").count("\n") <= 120


def test_every_public_name_is_in_the_reference():
    reference = read("docs/reference/api.md")
    missing = {
        name
        for name in impasto.__all__
        if f"impasto.{name}\n" not in reference and not name.endswith("Error") and name != "__version__"
    }
    assert not missing
    assert "automodule:: impasto.errors" in reference


def test_every_command_is_in_the_reference():
    named = set(re.findall(r"`impasto (\w+)", read("docs/reference/commands.md")))
    assert named >= {"stylize", "styles", "info", "train", "gatys", "evaluate", "convert", "export"}


def test_every_folder_of_the_package_is_on_the_architecture_page():
    page = read("docs/architecture.md")
    for path in (ROOT / "src" / "impasto").iterdir():
        if (path / "__init__.py").exists() or (path.suffix == ".py" and not path.name.startswith("__")):
            assert f"`{path.stem}`" in page, path.name


def test_the_drawing_has_each_part_above_what_it_imports(tmp_path):
    files = {
        "__init__.py": "",
        "low.py": "import os\n",
        "middle/__init__.py": "",
        "middle/one.py": "from impasto.low import x\n",
        "top.py": "from impasto.middle.one import y\nimport impasto.low\n",
        "left.py": "from impasto import right\n",
        "right.py": "def f():\n    import impasto.left\n",
    }
    parts = parts_of(files)
    assert floors_of(parts) == [["impasto", "left", "low", "right"], ["middle"], ["top"]]
    assert arrows_of(parts) == [("left", "right"), ("middle", "low"), ("right", "left"), ("top", "middle")]
    assert "parts" not in draw(tmp_path / "drawing.svg")
    drawn = (tmp_path / "drawing.svg").read_text(encoding="utf-8")
    assert all(f">{name}<" in drawn for name in parts_of(dict(sources(None))))
