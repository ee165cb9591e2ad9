"""Hostile submissions that write on the channel between the student's process and the grader, or break it."""

from typing import Any

from autograder.bank.hanging import KEPT
from autograder.bank.submission import CHALLENGE, TARGET, Entry, attack

_FRAMES = """
        import gc, os, struct, sys
        def descriptors():
            found = []
            for number in range(3, 256):
                try:
                    os.fstat(number)
                    found.append(number)
                except OSError:
                    pass
            return found
        def line_and_guest():
            line = guest = None
            for value in gc.get_objects():
                name = type(value).__name__
                if name == "Line":
                    line = value
                if name == "Guest":
                    guest = value
            frame = sys._getframe()
            while frame:
                for value in list(frame.f_locals.values()):
                    if type(value).__name__ == "Line":
                        line = value
                    if type(value).__name__ == "Guest":
                        guest = value
                frame = frame.f_back
            return line, guest
        def frame(body):
            return struct.pack("<I", len(body)) + body
        def write_all(data):
            for number in descriptors():
                try:
                    os.set_blocking(number, False)
                    os.write(number, data)
                except OSError:
                    pass
                finally:
                    try:
                        os.set_blocking(number, True)
                    except OSError:
                        pass
"""


def _channel(name: str, words: str, call: str, **settings: Any) -> Entry:
    # What is left on the channel may cost its process later calls too, so points are a bound.
    return attack(name, words, setup=_FRAMES, call=call, **({"quick": True, "exact": False} | settings))


FORGING: tuple[Entry, ...] = (
    _channel("forges-this-reply", "the reply of the running call is written by hand, with the right number and a wrong value, many times", """
        line, guest = line_and_guest()
        from autograder.wire import encode
        for _ in range(5):
            line.send(guest._stack[-1], "value", encode(args[0] * 0))
        return None
        """),
    _channel("forges-later-replies", "replies for calls that have not been made are written ahead, with guessed numbers", """
        line, guest = line_and_guest()
        from autograder.wire import encode
        for guess in (guest._stack[-1], bytes(16), b"", 0, 1, 2, None, "next"):
            for kind in ("value", "handle", "cell", "done", "passed", "score"):
                for value in (encode(True), encode(100.0), 0, "ok"):
                    line.send(guess, kind, value)
        return None
        """),
    _channel("forges-cell-results", "the result of a cell is written as often as there are cells, all of them good", """
        line, guest = line_and_guest()
        from autograder.wire import encode
        for number in range(40):
            line.send(guest._stack[-1], "cell", "ok", "", encode([]))
        return None
        """),
    _channel("forges-handles", "handles and tags of callbacks come back where data should", """
        line, guest = line_and_guest()
        import msgpack
        number = guest._stack[-1]
        for value in ([8, 0], [9, 0], [8, -1], [8, 2**63], [9, 10**9], [99], [0, [0, [0]]], {"a": 1}, [3, "float64", [2**40, 2**40], b""], [4, "O", [1], b"x" * 8]):
            inner = msgpack.packb(value)
            line.send(number, "value", inner)
        line.send(number, "handle", 2**70)
        line.send(number, "callback", b"x" * 16, 0, msgpack.packb([1, [1], [2]]))
        return None
        """),
    _channel("forges-callbacks", "functions of the grader that were never lent are called by their numbers", """
        line, guest = line_and_guest()
        from autograder.wire import encode
        for callback in (0, 1, 2, -1, 10**6, "open", None, [0]):
            line.send(guest._stack[-1], "callback", os.urandom(16), callback, encode(((), {})))
        return None
        """),
    _channel("writes-noise", "random bytes are written to every descriptor", """
        for _ in range(100):
            write_all(os.urandom(4096))
        return None
        """),
    _channel("writes-huge-length", "a message of four gigabytes is announced and never sent", """
        write_all(struct.pack("<I", 2**32 - 1))
        write_all(b"x" * 1000)
        return None
        """),
    _channel("writes-half-a-message", "a message is begun, never ended, and the function sleeps", """
        write_all(struct.pack("<I", 1000) + b"x" * 10)
        import time
        time.sleep(600)
        """),
    _channel("writes-one-byte-a-second", "a reply comes byte by byte, always just before the patience ends", """
        import time
        write_all(struct.pack("<I", 10**6))
        while True:
            write_all(b"x")
            time.sleep(0.2)
        """),
    _channel("floods-messages", "millions of small messages are sent while the grader waits", """
        body = frame(b"\\x93\\xc4\\x10" + b"x" * 16 + b"\\xa5value\\xc4\\x01\\xc3")
        numbers = descriptors()
        while True:
            for number in numbers:
                try:
                    os.write(number, body * 1000)
                except OSError:
                    pass
        """),
    _channel("floods-empty-messages", "empty messages are sent without end", """
        numbers = descriptors()
        while True:
            for number in numbers:
                try:
                    os.write(number, b"\\0" * 65536)
                except OSError:
                    pass
        """),
    _channel("floods-with-a-lake", "one valid message holds half a million lists within lists", """
        line, guest = line_and_guest()
        import msgpack
        inner = msgpack.packb([0] + [[0]] * 400_000)
        for _ in range(20):
            line.send(guest._stack[-1], "value", inner)
        return None
        """),
)  # fmt: skip

BREAKING: tuple[Entry, ...] = (
    _channel("closes-descriptors", "every descriptor is closed", "os.closerange(0, 4096)\nreturn None"),
    _channel("closes-descriptors-in-a-cell", "every descriptor is closed by a cell", KEPT["call"], lost=(CHALLENGE,), exact=True, after="os.closerange(0, 4096)"),
    _channel("swaps-descriptors", "the channel is replaced by a pipe of the student's own", """
        a, b = os.pipe()
        for number in descriptors():
            if number not in (a, b):
                os.dup2(b, number)
        return None
        """),
    _channel("reads-the-channel", "a thread reads what the grader sends, before the worker can", """
        import threading
        def drink(number):
            while True:
                try:
                    if not os.read(number, 65536):
                        return
                except OSError:
                    return
        for number in descriptors():
            threading.Thread(target=drink, args=(number,), daemon=True).start()
        return None
        """),
    _channel("shares-the-channel", "a child of the function keeps the channel and answers in its place", """
        import time
        if os.fork() == 0:
            while True:
                write_all(frame(b"\\x93\\xc0\\xc0\\xc0"))
                time.sleep(0.01)
        return None
        """),
    attack("replaces-outputs", "stdout, stderr and displayhook are replaced by objects that raise, or print for ever", setup="""
        import sys
        class Evil:
            encoding = "utf-8"
            def write(self, text):
                raise SystemExit(text)
            def flush(self):
                raise KeyboardInterrupt
            def __getattr__(self, name):
                raise MemoryError
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Evil()
        sys.displayhook = sys.excepthook = lambda *a: sys.exit(1)
        """, call="return None", lost=(TARGET, CHALLENGE)),
    attack("redefines-the-lab", "the lab's functions are put on a namespace that answers every name", exact=False,
        points={"01-pruning": {"pruning-2": 1.0}}, setup="", after="""
        import gc
        class Everything(dict):
            def __missing__(self, key):
                return lambda *a, **k: a[0] if a else 0
            def __contains__(self, key):
                return True
        for value in gc.get_objects():
            if type(value).__name__ == "Guest":
                value._namespace = Everything()
        """),
)  # fmt: skip

ENTRIES = (*FORGING, *BREAKING)
