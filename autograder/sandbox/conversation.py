"""Requests to the sandboxed process and its replies: each reply must name its own request, or it counts for nothing."""

import secrets
import time
from collections.abc import Callable
from typing import Any

from autograder.sandbox.channel import Broken, Channel, Late
from autograder.sandbox.deadline import Deadline
from autograder.sandbox.inside.framing import ENVELOPE
from autograder.wire import WireError, decode, encode

STRAY = 64
"""Replies to no request that are dropped before the process is given up."""
CALLBACKS = 20_000
"""How often one call may call back."""

Answer = Callable[[int, bytes], tuple[Any, ...]]


class Conversation:
    """One process's channel.

    Args:
        channel: owned by whoever made it.

    Attributes:
        forged: messages that came and answered no request.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.forged = 0

    def ask(
        self, kind: str, *parts: Any, deadline: Deadline, answer: Answer | None = None
    ) -> tuple[Any, ...]:
        """Send a request and wait for its reply.

        Args:
            kind: what is asked.
            parts: bytes, text and numbers.
            deadline: when the reply must be whole; what callbacks take on this side is added once.
            answer: gives the reply to a callback of a number with arguments.

        Returns:
            What the reply holds.

        Raises:
            autograder.sandbox.channel.ChannelError: there is no reply.
        """
        number = secrets.token_bytes(16)
        self._channel.send(encode((number, kind, *parts), limits=ENVELOPE), deadline)
        left = CALLBACKS
        while True:
            reply = self._next(number, deadline)
            if reply[0] != "callback":
                return reply
            left -= 1
            match reply:
                case ("callback", bytes(own), int(which), bytes(data)) if left >= 0 and answer is not None:
                    self._answer(own, deadline, answer, which, data)
                case _:
                    raise Broken("a callback that is none, or too many of them")

    def _answer(self, own: bytes, deadline: Deadline, answer: Answer, which: int, data: bytes) -> None:
        if deadline.left() <= 0:
            raise Late
        start = time.monotonic()
        message = answer(which, data)
        deadline.add(time.monotonic() - start)
        self._channel.send(encode((own[:16], *message), limits=ENVELOPE), deadline)

    def _next(self, number: bytes, deadline: Deadline) -> tuple[Any, ...]:
        """The next message that answers a request."""
        while True:
            body = self._channel.receive(deadline)
            try:
                message = decode(body, limits=ENVELOPE)
            except WireError:
                message = None
            if type(message) is tuple and len(message) > 1 and type(message[1]) is str:
                own = message[0]
                if type(own) is bytes and secrets.compare_digest(own, number):
                    return message[1:]
            self.forged += 1
            if self.forged > STRAY:
                raise Broken("a flood of replies that answer nothing")
