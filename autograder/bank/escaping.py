"""Hostile submissions that kill, stop or leave: their own process, its parents, everything that they can see; and the network."""

from autograder.bank.hanging import KEPT
from autograder.bank.searching import CALL
from autograder.bank.submission import CHALLENGE, Entry, attack

KILLING: tuple[Entry, ...] = (
    attack("exits-hard", "the function ends its process without a word", call="import os\nos._exit(0)"),
    attack("exits-hard-in-a-cell", "a cell ends its process without a word", setup="import os\nos._exit(0)", **{**KEPT, "quick": False}),
    attack("aborts", "the function aborts its process", call="import os\nos.abort()"),
    attack("segfaults", "the function reads where there is no memory", call="import ctypes\nctypes.string_at(0)"),
    attack("raises-signals", "the function sends every signal to its own process", call="""
        import os, signal
        for number in signal.valid_signals():
            os.kill(os.getpid(), number)
        """),
    attack("stops-itself", "the function stops its process with SIGSTOP", quick=True, call="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    attack("kills-parent", "the function kills its parent and all ancestors", call="""
        import os, signal
        pid = os.getppid()
        for number in (pid, 1, 2, 3):
            try:
                os.kill(number, signal.SIGKILL)
            except OSError:
                pass
        """),
    attack("stops-parent", "the function stops its parent and its group", quick=True, call="""
        import os, signal
        for send, number in ((os.kill, os.getppid()), (os.kill, 1), (os.killpg, 0)):
            try:
                send(number, signal.SIGSTOP)
            except OSError:
                pass
        """),
    attack("kills-group", "the function kills its group", call="import os, signal\nos.killpg(0, signal.SIGKILL)"),
    attack("kills-everything", "the function kills and stops every process that it may signal", call="""
        import glob, os, signal
        for folder in glob.glob("/proc/[0-9]*"):
            number = int(os.path.basename(folder))
            if number != os.getpid():
                for kind in (signal.SIGSTOP, signal.SIGKILL):
                    try:
                        os.kill(number, kind)
                    except OSError:
                        pass
        os.kill(-1, signal.SIGKILL)
        """),
    attack("traces-parent", "the function attaches to its parent as a debugger", call="""
        import ctypes, os
        libc = ctypes.CDLL(None)
        for number in (os.getppid(), 1):
            libc.ptrace(16, number, 0, 0)
            libc.ptrace(0x4206, number, 0, 0)
        raise RuntimeError("done")
        """),
    attack("stops-in-a-cell", "a cell stops its process", setup="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", **KEPT),
    attack("replaces-itself", "the function replaces its process by another program", quick=True, call="import os\nos.execvp('sleep', ['sleep', '899'])"),
)  # fmt: skip


def _network(name: str, words: str, body: str) -> Entry:
    return attack(
        name,
        words,
        quick=True,
        call=CALL,
        setup="import socket\nsocket.setdefaulttimeout(1)\nfound = []\n" + body,
    )


NETWORK: tuple[Entry, ...] = (
    _network("network-tcp", "connections to the outside and to ports of this machine are tried", """
for place in (("1.1.1.1", 53), ("93.184.215.14", 80), ("127.0.0.1", 22), ("127.0.0.1", 8786), ("127.0.0.1", 8787), ("127.0.0.1", 8888)):
    try:
        with socket.create_connection(place, timeout=0.5) as link:
            found.append(place)
    except OSError:
        pass
"""),
    _network("network-udp", "a question by UDP is sent to a name server, and to everybody", """
for place in (("1.1.1.1", 53), ("8.8.8.8", 53), ("255.255.255.255", 9)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            link.settimeout(0.5)
            link.sendto(b"\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7example\\3com\\0\\0\\1\\0\\1", place)
            found.append((place, link.recv(100)))
        except OSError:
            pass
"""),
    _network("network-dns", "names are resolved", """
for name in ("example.org", "pypi.org", "metadata.google.internal"):
    try:
        found.append(socket.getaddrinfo(name, 80))
    except OSError:
        pass
"""),
    _network("network-unix", "sockets of the system's services are opened, by path and by abstract name", """
import glob, os
places = ["/var/run/docker.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0", "/run/systemd/private"]
for root, folders, files in os.walk("/"):
    if root.startswith(("/proc", "/sys", "/usr")):
        folders[:] = []
        continue
    places += [os.path.join(root, one) for one in files if one.endswith((".sock", ".socket"))]
try:
    listed = [line.split()[-1] for line in open("/proc/net/unix") if line.count(" ") > 6][1:]
    places += ["\\0" + one[1:] if one.startswith("@") else one for one in listed if one[0] in "@/"]
except OSError:
    pass
for place in places:
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(0.5)
            link.connect(place)
            found.append(place)
    except OSError:
        pass
"""),
    attack("listens", "servers are left on every interface, in the file system and under an abstract name", lost=(CHALLENGE,), call=KEPT["call"], setup="""
        import socket
        kept = []
        for family, place in ((socket.AF_INET, ("0.0.0.0", 45871)), (socket.AF_UNIX, "efflab-bank-mark.sock"), (socket.AF_UNIX, "\\0efflab-bank-mark")):
            try:
                link = socket.socket(family)
                link.bind(place)
                link.listen()
                kept.append(link)
            except OSError as problem:
                print(problem)
        """),
)  # fmt: skip

ROOT: tuple[Entry, ...] = (
    attack("leaves-the-sandbox", "mounts, namespaces, devices and the kernel's files are tried for a way out", call=CALL, quick=True, setup="""
        import ctypes, os
        found = []
        libc = ctypes.CDLL(None, use_errno=True)
        for target in (b"/", b"/usr", b"/proc"):
            if libc.mount(b"none", target, None, 4096 | 32, None) == 0:
                found.append(("remounted", target))
        if libc.umount2(b"/tmp", 2) == 0:
            found.append("unmounted")
        try:
            os.chroot("/proc/1/root")
            if os.path.exists("/work") or os.path.exists("/home"):
                found.append("chroot")
        except OSError:
            pass
        for path, mode in (("/proc/sys/kernel/core_pattern", "w"), ("/proc/sysrq-trigger", "w"), ("/dev/mem", "rb"), ("/dev/kmsg", "rb"),
            ("/dev/sda", "rb"), ("/dev/vda", "rb"), ("/sys/fs/cgroup/cgroup.procs", "w"), ("/proc/1/mem", "r+b"), ("/proc/1/oom_score_adj", "w")):
            try:
                with open(path, mode) as file:
                    if path.startswith("/dev/"):
                        found.append(path)
                    elif path.startswith(("/sys", "/proc/sys")):
                        found.append(path)
            except OSError:
                pass
        for number in range(1, 65):
            try:
                if os.path.exists(f"/proc/{number}/root/work") or os.path.exists(f"/proc/{number}/root/home"):
                    found.append(number)
            except OSError:
                pass
        """),
)  # fmt: skip

ENTRIES = (*KILLING, *NETWORK, *ROOT)
