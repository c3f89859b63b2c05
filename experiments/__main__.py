"""Test the papers' claims and write the page.

    python -m experiments [NAME ...] [--data FOLDER] [--quick] [--work FOLDER]
    python -m experiments published|plan|device|figures|optimized [--help]

NAME is one of norms, in_use, contrast, few_photos, iterations, samples, why, recipes; all when none is given. The full
budget takes hours on two cores, can be stopped at any time, and goes on where it was; it writes experiments/results and
docs/paper. With --quick everything is tiny and goes to the work folder: it shows that all runs, and nothing else.

The second line is the comparison at the papers' scale: `published` trains, `plan` says what that costs, `device` trains
on a GPU, `figures` remakes the paper's figures, and `optimized` runs Gatys' optimization for claim 5.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import at_scale, at_scale_others, at_scale_uses, costs, optimized
from experiments.budget import FULL, QUICK, Budget
from experiments.lab import HERE, VERSION, Lab, folders
from experiments.layout import earlier, render
from experiments.page import Plots
from experiments.plan import costs as plan_costs
from experiments.plan import load_records
from experiments.remade import records_folder
from impasto.errors import ImpastoError

NAMES = ("norms", "in_use", "contrast", "few_photos", "iterations", "samples", "why", "recipes")
MORE = {
    "norms": ("norms_untrained",),
    "contrast": ("contrast_raw", "contrast_long"),
    "few_photos": ("few_photos_steady",),
    "iterations": ("iterations_shown",),
    "samples": ("samples_loud", "samples_apart"),
    "why": ("why_swapped",),
}
"""What belongs to a claim and is measured by a module, into a file, of its own: with it, or named alone."""


SCALE = {"published": "plan", "plan": "plan", "device": "device", "figures": "remade", "optimized": "optimized"}
"""Commands of the comparison at the papers' scale, and their modules."""


def main() -> int:
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", flush=True)

    if sys.argv[1:2] and sys.argv[1] in SCALE:
        name = sys.argv[1]
        its_own = sys.argv[1:] if SCALE[name] == "plan" else sys.argv[2:]
        code: int = importlib.import_module(f"experiments.{SCALE[name]}").main(its_own, say)
        return code
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with content/research, content/open and styles; with --quick and without it the built-in photos",
    )
    parser.add_argument("--quick", action="store_true", help="tiny budgets: shows that everything runs")
    parser.add_argument("--work", type=Path, default=HERE.parent / "runs" / "paper", help="where networks are kept")
    parser.add_argument("--page-only", action="store_true", help="write the page from the results there are")
    options = parser.parse_args()
    alone = [name for more in MORE.values() for name in more]
    if unknown := set(options.names) - {*NAMES, *alone}:
        parser.error(f"unknown claim {', '.join(sorted(unknown))}: choose from {', '.join([*NAMES, *alone])}")
    budget = QUICK if options.quick else FULL
    if options.data is None and not options.quick and not options.page_only:
        parser.error("the full budget needs photos: --data FOLDER; or try --quick")
    failed = False
    try:
        lab = None if options.page_only else Lab(options.data, budget, options.work, say)
    except ImpastoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for claim in options.names or NAMES:
        for name in (claim, *MORE.get(claim, ())) if lab else ():
            assert lab is not None
            say(f"claim: {name}")
            started = time.monotonic()
            lab.used.clear()
            try:
                found = importlib.import_module(f"experiments.{name}").measure(lab)
            except ImpastoError as error:  # the other claims are worth having
                print(f"error: {name}: {error}", file=sys.stderr)
                failed = True
                continue
            lab.keep_result(name, found, time.monotonic() - started)
    say(f"page: {write_page(budget, options.work, options.data, say)}")
    return 1 if failed else 0


def write_page(budget: Budget, work: Path, data: Path | None, say: Callable[[str], None]) -> Path:
    """The page of all results there are, at the papers' scale and under the small budget."""
    page, results = folders(budget, work)
    scale = records_folder() if budget.name == "full" else results / "published"
    published = load_records(scale)
    left = plan_costs(published, scale)
    uses = _kept(scale / "uses.json")
    files = "../../experiments/results" if budget.name == "full" else "../results"
    chosen = f" --data {data}" if data else ""
    command = f"python -m experiments {f'--quick --work {work}{chosen}' if budget.name == 'quick' else '--data DATA'}"
    plots, sections = Plots(page), []
    for claim in NAMES:
        records = {}
        for file in (results / f"{name}.json" for name in (claim, *MORE.get(claim, ()))):
            record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
            if record is not None and record["origin"]["lab"] != VERSION:
                say(f"{claim}: left out: {file} was made by an older lab")
            elif record is not None:
                records[file] = record
        if results / f"{claim}.json" not in records:
            continue
        found = {key: value for record in records.values() for key, value in record["found"].items()}
        section = importlib.import_module(f"experiments.{claim}").report(found, plots)
        if claim == "norms" and (main := at_scale.claim_1(published, plots, left, uses)):
            section = replace(main, before=earlier(section, records, f"{command} {claim}", files))
            records = {}
        elif claim == "in_use":
            section = at_scale_uses.claim_2(section, uses)
        elif claim == "contrast":
            section = at_scale_uses.claim_3(section, uses)
        elif claim == "few_photos":
            section = at_scale_others.claim_4(section, published, plots)
        elif claim == "recipes":
            section = at_scale_others.claim_8(section, published, plots)
        elif claim == "iterations":
            section = replace(section, cost=costs.cost_of_iterations(found, budget))
            section = optimized.claim_5(section, uses, _kept(scale / optimized.FILE), plots)
        sections.append((claim, replace(section, cost=section.cost or costs.cost_of(claim, left)), records))
    return render(page, sections, command, files, NAMES, budget, costs.plan_table(left, _kept(scale / "seconds.json")))


def _kept(file: Path) -> dict[str, Any]:
    """What a file of records has; nothing where there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped: the same command goes on", file=sys.stderr)
        sys.exit(130)
