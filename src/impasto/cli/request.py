"""The flags of `impasto stylize`, and the check of their combination."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.flags import NOT_FAST, FilePath, Switch, check_picture, flags_of, whole_number
from impasto.errors import UsageError
from impasto.models.catalog import Variant, is_file, shipped_names
from impasto.models.kinds import check_kind
from impasto.options import opt
from impasto.painting.plan import FileOptions
from impasto.painting.settings import SavedSettings, Settings, read_settings
from impasto.pictures.sources import file_or_name

GRID_SIZE = 320
"""Short side, pixels, of the pictures on a sheet."""

if TYPE_CHECKING:
    SettingsFlags = Any
    FileFlags = Any
else:
    SettingsFlags = flags_of(Settings)
    FileFlags = flags_of(FileOptions, ("workers",), negatives=False)


@dataclass(frozen=True, kw_only=True)
class StyleFlags:
    """Which style."""

    style: Annotated[list[str] | None, Parameter(name=["--style", "-s"], negative="")] = opt(
        None,
        "style that comes with Impasto (`impasto styles` lists them) or a style file; given several times, as "
        "udnie:0.7 and great_wave:0.3, a mixture",
    )
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = opt(None, "model file, instead of a style")
    fast: Annotated[bool | None, Parameter(negative="--best")] = opt(
        None,
        "use the fast network, which takes half the time, for a style that comes with Impasto; --best, the default, "
        "uses the better network",
    )
    settings: FilePath | None = opt(None, "file to read style and settings from; other flags override it")
    save_settings: FilePath | None = opt(None, "file to write style and settings to, for --settings")


@dataclass(frozen=True, kw_only=True)
class MaskFlags:
    """Where to paint."""

    mask: Annotated[list[FilePath] | None, Parameter(negative="")] = opt(
        None,
        "picture, of any size, that shows where to paint: white is painted, black stays. Give one mask for each style "
        "to paint each style in a region of its own",
    )
    background_only: Annotated[bool, Switch] = opt(False, "the mask shows what is not painted")


@dataclass(frozen=True, kw_only=True)
class ExtraFlags:
    """Other ways to paint."""

    grid: Annotated[bool, Switch] = opt(False, "make one contact sheet: the photo in each style, from weak to strong")
    refine: Annotated[int, whole_number(0)] = opt(
        0, "improve each painting by this many steps of Gatys' optimization; slow; needs impasto[train]"
    )
    picture: FilePath | None = opt(None, "style picture, to refine with a style that does not come with Impasto")


@dataclass(frozen=True)
class Request:
    """All flags of one command, with the settings file read."""

    saved: SavedSettings
    masks: tuple[Path, ...]
    background_only: bool
    extra: ExtraFlags
    files: FileOptions

    @property
    def needed(self) -> list[Path]:
        """Files that are read to paint, besides the inputs."""
        names = [self.extra.picture, self.saved.model, *self.masks, *self.saved.style]
        return [Path(name) for name in names if name is not None]


def read_request(
    style: StyleFlags, changed: dict[str, Any], region: MaskFlags, extra: ExtraFlags, files: dict[str, Any]
) -> Request:
    """The flags over the settings file, checked against each other."""
    saved = SavedSettings()
    if style.settings is not None:
        check_kind(style.settings, "settings")
        saved = read_settings(style.settings)
    if style.style is not None or style.model is not None:
        saved = replace(saved, style=with_shares(style.style or []), model=style.model)
    saved = _with_paths(saved)
    saved = replace(saved, variant=_variant(saved, style.fast))
    if extra.grid:  # the sheet shows all strengths, whatever the settings file says
        changed = {"strength": 1.0} | changed
    saved = replace(saved, settings=replace(saved.settings, **changed))
    if bool(saved.style) == (saved.model is not None):
        raise UsageError("give either a style, --style NAME (see `impasto styles`), or a model, --model FILE")
    if extra.grid or extra.refine:
        if files.get("depth") == 16:
            raise UsageError("--refine and --grid make pictures of 8 bits: leave --depth out")
        files = files | {"depth": 8}
    if extra.grid:
        files = {"size": GRID_SIZE} | files
    if style.model is not None and saved.model is not None:
        check_kind(saved.model, "model")
    for path in [*(region.mask or []), *([extra.picture] if extra.picture else [])]:
        check_picture(path)
    request = Request(saved, tuple(region.mask or ()), region.background_only, extra, FileOptions(**files))
    _check_masks(request)
    _check_extra(request)
    return request


def _check_masks(request: Request) -> None:
    """Raise UsageError if masks do not suit the styles."""
    styles, masks = request.saved.style, request.masks
    if request.background_only and not masks:
        raise UsageError("--background-only needs a mask of what is not painted: give --mask FILE")
    if masks and len(masks) not in (1, len(styles) or 1):
        raise UsageError(f"{len(masks)} masks for {len(styles) or 1} styles: give one, or one for each style")
    if len(masks) > 1 and {*styles.values()} != {1.0}:
        raise UsageError("with a mask for each style, masks are the shares: give styles without a number")
    if request.background_only and len(masks) > 1:
        raise UsageError("--background-only inverts one mask: give one")
    if len(styles) == 1 and any(0 < share != 1 for share in styles.values()):
        raise UsageError(
            "a single style has no share, as there is nothing to mix it with: for less of it use --strength"
        )


def _check_extra(request: Request) -> None:
    """Raise UsageError if --refine or --grid contradict other flags."""
    extra, strength, variants = request.extra, request.saved.settings.strength, request.files.variants
    if extra.picture is not None and not extra.refine:
        raise UsageError("--picture is the style picture to refine with: give --refine too")
    if extra.refine and (strength != 1 or request.masks):
        raise UsageError("--refine always paints the full style everywhere: leave --strength and --mask out")
    if extra.refine and variants > 1:
        raise UsageError("--refine makes one picture: leave --variants out")
    if extra.grid and strength != 1:
        raise UsageError("--grid shows all strengths: leave --strength out")
    if extra.grid and (request.masks or variants > 1 or extra.refine):
        raise UsageError("--grid shows only styles and strengths: leave --mask, --variants and --refine out")


def _with_paths(saved: SavedSettings) -> SavedSettings:
    """Expand ~ in all paths."""
    styles = {file_or_name(name): share for name, share in saved.style.items()}
    return replace(saved, style=styles, model=None if saved.model is None else file_or_name(saved.model))


def _variant(saved: SavedSettings, fast: bool | None) -> Variant:
    """The network that paints the shipped styles; UsageError if --fast is given and no style is a shipped one."""
    if saved.model is not None or all(is_file(name) for name in saved.style):
        if fast:
            raise UsageError(NOT_FAST)
        return "best"
    return saved.variant if fast is None else "fast" if fast else "best"


def with_shares(styles: Sequence[str]) -> dict[str, float]:
    """Styles as on the command line, NAME or NAME:SHARE, with their shares."""
    shares: dict[str, float] = {}
    for text in styles:
        several = [part.strip() for part in text.split(",")]
        if len(several) > 1 and {part.partition(":")[0] for part in several} <= {*shipped_names()}:
            raise UsageError(f"give each style separately: {' '.join(f'--style {part}' for part in several)}")
        name, colon, share = text.rpartition(":")
        try:
            name, value = (name, float(share)) if colon else (text, 1.0)
        except ValueError:
            if name in shipped_names():
                raise UsageError(f"{text}: the share of a style is a number, as {name}:0.5") from None
            name, value = text, 1.0  # a path may contain colons
        if not name:
            raise UsageError(f"--style '{text}' names no style: `impasto styles` lists all")
        if name in shares:
            raise UsageError(f"the style {name} is given twice: give it once, with the sum of its shares")
        shares[name] = value
    return shares
