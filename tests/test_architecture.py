"""The import table of CONTRIBUTING.md: who may import whom, and what stays unloaded."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import impasto

SOURCE = Path(impasto.__file__).parent

TORCH_FREE = {
    "errors": set(),
    "options": {"errors"},
    "files": {"errors"},
    "processor": set(),
    "pictures": {"errors", "files"},
    "models": {"errors", "files", "pictures"},
    "painting": {"errors", "files", "options", "processor", "pictures", "models"},
    "video": {"errors", "files", "options", "pictures", "painting"},
    "convert": {"errors", "files", "options", "pictures", "models", "painting"},
    "export": {"errors", "files", "options", "pictures", "models", "painting", ""},
    "web": {"errors", "files", "options", "pictures", "models", "painting", "video", ""},
}
MAY_IMPORT = TORCH_FREE | {
    "nn": {"errors", "files", "options"},
    "optimize": {"errors", "files", "options", "pictures", "nn", "training"},
    "evaluation": {"errors", "files", "pictures", "painting", "nn", "optimize"},
    "training": {"errors", "files", "options", "processor", "pictures", "models", "nn", "optimize", "evaluation", ""},
    "": {
        "errors",
        "pictures",
        "painting",
        "models",
        "video",
        "optimize",
        "training",
        "evaluation",
    },  # impasto/__init__.py
    "__main__": {"cli"},
}
"""Package -> the packages it may import, at any depth; "" is impasto itself, for __version__."""

AT_THE_TOP_OF_CLI = {"errors", "cli", ""}
HEAVY = {"av", "cv2", "torch", "onnx", "onnxruntime", "openvino", "matplotlib", "pyvips", "pillow_heif"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names a piece of code imports; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0].replace("__init__", "")


def our_parts(tree: ast.AST) -> set[str]:
    known = {part_of(path) for path in SOURCE.rglob("*.py")}
    named = {name.split(".")[1] for name in imports(tree) if name.startswith("impasto.")}
    return {name if name in known else "" for name in named}


def at_import(path: Path) -> ast.Module:
    """The module without its functions' bodies and without what only a type checker reads."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return None

        def visit_If(self, node):
            return None if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" else node

    return Strip().visit(ast.parse(path.read_text()))


FILES = sorted(path for path in SOURCE.rglob("*.py") if not part_of(path).startswith("cli"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path):
    part = part_of(path)
    assert part in MAY_IMPORT, f"give {part} a row in the table"
    assert our_parts(ast.parse(path.read_text())) <= MAY_IMPORT[part] | {part}


def test_the_command_line_imports_inside_its_commands():
    tree = at_import(SOURCE / "cli" / "main.py")
    assert our_parts(tree) <= AT_THE_TOP_OF_CLI
    assert not {name.split(".")[0] for name in imports(tree)} & (HEAVY | {"numpy", "PIL"})


@pytest.mark.parametrize("path", [path for path in FILES if part_of(path) in TORCH_FREE], ids=lambda path: path.stem)
def test_the_torch_free_half_never_mentions_torch(path):
    assert "torch" not in {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}


TELLING = {"onnxruntime": "models/runtime.py", "openvino": "painting/openvino_engine.py"}
"""Packages with telemetry, and the only module that imports each, without it."""


@pytest.mark.parametrize("package", TELLING)
def test_a_package_with_telemetry_is_imported_in_one_place(package):
    tops = {
        path: {name.split(".")[0] for name in imports(ast.parse(path.read_text()))} for path in SOURCE.rglob("*.py")
    }
    assert [path for path, names in tops.items() if package in names] == [SOURCE / TELLING[package]]


def modules_after(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


HELP = "from impasto.cli.main import main\nmain(['--help'])"


@pytest.mark.parametrize("code", ["import impasto", HELP, "import impasto.painting.stylizer"])
def test_importing_loads_no_engine(code):
    assert not modules_after(code) & HEAVY


UNUSED = {"openvino.tools", "rich", "xml.dom", "impasto.painting.sheets", "impasto.optimize", "impasto.training"}


def test_stylizing_loads_nothing_that_it_does_not_use(tmp_path):
    from impasto.pictures.write import save_image
    from tests.conftest import make_photo

    save_image(tmp_path / "a.png", make_photo(0))
    words = ["stylize", str(tmp_path / "a.png"), "-s", "udnie", "-o", str(tmp_path / "b.png")]
    loaded = modules_after(f"from impasto.cli.main import main\nassert main({words!r}) == 0")
    assert not {name for name in loaded if any(name == unused or name.startswith(f"{unused}.") for unused in UNUSED)}
    assert "impasto.cli.stylize" in loaded


def test_a_network_is_loaded_before_pillow_is():
    """`impasto stylize` loads the network in one thread, while another imports Pillow and reads the first photo."""
    assert "PIL" not in modules_after("import impasto.cli.stylize, impasto.cli.painters, impasto.painting.load")


def test_importing_the_package_is_nearly_free():
    assert not modules_after("import impasto") & {"numpy", "PIL", "rich", "cyclopts"}


def test_help_is_quick_for_it_loads_nothing_for_pictures():
    assert not modules_after(HELP) & {"numpy", "PIL"}


def test_modules_are_below_400_lines_and_functions_at_most_80():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") < 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 80, f"{path}: {node.name}"
