"""The live stream: frames of a camera in, painted frames out, over one WebSocket."""

import asyncio
import contextlib
import json
import secrets
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from impasto.web.api_pictures import PREVIEW
from impasto.web.limits import Refusal
from impasto.web.page import Page, found_session, page_of
from impasto.web.worker import TaskError

HEAD = struct.Struct("<IffI")
"""Number of the frame, frames a second, seconds from its arrival to its painting, frames dropped."""
MOST_PIXELS = 2_100_000
"""Pixels of one frame: full HD."""
SMOOTHING = 0.9
"""Weight of the earlier values in the running means."""


async def stream(websocket: WebSocket) -> None:
    """Paint the newest frame, again and again. A frame that another overtakes is dropped."""
    page = page_of(websocket)
    await websocket.accept()
    if page.cameras >= page.limits.cameras:
        await websocket.send_text(json.dumps({"error": f"{page.cameras} cameras are painted already; close one"}))
        await websocket.close(1013)
        return
    page.cameras += 1
    camera = _Camera(secrets.token_hex(8))
    painting = asyncio.ensure_future(_paint(websocket, page, camera))
    receiving = asyncio.ensure_future(_receive(websocket, page, camera))
    closing = asyncio.ensure_future(page.closing.wait())
    try:
        await asyncio.wait({painting, receiving, closing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        page.cameras -= 1
        for task in (painting, receiving, closing):
            task.cancel()
        await asyncio.gather(painting, receiving, closing, return_exceptions=True)
    with contextlib.suppress(TaskError, RuntimeError):  # the painter has ended, or the socket is closed
        if page.closing.is_set():
            await websocket.close(1001)
        elif page.painter.pid is not None:
            await page.painter.call("end_camera", {"camera": camera.id}, priority=PREVIEW)


@dataclass
class _Camera:
    """The state of one stream."""

    id: str
    options: dict[str, Any] | None = None
    steady: float = 0.5
    waiting: tuple[int, bytes, float] | None = None
    received: int = 0
    dropped: int = 0
    period: float = 0.0
    finished: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


async def _receive(websocket: WebSocket, page: Page, camera: _Camera) -> None:
    """Take in frames and settings."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        frame, text = message.get("bytes"), message.get("text")
        if frame:
            camera.dropped += camera.waiting is not None
            camera.waiting = camera.received, frame, time.monotonic()
            camera.received += 1
            camera.changed.set()
        elif text is not None:
            try:
                camera.options, camera.steady = _settings(websocket, page, text)
            except Refusal as refusal:
                await websocket.send_text(json.dumps({"error": refusal.text}))
            camera.changed.set()


def _settings(websocket: WebSocket, page: Page, text: str) -> tuple[dict[str, Any], float]:
    """The options (style and settings) and the smoothing in a message."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "send a JSON object, or a frame")
    steady = body.get("steady", 0.5)
    if not isinstance(steady, int | float) or isinstance(steady, bool) or not 0 <= steady <= 1:
        raise Refusal(422, f"steady must be from 0 to 1, not {steady!r:.40}")
    return page.styles.read_options({"variant": "fast", **body}, found_session(websocket)), steady


async def _paint(websocket: WebSocket, page: Page, camera: _Camera) -> None:
    """Paint the newest frame, and send it."""
    while True:
        await camera.changed.wait()
        camera.changed.clear()
        if camera.waiting is None or camera.options is None:
            continue
        (number, frame, arrived), camera.waiting = camera.waiting, None
        arguments = {"camera": camera.id, "options": camera.options, "steady": camera.steady, "pixels": MOST_PIXELS}
        try:
            reply = await page.painter.call("frame", arguments, frame, priority=PREVIEW)
        except TaskError as error:
            await websocket.send_text(json.dumps({"error": str(error)}))
            continue
        assert reply is not None
        now = time.monotonic()
        if camera.finished:
            before, period = camera.period, now - camera.finished
            camera.period = SMOOTHING * before + (1 - SMOOTHING) * period if before else period
        camera.finished = now
        rate = 1 / camera.period if camera.period else 0.0
        try:
            await websocket.send_bytes(HEAD.pack(number, rate, now - arrived, camera.dropped) + reply.block)
        except (WebSocketDisconnect, RuntimeError):
            return
