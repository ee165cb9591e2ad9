"""The command line as a whole: quick help, errors as sentences, exit states, JSON; data, results, measure, doctor."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from efflab.cli import app, experiments, machine
from efflab.errors import EfflabError

PROGRAM = [sys.executable, "-c", "import sys; sys.argv[0] = 'efflab'; from efflab.cli import main; main()"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def sentence(result: Result) -> str:
    """The one line on stderr of a command that failed for a reason that its user can mend."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("efflab: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("efflab: ").strip()


def process(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=60,
    )


def test_help_lists_every_command_and_imports_nothing_large():
    script = (
        "import sys\nfrom efflab.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "large = {'torch', 'numpy', 'matplotlib', 'IPython', 'numba', 'pooch', 'requests'} & set(sys.modules)\n"
        "print('large:', sorted(large))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "large: []" in done.stdout
    for command in ("doctor", "data", "lab", "submit", "reproduce", "results", "measure", "prune", "version"):
        assert f" {command} " in done.stdout


def test_completion_offers_the_commands():
    done = process(_EFFLAB_COMPLETE="complete_bash", COMP_WORDS="efflab me", COMP_CWORD="1")
    assert done.stdout.split() == ["measure"]


def test_wrong_usage_exits_with_2():
    for arguments in (
        ["nonsense"],
        ["measure"],
        ["prune", "lenet5"],
        ["data", "fetch"],
        ["lab", "--port", "70000"],
        ["results", "--no"],
    ):
        assert run(*arguments).exit_code == 2, arguments


def test_an_unknown_name_is_one_sentence():
    assert "no data set is named 'mnits'" in sentence(run("data", "fetch", "mnits"))
    assert "no topic is called 'prunning'" in sentence(run("reproduce", "prunning"))
    assert "did you mean lenet5" in sentence(run("measure", "lenet6"))
    assert "planned" in sentence(run("reproduce", "winograd"))


def test_debug_shows_the_traceback():
    result = run("--debug", "results", "nothing")
    assert isinstance(result.exception, EfflabError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "out.json"),
            "No space left on device: out.json; free some",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied: /x"),
        (MemoryError(), "not enough memory"),
        (EfflabError("two\nlines"), "two lines"),
    ],
)
def test_errors_of_user_and_machine_are_one_sentence(error, expected, monkeypatch):
    def fail(*_arguments):
        raise error

    monkeypatch.setattr("efflab.results.topics", fail)
    assert expected in sentence(run("results"))


def test_ctrl_c_exits_with_130(monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("efflab.results.topics", interrupted)
    result = run("results")
    assert result.exit_code == 130
    assert result.stderr == "efflab: interrupted\n"


def test_a_reader_that_leaves_early_is_no_error():
    # More than a pipe holds, so that the writer meets the closed end.
    script = (
        "from efflab.cli import app, main\n"
        "@app.command()\ndef many() -> None:\n    [print('x' * 100) for _ in range(5000)]\n"
        "import sys; sys.argv = ['efflab', 'many']; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.readline()
        writer.stdout.close()
        assert writer.stderr.read() == b""


def test_data_list_says_where_each_set_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path))
    monkeypatch.delenv("EFFLAB_DATA", raising=False)
    listed = {one["name"]: one for one in json.loads(run("data", "list", "--json").stdout)}
    assert listed["digits"]["available"]
    assert not listed["mnist"]["available"]
    assert listed["mnist"]["path"] is None
    assert "efflab data fetch mnist" in run("data", "list").stdout


def test_data_info_gives_licence_and_citation():
    found = json.loads(run("data", "info", "cifar-10", "--json").stdout)
    assert len(found["classes"]) == 10
    assert found["splits"]["test"] == 10_000
    assert found["citation"].startswith("@")
    assert found["licence"] in run("data", "info", "cifar-10").stdout


def test_fetching_without_a_network_is_one_sentence_and_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path))
    monkeypatch.delenv("EFFLAB_DATA", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    told = sentence(run("data", "fetch", "tiny-shakespeare", "--json"))
    assert "network and run `efflab data fetch tiny-shakespeare`" in told
    assert "EFFLAB_DATA" in told


def test_a_damaged_data_file_is_told_and_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EFFLAB_DATA", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    damaged = tmp_path / "tinyshakespeare" / "input.txt"
    damaged.parent.mkdir()
    damaged.write_bytes(b"to be or")
    assert "is damaged" in sentence(run("data", "fetch", "tiny-shakespeare", "--json"))
    assert damaged.read_bytes() == b"to be or"


def test_results_print_every_key_that_the_format_promises(tmp_path, monkeypatch):
    from efflab import results

    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path))
    results.write(
        "pruning", [results.record("pruning", "lenet5/rate", 12.5, "x", bar="at least 12", holds=True)]
    )
    (record,) = json.loads(run("results", "pruning", "--json").stdout)
    promised = "topic id paper measured unit bar holds goal source command seeds spread scale data machine versions date"
    assert set(record) == set(promised.split())
    assert "lenet5/rate" in run("results").stdout
    assert json.loads(run("results", "--json", "--scale", "full").stdout) == []


