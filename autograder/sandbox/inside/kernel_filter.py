"""A seccomp filter: system calls that no homework needs and that reach for other processes or the kernel are refused."""

import ctypes
import errno
import platform
import struct

_DENIED = {
    # x86_64, aarch64
    "mount": (165, 40),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "setns": (308, 268),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "syslog": (103, 116),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "quotactl": (179, 60),
    "personality": (135, 92),
    # Memory that belongs to no process's resident set would escape the watchdog's sum.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "vmsplice": (278, 75),
    "inotify_init": (253, 26),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
}
_CLONE, _CLONE3, _MMAP, _SETSOCKOPT = (56, 220), (435, 435), (9, 222), (54, 208)
_SETSID = (112, 157)
"""Does nothing, and says that it did: the scheduler shares the machine between sessions, of which a submission is one."""
_SOL_SOCKET = 1
_BUFFERS = (7, 8, 32, 33)
"""What makes a socket's buffers larger; they belong to no process's resident set."""
_NEW_NAMESPACES = 0x7E020080
_SHARED_ANONYMOUS = 0x21
"""Memory of this kind stays when a process gives its pages back, and then belongs to no resident set either."""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def program() -> bytes | None:
    """The filter for this processor; None for one whose numbers are not known here."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return None
    column, audit = known
    numbers = sorted(pair[column] for pair in _DENIED.values())
    # (code, value, where to go if it holds); labels are resolved below.
    steps: list[tuple[int, int, str]] = [
        (_LOAD, 4, ""),
        (_EQUAL, audit, "+1"),
        (_RETURN, _KILL, ""),
        (_LOAD, 0, ""),
    ]
    if column == 0:
        steps.append((_AT_LEAST, 0x40000000, "deny"))  # the x32 numbering of the same calls
    steps += [(_EQUAL, number, "deny") for number in numbers]
    steps += [
        (_EQUAL, _CLONE3[column], "unknown"),
        (_EQUAL, _SETSID[column], "nothing"),
        (_EQUAL, _MMAP[column], "mmap"),
        (_EQUAL, _SETSOCKOPT[column], "setsockopt"),
        (_EQUAL, _CLONE[column], "+1"),
        (_RETURN, _ALLOW, ""),
        (_LOAD, 16, ""),
        (_ANY_BIT, _NEW_NAMESPACES, "deny"),
        (_RETURN, _ALLOW, ""),
    ]
    labels = {"mmap": len(steps), "": 0}
    steps += [
        (_LOAD, 40, ""),
        (_AND, _SHARED_ANONYMOUS, ""),
        (_EQUAL, _SHARED_ANONYMOUS, "deny"),
        (_RETURN, _ALLOW, ""),
    ]
    labels["setsockopt"] = len(steps)
    steps += [
        (_LOAD, 24, ""),
        (_EQUAL, _SOL_SOCKET, "+1"),
        (_RETURN, _ALLOW, ""),
        (_LOAD, 32, ""),
        *((_EQUAL, option, "deny") for option in _BUFFERS),
        (_RETURN, _ALLOW, ""),
    ]
    labels |= {"deny": len(steps), "unknown": len(steps) + 1, "nothing": len(steps) + 2}
    # Without clone3, whose flags a filter cannot see, libc goes back to clone.
    steps += [(_RETURN, _ERROR | number, "") for number in (errno.EPERM, errno.ENOSYS, 0)]
    code = b""
    for place, (operation, value, target) in enumerate(steps):
        jump = 1 if target == "+1" else max(0, labels[target] - place - 1) if target else 0
        code += struct.pack("<HBBI", operation, jump, 0, value)
    return code


def install(libc: ctypes.CDLL) -> bool:
    """Filter this process and all that it starts, for good; False where that is not possible.

    Args:
        libc: the C library; ``no_new_privs`` must be set already.
    """
    code = program()
    if code is None:
        return False
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(22, 2, ctypes.c_char_p(header), 0, 0) == 0)
