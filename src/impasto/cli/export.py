"""The command `impasto export`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.console import progress_bar
from impasto.cli.flags import NOT_FAST, FilePath, Switch, flags_of, flags_set, reflowed
from impasto.errors import UsageError
from impasto.export.graph_file import Exported, ExportOptions, export_onnx
from impasto.export.web_page import PageOptions, WrittenPage, export_page
from impasto.files import check_absent
from impasto.models.catalog import Variant, is_file, shipped_names
from impasto.models.kinds import check_kind
from impasto.pictures.sources import file_or_name

if TYPE_CHECKING:
    ExportFlags = Any
    PageFlags = Any
else:
    ExportFlags = flags_of(ExportOptions, negatives=False)
    PageFlags = flags_of(PageOptions, negatives=False)


@reflowed
def export(
    names: list[str] | None = None,
    /,
    *,
    output: Annotated[FilePath | None, Parameter(name=["--output", "-o"])] = None,
    web: FilePath | None = None,
    fast: Annotated[bool | None, Parameter(negative="--best")] = None,
    flags: Annotated[ExportFlags | None, Parameter(name="*")] = None,
    page: Annotated[PageFlags | None, Parameter(name="*")] = None,
    force: Annotated[bool, Switch] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Write a style as a plain ONNX file, one picture in and one painting out; or styles as a web page.

    Args:
        names: Styles that come with Impasto, style files or model files; one for a file, none for a page of all styles.
        output: The ONNX file to write, with the extension .onnx.
        web: The folder to write a page to, which paints in the visitor's browser.
        fast: The fast network for styles that come with Impasto, or the better one; default: fast for a page only.
        force: Replace what exists.
        as_json: Print one JSON object.
    """
    names = [file_or_name(name) for name in names or ()]
    if (output is None) == (web is None):
        raise UsageError("give either a file, -o FILE.onnx, or a folder for a page, --web FOLDER")
    if fast and names and all(map(is_file, names)):
        raise UsageError(NOT_FAST)
    for name in names:
        if is_file(name) and name.lower().endswith(".onnx"):
            check_kind(name, "model")
    if web is not None:
        _refuse(flags, "only for a file, -o FILE.onnx: leave --web out, or this")
        found = _page(names, web, PageOptions(**flags_set(page)), best=fast is False, force=force, quiet=as_json)
        record, text = asdict(found) | {"folder": str(found.folder)}, _describe_page(found)
    else:
        assert output is not None
        _refuse(page, "only for a page, --web FOLDER: leave it out")
        written = _file(names, output, ExportOptions(**flags_set(flags)), fast=bool(fast), force=force)
        record, text = asdict(written) | {"path": str(written.path)}, _describe_file(written)
    print(json.dumps(record, sort_keys=True) if as_json else text)
    return 0


def _refuse(flags: Any, why: str) -> None:
    """Raise UsageError if one of these flags is on the command line."""
    for name in flags_set(flags):
        raise UsageError(f"--{name.replace('_', '-')} is {why}")


def _file(names: list[str], output: Path, options: ExportOptions, *, fast: bool, force: bool) -> Exported:
    if len(names) != 1:
        raise UsageError(f"give one style or model to write as a file, not {len(names)}; --web writes several")
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output}: a plain ONNX file has the extension .onnx: give -o {output.stem or 'model'}.onnx")
    if is_file(names[0]) and output.resolve() == Path(names[0]).resolve():
        raise UsageError(f"{output}: is the model itself and would be overwritten; choose another output")
    if not force:
        check_absent([output])
    return export_onnx(names[0], output, options, variant="fast" if fast else "best")


def _page(names: list[str], folder: Path, options: PageOptions, *, best: bool, force: bool, quiet: bool) -> WrittenPage:
    with progress_bar("painting", len(names) or len(shipped_names()), lines=False, quiet=quiet) as bar:
        variant: Variant = "best" if best else "fast"
        return export_page(names, folder, options, variant=variant, overwrite=force, report=bar.update)


def _describe_file(found: Exported) -> str:
    """What was written, in one line."""
    shape = ", ".join(map(str, found.shape))
    return (
        f"{found.path}: image ({shape}) to stylized, RGB from 0 to 1, {found.precision}, {found.file_size / 1e6:.1f} MB"
        f"; at most {found.difference:.0f} of 255 from `impasto stylize`, {found.mean_difference:.2f} on average"
    )


def _describe_page(found: WrittenPage) -> str:
    count = len(found.styles)
    later = f"; {found.later / 1e6:.1f} MB more for WebGPU, if it is switched on" if found.later else ""
    return (
        f"{found.folder}: a page with {count} style{'s' if count > 1 else ''}; a visitor loads "
        f"{found.first_load / 1e6:.1f} MB{later}. Put it on any web host, or try it: "
        f"python -m http.server -d {found.folder}"
    )
