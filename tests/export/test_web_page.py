"""The files of an exported page; tests in a browser are in tests/export/browser."""

import gzip
import json
import re

import numpy as np
import pytest

from impasto.errors import BackendError, ModelError, UsageError
from impasto.export import web_page
from impasto.export.runtime import FILES
from impasto.export.web_page import PageOptions, export_page, with_noise_of_fours
from impasto.models.catalog import shipped, shipped_network
from impasto.models.forms import LazyGraph
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine
from impasto.pictures.read import load_image
from tests.conftest import make_photo
from tests.graphs import NOISE, write_test_model

pytestmark = pytest.mark.usefixtures("networks_stay_loaded")


@pytest.fixture(autouse=True)
def quick_pages(monkeypatch):
    """Pages are written with a small example, and without ONNX Runtime, which would have to be fetched."""
    monkeypatch.setattr(web_page, "load_image", lambda path: make_photo(0, 64, 96))
    monkeypatch.setattr(web_page, "runtime_files", lambda place: {name: name.encode() for name in FILES})


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unpacked(folder, entry):
    packed = (folder / entry["file"]).read_bytes()
    assert len(packed) == entry["bytes"]
    return gzip.decompress(packed)


def test_a_page_has_its_networks_styles_and_pictures(tmp_path):
    found = export_page(["udnie", "pencil"], tmp_path / "page", PageOptions(title="A & B"))
    assert found.styles == ("udnie", "pencil")
    page = json.loads((tmp_path / "page" / "page.json").read_text())
    (network,) = page["networks"].values()
    assert unpacked(tmp_path / "page", network["graph"]) == with_noise_of_fours(shipped_network("fast").read_bytes())
    vectors = np.frombuffer(unpacked(tmp_path / "page", network["vectors"]), "<f4").reshape(3, -1)
    styles = shipped("fast")
    assert (vectors == [styles["udnie"].photo, styles["udnie"].parameters, styles["pencil"].parameters]).all()
    assert [style["index"] for style in page["styles"]] == [0, 1]
    assert page["styles"][0]["title"] == "Udnie"
    for style in page["styles"]:
        assert load_image(tmp_path / "page" / style["picture"]).shape[0] == web_page.THUMBNAIL
    assert "<title>A &amp; B</title>" in (tmp_path / "page" / "index.html").read_text()
    app = json.loads((tmp_path / "page" / "app.webmanifest").read_text())
    for icon in app["icons"]:
        height, width = load_image(tmp_path / "page" / icon["src"]).shape[:2]
        assert icon["sizes"] == f"{width}x{height}"


def test_every_file_that_the_page_names_is_there_and_is_kept_for_use_without_a_network(tmp_path):
    export_page(["udnie"], tmp_path / "page")
    files = files_of(tmp_path / "page")
    kept = {}
    for name in ("FILES", "LATER"):
        (text,) = re.findall(rf"const {name} = (.*);", files["sw.js"].decode())
        kept[name] = set(json.loads(text))
    assert kept["FILES"] - {"./"} | kept["LATER"] == set(files) - {"sw.js"}
    html = files["index.html"].decode()
    assert set(re.findall(r'(?:src|href)="(?!https:|#)([^"#]+)', html)) <= set(files)
    for name in files:
        if name.startswith("js/"):
            for imported in re.findall(r'from "\./([^"]+)"', files[name].decode()):
                assert f"js/{imported}" in files, name
    text = b"".join(content for name, content in files.items() if name.endswith((".js", ".html", ".css")))
    assert set(re.findall(rb"https?://[^\s\"'`)]+", text)) <= {
        b"https://onnxruntime.ai",  # a link
        b"http://www.w3.org/2000/svg",
        b"http://localhost:8000</code>.</p>",
    }


def test_the_page_knows_only_values_that_the_shared_modules_have():
    state = (web_page._SHARED / "js" / "state.js").read_text()
    known = set(re.findall(r"^  (\w+): ", state[: state.index("\n};")], re.MULTILINE))
    assert {"options", "photo", "styles"} <= known
    for path in (web_page._PAGE / "js").glob("*.js"):
        text = path.read_text()
        used = set(re.findall(r'\b[gs]et\("(\w+)"', text)) | set(re.findall(r'\bon\("(\w+)"', text))
        used |= {key for keys in re.findall(r"\bon\(\[([^]]*)\]", text) for key in re.findall(r"\w+", keys)}
        assert used <= known, path.name


