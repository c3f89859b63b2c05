"""The command `impasto styles`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from impasto.cli.console import progress_bar
from impasto.cli.flags import FilePath, Switch, reflowed
from impasto.errors import UsageError
from impasto.files import check_absent
from impasto.models.catalog import Variant
from impasto.models.catalog import styles as shipped


@reflowed
def styles(
    *,
    sheet: FilePath | None = None,
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])] = Path("styles.jpg"),
    fast: Annotated[bool, Switch] = False,
    force: Annotated[bool, Switch] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """List the styles that come with Impasto.

    Args:
        sheet: A photo to paint in every style, all on one picture.
        output: The file of that picture.
        fast: Use the fast network for the sheet, and describe its styles.
        force: Replace a file that exists.
        as_json: Print the list as JSON, with how each style was made.
    """
    if sheet is not None:
        if output.resolve() == sheet.resolve():
            raise UsageError(f"{output}: is the photo itself and would be overwritten; choose another output")
        if not force:
            check_absent([output])
    variant: Variant = "fast" if fast else "best"
    found = shipped(variant)
    if as_json:
        print(json.dumps([asdict(style) for style in found], sort_keys=True))
    else:
        width = max(len(style.name) for style in found)
        for style in found:
            print(f"{style.name:{width}}  {style.title}, {style.artist}, {style.year}; {style.license}")
            print(f"{'':{width}}  {_record(style.training)}")
    if sheet is not None:
        _paint_sheet(sheet, output, [style.name for style in found], variant, quiet=as_json)
        if not as_json:
            print(f"sheet: {output}")
    return 0


def _paint_sheet(photo: Path, output: Path, names: list[str], variant: Variant, *, quiet: bool) -> None:
    from impasto.painting.sheets import style_sheet
    from impasto.pictures.read import load_image
    from impasto.pictures.write import check_saving, save_image

    check_saving(output)
    pixels = load_image(photo)
    with progress_bar("painting", len(names), quiet=quiet, lines=False) as bar:

        def counted() -> Any:
            for number, name in enumerate(names):
                bar.update(number, name)
                yield name

        save_image(output, style_sheet(pixels, counted(), variant=variant))


def _record(training: dict[str, Any]) -> str:
    """How a shipped style was trained and how good it is, in one line."""
    steps = training["steps"] + training.get("steps_before", 0)
    text = f"{training['words']} {steps:,} steps, {training['photos']} photos"
    for equal in training.get("equal_evaluations", ())[:1]:
        counts = ("more" if equal[key] is None else equal[key] for key in ("from_content", "from_noise"))
        text += "; equals {} iterations of Gatys' method from the photo, {} from noise".format(*counts)
    return text
