"""What code in the sandbox sees and reaches: the system to read, its own scratch folder, and nothing else."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sandboxed import few, job, printed, processes, shared, soon

from autograder.sandbox.bwrap import BwrapSandbox
from autograder.sandbox.conversation import Conversation
from autograder.sandbox.deadline import Deadline
from autograder.sandbox.runner import grade


@pytest.fixture(scope="module")
def sandbox(bwrap):
    return shared()


def said(sandbox, source, **limits):
    """What a cell prints as JSON."""
    outcome = grade(job(f"import json, os, sys\n{source}", **limits), (), sandbox)
    assert outcome.cells[0].status == "ok", outcome.cells[0].outputs
    return json.loads(printed(outcome))


def test_it_sees_the_interpreter_and_the_package_and_not_the_course(sandbox, root):
    seen = said(
        sandbox,
        "import efflab, efflab.results, autograder\n"
        "found = [os.path.join(top, name) for top, _, names in os.walk('/sandbox') for name in names]\n"
        f"print(json.dumps([efflab.__file__, found, os.path.exists({str(root / 'solutions')!r}),"
        " sorted(os.environ), os.listdir('/proc'), list(efflab.results.topics()), os.getuid()]))",
    )
    package, found, solutions, variables, processes, topics, user = seen
    assert package == "/sandbox/library/efflab/__init__.py"
    assert not solutions
    assert user == 65534
    inside = {name.split("/")[-1] for name in found if "/autograder/" in name and name.endswith(".py")}
    assert inside == {path.name for path in (root / "autograder/sandbox/inside").glob("*.py")} | {"wire.py"}
    assert not any("pruning/" in name for name in found)
    assert not any(name.isdigit() or name == "self" for name in processes)
    assert topics == ["measuring", "pruning"] or set(topics) >= {"measuring"}
    assert {"HOME", "EFFLAB_STUDENT", "OMP_NUM_THREADS"} <= set(variables)
    assert not any("SECRET" in name or name.startswith("PYTEST") for name in variables)


def test_only_the_scratch_folder_can_be_written_and_it_is_bounded(sandbox):
    free, shared, places = said(
        sandbox,
        """
places = []
for top in ("/", "/usr", "/etc", "/sandbox", "/sandbox/library/efflab", sys.prefix, "/dev", "/dev/pts", "/proc", "/scratch", "/tmp", "/dev/shm", os.getcwd(), os.environ["HOME"]):
    try:
        with open(f"{top}/mine", "w") as file: file.write("x")
        places.append(top)
    except OSError: pass
sizes = [os.statvfs(top) for top in ("/scratch", "/dev/shm")]
print(json.dumps([*(size.f_blocks * size.f_frsize for size in sizes), places]))""",
        file_bytes=2**24,
    )
    # An interpreter below /tmp keeps that folder as it is: read only.
    own = [] if Path(sys.prefix).is_relative_to("/tmp") else ["/tmp"]
    assert places == ["/scratch", *own, "/dev/shm", "/scratch/lab", "/scratch/home"]
    assert free == shared == 2**24


def test_there_is_no_network(sandbox):
    answers = said(
        sandbox,
        """
import socket
answers = []
for family, address in ((socket.AF_INET, ("1.1.1.1", 53)), (socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_UNIX, "/run/docker.sock")):
    with socket.socket(family) as one:
        one.settimeout(2)
        try: one.connect(address); answers.append("connected")
        except OSError as error: answers.append(type(error).__name__)
print(json.dumps(answers))""",
    )
    assert "connected" not in answers


def test_its_own_address_works_as_distributed_training_needs_it(sandbox):
    source = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as one:
    one.sendall(b"here")
    print(json.dumps(server.accept()[0].recv(4).decode()))"""
    assert said(sandbox, source) == "here"


