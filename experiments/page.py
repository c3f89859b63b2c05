"""How results become pictures, tables and one page: docs/paper/index.html, readable on a phone, without a server."""

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.lab import EXPLODED, Budget, Lab
from impasto.errors import ImpastoError
from impasto.files import replacing
from impasto.nn.losses import YARDSTICK
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import Pixels
from impasto.pictures.write import save_image

COLORS = ("#0b5fa5", "#d1495b", "#2e8b57", "#8d6a9f", "#e08e0b", "#4d4d4d", "#12a5a5", "#9b5a2c")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
VERDICTS = ("holds", "holds in part", "does not hold here", "shown", "not resolved")
"""Of claims and their parts; what only shows something holds nothing."""
PARTS = (
    "A part that compares two sides is not resolved where seeds contradict each other, so that neither it nor its "
    "contrary holds. A claim "
    "holds where all its parts do, and in part where one does, even in part; else it does not hold here, or is not "
    "resolved "
    "where no part is. What is only beside a claim does not count."
)

UNTESTED = (
    "That artefacts along the border come from zero padding and that better padding does not cure them; that people "
    "find the pictures as good as those of Gatys' optimisation; speed and memory of texture networks on a GPU."
)
"""What the papers say and nothing here measures."""

Figure = tuple[str, str]
"""A file beside the page, and what it shows."""


@dataclass(frozen=True)
class Part:
    """One thing that a claim says."""

    name: str
    verdict: str
    measured: str
    """What the verdict comes from."""
    counts: bool = True
    """Whether the claim says it; what does not count is only beside it."""


@dataclass(frozen=True)
class Section:
    """One claim on the page."""

    title: str
    claim: str
    source: str
    """Which paper says so, and where."""
    parts: Sequence[Part]
    """Of which the verdict is made; of what only shows something there are none."""
    rule: str
    """When the verdict on a part is which, and what its spread is over."""
    reason: str
    likely: str = ""
    """Why a claim that does not hold in full does not: said only then."""
    figures: Sequence[Figure] = field(default_factory=tuple)
    tables: Sequence[str] = field(default_factory=tuple)

    @property
    def verdict(self) -> str:
        """On the whole claim."""
        return combined([part.verdict for part in self.parts if part.counts]) if self.parts else "shown"


class Html(str):
    """Text that is HTML already."""


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def minus(those: Sequence[float], these: Sequence[float]) -> list[float]:
    """Differences, pair by pair; of what exploded there is none."""
    pairs = zip(those, these, strict=True)
    return [EXPLODED if max(that, this) >= EXPLODED else that - this for that, this in pairs]


def spread(terms: Sequence[float]) -> str:
    """Of an objective's terms: see :func:`between`; of what exploded, how many of them did."""
    if exploded := sum(term >= EXPLODED for term in terms):
        return "exploded" if exploded == len(terms) else f"{exploded} of {len(terms)} exploded"
    return between(terms, 3)


def spread_terms(content: Sequence[float], style: Sequence[float], objective: Sequence[float]) -> list[str]:
    """Of the yardstick's three terms."""
    return [spread(content), spread(style), spread(objective)]


def between(values: Sequence[float], digits: int) -> str:
    """The mean, and in brackets the least and greatest; what rounds to nothing has no sign."""
    if len(values) == 1:
        return f"{values[0]:z.{digits}f}"
    return f"{mean(values):z.{digits}f} ({min(values):z.{digits}f} to {max(values):z.{digits}f})"


def ordered(low: Sequence[float], high: Sequence[float]) -> str:
    """How far it is true that ``low`` is below ``high``: each of all, each of its own seed's, or not; or seeds differ.

    Of means alone it would be said of half of all comparisons in which there is nothing.
    """
    if max(low) < min(high):
        return "holds"
    lower = [a < b for a, b in zip(low, high, strict=True)]
    return "holds in part" if all(lower) else "not resolved" if any(lower) else "does not hold here"


