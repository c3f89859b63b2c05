"""The commands and code in the documentation, run as written, in order, page by page.

Only the budget is cut, to three steps on a loss network a few channels wide.
"""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from impasto.cli.main import main
from tests.conftest import make_photo

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/stylize.md", "docs/training.md", "docs/model-format.md"]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page):
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def quick(command, weights):
    """The same command on a small budget."""
    words = shlex.split(command)
    if words[1] == "train":
        for flag in ("--minutes", "--steps"):
            if flag in words:
                del words[words.index(flag) : words.index(flag) + 2]
        words += ["--steps", "3", "--crop", "32", "--first-crop", "32", "--loss-network", str(weights)]
        if "--resume" in words:
            words[words.index("3")] = "5"
    if words[1] == "gatys":
        words[words.index("200")] = "3"
        words += ["--loss-network", str(weights)]
    if words[1] == "evaluate":
        words += ["--size", "64"]
    return words


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_code_run(page, tmp_path, tiny_vgg_file, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("style.jpg", "photo.jpg"):
        Image.fromarray(make_photo(1)).save(tmp_path / name)
    for name in ("mask.png", "left.png", "right.png"):
        Image.fromarray(make_photo(2)).convert("L").save(tmp_path / name)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for number in range(12):
        Image.fromarray(make_photo(number)).save(tmp_path / "photos" / "more" / f"{number}.jpg")
    if page == "docs/model-format.md":  # speaks of a model made before
        assert main(quick("impasto train style.jpg -o model.onnx --content photos", tiny_vgg_file)[1:]) == 0
    ran = 0
    for kind, text in blocks(page):
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
    assert ran


@pytest.mark.parametrize("page", [*sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/*.md")), "README.md"])
def test_links_lead_somewhere(page):
    for target, place in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", (ROOT / page).read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file = ((ROOT / page).parent / target) if target else ROOT / page
        assert file.exists(), target
        if place and file.suffix == ".md":
            assert place in anchors(file.read_text(encoding="utf-8")), f"{target}#{place}"


def anchors(text):
    """What headings are called in links, as GitHub has it."""
    titles = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