FORBIDDEN = {
    "import": "import efflab.pruning",
    "from": "from efflab import pruning",
    "importlib": "import importlib; importlib.import_module('efflab.pruning.masks')",
    "sys.modules": "import sys; sys.modules.pop('efflab', None); import efflab.pruning",
    "subprocess": "import subprocess, sys\n"
    "run = subprocess.run([sys.executable, '-c', 'import efflab.pruning'], capture_output=True, text=True)\n"
    "raise ImportError(run.stderr) if run.returncode else SystemExit",
    "attribute": "import efflab; efflab.pruning",
}


@pytest.mark.parametrize("way", few(FORBIDDEN, "import", "subprocess"))
def test_the_module_to_rebuild_is_not_there(sandbox, way):
    outcome = grade(job(FORBIDDEN[way]), (), sandbox)
    assert outcome.cells[0].status == "error"
    assert "what this lab asks you to rebuild" in outcome.cells[0].outputs[-1]["evalue"]


@pytest.mark.slow
def test_no_copy_of_the_module_lies_anywhere(sandbox):
    found = said(
        sandbox,
        """
found = []
for top, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(top, name) not in ("/proc", "/dev")]
    found += [os.path.join(top, name) for name in names if "efflab" in top and name.startswith("masks.")]
print(json.dumps(found))""",
        cell_seconds=60.0,
    )
    assert found == []


def test_two_sessions_cannot_see_or_signal_each_other_or_the_template(sandbox):
    one, two = sandbox.start(job()), sandbox.start(job())
    try:
        talks = [Conversation(session.channel) for session in (one, two)]
        serve = (
            "import socket, os\nserver = socket.socket(socket.AF_UNIX); server.bind('\\0meeting'); server.listen()\n"
            "tcp = socket.socket(); tcp.bind(('0.0.0.0', 4567)); tcp.listen()\n"
            "open('/scratch/tmp/note', 'w').write('x'); open('/dev/shm/note', 'w').write('x'); os.getpid()"
        )
        reach = """
import socket, os, signal
reached = []
for family, address in ((socket.AF_UNIX, "\\0meeting"), (socket.AF_INET, ("127.0.0.1", 4567))):
    try: socket.socket(family).connect(address); reached.append(str(address))
    except OSError: pass
reached += [path for path in ("/scratch/tmp/note", "/dev/shm/note") if os.path.exists(path)]
for pid in range(3, 5000):
    if pid != os.getpid():
        try: os.kill(pid, 0); reached.append(pid)
        except OSError: pass
assert not reached, reached"""
        assert talks[0].ask("cell", serve, 1000, deadline=Deadline(10))[1] == "ok"
        answer = talks[1].ask("cell", reach, 1000, deadline=Deadline(10))
        assert answer[1] == "ok", answer
        assert one.root != two.root
    finally:
        one.close()
        two.close()


DENIED = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
answers = {
    "unshare": libc.unshare(0x10000000), "mount": libc.mount(b"none", b"/scratch/tmp", b"tmpfs", 0, None),
    "umount": libc.umount2(b"/proc", 2), "ptrace": libc.ptrace(16, 1, 0, 0), "setuid": libc.setuid(0),
    "memfd": libc.memfd_create(b"x", 0), "shmget": libc.shmget(0, 4096, 0o1600), "chroot": libc.chroot(b"/scratch"),
}
print(json.dumps([answers, libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0)]))
"""


def test_the_kernel_refuses_what_reaches_out(sandbox):
    answers, no_new_privileges, filtered = said(sandbox, DENIED)
    assert set(answers.values()) == {-1}
    assert no_new_privileges == 1
    assert filtered == 2


def test_no_memory_hides_from_the_sum_of_what_its_processes_hold(sandbox):
    source = """
import mmap
answers = []
for way in ((-1, 4096), (os.open("/dev/zero", os.O_RDWR), 4096), (-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)):
    try: mmap.mmap(*way); answers.append("mapped")
    except OSError as error: answers.append("refused")
