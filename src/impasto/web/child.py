"""A worker process: runs one task after another, as `impasto.web.worker` asks for it on standard input.

A message is a JSON object and a block of bytes, each with its length before it. Tasks of `impasto.web.tasks` get the
object's ``arguments`` and the bytes, and answer with an object and bytes. The process ends when its input ends, even in
the middle of a task, so that nothing outlives the server.
"""

import json
import os
import queue
import struct
import sys
import threading
import traceback
from typing import Any, BinaryIO

from impasto.web.failures import kind_of, text_of

HEAD = struct.Struct("<II")


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None at the end of the stream."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    text, block = HEAD.unpack(head)
    return json.loads(stream.read(text)), stream.read(block)


def packed(message: dict[str, Any], block: bytes | memoryview = b"") -> bytes:
    """The bytes of a message."""
    text = json.dumps(message).encode()
    return b"".join((HEAD.pack(len(text), len(block)), text, block))


class Stop:
    """Whether the running task was asked to end."""

    def __init__(self) -> None:
        self.running = 0
        self.asked = 0

    def is_set(self) -> bool:
        """Whether it was."""
        return self.asked >= self.running


def run(*, verbose: bool) -> None:
    """Serve tasks until the input ends."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # what a library reads or prints must not mix with messages
    os.dup2(2, 1)
    stop, waiting = Stop(), queue.Queue[tuple[dict[str, Any], bytes]]()

    def listen() -> None:
        while (message := read_message(requests)) is not None:
            if "stop" in message[0]:
                stop.asked = message[0]["stop"]
            else:
                waiting.put(message)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()

    def send(message: dict[str, Any], block: bytes | memoryview = b"") -> None:
        try:
            replies.write(packed(message, block))
            replies.flush()
        except OSError:  # the server is gone
            os._exit(0)

    from impasto.pictures.plugins import silence_decoders
    from impasto.web.tasks import Tasks

    silence_decoders()  # the process is ours
    tasks = Tasks(stop.is_set, lambda event: send({"event": event}))
    while True:
        request, block = waiting.get()
        stop.running = request["number"]
        try:
            result, block = tasks.run(request["task"], request["arguments"], block)
            send({"result": result}, block)
        except (Exception, KeyboardInterrupt) as error:
            if verbose:
                traceback.print_exc()
            send({"error": text_of(error), "kind": kind_of(error)})


if __name__ == "__main__":
    run(verbose="--verbose" in sys.argv)
