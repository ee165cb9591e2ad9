"""Hostile submissions that never end, and that do not want to be ended."""

from typing import Any

from autograder.bank.submission import CHALLENGE, Entry, attack

KEPT: dict[str, Any] = {"lost": (CHALLENGE,), "call": "return _right(*args, **kwargs)", "quick": True}
"""For attacks by a cell alone: the function itself is right, and must be graded as such."""

ENTRIES: tuple[Entry, ...] = (
    attack("loops-in-a-cell", "a cell of the student's own never ends", setup="while True:\n    pass", **KEPT),
    attack("sleeps-in-a-cell", "a cell of the student's own sleeps for a day", setup="import time\ntime.sleep(86400)", **KEPT),
    attack("loops-in-a-call", "the function never ends", call="while True:\n    pass", quick=True),
    attack("loops-in-c", "the function waits inside C code that no signal of Python interrupts", quick=True, call="""
        import ctypes
        ctypes.PyDLL(None).sleep(86400)
        """),
    attack("holds-the-lock", "the function holds the interpreter's lock in a single huge operation", quick=True, call="return 7 ** (7 ** 20)"),
    attack("loops-at-import", "a module that the student wrote never ends when it is imported", setup="""
        open("endless.py", "w").write("while True: pass")
        import sys
        sys.path.insert(0, "")
        import endless
        """, **KEPT),
    attack("loops-at-exit", "the interpreter never leaves: atexit, __del__ and a thread that is no daemon", setup="""
        import atexit, threading, time
        def forever():
            while True:
                time.sleep(1)
        atexit.register(forever)
        threading.Thread(target=forever).start()
        class Undead:
            def __del__(self):
                forever()
        undead = Undead()
        """, **KEPT),
    attack("swallows-everything", "whatever is raised in it is swallowed, whatever signal comes is ignored", quick=True, setup="import signal", call="""
        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """),
    attack("finally-loops", "the deadline's exception is caught and the loop goes on in finally", quick=True, call="""
        def again():
            try:
                while True:
                    pass
            finally:
                again()
        again()
        """),
    attack("sleeps-below-the-deadline", "each call sleeps until just before its deadline", quick=True, exact=False, lost=(CHALLENGE,), call="""
        import time
        time.sleep(2.5)
        return _right(*args, **kwargs)
        """),
    attack("waits-for-input", "the function reads from the terminal", quick=True, call="import sys\nreturn sys.stdin.readline(), input(), open('/dev/tty').read()"),
    attack("deadlocks", "the function waits for a lock that it holds", quick=True, call="import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()"),
    attack("slow-regex", "the function looks for a pattern that takes for ever", quick=True, call="import re\nreturn re.match(r'(a+)+$', 'a' * 60 + 'b')"),
)  # fmt: skip
