"""The files of the page: small, and nothing in them leads elsewhere. No browser is needed."""

import gzip
import re
from pathlib import Path

import pytest

import impasto

STATIC = Path(impasto.__file__).parent / "web" / "static"
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
TEXTS = [path for path in FILES if path.suffix in (".html", ".css", ".js", ".svg")]
MOST_BYTES = 80_000
NAMESPACE = "http://www.w3.org/"


def read(path):
    return path.read_text(encoding="utf-8")


def test_all_files_together_take_less_than_80_kilobytes_on_the_way():
    assert len(FILES) > 20
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in FILES) <= MOST_BYTES


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_a_file_names_no_other_site_and_is_short(path):
    assert [found for found in re.findall(r"(?:https?:)?//[\w.-]+\.\w+\S*", read(path)) if NAMESPACE not in found] == []
    assert read(path).count("\n") < 400


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".html"], ids=lambda path: path.name)
def test_the_pages_hold_no_script_or_style_that_the_policy_forbids(path):
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", read(path))


def test_every_file_and_icon_that_is_named_is_there():
    text = "\n".join(read(path) for path in TEXTS)
    for name, mark in re.findall(r"\bstatic/([\w./-]+?\.\w+)(?:#([\w-]+))?(?=[\"'`])", text):
        assert (STATIC / name).is_file(), name
        assert not mark or f'id="{mark}"' in read(STATIC / name), mark
    for path in STATIC.glob("js/*.js"):
        for name in re.findall(r'from "\./([\w.]+)"', read(path)):
            assert (path.parent / name).is_file(), name
    for name in set(re.findall(r'icon\("(\w+)"\)', text)):
        assert f'id="{name}"' in read(STATIC / "icons.svg"), name


def test_addresses_are_relative_so_that_a_proxy_may_offer_the_page_under_a_path():
    text = "\n".join(read(path) for path in TEXTS)
    assert len(re.findall(r"[\"'`(](?:api|static)/", text)) > 50
    assert re.findall(r"[\"'`(]/(?:api|static|live)\b.*", text) == []


def test_every_element_that_a_script_looks_for_by_its_id_is_in_a_page():
    pages = "".join(read(path) for path in STATIC.glob("*.html"))
    scripts = "\n".join(read(path) for path in STATIC.glob("js/*.js"))
    made = set(re.findall(r'id: "([\w-]+)"', scripts))
    wanted = set(re.findall(r'\$\("#([\w-]+)"', scripts))
    assert len(wanted) > 50
    assert {name for name in wanted if f'id="{name}"' not in pages} <= made


def test_only_one_module_talks_to_the_server():
    for path in STATIC.glob("js/*.js"):
        if path.name not in ("api.js", "bare.js", "photos.js"):  # two fetch one file each
            assert "fetch(" not in read(path), path.name
