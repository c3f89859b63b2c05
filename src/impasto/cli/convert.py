"""The command `impasto convert`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.console import note
from impasto.cli.flags import FilePath, Switch, flags_of, flags_set, reflowed
from impasto.convert.converter import Conversion, ConvertOptions
from impasto.convert.converter import convert as convert_file
from impasto.errors import UsageError
from impasto.files import check_absent

if TYPE_CHECKING:
    ConvertFlags = Any
else:
    ConvertFlags = flags_of(ConvertOptions, negatives=False)


@reflowed
def convert(
    file: FilePath,
    /,
    *,
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])],
    flags: Annotated[ConvertFlags | None, Parameter(name="*")] = None,
    force: Annotated[bool, Switch] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Convert another project's model to a model file. Nothing in the file is executed.

    Args:
        file: An ONNX file (the model zoo's, or one that torch exported); a checkpoint of pytorch/examples or of
            rrmina/fast-neural-style-pytorch; a checkpoint of lengstrom/fast-style-transfer; or a folder of ml5.
        output: The model file to write, with the extension .onnx.
        force: Replace a file that exists.
        as_json: Print one JSON object.
    """
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output}: a model file has the extension .onnx: give -o {output.stem or 'model'}.onnx")
    if output.resolve() == file.resolve():
        raise UsageError(f"{output}: is the file itself and would be overwritten; choose another output")
    if not force:
        check_absent([output])
    found = convert_file(file, output, ConvertOptions(**flags_set(flags)))
    for text in found.notes:
        note(text)
    if as_json:
        print(json.dumps(_record(found), sort_keys=True))
    else:
        print(f"{found.path}: {_describe(found)}")
    return 0


def _record(found: Conversion) -> dict[str, Any]:
    info = found.info
    return {
        "output": str(found.path),
        "project": info.arguments["project"],
        "license": info.license,
        "difference": found.difference,
        "tiles": info.reach > 0,
        "int8": bool(info.ranges),
    }


def _describe(found: Conversion) -> str:
    """What was converted, in one line."""
    info = found.info
    parts = [str(info.arguments["project"]), f"license: {info.license or 'not known; --license records it'}"]
    if found.difference is not None:
        parts.append(f"at most {255 * found.difference:.2f} of 255 from the original")
    return "; ".join(parts)