with open("/dev/shm/file", "wb+") as file:
    file.write(bytes(4096)); file.flush()
    mmap.mmap(file.fileno(), 4096); answers.append("mapped")
print(json.dumps(answers))"""
    assert said(sandbox, source) == ["refused", "refused", "mapped", "mapped"]


@pytest.mark.slow
def test_a_bubblewrap_for_one_submission_is_as_closed(bwrap):
    before = processes()
    environment = "told = open('/proc/1/environ').read() if os.access('/proc/1/environ', 4) else ''"
    sources = (
        f"import json, os\n{DENIED}",
        f"{environment}\nprint(told)",
        FORBIDDEN["import"],
        "os.kill(-1, 9)",
        "7",
    )
    with BwrapSandbox(nested=False) as single:
        outcome = grade(job(*sources), (), single)
    answers, no_new_privileges, filtered = json.loads(printed(outcome))
    assert set(answers.values()) == {-1} and no_new_privileges == 1 and filtered == 2
    assert not any(word in printed(outcome, 1) for word in ("PYTEST", "HOME", "EFFLAB"))
    assert "rebuild" in outcome.cells[2].outputs[-1]["evalue"]
    assert outcome.cells[4].status == "ok"
    assert soon(lambda: processes() <= before)


def test_data_files_lie_in_the_working_directory(sandbox):
    with_data = replace(job("print(open('data/x.txt').read())"), data={"data/x.txt": b"seven"})
    assert printed(grade(with_data, (), sandbox)) == "seven\n"


def test_processes_and_loaders_work_inside(sandbox):
    source = """
import multiprocessing, torch, sys, subprocess
with multiprocessing.get_context("fork").Pool(2) as pool: total = sum(pool.map(abs, [-1, -2, -3]))
loader = torch.utils.data.DataLoader(torch.arange(8), batch_size=4, num_workers=1)
total += sum(int(batch.sum()) for batch in loader)
total += int(subprocess.run([sys.executable, "-c", "print(100)"], capture_output=True, check=True).stdout)
print(total)"""
    outcome = grade(job(source), (), sandbox)
    assert printed(outcome) == "134\n", outcome.cells


def test_a_variant_is_told_to_its_own_submission(sandbox):
    source = "import os\nprint(os.environ.get('EFFLAB_VARIANT'))"
    assert printed(grade(replace(job(source), variant="17"), (), sandbox)) == "17\n"
    assert printed(grade(job(source), (), sandbox)) == "None\n"


@pytest.mark.slow
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_data_folder_is_shown_read_only(bwrap, tmp_path, mode):
    (tmp_path / "set").write_text("here")
    tmp_path.chmod(mode)
    with BwrapSandbox(tmp_path) as made:
        text, written = said(
            made,
            "folder = os.environ['EFFLAB_DATA']\n"
            "print(json.dumps([open(folder + '/set').read(), os.access(folder, os.W_OK)]))",
        )
    assert text == "here" and not written


def test_a_submission_stays_one_session_of_the_scheduler(sandbox):
    before, during, after = said(
        sandbox,
        "read, write = os.pipe()\nbefore = os.getsid(0)\nif os.fork() == 0:\n"
        "    os.setsid()\n    os.write(write, str(os.getsid(0)).encode())\n    os._exit(0)\n"
        "os.wait()\nimport subprocess\n"
        "subprocess.run(['true'], start_new_session=True, check=True)\n"
        "print(json.dumps([before, int(os.read(read, 99)), os.getsid(0)]))",
    )
    assert before == during == after


def test_an_exception_that_is_no_text_costs_no_process(sandbox):
    from autograder.tasks import task

    @task("sample-1", points=1)
    def asks(student, rng):
        """Asks twice."""
        student.call("f")

    outcome = grade(job("def f():\n    raise ValueError('\\ud800 x')"), (asks,), sandbox)
    assert outcome.processes == 1
    assert "f raised ValueError: ? x" in outcome.tasks[0].results[0].message
