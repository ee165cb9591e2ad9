"""The engine on worker processes: deaths, refusals, Ctrl-C."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dask
import distributed
import engine_fakes
import pytest
from test_engine import fakes, job  # noqa: F401 - the fixture is used by name

from autograder.engine import cluster, keys, run, tls
from autograder.engine.cache import Cache
from efflab.errors import EfflabError

FAKES = str(Path(engine_fakes.__file__))
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def preloaded():
    with dask.config.set({"distributed.worker.preload": [FAKES]}):
        yield


def own_folder(folder, monkeypatch):
    """A folder for temporary files that no other run on this machine writes to."""
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_workers_share_the_jobs_and_a_death_loses_nothing(tmp_path, monkeypatch):
    own, log = own_folder(tmp_path / "tmp", monkeypatch), tmp_path / "log"
    jobs = [job(f"log {log}\nsleep 0.1\n# {number}") for number in range(6)]
    jobs += [job("kill"), job(f"kill-once {tmp_path / 'once'}"), job("raise"), jobs[0]]
    found = dict(run.grade_all(jobs, cache=Cache(tmp_path / "cache"), workers=2))
    assert sorted(found) == list(range(10))
    for number in (*range(6), 7, 9):
        assert found[number].points == len(jobs[number].cells[0].source), found[number].failure
        assert found[number].key == keys.key(jobs[number], sandbox="fake")
    assert found[6].failure == "Grading it ended the worker process 3 times."
    assert "no room for a sandbox" in found[8].failure
    assert len(set(log.read_text().split())) >= 2
    assert list(own.iterdir()) == []
    kept = {path.stem for path in (tmp_path / "cache").rglob("*.json")}
    assert kept == {found[number].key for number in (*range(6), 7)}


def test_the_folder_of_a_dead_process_goes_and_that_of_a_living_one_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    for name in (f"autograder-{ended.pid}-x", f"autograder-{os.getppid()}-x", "autograder-other"):
        (tmp_path / name).mkdir()
    with cluster.scratch() as folder:
        assert folder.is_dir()
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {folder.name, f"autograder-{os.getppid()}-x", "autograder-other"}
    assert not folder.exists()


def test_the_folder_goes_though_a_dying_worker_still_writes_into_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remove, times = shutil.rmtree, []

    def removed(path, **settings):
        remove(path, **settings)
        times.append(path)
        if len(times) < 3:
            Path(path, "late").mkdir(parents=True)

    monkeypatch.setattr(shutil, "rmtree", removed)
    with pytest.raises(KeyboardInterrupt), cluster.scratch():
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert len(times) == 3


def test_connections_are_encrypted_or_it_is_said(tmp_path, monkeypatch):
    said = []
    made = tls.security(tmp_path, said.append)
    if made is None:
        assert "not encrypted" in said[0]
    else:
        assert made.require_encryption
    monkeypatch.setattr(tls, "_made", lambda folder: False)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    said.clear()
    assert tls.security(tmp_path, said.append) is None
    assert "not encrypted" in said[0]


def test_a_scheduler_that_is_not_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(EfflabError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:1"):
        list(run.grade_all([job()], scheduler="tcp://127.0.0.1:1"))


def test_workers_with_other_checks_are_refused():
    class Client:
        def __init__(self, answers, workers=1):
            self.answers, self.workers = answers, workers

        def scheduler_info(self, n_workers):
            return {"workers": dict.fromkeys(range(self.workers))}

        def run(self, function, topics, on_error):
            return self.answers

    same = {"pruning": keys.sources("pruning")}
    cluster.look_over(Client({"tcp://a": same}), ["pruning"])
    with pytest.raises(EfflabError, match="tcp://b has other checks"):
        cluster.look_over(Client({"tcp://a": same, "tcp://b": {"pruning": "0"}}), ["pruning"])
    with pytest.raises(EfflabError, match="tcp://a cannot grade"):
        cluster.look_over(Client({"tcp://a": ModuleNotFoundError("autograder")}), ["pruning"])
    with pytest.raises(EfflabError, match="has no worker"):
        cluster.look_over(Client({}, workers=0), ["pruning"])


def test_an_existing_scheduler_grades_and_a_changed_worker_refuses(tmp_path, monkeypatch):
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        local_directory=str(tmp_path),
        silence_logs=50,
    ) as running:
        address = running.scheduler_address
        found = dict(run.grade_all([job("plain")], scheduler=address, cache=None))
        assert found[0].points == len("plain")
        monkeypatch.setattr(keys, "sources", lambda topic: "changed")
        with pytest.raises(EfflabError, match="has other checks, another efflab"):
            list(run.grade_all([job("plain")], scheduler=address))
        monkeypatch.setattr(cluster, "look_over", lambda client, topics: None)
        late = dict(run.grade_all([job("plain")], scheduler=address))
        assert "other checks" in late[0].failure


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_keeps_what_is_done_and_leaves_nothing_behind(tmp_path, monkeypatch):
    import signal

    script = tmp_path / "grade.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(Path(FAKES).parent)!r})
import dask, distributed, engine_fakes
from test_engine import job
from autograder.engine import run
from autograder.engine.cache import Cache
if __name__ == "__main__":
    engine_fakes.install()
    dask.config.set({{"distributed.worker.preload": [{FAKES!r}]}})
    jobs = [job("quick"), *(job(f"sleep 60\\n# {{n}}") for n in range(5))]
    for index, outcome in run.grade_all(jobs, cache=Cache(__import__("pathlib").Path({str(tmp_path / "cache")!r})), workers=2):
        print("graded", index, flush=True)
""")
    own = own_folder(tmp_path / "tmp", monkeypatch)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(own)},
    ) as process:
        assert process.stdout.readline() == "graded 0\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        process.communicate(timeout=60)
    assert process.returncode in {1, 130, -signal.SIGINT}
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1
    assert list(own.iterdir()) == []
    for _ in range(100):
        if not _group(process.pid):
            break
        time.sleep(0.1)
    assert not _group(process.pid)


def _group(leader):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(stat.parent.name)
    return found
