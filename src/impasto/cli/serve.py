"""The command `impasto serve`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import platformdirs
from cyclopts import Parameter

from impasto.cli.console import note
from impasto.cli.flags import FilePath, Switch, reflowed, whole_number
from impasto.options import opt
from impasto.web.guard import Access, is_loopback
from impasto.web.server import Server, listen, serve

LOOPBACK, PORT = "127.0.0.1", 8020


@dataclass(frozen=True, kw_only=True)
class ServeFlags:
    """Where the server listens, and what it keeps."""

    host: str = opt(
        LOOPBACK, "address to listen on; any but a loopback address is open to others, who then need a token"
    )
    port: Annotated[int, whole_number(0, 65535)] = opt(PORT, "port to listen on; 0 for any that is free")
    allow_host: Annotated[list[str] | None, Parameter(negative="")] = opt(
        None, "another name by which browsers reach this server, as behind a proxy"
    )
    folder: FilePath | None = opt(
        None,
        "folder for the styles learned in the page, and for photos and results while their session lasts; "
        "default: in the user's data folder",
    )
    open: Annotated[bool, Switch] = opt(False, "open the page in the browser")


@reflowed
def command(*, flags: Annotated[ServeFlags | None, Parameter(name="*")] = None) -> int:
    """Open a page in the browser that paints photos, videos and the camera, and learns styles, on this computer.

    The server runs until Ctrl-C. Nothing leaves this computer. Photos and results are deleted with their session, an
    hour after its last request, or when the server ends; styles that were learned stay.
    """
    return run_server(flags or ServeFlags())


def run_server(flags: ServeFlags, path: str = "/") -> int:
    """Serve until Ctrl-C. The address that is printed and opened is that of ``path``."""
    folder = flags.folder or default_folder()
    access = Access.on(flags.host, tuple(flags.allow_host or ()))
    found = listen(flags.host, flags.port)
    address = url_of(flags.host, found.getsockname()[1], access.token, path)

    def ready(server: Server) -> None:
        show(address, open_browser=flags.open)
        note("Ctrl-C ends the server")
        if not is_loopback(flags.host):
            note("other computers can reach this server: who has the address above can use it")

    with found:
        serve(found, folder, access, verbose="--verbose" in sys.argv, ready=ready)
    return 0


def show(address: str, *, open_browser: bool) -> None:
    """Print an address, and open it if that is wanted."""
    print(address, flush=True)
    if open_browser:
        import webbrowser

        webbrowser.open(address)


def default_folder() -> Path:
    """Where styles that are learned in the page are kept."""
    return platformdirs.user_data_path("impasto", appauthor=False) / "page"


def url_of(host: str, port: int, token: str | None, path: str = "/") -> str:
    """The address to open."""
    name = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}{path}" + (f"{'&' if '?' in path else '?'}token={token}" if token else "")