def test_equal_pages_are_equal_and_a_change_gives_another_version(tmp_path):
    for name, title in (("a", "One"), ("b", "One"), ("c", "Two")):
        export_page(["udnie"], tmp_path / name, PageOptions(title=title))
    first, second, third = (files_of(tmp_path / name) for name in "abc")
    assert first == second
    assert first["sw.js"].split(b"\n")[0] != third["sw.js"].split(b"\n")[0]


def test_without_webgpu_its_files_are_left_out(tmp_path):
    with_it = export_page(["udnie"], tmp_path / "a")
    without = export_page(["udnie"], tmp_path / "b", PageOptions(no_webgpu=True))
    assert with_it.later > 0
    assert without.later == 0
    assert not [name for name in files_of(tmp_path / "b") if "jspi" in name]


def test_models_and_styles_of_several_networks_share_a_page(tmp_path):
    write_test_model(tmp_path / "own.onnx", NOISE, noise_channels=3, style_title="Noise")
    export_page([str(tmp_path / "own.onnx"), "udnie", "pencil"], tmp_path / "page")
    page = json.loads((tmp_path / "page" / "page.json").read_text())
    assert [(style["name"], style["kind"]) for style in page["styles"]] == [
        ("own", "model"),
        ("udnie", "style"),
        ("pencil", "style"),
    ]
    network = page["networks"][page["styles"][0]["network"]]
    assert network["vectors"] is None
    assert len(network["info"]["seeds"]) == web_page.SEEDS
    assert next(iter(page["networks"])) in {style["network"] for style in page["styles"][1:]}


def test_a_page_is_replaced_whole_and_only_where_it_is_a_page(tmp_path, monkeypatch):
    folder = tmp_path / "page"
    folder.mkdir()  # empty
    export_page(["udnie"], folder)
    before = files_of(folder)
    with pytest.raises(UsageError, match="add --force"):
        export_page(["pencil"], folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="other files"):
            export_page(["udnie"], tmp_path / "mine", overwrite=overwrite)
    with monkeypatch.context() as patch:
        patch.setattr(web_page, "_service_worker", lambda files, later: "text")  # cannot be written as bytes
        with pytest.raises(TypeError):
            export_page(["pencil"], folder, overwrite=True)
    assert files_of(folder) == before
    export_page(["pencil"], folder, overwrite=True)
    assert "styles/pencil.webp" in files_of(folder)
    assert "styles/udnie.webp" not in files_of(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "page"]


def test_what_cannot_be_is_refused_with_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("text")
    with pytest.raises(UsageError, match="is a file"):
        export_page(["udnie"], tmp_path / "file")
    with pytest.raises(UsageError, match="two styles are called udnie"):
        export_page(["udnie", "udnie"], tmp_path / "page")
    with pytest.raises(ModelError, match="cannot write"):
        export_page(["udnie"], tmp_path / "file" / "page")

    def none(place):
        raise BackendError("npm cannot fetch it")

    monkeypatch.setattr(web_page, "runtime_files", none)
    with pytest.raises(BackendError):
        export_page(["udnie"], tmp_path / "page")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_more_channels_of_noise_have_no_effect():
    content = shipped_network("fast").read_bytes()
    wide = with_noise_of_fours(content)
    random = np.random.default_rng(0)
    inputs = {
        "image": random.random((1, 3, 32, 40), dtype=np.float32),
        "noise": random.standard_normal((1, 8, 8, 10), dtype=np.float32),
        "style": shipped("fast")["udnie"].parameters,
    }
    painted = OnnxRuntimeEngine(LazyGraph(wide), "wide", threads=1).run(inputs)
    inputs["noise"] = inputs["noise"][:, :6]
    expected = OnnxRuntimeEngine(LazyGraph(content), "network", threads=1).run(inputs)
    assert np.abs(painted - expected).max() < 1e-5
    assert with_noise_of_fours(wide) == wide
    assert with_noise_of_fours(NOISE) == NOISE
