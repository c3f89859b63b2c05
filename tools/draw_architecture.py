"""Draw which part of the package imports which, from the source itself, as an SVG picture.

python tools/draw_architecture.py docs/images/architecture.svg                              the working tree
python tools/draw_architecture.py docs/images/architecture-before.svg --commit 5bcb21e      a commit

A part is a package or a module directly under src/impasto. Each stands on the floor above everything it imports;
parts that import each other share a floor. An arrow that follows from others (a -> b -> c makes a -> c) is left out.
"""

import argparse
import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "src/impasto"
TORCH_HALF = {"nn", "optimize", "training", "evaluation", "train", "gatys", "refine", "evaluate", "cli_train"}
WIDTH, MARGIN, GAP, FLOOR_GAP, LINE = 1180, 20, 16, 46, 15


@dataclass
class Part:
    """A package or module: its files, lines and longest function, and the parts it imports."""

    name: str
    modules: list[str] = field(default_factory=list)
    lines: int = 0
    longest: tuple[int, str] = (0, "")
    imports: set[str] = field(default_factory=set)


def sources(commit: str | None) -> Iterator[tuple[str, str]]:
    """Yield path (below the package) and text of every module, of a commit or of the working tree."""
    if commit is None:
        for path in sorted((ROOT / PACKAGE).rglob("*.py")):
            yield path.relative_to(ROOT / PACKAGE).as_posix(), path.read_text(encoding="utf-8")
        return
    git = ("git", "-C", str(ROOT))
    names = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", commit, PACKAGE], capture_output=True, text=True, check=True
    ).stdout
    for name in names.splitlines():
        if name.endswith(".py"):
            text = subprocess.run([*git, "show", f"{commit}:{name}"], capture_output=True, text=True, check=True).stdout
            yield name.removeprefix(PACKAGE + "/"), text


def parts_of(files: Mapping[str, str]) -> dict[str, Part]:
    """The package's parts by name, from path -> text; `impasto` itself is called "impasto"."""
    owner = {path: path.split("/")[0].removesuffix(".py").replace("__init__", "impasto") for path in files}
    parts: dict[str, Part] = {name: Part(name) for name in owner.values() if name != "__main__"}
    for path, text in files.items():
        part = parts.get(owner[path])
        if part is None:
            continue
        if not path.endswith("__init__.py") and "/" in path:
            part.modules.append(path.split("/", 1)[1].removesuffix(".py"))
        part.lines += text.count("\n")
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                part.longest = max(part.longest, (length, node.name))
        part.imports |= {name for name in imported(tree) if name in parts and name != part.name}
    return parts


def imported(tree: ast.AST) -> Iterator[str]:
    """The parts a module imports, at any depth; the version number, which each may read, does not count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            words = name.split(".")
            if words[0] == "impasto" and words[1:] != ["__version__"]:
                yield words[1] if len(words) > 1 else "impasto"


def reachable(parts: Mapping[str, Part], start: str) -> set[str]:
    """Every part that `start` imports, directly or not; with itself only where imports lead back to it."""
    found: set[str] = set()
    waiting = list(parts[start].imports)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += parts[name].imports
    return found


def floors_of(parts: Mapping[str, Part]) -> list[list[str]]:
    """The parts by floor, the lowest (which import nothing) first."""
    below = {name: reachable(parts, name) for name in parts}
    height: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in height:
            together = {other for other in below[name] if name in below[other]} | {name}
            under = {other for one in together for other in parts[one].imports} - together
            level = 1 + max((floor(other) for other in under), default=-1)
            height.update(dict.fromkeys(together, level))
        return height[name]

    for name in parts:
        floor(name)
    return [sorted(name for name in parts if height[name] == level) for level in range(1 + max(height.values()))]


def arrows_of(parts: Mapping[str, Part]) -> list[tuple[str, str]]:
    """The imports that do not follow from others; of parts that import each other one stands for all."""
    below = {name: reachable(parts, name) for name in parts}

    def follows(name: str, target: str) -> bool:
        others = [other for other in parts[name].imports - {target} if target in below[other]]
        return any(name not in below[other] and (other not in below[target] or other < target) for other in others)

    return sorted((name, to) for name, part in parts.items() for to in part.imports if not follows(name, to))


def wrapped(words: list[str], width: int) -> list[str]:
    """The words in lines of at most `width` characters."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines if words else []


def drawing(parts: Mapping[str, Part], title: str) -> str:
    """The SVG text."""
    body, boxes, top = [], {}, 2 * MARGIN + LINE
    for row in reversed(floors_of(parts)):
        width = min(300.0, (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row))
        texts = {name: wrapped(parts[name].modules, int(width / 6.6)) for name in row}
        height = LINE * (2 + max(len(lines) for lines in texts.values())) + 12
        left = (WIDTH - width * len(row) - GAP * (len(row) - 1)) / 2
        for name in row:
            boxes[name] = (left, top, width, height)
            color = "#f5dfc8" if name in TORCH_HALF else "#d8e6f3"
            body.append(f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{height}" rx="6" fill="{color}"/>')
            count = f"{parts[name].lines:,} lines"
            for index, (line, style) in enumerate(
                [(name, ' font-weight="bold"'), *((text, "") for text in texts[name]), (count, ' fill="#666"')]
            ):
                y = top + 18 + LINE * index
                body.append(f'<text x="{left + 10:.0f}" y="{y}"{style}>{escape(line)}</text>')
            left += width + GAP
        top += height + FLOOR_GAP
    lines = []
    for start, end in arrows_of(parts):
        (ax, ay, aw, ah), (bx, by, bw, _) = boxes[start], boxes[end]
        if ay == by:  # they import each other, directly or not
            x1, y1, x2, y2 = ax + aw / 2, ay, bx + bw / 2, by
            path = f"M{x1:.0f},{y1} C{x1:.0f},{y1 - 30} {x2:.0f},{y2 - 30} {x2:.0f},{y2}"
        else:
            x1, y1, x2, y2 = ax + aw / 2, ay + ah, bx + bw / 2, by
            path = f"M{x1:.0f},{y1} C{x1:.0f},{y1 + 30} {x2:.0f},{y2 - 30} {x2:.0f},{y2 - 5}"
        lines.append(f'<path d="{path}" fill="none" stroke="#888" marker-end="url(#tip)"/>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top - FLOOR_GAP + MARGIN}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="12">',
            '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
            '<path d="M0,0 L6,3 L0,6 z" fill="#888"/></marker></defs>',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{MARGIN}" y="{MARGIN + 8}" font-size="15">{escape(title)}</text>',
            *lines,
            *body,
            "</svg>\n",
        ]
    )


def summary(parts: Mapping[str, Part]) -> str:
    """Files, lines, floors and the longest function, in one line."""
    files = sum(max(1, len(part.modules)) for part in parts.values())
    lines = sum(part.lines for part in parts.values())
    length, name = max(part.longest for part in parts.values())
    return f"{files} modules, {lines:,} lines, {len(floors_of(parts))} floors, longest function {name}: {length} lines"


def draw(output: Path, commit: str | None = None) -> str:
    """Write the drawing of a commit, or of the working tree, and return its summary."""
    parts = parts_of(dict(sources(commit)))
    text = summary(parts)
    output.write_text(drawing(parts, text), encoding="utf-8")
    return text


def main() -> int:
    """Write one drawing and print its summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--commit", help="a commit instead of the working tree")
    options = parser.parse_args()
    print(draw(options.output, options.commit))
    return 0


if __name__ == "__main__":
    sys.exit(main())
