"""The styles that the page offers: those that come with Impasto, and those that were learned here."""

import contextlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from impasto.errors import ImpastoError, ModelError, UsageError
from impasto.files import replacing
from impasto.models.catalog import Variant, shipped_names, styles, variant_of
from impasto.models.records import RecordError, from_json, from_mapping, to_json
from impasto.models.stylefile import SUFFIX, read_style
from impasto.painting.settings import Settings
from impasto.web.limits import Refusal
from impasto.web.sessions import Photo, Session

Kind = Literal["style", "model"]
SUFFIXES: dict[Kind, str] = {"style": SUFFIX, "model": ".onnx"}
MOST_IN_MIX = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class OwnStyle:
    """A style that was learned here; the content of its JSON file.

    Attributes:
        title: What the user called it.
        kind: A style file of the shared network, or a model file.
        made: Time of its making, seconds since 1970.
    """

    title: str
    kind: Kind
    made: float


class Styles:
    """All styles.

    Args:
        folder: An existing folder of our own, for the styles that were learned.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def records(self) -> list[dict[str, Any]]:
        """What the interface says of each: those that were learned here first, the newest before the others."""
        own = sorted(self._own().items(), key=lambda item: -item[1].made)
        records = [_record(name, style.title, own=True, kind=style.kind) for name, style in own]
        shipped = [_record(info.name, info.title, info.artist, info.year) for info in styles()]
        return records + shipped

    def names(self) -> list[str]:
        """All names, in the order of :meth:`records`."""
        return [record["name"] for record in self.records()]

    def file(self, name: str) -> Path:
        """The file of a style that was learned here; raises Refusal if there is none."""
        return safe_file(self._folder / f"{name}{SUFFIXES[self._find(name).kind]}", f"the style {name}")

    def stamp(self, name: str) -> str:
        """Changes when another style takes over a name; empty for the styles that come with Impasto."""
        return "" if name in shipped_names() else f".{self._find(name).made:.0f}"

    def picture(self, name: str) -> Path | None:
        """The picture that a style was learned from, if it is kept; raises Refusal if there is no such style."""
        if name in shipped_names():
            return None
        self._find(name)
        with contextlib.suppress(Refusal):
            return safe_file(self._folder / f"{name}.jpg", "the picture")
        return None

    def add(self, title: str, kind: Kind, file: Path, picture: Path) -> str:
        """Take over a style file or model file and its picture (a JPEG); returns the style's name."""
        name = self.free_name(title)
        _move(picture, self._folder / f"{name}.jpg")
        _move(file, self._folder / f"{name}{SUFFIXES[kind]}")
        self._write(name, OwnStyle(title, kind, time.time()))
        return name

    def rename(self, name: str, title: str) -> str:
        """Give a style that was learned here another title; returns its new name."""
        style, own = self._find(name), self.file(name)
        new = self.free_name(title, besides=name)
        if new != name:
            own.rename(self._folder / f"{new}{own.suffix}")
            with contextlib.suppress(OSError):
                (self._folder / f"{name}.jpg").rename(self._folder / f"{new}.jpg")
        self._write(new, OwnStyle(title, style.kind, style.made))
        if new != name:
            (self._folder / f"{name}.json").unlink(missing_ok=True)
        return new

    def delete(self, name: str) -> None:
        """Delete a style that was learned here."""
        style = self._find(name)
        for suffix in (".json", SUFFIXES[style.kind], ".jpg"):
            (self._folder / f"{name}{suffix}").unlink(missing_ok=True)

    def free_name(self, title: str, besides: str = "") -> str:
        """A name for a style with this title that no other has."""
        text = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:34] or "mine"
        taken = {*shipped_names(), *self._own()} - {besides}
        number, name = 1, text
        while name in taken:
            number += 1
            name = f"{text}_{number}"
        return name

    def read_options(self, body: Mapping[str, Any], session: Session | None) -> dict[str, Any]:
        """The options of painting (style, settings, mask) in a request, as the tasks of a worker take them.

        Raises:
            Refusal: A style or mask does not exist, or an entry is not what it should be.
        """
        options: dict[str, Any] = self._shares(body.get("styles"), body.get("variant", "best"))
        settings = body.get("settings", {})
        if not isinstance(settings, dict):
            raise Refusal(422, "settings must be an object")
        try:
            options["settings"] = asdict(from_mapping(Settings, settings))
        except (RecordError, UsageError) as reason:
            raise Refusal(422, f"settings: {reason}") from None
        if body.get("mask") is not None:
            if session is None:
                raise Refusal(404, "there is no such mask in this session")
            mask: Photo = session.mask(body["mask"])
            blur = body.get("mask_blur", 0)
            if not isinstance(blur, int | float) or isinstance(blur, bool) or not 0 <= blur <= 200:
                raise Refusal(422, f"mask_blur must be from 0 to 200 pixels, not {blur!r:.40}")
            options |= {"mask": str(mask.path), "invert": bool(body.get("invert_mask")), "blur": blur}
        return options

    def _shares(self, shares: object, variant: object) -> dict[str, Any]:
        """The entries style, model and variant of the options."""
        if isinstance(shares, str):
            shares = {shares: 1}
        if not isinstance(shares, dict) or not 1 <= len(shares) <= MOST_IN_MIX:
            raise Refusal(422, f"styles must be an object of 1 to {MOST_IN_MIX} names and shares, as {{'udnie': 1}}")
        if variant not in ("best", "fast"):
            raise Refusal(422, f"variant must be best or fast, not {variant!r:.40}")
        found: dict[str, float] = {}
        chosen: Variant = "fast" if variant == "fast" else "best"
        for name, share in shares.items():
            if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1e6:
                raise Refusal(422, f"the share of {name[:60]} must be a number of 0 or more")
            if name in shipped_names():
                found[name] = share
                continue
            path = self.file(name)
            if path.suffix != SUFFIX and len(shares) > 1:
                raise Refusal(422, f"{name} is a model with a network of its own, which cannot be mixed: use it alone")
            if path.suffix != SUFFIX:
                return {"model": str(path), "variant": "best"}
            found[str(path)] = share
            try:
                chosen = variant_of(read_style(path).info.network)
            except ModelError as error:
                raise Refusal(409, f"the style {name} is damaged: {_plain(error, path, name)}") from None
        if not sum(found.values()):
            raise Refusal(422, "give at least one style a share of more than 0")
        return {"style": found, "variant": chosen}

    def _own(self) -> dict[str, OwnStyle]:
        """The styles that were learned here, by name. Files that are not of our making are ignored."""
        found = {}
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, RecordError, Refusal):
                if _NAME.fullmatch(path.stem):
                    found[path.stem] = from_json(OwnStyle, safe_file(path, "it").read_text(encoding="utf-8"))
        return found

    def _find(self, name: str) -> OwnStyle:
        if name in shipped_names():
            raise Refusal(403, f"{name} comes with Impasto, and cannot be changed or exported here")
        style = self._own().get(name) if _NAME.fullmatch(name) else None
        if style is None:
            raise Refusal(404, f"there is no style called {name[:60]!r}; it may have been deleted")
        return style

    def _write(self, name: str, style: OwnStyle) -> None:
        try:
            with replacing(self._folder / f"{name}.json", ModelError) as part:
                part.write_text(to_json(style), encoding="utf-8")
        except ImpastoError as error:
            raise Refusal(503, f"cannot store the style: {_plain(error, self._folder, 'its folder')}") from None


