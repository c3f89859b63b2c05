"""Settings of the documentation site: `make docs` builds it, offline, and fails on any warning."""

import shutil
import sys
from pathlib import Path
from typing import Any

import sphinx.util.logging

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

import impasto  # noqa: E402
from impasto.errors import BackendError  # noqa: E402
from impasto.export.runtime import runtime_files  # noqa: E402
from impasto.export.web_page import export_page  # noqa: E402
from tools.draw_architecture import draw  # noqa: E402

draw(DOCS / "images" / "architecture.svg")

project = "Impasto"
author = "the Impasto developers"
release = version = impasto.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["paper"]
html_theme = "furo"
html_title = f"Impasto {version}"
html_static_path: list[str] = []
html_copy_source = False
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False


def copy_report(app: Any, exception: Exception | None) -> None:
    """Put the report on the papers' claims, which `python -m experiments` writes as HTML, beside the pages.

    Its links lead to the site's pages, and to copies of the records it is made from.
    """
    if exception is not None:
        return
    report, records = Path(app.outdir) / "paper", ROOT / "experiments" / "results"
    shutil.copytree(DOCS / "paper", report, dirs_exist_ok=True)
    shutil.copytree(records, report / "results", ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    page = report / "index.html"
    text = page.read_text(encoding="utf-8").replace("../../experiments/results/", "results/")
    for name in ("papers", "results"):
        text = text.replace(f"'../{name}.md'", f"'../{name}.html'")
    page.write_text(text, encoding="utf-8")


def offer_demo(app: Any) -> None:
    """Show the page that paints in the browser where npm has what it needs; elsewhere demo.md shows a picture of it."""
    try:
        runtime_files()
    except BackendError as reason:
        sphinx.util.logging.getLogger(__name__).info("without the live demo: %s", reason)
    else:
        app.tags.add("demo")
        app.connect("build-finished", write_demo)


def write_demo(app: Any, exception: Exception | None) -> None:
    """Write that page, with all styles, beside the others."""
    if exception is None:
        export_page([], Path(app.outdir) / "demo", overwrite=True)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("build-finished", copy_report)
    app.connect("builder-inited", offer_demo)