def combined(verdicts: Sequence[str]) -> str:
    """The verdict on a claim of several parts: see :data:`PARTS`."""
    if len({*verdicts}) == 1:
        return verdicts[0]
    return "holds in part" if {*verdicts} & {"holds", "holds in part"} else "does not hold here"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table; brackets are not broken over lines."""

    def marked(cell: Any) -> str:
        return cell if isinstance(cell, Html) else re.sub(r"(\([^()]*\))", r"<span>\1</span>", html.escape(str(cell)))

    head = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{marked(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _badge(verdict: str) -> Html:
    return Html(f"<span class='verdict v{VERDICTS.index(verdict)}'>{verdict}</span>")


def sheet(
    lab: Lab,
    name: str,
    rows: Sequence[Sequence[Pixels]],
    labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
) -> None:
    """Save a contact sheet as NAME.jpg beside the page."""
    lab.page.mkdir(parents=True, exist_ok=True)
    framed = [[_framed(picture) for picture in row] for row in rows]
    save_image(lab.page / f"{name}.jpg", contact_sheet(framed, labels=labels, captions=captions, cell=256), quality=85)


def _framed(picture: Pixels) -> Pixels:
    """With a grey line around it: some networks paint white, and so is the sheet."""
    return np.pad(picture, ((2, 2), (2, 2), (0, 0)), constant_values=128)


class Plots:
    """Plots in one style, saved beside the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def curves(
        self,
        name: str,
        lines: Mapping[str, tuple[Sequence[float], Sequence[Sequence[float]]]],
        *,
        x: str,
        y: str,
        title: str = "",
        over: str = "seeds",
        log: Literal["", "x", "y"] = "",
        levels: Mapping[str, Sequence[float]] | None = None,
        top: float | None = None,
    ) -> Figure:
        """Means over seeds (or what ``over`` says) with the band from least to greatest; levels are drawn across.

        What lies above ``top`` is left out of the picture.
        """
        named = {"x": x, "y": y}
        if log:
            named[log] += " (log scale)"
        figure, axes = self._axes(named["x"], named["y"], title)
        band = min(0.18, 0.5 / len(lines))  # many bands over each other are a fog
        for (label, (xs, seeds)), color, marker in zip(lines.items(), cycle(COLORS), cycle(MARKERS), strict=False):
            columns = [[v for v in column if v < EXPLODED] or [math.nan] for column in zip(*seeds, strict=True)]
            every = max(1, len(columns) // 12)
            axes.plot(xs, [mean(c) for c in columns], color=color, marker=marker, markevery=every, ms=4, label=label)
            axes.fill_between(xs, [min(c) for c in columns], [max(c) for c in columns], color=color, alpha=band, lw=0)
        dashes = ("--", "-.", ":", (0, (6, 1)))
        for (label, level), color, dash in zip(
            (levels or {}).items(), cycle(COLORS[::-1]), cycle(dashes), strict=False
        ):
            axes.axhline(mean(level), color=color, ls=dash, lw=1.2, label=label)
            axes.axhspan(min(level), max(level), color=color, alpha=0.1, lw=0)
        if log:
            axes.set(**{f"{log}scale": "log"})
        if top is not None:
            axes.set_ylim(top=top)
        if log == "x":
            axes.set_xticks([*next(iter(lines.values()))[0]])
            axes.xaxis.set_major_formatter("{x:g}")
        if log == "y":
            axes.yaxis.set_major_locator(_log_ticks(*axes.get_ylim()))
            axes.yaxis.set_major_formatter("{x:.3g}")
        axes.minorticks_off()
        caption = f"{title + ': ' if title else ''}{y} against {x}; mean and range over {over}."
        return self._saved(figure, name, caption + " What is higher is left out." * (top is not None))

    def points(
        self, name: str, groups: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, title: str = ""
    ) -> Figure:
        """Groups of points."""
        figure, axes = self._axes(x, y, title)
        for (label, points), color, marker in zip(groups.items(), cycle(COLORS), cycle(MARKERS), strict=False):
            axes.scatter(*zip(*points, strict=True), color=color, marker=marker, label=label)
        return self._saved(figure, name, f"{y} against {x}, one point a seed.")

    def _axes(self, x: str, y: str, title: str) -> tuple[Any, Any]:
        from matplotlib.figure import Figure as Canvas  # its own canvas: no window system, no global state

        figure = Canvas(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.set(xlabel=x, ylabel=y, title=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        return figure, axes

    def _saved(self, figure: Any, name: str, caption: str) -> Figure:
        # Below the axes: nothing is hidden, and looking for the best place is slow on a busy machine, with a warning.
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        self.folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.folder / f"{name}.png", dpi=150, metadata={"Software": None})
        return f"{name}.png", caption


def _log_ticks(low: float, high: float) -> Any:
    """Round numbers, enough of them and not printed over each other."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    if high < 5 * low:
        return MaxNLocator(6, steps=[1, 2, 5, 10])
    return FixedLocator([k * 10.0**n for n in range(-6, 7) for k in (1, 2, 3, 5) if low <= k * 10.0**n <= high])


STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:1rem}
h1{line-height:1.2}h2{margin-top:3rem;border-top:1px solid #8886;padding-top:1.5rem}
img{max-width:100%;height:auto;background:#fff}figure{margin:1.5rem 0}figcaption{font-size:.9rem;opacity:.8}
.wide{overflow-x:auto}td span{white-space:nowrap}table{border-collapse:collapse;font-size:.85rem;margin:1rem 0}
th,td{min-width:3.5rem;padding:.3rem .6rem;border-bottom:1px solid #8884;text-align:left;vertical-align:top}
.verdict{white-space:nowrap;font-weight:600;padding:.15rem .6rem;border-radius:1rem;color:#fff}
td .verdict{font-size:.75rem;padding:.1rem .45rem}
.v0{background:#2e7d4f}.v1{background:#a86400}.v2{background:#b3383f}.v3,.v4{background:#555}
.note{border-left:.25rem solid #a86400;padding:.3rem .8rem}
@media(max-width:40rem){table{font-size:.7rem}th,td{min-width:0;padding:.3rem .2rem}td span{white-space:normal}
td .verdict{white-space:normal;display:inline-block;border-radius:.5rem}}
code{font-size:.9em}details{font-size:.9rem}pre{overflow-x:auto;font-size:.8rem}
"""


def _linked(text: str) -> str:
    """As HTML, with documents of the project as links from the page's folder."""
    text = html.escape(text)
    for name in ("papers.md", "results.md"):
        text = text.replace(f"docs/{name}", f"<a href='../{name}'>docs/{name}</a>")
    return re.sub(r"arXiv:(\d{4}\.\d{5})", r"<a href='https://arxiv.org/abs/\1'>arXiv:\1</a>", text)


def render(
    folder: Path,
    sections: Sequence[tuple[str, Section, Mapping[Path, Mapping[str, Any]]]],
    command: str,
    results: str,
    names: Sequence[str],
    budget: Budget,
) -> Path:
    """Write index.html; each section comes with its module's name and the records it is made from, by their files.

    ``names`` are those of all claims, in their order: one without a section is listed as not measured. What was
    measured under another budget than now is marked as such.
    """
    quick = budget.name == "quick"
    numbers = {name: number for number, name in enumerate(names, 1)}
    written = {name: section for name, section, _ in sections}
    rows = [
        [number, Html(f"<a href='#{name}'>{html.escape(one.title)}</a>"), one.claim, _badge(one.verdict)]
        if (one := written.get(name))
        else [number, name, "", "not measured"]
        for name, number in numbers.items()
    ]
    now = json.loads(json.dumps(asdict(budget)))  # as JSON has it: lists, not tuples
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>The papers, measured</title><style>{STYLE}</style><h1>The papers, measured</h1>",
        "<p>The claims of <a href='https://arxiv.org/abs/1607.08022'>Ulyanov, Vedaldi, Lempitsky 2016</a> and of the "
        "two papers it builds on, each tested with this code. Every number, plot and verdict comes from the JSON "
        "named beside it; the command named there makes it again, and with it the sheets of pictures. A number is a "
        "mean with the least and the greatest in brackets, over seeds unless it is said otherwise, on photos that "
        f"nothing learnt from; which those are is in <a href='{results}/data.json'>data.json</a>.</p>",
        "<p><b>Content error</b>: mean squared difference from the photo's features at "
        f"{' and '.join(YARDSTICK.content_layers)} of VGG-16, relative to their variance: 0 is the photo, an even grey "
        "has some 1, another photo more than 2 (claim 1). Beyond grey the style's texture has covered more than it has "
        "kept, and whether the photo can be made out is for the eye to say. <b>Style error</b>: squared difference "
        "from the style picture's Gram "
        f"matrices, relative to theirs, mean over {', '.join(YARDSTICK.style_layers)}. <b>Objective</b>: content error "
        f"+ {YARDSTICK.style_weight:g} x style error. None has a unit.</p>",
        "<p><b>Budget</b>, equal between the arms of a comparison: "
        f"{budget.steps} steps (claims 4 and 6: {budget.short}) of {budget.batch} squares of {budget.crop} px, cut "
        f"from photos of {budget.crop} to {2 * budget.crop} px (short side); Adam at a rate of {Lab.LEARNING_RATE:g} "
        "that "
        f"falls to nothing over the second half; {len(budget.seeds)} seeds, {budget.judges} held-out photos, one style "
        "picture. Residual networks have half the published width and enlarge bilinearly, all reflect at borders. "
        "Held-out photos "
        f"and the style picture are whole, with a short side of {budget.judge_size} px (512 in "
        "<a href='../results.md'>docs/results.md</a>): larger than what was learnt from, which running averages of "
        f"statistics feel most. Gatys' optimisation has at most {budget.evaluations} evaluations of the objective. All "
        f"this where it is not said otherwise. {_precisions(sections)}The published runs took 3,000 to 50,000 steps of "
        "larger squares: what fails here may hold there.</p>"
        f"<p><b>Verdicts</b> are computed from the numbers. {PARTS}</p>",
        *(["<p class=note>The quick budget: it shows that all runs. Its numbers mean nothing.</p>"] * quick),
        table(["", "claim", "in words", "verdict"], rows),
    ]
    for name, section, records in sections:
        stale = any(record["budget"] != now for record in records.values())
        files = ", ".join(f"<a href='{results}/{file.name}'>{file.name}</a>" for file in records)
        source = f"<code>{command} {name}</code>, {files}"
        failed = section.verdict not in ("holds", "shown")
        found = [[p.name + " (beside it)" * (not p.counts), _badge(p.verdict), p.measured] for p in section.parts]
        parts += [
            f"<h2 id={name}>{numbers[name]}. {html.escape(section.title)}</h2><p>{html.escape(section.claim)} ",
            f"{_badge(section.verdict)} <small>{_linked(section.source)}</small></p>",
            *(["<p class=note>Measured under another budget than today's: the command makes it again.</p>"] * stale),
            *([table(["part", "verdict", "measured"], found)] * bool(found)),
            *([f"<p>{_linked(section.reason)}</p>"] * bool(section.reason)),
            *([f"<p>Likely why: {_linked(section.likely)}</p>"] * (failed and bool(section.likely))),
            f"<p><small>When what holds: {html.escape(section.rule)}</small></p>",
            *section.tables,
            f"<p><small>Numbers by {source}.</small></p>",
            *(
                f"<figure><img src='{image}' alt='{html.escape(caption)}' loading=lazy>"
                f"<figcaption>{html.escape(caption)} Made by {source}.</figcaption></figure>"
                for image, caption in section.figures
            ),
            *(_provenance(file, record) for file, record in records.items()),
        ]
    parts.append(f"<h2>Not tested</h2><p>{UNTESTED}</p>")
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    with replacing(page, ImpastoError) as part:
        part.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return page


def _precisions(sections: Sequence[tuple[str, Section, Mapping[Path, Mapping[str, Any]]]]) -> str:
    """In which arithmetic networks were learnt, where it was not one for all."""
    files: dict[str, list[str]] = {}
    for _, _, records in sections:
        for file, record in records.items():
            if record["networks"]:
                files.setdefault(record["origin"]["precision"], []).append(file.stem)
    if not files:
        return ""
    usual, *others = sorted(files, key=lambda precision: -len(files[precision]))
    apart = "; ".join(f"those of {', '.join(files[precision])} in {precision}" for precision in others)
    return f"Networks were learnt in {usual}" + (f", {apart}" if apart else "") + ", and judged in float32. "


def _provenance(file: Path, record: Mapping[str, Any]) -> str:
    """What a result came from, folded up."""
    made_from = json.dumps({key: record[key] for key in ("commit", "budget", "origin", "machine")}, indent=1)
    learnt = record["networks"]
    codes, threads = ({one[key] for one in learnt} for key in ("commit", "threads"))
    networks = (
        f"{len(learnt)} networks learnt in {sum(one['seconds'] for one in learnt):.0f} s on "
        f"{' or '.join(map(str, sorted(threads)))} threads by commit {' or '.join(sorted(codes))}, "
        if learnt
        else ""
    )
    return (
        f"<details><summary>Budget, data and time of {file.name}: {networks}measured in {record['seconds']:.0f} s, "
        f"version {record['version']}, commit {record['commit']}</summary><pre>{html.escape(made_from)}</pre></details>"
    )