def safe_file(path: Path, what: str) -> Path:
    """The path itself, if it is a regular file; a symbolic link could lead anywhere. Raises Refusal otherwise."""
    try:
        if stat.S_ISREG(os.lstat(path).st_mode):
            return path
    except OSError:
        pass
    raise Refusal(409, f"{what} has lost its file, which was deleted or replaced")


def command_of(options: Mapping[str, Any]) -> str:
    """The command line that paints in this way."""
    import shlex

    words = ["impasto", "stylize", "PHOTO.jpg", "-o", "PAINTED.jpg"]
    if options.get("model"):
        words += ["--model", options["model"]]
    shares = options.get("style", {})
    for name, share in shares.items():
        words += ["--style", name if len(shares) == 1 else f"{name}:{share:g}"]
    if options["variant"] == "fast":
        words.append("--fast")
    defaults = asdict(Settings())
    for name, value in options["settings"].items():
        if value != defaults[name]:
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words += [f"--{flag}", f"{value:g}" if isinstance(value, float) else str(value)]
    if options.get("mask"):
        words += ["--mask", "MASK.png"]
        if options.get("invert"):
            words.append("--background-only")
    return shlex.join(words)


def settings_file(options: Mapping[str, Any]) -> bytes:
    """The content of a settings file, as `impasto stylize --settings` reads it."""
    given = {"style": options.get("style", {}), "model": options.get("model"), "variant": options["variant"]}
    return (json.dumps({"impasto": 1, **given, **options["settings"]}, indent=1) + "\n").encode()


def _record(
    name: str, title: str, artist: str = "", year: str = "", *, own: bool = False, kind: Kind = "style"
) -> dict[str, Any]:
    described = {"name": name, "title": title or name, "artist": artist, "year": year}
    return {**described, "own": own, "kind": kind, "picture": f"api/styles/{name}/picture"}


def _plain(error: Exception, path: Path, name: str) -> str:
    return str(error).replace(str(path), name)


def _move(source: Path, target: Path) -> None:
    try:
        shutil.move(source, target)
    except OSError as error:
        raise Refusal(503, f"cannot store the style: {error.strerror or error}; free some space on the disk") from None
