"""Messages on a pair of descriptors, as the sandboxed side reads and writes them: a length of four bytes, then the message."""

import os
import struct
import threading
from typing import Any

from autograder.wire import Limits, decode, encode

HEADER = struct.Struct("<I")
ENVELOPE = Limits(size=64 * 2**20 + 2**16, items=100_000, depth=8)
"""What one message may hold around the values, which travel in it as bytes of their own."""


class Closed(Exception):  # noqa: N818 - the other side is gone, which is how a session ends
    """The grader has closed its end."""


class Line:
    """Both directions of the channel, blocking.

    Args:
        reader: descriptor that the grader's messages come from.
        writer: descriptor that replies go to; may be the same.
    """

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._lock = threading.Lock()

    def send(self, *message: Any) -> None:
        """Write one message whole, whatever other threads write.

        Raises:
            Closed: nobody reads any more.
        """
        body = encode(message, limits=ENVELOPE)
        view = memoryview(HEADER.pack(len(body)) + body)
        with self._lock:
            while view:
                try:
                    view = view[os.write(self._writer, view) :]
                except OSError as error:
                    raise Closed from error

    def receive(self) -> tuple[Any, ...]:
        """Wait for the next message.

        Raises:
            Closed: nobody writes any more.
        """
        (size,) = HEADER.unpack(self._exactly(HEADER.size))
        message: tuple[Any, ...] = decode(self._exactly(size), limits=ENVELOPE)
        return message

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = os.read(self._reader, min(size - len(parts), 2**20))
            except OSError as error:
                raise Closed from error
            if not part:
                raise Closed
            parts += part
        return bytes(parts)
