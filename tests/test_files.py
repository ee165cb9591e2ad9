"""Files are written whole or not at all."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from efflab.files import atomic_path, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_bytes_and_text_and_makes_the_folder(tmp_path):
    assert write_atomic(tmp_path / "a" / "b.txt", "é\n").read_bytes() == b"\xc3\xa9\n"
    assert write_atomic(tmp_path / "a" / "b.txt", b"\x00\r\n").read_bytes() == b"\x00\r\n"
    assert names(tmp_path / "a") == ["b.txt"]


def half_then(path: Path, error: BaseException) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_an_error_inside_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, error):
    path = write_atomic(tmp_path / "kept", "old")
    with pytest.raises(type(error)):
        half_then(path, error)
    assert (path.read_text(), names(tmp_path)) == ("old", ["kept"])


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_system_call_keeps_the_old_file(tmp_path, monkeypatch, step):
    path = write_atomic(tmp_path / "kept", "old")

    def fail(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert (path.read_text(), names(tmp_path)) == ("old", ["kept"])


def test_a_write_that_the_kernel_refuses_keeps_the_old_file(tmp_path):
    """A limit on the size of files stands in for a full disk: the kernel takes some bytes and refuses the rest."""
    pytest.importorskip("resource", reason="no limits on this platform")
    path = write_atomic(tmp_path / "kept", "old")
    program = """
        import resource, sys
        from efflab.files import write_atomic
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_atomic(sys.argv[1], bytes(100_000))
        except OSError as error:
            sys.exit(error.strerror)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (1, os.strerror(errno.EFBIG))
    assert (path.read_text(), names(tmp_path)) == ("old", ["kept"])


def test_killed_in_the_middle_the_old_file_is_whole(tmp_path):
    path = write_atomic(tmp_path / "kept", "old")
    program = """
        import os, signal, sys
        from efflab.files import atomic_path
        with atomic_path(sys.argv[1]) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), path], check=False)
    assert done.returncode < 0
    assert path.read_text() == "old"


def test_a_result_is_as_readable_as_any_new_file(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    assert write_atomic(tmp_path / "result", "").stat().st_mode == plain.stat().st_mode
