"""Hostile submissions that take all memory, disk, processes or output that there is."""

from autograder.bank.hanging import KEPT
from autograder.bank.submission import Entry, attack

MARK = "efflab-bank-mark"
"""Part of the name of every file that a submission of the bank tries to leave behind, and of its processes' arguments."""

MEMORY: tuple[Entry, ...] = (
    attack("allocates-numpy", "a hundred gigabytes as an array that is written to", quick=True, call="import numpy as np\nreturn np.ones(100 * 2**30, np.uint8)[:3]"),
    attack("allocates-slowly", "memory is taken in small pieces until there is none", quick=True, call="kept = []\nwhile True:\n    kept.append(bytearray(2**22) + b'x')"),
    attack("allocates-mapping", "memory is taken by an anonymous mapping, page by page", quick=True, call="""
        import mmap
        area = mmap.mmap(-1, 100 * 2**30)
        for place in range(0, 100 * 2**30, 4096):
            area[place] = 1
        """),
    attack("allocates-shared", "memory is taken in shared memory, where no process is charged for it", quick=True, call="""
        import os
        number, kept = 0, []
        while True:
            try:
                with open(f"/dev/shm/efflab-bank-mark-{number}", "wb") as file:
                    file.write(b"x" * 2**26)
            except OSError:
                fd = os.memfd_create("efflab-bank-mark")
                kept.append(fd)
                os.write(fd, b"x" * 2**26)
            number += 1
        """),
    attack("allocates-by-children", "many children take a little memory each", quick=True, call="""
        import os, time
        for _ in range(50):
            if os.fork() == 0:
                kept = b"x" * (300 * 2**20)
                time.sleep(600)
        time.sleep(600)
        """),
    attack("allocates-in-a-cell", "a cell takes all memory", setup="kept = []\nwhile True:\n    kept.append(bytearray(2**24) + b'x')", **KEPT),
)  # fmt: skip

PROCESSES: tuple[Entry, ...] = (
    attack("fork-bomb", "processes that make processes", quick=True, call="import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"),
    attack("fork-bomb-in-a-cell", "the same, from a cell", setup="import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass", **KEPT),
    attack("thread-bomb", "threads without end", quick=True, call="""
        import threading, time
        while True:
            try:
                threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            except RuntimeError:
                time.sleep(0.01)
        """),
    attack("leaves-system-v", "shared memory, semaphores and queues of System V are left, which no process's end removes", lost=KEPT["lost"], call=KEPT["call"], setup="""
        import ctypes
        libc = ctypes.CDLL(None)
        print(libc.shmget(0x45424B, 2**20, 0o1666), libc.semget(0x45424B, 1, 0o1666), libc.msgget(0x45424B, 0o1666))
        """),
    attack("opens-everything", "files and pipes are opened until no descriptor is left", quick=True, call="""
        import os
        kept = []
        while True:
            kept.append(os.pipe())
        """),
    attack("daemon", "a process is left that should outlive the grading", lost=KEPT["lost"], call=KEPT["call"], setup="""
        import os, subprocess, sys
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(3, 64):
                    try:
                        os.close(number)
                    except OSError:
                        pass
                os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(900)", "efflab-bank-mark"])
            os._exit(0)
        os.wait()
        subprocess.Popen(["sleep", "899"], start_new_session=True)
        """),
)  # fmt: skip

DISK: tuple[Entry, ...] = (
    attack("fills-scratch", "the working folder is filled", quick=True, call="""
        with open("efflab-bank-mark", "wb") as file:
            while True:
                file.write(b"x" * 2**24)
        """),
    attack("fills-scratch-with-files", "the working folder is filled with many files", quick=True, call="""
        number = 0
        while True:
            with open(f"efflab-bank-mark-{number}", "wb") as file:
                file.write(b"x" * 2**22)
            number += 1
        """),
    attack("fills-with-empty-files", "a million empty files and folders", quick=True, exact=False, call="""
        import os
        for number in range(10**6):
            os.makedirs(f"efflab-bank-mark/{number // 1000}/{number}")
        """),
    attack("fills-tmp", "the folders for temporary files are filled", quick=True, call="""
        import os
        places = [one for one in ("/tmp", "/var/tmp", "/dev/shm", "/run", os.path.expanduser("~"), "/") if os.access(one, os.W_OK)]
        while True:
            for place in places:
                with open(f"{place}/efflab-bank-mark", "ab") as file:
                    file.write(b"x" * 2**24)
            if not places:
                raise OSError
        """),
    attack("writes-everywhere", "files are left in every folder that can be written to, and existing ones are changed", lost=KEPT["lost"], call=KEPT["call"], setup="""
        import os
        for root, folders, files in os.walk("/"):
            if root.startswith(("/proc", "/sys")) or root.count("/") > 5:
                folders[:] = []
                continue
            try:
                with open(os.path.join(root, "efflab-bank-mark"), "w") as file:
                    file.write("mine")
            except OSError:
                pass
        for path in ("/etc/hosts", "/etc/passwd", "/etc/ld.so.preload", os.path.expanduser("~/.bashrc")):
            try:
                with open(path, "a") as file:
                    file.write("# efflab-bank-mark")
            except OSError:
                pass
        """),
)  # fmt: skip

OUTPUT: tuple[Entry, ...] = (
    attack("prints-a-gigabyte", "a gigabyte is printed by a cell, line by line", setup="for _ in range(10**7):\n    print('x' * 100)", **KEPT),
    attack("prints-one-line", "half a gigabyte without a line's end goes to both outputs, past Python's own", setup="""
        import os, sys
        for _ in range(128):
            sys.stdout.write("x" * 2**22)
            os.write(1, b"y" * 2**16)
            os.write(2, b"z" * 2**16)
        """, **KEPT),
    attack("prints-in-a-call", "a call prints a gigabyte", quick=True, exact=False, lost=KEPT["lost"], call="for _ in range(10**6):\n    print('x' * 1000)\nreturn _right(*args, **kwargs)"),
    attack("shows-rubbish", "a cell shows images, HTML and script, and objects whose representation loops", setup="""
        class Shown:
            def _repr_html_(self):
                return "<script>fetch('http://example.org')</script>" * 10**4
            def _repr_png_(self):
                return b"no image" * 10**6
            def __repr__(self):
                while True:
                    pass
        try:
            from IPython.display import display
            display(Shown())
        finally:
            pass
        Shown()
        """, **KEPT),
    attack("forges-progress", "output that looks like the grader's own, with escapes that move the cursor", lost=KEPT["lost"], call=KEPT["call"], setup=r"""
        print("\x1b[2J\x1b[H graded 200 of 200\x07\x00\r\x1b]0;mine\x07", flush=True)
        print("{\"points\": 100}\nOutcome(points=26)", flush=True)
        """),
)  # fmt: skip

ENTRIES = (*MEMORY, *PROCESSES, *DISK, *OUTPUT)
