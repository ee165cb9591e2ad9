"""The grader's end of the channel: framed messages from a peer that may send anything, at any speed, or nothing.

No read or write waits longer than its deadline, nothing longer than the bound is kept, and nothing is trusted but what
`autograder.wire` decodes.
"""

import os
import select
import struct

from autograder.sandbox.deadline import Deadline

HEADER = struct.Struct("<I")
MOST = 64 * 2**20 + 2**16
_PIECE = 2**20
_GRACE_SECONDS = 2.0
"""What a grader that was kept from reading still takes of a reply that lies there already."""


class ChannelError(Exception):
    """The peer can no longer be talked to."""


class Gone(ChannelError):  # noqa: N818 - what it is, in a word
    """The peer has closed its end: its process has ended."""


class Late(ChannelError):  # noqa: N818 - as above
    """The deadline has passed."""


class Broken(ChannelError):  # noqa: N818 - as above
    """The peer sent what is no message, or far too much of it."""


class Channel:
    """Both directions; owns its descriptors.

    Args:
        reader: descriptor that the peer's messages come from.
        writer: descriptor that messages to the peer go to; may be the same.
        most: bytes of the longest message that is read.
    """

    def __init__(self, reader: int, writer: int, most: int = MOST) -> None:
        self._reader, self._writer, self._most = reader, writer, most
        self._buffer = bytearray()
        self._open = True
        for descriptor in {reader, writer}:
            os.set_blocking(descriptor, False)

    def send(self, body: bytes, deadline: Deadline) -> None:
        """Write one message whole.

        Args:
            body: the message.
            deadline: when to give up.

        Raises:
            ChannelError: the peer has gone, or reads too slowly.
        """
        view = memoryview(HEADER.pack(len(body)) + body)
        while view:
            try:
                view = view[os.write(self._writer, view[:_PIECE]) :]
            except BlockingIOError:
                self._wait(self._writer, select.POLLOUT, deadline)
            except OSError as error:
                raise Gone from error

    def receive(self, deadline: Deadline) -> bytes:
        """Wait for the next message.

        Args:
            deadline: when to give up.

        Returns:
            Its bytes, which may be anything.

        Raises:
            ChannelError: the peer has gone, is too slow, or announces too long a message.
        """
        self._fill(HEADER.size, deadline)
        (size,) = HEADER.unpack_from(self._buffer)
        if size > self._most:
            raise Broken(f"a message of {size} bytes was announced")
        self._fill(HEADER.size + size, deadline)
        body = bytes(self._buffer[HEADER.size : HEADER.size + size])
        del self._buffer[: HEADER.size + size]
        return body

    def close(self) -> None:
        """Close both directions."""
        if self._open:
            self._open = False
            for descriptor in {self._reader, self._writer}:
                os.close(descriptor)

    def _fill(self, size: int, deadline: Deadline) -> None:
        while len(self._buffer) < size:
            try:
                piece = os.read(self._reader, min(_PIECE, size - len(self._buffer)))
            except BlockingIOError:
                self._wait(self._reader, select.POLLIN, deadline)
                continue
            except OSError as error:
                raise Gone from error
            if not piece:
                raise Gone
            self._buffer += piece
            if deadline.left() < -_GRACE_SECONDS:
                raise Late

    @staticmethod
    def _wait(descriptor: int, event: int, deadline: Deadline) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        # A deadline may have moved on while it was waited for.
        while (left := deadline.left()) > 0:
            if poll.poll(left * 1000):
                return
        raise Late
