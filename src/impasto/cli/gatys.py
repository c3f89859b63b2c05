"""The command `impasto gatys`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.console import progress_bar
from impasto.cli.flags import FilePath, Switch, check_picture, flags_of, flags_set, reflowed
from impasto.cli.train import ObjectiveFlags
from impasto.files import check_absent
from impasto.optimize.gatys import Evaluated, GatysConfig, curve_file, paint
from impasto.training.config import find_preset

if TYPE_CHECKING:
    GatysFlags = Any
else:
    GatysFlags = flags_of(GatysConfig, ("objective",))


@reflowed
def gatys(
    content: FilePath,
    style: FilePath,
    /,
    *,
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])],
    force: Annotated[bool, Switch] = False,
    preset: str = "impasto",
    settings: Annotated[GatysFlags | None, Parameter(name="*")] = None,
    objective: Annotated[ObjectiveFlags | None, Parameter(name="*")] = None,
) -> int:
    """Repaint one photo by optimizing its pixels (Gatys 2016): the slowest and best method.

    Args:
        content: The photo.
        style: The style picture.
        output: The picture to write; the curve of the objective is saved beside it as .curve.json.
        force: Replace files that exist.
        preset: The recipe whose objective is used: impasto (fast has the same), johnson2016, ulyanov2016 or
            ulyanov2017; other flags change it.
    """
    for picture in (content, style):
        check_picture(picture)
    terms = replace(find_preset(preset).objective, **flags_set(objective))
    config = GatysConfig(objective=terms, **flags_set(settings))
    if not force:
        check_absent([output, curve_file(output)])
    with progress_bar("optimizing", config.evaluations) as bar:

        def report(progress: Evaluated) -> None:
            bar.update(progress.evaluation, f"objective {progress.objective:.3f}")

        result = paint(content, style, output, config, report)
    best = min(result.curve, key=lambda point: point.objective)
    print(
        f"after {len(result.curve)} evaluations in {result.curve[-1].seconds:.0f} s: content {best.content:.3f}, "
        f"style {best.style:.3f}, objective {best.objective:.3f}"
    )
    print(f"picture: {output}")
    print(f"curve: {curve_file(output)}")
    return 0 if result.finished else 130
