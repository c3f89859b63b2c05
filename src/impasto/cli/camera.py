"""The command `impasto camera`."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from cyclopts import Parameter

from impasto.cli.console import note
from impasto.cli.flags import FilePath, Switch, flags_of, flags_set, reflowed, whole_number
from impasto.cli.request import with_shares
from impasto.cli.serve import LOOPBACK, PORT, ServeFlags, default_folder, run_server, show, url_of
from impasto.errors import UsageError
from impasto.options import check_ranges, opt
from impasto.painting.settings import Settings
from impasto.web.limits import Refusal
from impasto.web.styles import Styles

ANSWER_SECONDS = 5
if TYPE_CHECKING:
    SettingsFlags = Any
else:
    SettingsFlags = flags_of(Settings, ("crisp", "seed"))


@dataclass(frozen=True, kw_only=True)
class CameraFlags:
    """What is painted, and where the server listens."""

    style: Annotated[list[str] | None, Parameter(name=["--style", "-s"], negative="")] = opt(
        None,
        "style that comes with Impasto (`impasto styles` lists them) or was learned in the page; given several times, "
        "as udnie:0.7 and great_wave:0.3, a mixture",
    )
    steady: float = opt(
        0.5, "temporal smoothing: from 0, each frame is painted independently, to 1, the most", least=0, most=1
    )
    width: Annotated[int, whole_number(64, 1920)] = opt(640, "width of the painted frames, pixels")
    mirror: Annotated[bool, Switch] = opt(False, "mirror the picture, as for a person in front of it")
    port: Annotated[int, whole_number(0, 65535)] = opt(PORT, "port to listen on; 0 for any that is free")
    folder: FilePath | None = opt(None, "folder of the styles learned in the page; default: in the user's data folder")
    no_open: Annotated[bool, Switch] = opt(
        False, "only print the address, for OBS for example, and do not open a browser"
    )


@reflowed
def camera(
    *,
    flags: Annotated[CameraFlags | None, Parameter(name="*")] = None,
    settings: Annotated[SettingsFlags | None, Parameter(name="*")] = None,
) -> int:
    """Paint the camera live in a browser window, without anything around it.

    The address is printed too: OBS shows it as a browser source. The server runs until Ctrl-C; if `impasto serve` runs
    already on the port, that is used. Nothing leaves this computer. `impasto serve` has the same with all controls.
    """
    flags = flags or CameraFlags()
    folder = flags.folder or default_folder()
    path = live_path(flags, Settings(**flags_set(settings)), folder)
    if flags.port and serves(flags.port):
        show(url_of(LOOPBACK, flags.port, None, path), open_browser=not flags.no_open)
        note("the server that runs already paints it")
        return 0
    return run_server(ServeFlags(port=flags.port, folder=folder, open=not flags.no_open), path)


def serves(port: int) -> bool:
    """Whether `impasto serve` runs on this port of this computer."""
    connection = HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/api/info")
        return "version" in json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError, TypeError):
        return False
    finally:
        connection.close()


def live_path(flags: CameraFlags, settings: Settings, folder: Path) -> str:
    """The page's address for these flags, without the server.

    Raises:
        UsageError: There is no such style, or a value is out of range.
    """
    check_ranges(flags)
    styles = with_shares(flags.style or [])
    if styles:
        try:
            Styles(folder / "styles").read_options({"styles": styles}, None)
        except Refusal as refusal:
            raise UsageError(f"{refusal.text}; `impasto styles` lists those that come with Impasto") from None
    query: list[tuple[str, object]] = [("style", f"{name}:{share:g}") for name, share in styles.items()]
    query += [("strength", settings.strength), ("stroke_size", settings.stroke_size)]
    query += [("keep_colors", settings.keep_colors)] if settings.keep_colors else []
    query += [("steady", flags.steady), ("width", flags.width), ("mirror", int(flags.mirror))]
    return f"/live?{urlencode(query)}"
