"""Raw requests, as an attacker sends them."""

import base64
import json
import os
import socket
from typing import Any


def connect(port: int, seconds: float = 120) -> socket.socket:
    """A connection to a server of this computer."""
    return socket.create_connection(("127.0.0.1", port), timeout=seconds)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes; a reset counts as closing."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def send_raw(port: int, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Send a request whose head is written by hand; returns status, headers and body of the answer."""
    with connect(port) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"Connection: close\r\n\r\n" + body)
        answer = read_all(connection)
    top, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, rest


def error_of(body: bytes) -> str:
    """The one line of a refusal."""
    text: Any = json.loads(body)["error"]
    assert isinstance(text, str)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def upgrade(port: int, **headers: str) -> int:
    """The status with which a WebSocket's handshake at /api/live is answered; 101 accepts it."""
    key = base64.b64encode(os.urandom(16)).decode()
    given = {"Host": f"127.0.0.1:{port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}\r\n" for name, value in given.items()]
    request = (
        f"GET /api/live HTTP/1.1\r\n{''.join(lines)}Connection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    with connect(port) as connection:
        connection.sendall(request.encode("latin-1"))
        return int(connection.recv(65536).split()[1])