def test_reproduce_runs_writes_and_prints(tmp_path, monkeypatch):
    from efflab import results

    asked = {}

    def fake(scale, seeds, *, progress):
        asked.update(scale=scale, seeds=seeds, progress=progress)
        records = (results.record("pruning", "a", 1.0, "%", scale=scale, seeds=seeds),)
        return results.Measured(records, {"line": [1, 2]})

    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path))
    monkeypatch.setattr("efflab.pruning.reproduce.run", fake)
    printed = json.loads(run("reproduce", "pruning", "--scale", "smoke", "--seeds", "3,4", "--json").stdout)
    assert asked == {"scale": "smoke", "seeds": (3, 4), "progress": False}
    assert [one["id"] for one in printed] == ["a"]
    assert results.series("pruning", "line") == [1, 2]


@pytest.mark.parametrize("text", ["", "a", "1,1", "-1", "1.5"])
def test_seeds_that_are_none_are_refused(text):
    import typer

    with pytest.raises(typer.BadParameter):
        experiments.parse_seeds(text)


def test_measure_counts_lenet5_as_published():
    found = json.loads(run("measure", "lenet5", "--json").stdout)
    assert found["totals"]["parameters"] == 431_080
    assert found["totals"]["macs"] == sum(one["macs"] for one in found["layers"]) == 2_293_000


def test_measure_takes_a_model_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "own_net.py").write_text("from torch import nn\ndef build():\n    return nn.Linear(6, 4)\n")
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("measure", "own_net:build", "--input-shape", "6", "--json").stdout)
    assert found["totals"]["macs"] == 24
    assert "--input-shape" in sentence(run("measure", "own_net:build"))
    assert run("measure", "own_net:build", "--input-shape", "6x").exit_code == 2


def test_doctor_reports_json_and_is_content_with_this_environment():
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    checks = {one["check"]: one["status"] for one in found["findings"]}
    assert {"Python", "packages", "PyTorch", "memory", "disk", "accelerator", "data: digits"} <= set(checks)
    assert checks["data: digits"] == "ok"
    assert found["ready"] == (result.exit_code == 0) == ("problem" not in checks.values())


def test_doctor_finds_a_damaged_data_set_of_the_right_size(tmp_path, monkeypatch):
    from efflab import data
    from efflab.cli import doctor

    (file,) = data.describe("tiny-shakespeare").files
    damaged = tmp_path / file.path
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(bytes(file.size))
    monkeypatch.setenv("EFFLAB_DATA", str(tmp_path))
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path / "cache"))
    found = {one.check: one for one in doctor.check_data()}
    assert found["data: tiny-shakespeare"].status == "warning"
    assert f"{damaged} is damaged" in found["data: tiny-shakespeare"].found
    assert "efflab data fetch tiny-shakespeare" in found["data: tiny-shakespeare"].remedy
    assert found["data: mnist"].status == "note"


def test_doctor_blocks_where_nothing_can_be_written_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(machine, "write_problem", lambda _folder: "Read-only file system")
    result = run("doctor")
    assert result.exit_code == 1
    assert "cannot be written (Read-only file system)" in result.stdout
    assert "EFFLAB_CACHE" in result.stdout


def test_every_problem_of_doctor_has_a_remedy(monkeypatch):
    from efflab.cli import doctor

    monkeypatch.setattr(machine, "memory", lambda: (5e8, 1e8))
    monkeypatch.setattr(machine, "disk_free", lambda _folder: 0)
    monkeypatch.setattr(machine, "unmet", lambda _extra="": ["numpy>=2.0 (missing)"])
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("EFFLAB_DATA", "/nowhere")
    found = list(doctor.everything(Path()))
    assert {one.check for one in found if one.status == "problem"} >= {"memory", "disk", "packages"}
    assert all(one.remedy for one in found if one.status in {"problem", "warning"})


def test_requirements_are_compared_with_what_is_installed(monkeypatch):
    monkeypatch.setattr(
        "importlib.metadata.requires",
        lambda _name: [
            "numpy>=1000",
            "torch",
            'no-such-package>=1; extra == "student"',
            'rich; extra == "dev"',
        ],
    )
    assert [text.partition(" ")[0] for text in machine.unmet()] == ["numpy>=1000"]
    assert machine.unmet("student") == ["no-such-package>=1 (missing)"]
    assert machine.unmet("dev") == []


def test_a_container_limit_counts_as_memory(tmp_path, monkeypatch):
    limits = {"/sys/fs/cgroup/memory.max": 2e9, "/sys/fs/cgroup/memory.current": 0.5e9}
    monkeypatch.setattr(machine, "_number", lambda path: limits.get(str(path)))
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 4_000_000))
    monkeypatch.setattr(machine, "_meminfo", lambda _key, _otherwise: 9e9)
    assert machine.memory() == (2e9, 1.5e9)
