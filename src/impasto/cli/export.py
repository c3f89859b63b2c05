"""The command `impasto export`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.flags import NOT_FAST, FilePath, Switch, flags_of, flags_set
from impasto.errors import UsageError
from impasto.export.graph_file import Exported, ExportOptions, export_onnx
from impasto.files import check_absent
from impasto.models.catalog import Variant, is_file
from impasto.models.kinds import check_kind
from impasto.pictures.sources import file_or_name

if TYPE_CHECKING:
    ExportFlags = Any
else:
    ExportFlags = flags_of(ExportOptions, negatives=False)


def export(
    name: str,
    /,
    *,
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])],
    flags: Annotated[ExportFlags | None, Parameter(name="*")] = None,
    fast: Annotated[bool, Switch] = False,
    force: Annotated[bool, Switch] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Write a style or model as a plain ONNX file: one picture in, one painting out.

    Args:
        name: A style that comes with Impasto, a style file or a model file.
        output: The file to write, with the extension .onnx.
        fast: Use the fast network for a style that comes with Impasto.
        force: Replace a file that exists.
        as_json: Print one JSON object.
    """
    name = file_or_name(name)
    variant = _variant([name], fast)
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output}: a plain ONNX file has the extension .onnx: give -o {output.stem or 'model'}.onnx")
    if is_file(name):
        if name.lower().endswith(".onnx"):
            check_kind(name, "model")
        if output.resolve() == Path(name).resolve():
            raise UsageError(f"{output}: is the model itself and would be overwritten; choose another output")
    if not force:
        check_absent([output])
    found = export_onnx(name, output, ExportOptions(**flags_set(flags)), variant=variant)
    if as_json:
        print(json.dumps(asdict(found) | {"path": str(found.path)}, sort_keys=True))
    else:
        print(f"{found.path}: {_describe(found)}")
    return 0


def _variant(names: list[str], fast: bool) -> Variant:
    if fast and all(map(is_file, names)):
        raise UsageError(NOT_FAST)
    return "fast" if fast else "best"


def _describe(found: Exported) -> str:
    """What was written, in one line."""
    shape = ", ".join(map(str, found.shape))
    return (
        f"image ({shape}) to stylized, RGB from 0 to 1, {found.precision}, {found.file_size / 1e6:.1f} MB; at most "
        f"{found.difference:.0f} of 255 from `impasto stylize`, {found.mean_difference:.2f} on average"
    )
