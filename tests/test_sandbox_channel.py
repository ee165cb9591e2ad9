"""The channel and its protocol against peers that are silent, slow, loud or lying."""

import os
import socket
import threading
import time

import numpy as np
import pytest

from autograder.inprocess import describe as told_in_process
from autograder.sandbox.channel import Broken, Channel, Gone, Late
from autograder.sandbox.conversation import CALLBACKS, STRAY, Conversation
from autograder.sandbox.deadline import Deadline
from autograder.sandbox.inside.framing import HEADER, Closed, Line
from autograder.sandbox.inside.guest import Guest, describe
from autograder.wire import Tag, decode, encode


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    channel = Channel(ours.fileno(), ours.detach())
    yield channel, theirs
    channel.close()
    theirs.close()


@pytest.fixture
def talk(pair):
    """A conversation and the other side's line, whose requests are taken by a function in a thread."""
    channel, theirs = pair
    line = Line(theirs.fileno(), theirs.fileno())
    threads = []

    def serve(function):
        def run():
            try:
                while True:
                    function(line, *line.receive())
            except Closed:
                pass

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return Conversation(channel)

    yield serve
    theirs.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()


after = Deadline


def test_messages_go_both_ways_whole(pair):
    channel, theirs = pair
    line = Line(theirs.fileno(), theirs.fileno())
    large = np.arange(2**18, dtype=np.float64)
    threading.Thread(target=lambda: line.send("one", encode(large)), daemon=True).start()
    assert np.array_equal(decode(decode(channel.receive(after(10)))[1]), large)
    channel.send(encode(("two", b"")), after(1))
    assert line.receive() == ("two", b"")


@pytest.mark.parametrize("bytes_sent", [b"", b"\x05", HEADER.pack(5), HEADER.pack(5) + b"abcd"])
def test_half_a_message_is_late_and_then_gone(pair, bytes_sent):
    channel, theirs = pair
    theirs.sendall(bytes_sent)
    with pytest.raises(Late):
        channel.receive(after(0.05))
    theirs.close()
    with pytest.raises(Gone):
        channel.receive(after(1))


def test_a_peer_that_drips_is_late_at_the_deadline(pair):
    channel, theirs = pair
    stop = threading.Event()

    def drip():
        theirs.sendall(HEADER.pack(1000))
        while not stop.wait(0.01):
            theirs.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(Late):
            channel.receive(after(0.3))
    finally:
        stop.set()
        thread.join()


def test_what_announces_too_much_is_not_read(pair):
    channel, theirs = pair
    theirs.sendall(HEADER.pack(2**31))
    with pytest.raises(Broken, match="2147483648 bytes"):
        channel.receive(after(1))


def test_a_peer_that_does_not_read_is_late(pair):
    channel, _ = pair
    with pytest.raises(Late):
        channel.send(bytes(2**24), after(0.1))


def test_sending_to_nobody_is_gone(pair):
    channel, theirs = pair
    theirs.close()
    with pytest.raises(Gone):
        channel.send(bytes(2**24), after(1))


def test_a_reply_must_name_its_request(talk):
    def lie(line, request, kind):
        line.send(b"x" * 16, "value", "forged")
        line.send("text", "value", "forged")
        line.send(request[:-1] + bytes([request[-1] ^ 1]), "value", "forged")
        os.write(line._writer, HEADER.pack(3) + b"\xc1\xc1\xc1")
        line.send(request, "value", "true")

    conversation = talk(lie)
    assert conversation.ask("call", deadline=after(5)) == ("value", "true")
    assert conversation.forged == 4


def test_a_forged_reply_counts_for_no_later_call(talk):
    seen = []

    def early(line, request, kind):
        seen.append(request)
        line.send(request, "value", len(seen))
        for earlier in seen:
            line.send(earlier, "value", "again")

    conversation = talk(early)
    assert [conversation.ask("call", deadline=after(5)) for _ in range(3)] == [
        ("value", 1),
        ("value", 2),
        ("value", 3),
    ]
    assert len(set(seen)) == 3
    assert conversation.forged >= 2


def test_a_flood_of_strays_ends_the_conversation(talk):
    def flood(line, request, kind):
        for _ in range(STRAY + 10):
            line.send(b"y" * 16, "value", 1)

    with pytest.raises(Broken, match="flood"):
        talk(flood).ask("call", deadline=after(5))


def test_callbacks_are_answered_and_counted(talk, monkeypatch):
    def call(line, request, kind, times):
        for number in range(times):
            line.send(request, "callback", bytes([number] * 16), 7, encode(number))
            assert line.receive() == (bytes([number] * 16), "answer", encode(-number))
        line.send(request, "value", "done")

    def answer(which, data):
        assert which == 7
        return "answer", encode(-decode(data))

    assert CALLBACKS > 100
    monkeypatch.setattr("autograder.sandbox.conversation.CALLBACKS", 3)
    conversation = talk(call)
    assert conversation.ask("call", 3, deadline=after(5), answer=answer) == ("value", "done")
    with pytest.raises(Broken, match="callback"):
        conversation.ask("call", 4, deadline=after(5), answer=answer)


def test_callbacks_that_nobody_offered_are_refused(talk):
    def call(line, request, kind):
        line.send(request, "callback", b"z" * 16, 0, encode(1))

    with pytest.raises(Broken, match="callback"):
        talk(call).ask("call", deadline=after(5))


def test_the_time_of_callbacks_is_given_back_once(talk):
    def call(line, request, kind):
        for _ in range(100):
            line.send(request, "callback", b"z" * 16, 0, encode(1))
            line.receive()

    def answer(which, data):
        time.sleep(0.3)
        return "answer", b""

    start = time.monotonic()
    with pytest.raises(Late):
        talk(call).ask("call", deadline=after(2.0), answer=answer)
    assert 2.5 < time.monotonic() - start < 25


def test_the_guest_runs_a_nested_call_while_a_callback_waits(talk):
    names = {"outer": lambda f: f(2) + 1, "inner": lambda x: 10 * x}
    guests = []

    def serve(line, request, kind, *parts):
        guests[:] = guests or [Guest(line, names)]
        guests[0].answer(request, kind, parts)

    conversation = talk(serve)

    def there(*data):
        return encode((data, {}), refer=lambda one: (Tag.CALLBACK, 0))

    def answer(which, data):
        (number,), _ = decode(data)
        reply = conversation.ask("call", "inner", there(number), deadline=after(5))
        return "answer", reply[1]

    from autograder.wire import Callback

    reply = conversation.ask("call", "outer", there(Callback(print)), deadline=after(5), answer=answer)
    assert reply[0] == "value" and decode(reply[1]) == 21


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no\nmore"),
        NotImplementedError("Task 1.1: write it"),
        SystemExit(3),
        KeyError(),
        Exception("x" * 999),
    ],
)
def test_the_sandbox_says_what_the_process_itself_would(error):
    assert describe("double", error) == told_in_process("double", error)
