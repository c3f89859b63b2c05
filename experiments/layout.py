"""The page: one claim a screen, plots first, tables folded; readable on a phone, in print and without a server."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.budget import Budget
from experiments.claims import TESTED, UNTESTED
from experiments.lab import Lab
from experiments.page import PARTS, VERDICTS, Figure, Html, Part, Section, table
from impasto.errors import ImpastoError
from impasto.files import replacing
from impasto.nn.losses import YARDSTICK

Records = Mapping[Path, Mapping[str, Any]]

COMMANDS = {"remade_": "python -m experiments figures", "published_": "python -m experiments --page-only"}
"""What makes figures of the papers' scale, by the beginning of their names."""

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--good:#2e7d4f;--part:#a86400;--bad:#b3383f;--open:#555}
*{box-sizing:border-box}html{scroll-padding-top:4.6rem}
body{font:16px/1.5 system-ui,sans-serif;margin:0}
h1{font-size:1.9rem;line-height:1.2;margin:.4rem 0}h2{font-size:1.5rem;line-height:1.25;margin:0}
h3{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;opacity:.75;margin:1.1rem 0 .2rem}
a{color:inherit}p{margin:.4rem 0}small{opacity:.8}code{font-size:.88em;overflow-wrap:anywhere}
nav{position:sticky;top:0;z-index:1;background:Canvas;border-bottom:1px solid var(--line);overflow-x:auto}
nav ol{display:flex;flex-wrap:wrap;gap:.1rem .3rem;list-style:none;margin:0 auto;padding:.45rem 1rem;max-width:76rem}
nav a{display:block;white-space:nowrap;text-decoration:none;font-size:.85rem;padding:.25rem .6rem;border-radius:1rem}
nav a:hover,nav a:focus{background:var(--soft)}
nav i,.key i{display:inline-block;width:.65rem;height:.65rem;border-radius:50%;margin-right:.35rem}
header,section{max-width:76rem;margin:0 auto;padding:1.2rem 1rem}
section{min-height:calc(100vh - 3rem);border-top:1px solid var(--line);padding-top:1.6rem}
.head{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center}
blockquote{margin:.7rem 0;padding:.1rem 0 .1rem .9rem;border-left:.25rem solid var(--line);font-size:1.1rem}
blockquote cite{display:block;font-style:normal;font-size:.82rem;opacity:.8}
.two{display:grid;grid-template-columns:minmax(0,7fr) minmax(0,6fr);grid-template-rows:auto 1fr;gap:0 1.6rem;
align-items:start}
.two .words{grid-column:2;grid-row:1/span 2}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}
figure{margin:0 0 1rem}figcaption{font-size:.85rem;opacity:.85;margin-top:.2rem}
img{width:100%;height:auto;background:#fff;border-radius:.2rem}
.key{display:flex;flex-wrap:wrap;gap:1rem;font-size:.85rem;padding:0;list-style:none}
.measured{list-style:none;padding:0;margin:0}
.measured li{padding:.4rem 0;border-bottom:1px solid var(--line)}
.verdict{white-space:nowrap;font-weight:600;padding:.1rem .65rem;border-radius:1rem;color:#fff}
li .verdict,td .verdict{font-size:.75rem;padding:.05rem .5rem}
.v0{background:var(--good)}.v1{background:var(--part)}.v2{background:var(--bad)}.v3,.v4{background:var(--open)}
.budget{font-size:.8rem;border:1px solid var(--line);border-radius:1rem;padding:.05rem .6rem}
.note{border-left:.25rem solid var(--part);padding:.2rem .8rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;margin:.6rem 0}td span{white-space:nowrap}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
details{margin:.5rem 0;border:1px solid var(--line);border-radius:.4rem;padding:.35rem .8rem}
summary{cursor:pointer;font-weight:600;font-size:.92rem}pre{overflow-x:auto;font-size:.78rem}
@media(max-width:52rem){nav ol{flex-wrap:nowrap}html{scroll-padding-top:3.2rem}
.two{display:block}section{min-height:0}h1{font-size:1.5rem}
h2{font-size:1.25rem}blockquote{font-size:1rem}table{font-size:.74rem}th,td{padding:.2rem .3rem}
td span,td .verdict{white-space:normal}td .verdict{display:inline-block;border-radius:.5rem}}
@media print{nav{display:none}body{font-size:10pt}section{min-height:0;break-before:page;padding:0}
figure,li,tr{break-inside:avoid}img{max-height:9.5cm;width:auto;max-width:100%}.verdict,.key i{print-color-adjust:exact;
-webkit-print-color-adjust:exact}details:not([open]){display:none}header{padding:0}}
"""


def badge(verdict: str) -> Html:
    """The verdict as a colored label."""
    return Html(f"<span class='verdict v{VERDICTS.index(verdict)}'>{verdict}</span>")


def linked(text: str) -> str:
    """As HTML, with documents of the project as links from the page's folder."""
    text = html.escape(text)
    for name in ("papers.md", "results.md"):
        text = text.replace(f"docs/{name}", f"<a href='../{name}'>docs/{name}</a>")
    return re.sub(r"arXiv:(\d{4}\.\d{5})", r"<a href='https://arxiv.org/abs/\1'>arXiv:\1</a>", text)


def render(
    folder: Path,
    sections: Sequence[tuple[str, Section, Records]],
    command: str,
    results: str,
    names: Sequence[str],
    budget: Budget,
    plan: str = "",
) -> Path:
    """Write index.html; each section comes with its module's name and the records that it is made from, by their files.

    Args:
        folder: where the page is written, and the figures are.
        sections: the claims that are measured.
        command: what makes the figures again; a claim's name follows it.
        results: the folder of the records, from the page.
        names: of all claims, in their order; one without a section is listed as not measured.
        budget: today's small budget. What was measured under another one is marked.
        plan: the table of what the papers' scale costs, as HTML.
    """
    numbers = {name: number for number, name in enumerate(names, 1)}
    written = {name: section for name, section, _ in sections}
    places = "".join(
        f"<li><a href='#{name}'><i class=v{VERDICTS.index(written[name].verdict)}></i>{number}. "
        f"{html.escape(written[name].title)}</a></li>"
        for name, number in numbers.items()
        if name in written
    )
    rows = [
        [number, Html(f"<a href='#{name}'>{html.escape(one.title)}</a>"), one.claim, badge(one.verdict)]
        if (one := written.get(name))
        else [number, name, "", "not measured"]
        for name, number in numbers.items()
    ]
    quick = "<p class=note>The quick budget: it shows that all runs. Its numbers mean nothing.</p>"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>The papers, measured</title><style>{STYLE}</style>",
        f"<nav aria-label=Claims><ol>{places}</ol></nav><header><h1>The papers, measured</h1>",
        "<p>What <a href='https://arxiv.org/abs/1607.08022'>Ulyanov, Vedaldi and Lempitsky 2016</a> say of instance "
        "normalization, and the two papers that it builds on, tested sentence by sentence with this code. "
        "Verdicts are computed from the measurements. The command under each figure makes it again.</p>",
        *([quick] if budget.name == "quick" else []),
        table(["", "claim", "in words", "verdict"], rows),
        _terms(sections, results, budget),
        plan,
        "</header>",
    ]
    for name, section, records in sections:
        stale = any(_is_small(record) and record["budget"] != _plain(budget) for record in records.values())
        parts.append(_screen(numbers[name], name, section, records, f"{command} {name}", results, stale=stale))
    parts.append(f"<section id=untested style='min-height:0'><h2>Not tested</h2><p>{UNTESTED}</p></section>")
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    with replacing(page, ImpastoError) as part:
        part.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return page


def _plain(budget: Budget) -> Any:
    return json.loads(json.dumps(asdict(budget)))  # as JSON has it: lists, not tuples


def _is_small(record: Mapping[str, Any]) -> bool:
    """Whether it was made under the small budget, and not at the papers' scale."""
    return "budget" in record


def _screen(
    number: int, name: str, section: Section, records: Records, command: str, results: str, *, stale: bool
) -> str:
    """One claim."""
    tested = TESTED[name]
    files = ", ".join(f"<a href='{results}/{_place(file)}'>{file.name}</a>" for file in records)
    source = f"<code>{command}</code>, {files}"
    first, *others = [_figure(figure, source) for figure in section.figures] or [""]
    old = "<p class=note>Measured under another budget than today's: the command makes it again.</p>"
    quoted = "".join(f"<p>{html.escape(words)}</p>" for words in tested.quotes)
    about = "" if tested.quotes else f"<p>{html.escape(tested.about)}</p>"
    return "\n".join(
        [
            f"<section id={name}><div class=head><h2>{number}. {html.escape(section.title)}</h2>",
            f"{badge(section.verdict)}<span class=budget>{html.escape(section.budget)}</span></div>",
            f"<blockquote>{quoted}{about}<cite>{linked(tested.source)}</cite></blockquote>",
            *([old] if stale else []),
            f"<div class=two><div>{first}</div><div class=words>",
            f"<p>{html.escape(section.claim)}</p>",
            _measured(section),
            f"<h3>What would have shown it false</h3><p>{html.escape(tested.false_if)}</p>",
            *([f"<h3>What it would cost to know more</h3><p>{html.escape(section.cost)}</p>"] if section.cost else []),
            f"</div><div>{''.join(others[: section.shown])}</div></div>",
            _folded(
                "How to read this, and how the verdict is found",
                f"<p>{linked(section.reason)}</p>" if section.reason else "",
                f"<p><b>A likely reason.</b> {_sentence(section.likely)}</p>"
                if section.likely and section.verdict != "holds"
                else "",
                f"<p><b>The rule.</b> {_sentence(section.rule)}</p>" if section.rule else "",
            ),
            _folded("Tables", *section.tables, f"<p><small>{_sources(section, source if records else '')}</small></p>"),
            _folded("More plots and pictures", f"<div class=plots>{''.join(others[section.shown :])}</div>")
            if others[section.shown :]
            else "",
            section.before,
            _folded(
                "Budget, data and time of the measurements",
                *(_provenance(file, record) for file, record in records.items() if _is_small(record)),
            ),
            "</section>",
        ]
    )


def _sources(section: Section, source: str) -> str:
    """Where the numbers of the tables come from, as HTML; ``source`` is that of the small budget."""
    if not section.source:
        return f"Made by {source}."
    return html.escape(section.source) + (f" Small budget: made by {source}." if source else "")


def _measured(section: Section) -> str:
    """The parts of a claim, with what was measured."""
    if not section.parts:
        return ""
    beside = [part for part in section.parts if not part.counts]
    more = _folded("Beside the claim", _listed(beside)) if beside else ""
    return f"<h3>What was measured</h3>{_listed([part for part in section.parts if part.counts])}{more}"


def _listed(parts: Sequence[Part]) -> str:
    rows = "".join(
        f"<li>{badge(part.verdict)} <b>{html.escape(part.name)}</b><br>{html.escape(part.measured)}</li>"
        for part in parts
    )
    return f"<ul class=measured>{rows}</ul>"


def _sentence(text: str) -> str:
    """As HTML, with a capital letter first."""
    return linked(text[:1].upper() + text[1:])


def _figure(figure: Figure, source: str) -> str:
    image, caption = figure[0], figure[1][:1].upper() + figure[1][1:]
    by = next((command for prefix, command in COMMANDS.items() if image.startswith(prefix)), None)
    source = f"<code>{by}</code> from experiments/results/published" if by else source
    return (
        f"<figure><a href='{image}'><img src='{image}' alt='{html.escape(caption)}' loading=lazy></a>"
        f"<figcaption>{html.escape(caption)} Made by {source}.</figcaption></figure>"
    )


def _folded(title: str, *content: str) -> str:
    inside = "".join(content)
    return f"<details><summary>{html.escape(title)}</summary>{inside}</details>" if inside else ""


def _place(file: Path) -> str:
    """The record's file within the folder of results."""
    return f"{file.parent.name}/{file.name}" if file.parent.name.startswith("published") else file.name


def earlier(section: Section, records: Records, command: str, results: str) -> str:
    """A claim as it was measured under the small budget, folded into the section of the papers' scale."""
    files = ", ".join(f"<a href='{results}/{_place(file)}'>{file.name}</a>" for file in records)
    source = f"<code>{command}</code>, {files}"
    plots = "".join(_figure(figure, source) for figure in section.figures)
    return _folded(
        f"The same at the small budget: {section.verdict}",
        f"<p>{html.escape(section.budget)}. {html.escape(section.claim)} {linked(section.reason)}</p>",
        _measured(section),
        *section.tables,
        f"<div class=plots>{plots}</div>",
    )


def _terms(sections: Sequence[tuple[str, Section, Records]], results: str, budget: Budget) -> str:
    """What the words mean, and the small budget."""
    return _folded(
        "What the words and numbers mean",
        "<p>A number is a mean with the least and the greatest in brackets, over seeds if nothing else is stated, on "
        f"photos that no network was trained on; <a href='{results}/data.json'>data.json</a> and each record list "
        "them.</p>",
        f"<p><b>Verdicts.</b> {PARTS}</p>",
        "<p><b>Own objective</b>: what a network was trained to lower, as its paper defines it. <b>Content error</b>: "
        f"mean squared difference from the photo's features at {' and '.join(YARDSTICK.content_layers)} of VGG-16, "
        "relative to their variance: 0 is the photo, plain gray has about 1, another photo more than 2. Above the "
        "value of gray, the texture has covered more of the photo than it has kept. <b>Style error</b>: squared "
        "difference from the style "
        f"picture's Gram matrices, relative to theirs, mean over {', '.join(YARDSTICK.style_layers)}. "
        f"<b>Objective</b>: content error + {YARDSTICK.style_weight:g} x style error. None has a unit.</p>",
        "<p><b>The papers' scale</b>: squares of 256 pixels, four a step, the published networks, objectives and "
        "learning rates; held-out photos of 512 pixels. <b>The small budget</b>, equal for all networks of "
        f"a comparison: {budget.steps} steps (claims 4 and 6: {budget.short}) of {budget.batch} squares of "
        f"{budget.crop} px, cut from photos of {budget.crop} to {2 * budget.crop} px; Adam at a rate of "
        f"{Lab.LEARNING_RATE:g} that "
        f"falls to nothing over the second half; {len(budget.seeds)} seeds, {budget.held_out} held-out photos of "
        f"{budget.held_out_size} px, one style picture; residual networks of half the published width that enlarge "
        f"bilinearly. Gatys' optimization has at most {budget.evaluations} evaluations of the objective. "
        f"{_precisions(sections)}The published runs took 3,000 to 50,000 steps of larger squares: what fails at the "
        "small budget may hold there.</p>",
    )


def _precisions(sections: Sequence[tuple[str, Section, Records]]) -> str:
    """In which arithmetic networks were trained, where it was not one for all."""
    files: dict[str, list[str]] = {}
    for _, _, records in sections:
        for file, record in records.items():
            if record.get("networks"):
                files.setdefault(record["origin"]["precision"], []).append(file.stem)
    if not files:
        return ""
    usual, *others = sorted(files, key=lambda precision: -len(files[precision]))
    apart = "; ".join(f"those of {', '.join(files[precision])} in {precision}" for precision in others)
    return f"Networks were trained in {usual}" + (f", {apart}" if apart else "") + ", and evaluated in float32. "


def _provenance(file: Path, record: Mapping[str, Any]) -> str:
    """What a result came from, folded up."""
    made_from = json.dumps({key: record[key] for key in ("commit", "budget", "origin", "machine")}, indent=1)
    trained = record["networks"]
    codes, threads = ({one[key] for one in trained} for key in ("commit", "threads"))
    networks = (
        f"{len(trained)} networks trained in {sum(one['seconds'] for one in trained):.0f} s on "
        f"{' or '.join(map(str, sorted(threads)))} threads by commit {' or '.join(sorted(codes))}, "
        if trained
        else ""
    )
    return (
        f"<details><summary>{file.name}: {networks}measured in {record['seconds']:.0f} s, "
        f"version {record['version']}, commit {record['commit']}</summary><pre>{html.escape(made_from)}</pre></details>"
    )
