"""``efflab lab``: the student's folder, the start page, and JupyterLab from start to end."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from efflab.cli import app, jupyter, machine, start_page
from efflab.errors import EfflabError

pytest.importorskip("jupyterlab", reason="JupyterLab comes with efflab[student]")


def notebook(task: str) -> str:
    graded = {
        "nbgrader": {
            "grade": True,
            "grade_id": task,
            "locked": True,
            "points": 1,
            "schema_version": 3,
            "solution": False,
            "task": False,
        }
    }
    cell = {
        "cell_type": "code",
        "id": "a",
        "source": "1",
        "outputs": [],
        "execution_count": None,
        "metadata": graded,
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A course's folder with two released labs, and an environment that the commands may write."""
    for lab in ("00-measuring", "01-pruning"):
        topic = lab[3:]
        path = tmp_path / "course" / "labs" / lab / f"{topic}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(notebook(f"{topic}-1"))
    monkeypatch.chdir(tmp_path / "course")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    return tmp_path / "course"


@pytest.fixture
def busy_port():
    """A port on which something listens."""
    with socket.socket() as listener:
        listener.bind((jupyter.HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def lab(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["lab", *arguments])


def test_prepares_copies_start_page_kernel_and_settings(course):
    assert lab("--check-only").exit_code == 0
    own = course / "my-labs"
    assert (own / "01-pruning" / "pruning.ipynb").read_bytes() == (
        course / "labs/01-pruning/pruning.ipynb"
    ).read_bytes()
    page = (own / "start.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", page):
        assert (own / target).is_file()
    kernel = json.loads(Path(sys.prefix, "share/jupyter/kernels/efflab/kernel.json").read_text())
    assert kernel["argv"][0] == sys.executable
    assert kernel["env"] == {"OMP_WAIT_POLICY": "passive"}
    assert Path(sys.prefix, "share/jupyter/lab/settings/overrides.json").is_file()


def test_an_answer_outlives_every_start_and_counts_as_begun(course):
    lab("--check-only")
    mine = course / "my-labs" / "01-pruning" / "pruning.ipynb"
    answered = mine.read_text().replace('"1"', '"my answer"')
    mine.write_text(answered)
    assert lab("--check-only").exit_code == 0
    assert mine.read_text() == answered
    rows = [
        line for line in (course / "my-labs" / "start.md").read_text().splitlines() if line.startswith("| [")
    ]
    assert [row.split("|")[-2].strip() for row in rows] == ["not begun", "begun"]


def test_works_from_below_the_course_and_with_a_folder_of_ones_own(course, tmp_path, monkeypatch):
    monkeypatch.chdir(course / "labs" / "01-pruning")
    assert lab("--check-only", "--folder", str(tmp_path / "mine")).exit_code == 0
    assert (tmp_path / "mine" / "start.md").is_file()
    assert not (course / "my-labs").exists()


def test_a_port_in_use_is_one_sentence_and_makes_nothing(course, busy_port):
    result = lab("--port", str(busy_port))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"efflab: port {busy_port} is in use")
    assert result.stderr.count("\n") == 1
    assert not (course / "my-labs").exists()


def test_without_a_port_the_next_free_one_is_taken(busy_port, monkeypatch):
    monkeypatch.setattr(jupyter, "FIRST_PORT", busy_port)
    assert jupyter.choose_port(None) > busy_port
    monkeypatch.setattr(jupyter, "PORTS_TRIED", 1)
    with pytest.raises(EfflabError, match="all in use"):
        jupyter.choose_port(None)


def test_what_blocks_the_labs_is_told_with_its_remedy(course, monkeypatch):
    monkeypatch.setattr(machine, "write_problem", lambda _folder: "Permission denied")
    result = lab("--check-only")
    assert result.exit_code == 1
    assert "cannot be written (Permission denied)" in result.stdout
    assert "--folder" in result.stdout
    assert not (course / "my-labs").exists()


def test_an_environment_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "share").write_text("in the way")
    with pytest.raises(EfflabError, match="virtual environment of your own"):
        jupyter.register_kernel(tmp_path)


def test_a_users_own_defaults_are_kept(tmp_path):
    path = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    path.parent.mkdir(parents=True)
    theme = {"theme": "JupyterLab Dark"}
    viewers = "@jupyterlab/docmanager-extension:plugin"
    path.write_text(json.dumps({"themes": theme, viewers: {"autosave": False}}))
    jupyter.prepare_settings(tmp_path)
    settings = json.loads(path.read_text())
    assert settings["themes"] == theme
    assert settings[viewers] == {"autosave": False, "defaultViewers": {"markdown": "Markdown Preview"}}


def test_root_is_allowed_only_where_it_is_root(tmp_path, monkeypatch):
    server = jupyter.Server(tmp_path, 8888, "secret", browser=False)
    for user, expected in ((0, True), (1000, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert ("--allow-root" in server.command()) == expected
    assert not any("secret" in part for part in server.command())
    assert "--ServerApp.ip=127.0.0.1" in server.command()


def test_no_browser_is_opened_without_a_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert not jupyter.has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert jupyter.has_display()


def test_the_page_shows_budgets_and_offers_a_newer_release():
    page = start_page.render(
        [
            start_page.Entry(
                "01 Pruning",
                "01 pruning/p.ipynb",
                150,
                60,
                11_600_000,
                "begun",
                "Newer.",
                "01 pruning/n.ipynb",
            ),
            start_page.Entry("99 Unknown", "u.ipynb", None, None, None, "not begun"),
        ]
    )
    assert "| [01 Pruning](01%20pruning/p.ipynb) | 150 min | 60 s | 11.6 MB | begun |" in page
    assert "| [99 Unknown](u.ipynb) | – | – | – | not begun |" in page
    assert "[Open the newer release](01%20pruning/n.ipynb)" in page


def test_submit_makes_one_zip(course):
    lab("--check-only")
    result = CliRunner().invoke(app, ["submit", "my-labs/01-pruning/pruning.ipynb", "--json"])
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(json.loads(result.stdout)["zip"]) as archive:
        assert "pruning.ipynb" in archive.namelist()
    lab("--check-only")
    assert "handed in" in (course / "my-labs" / "start.md").read_text()


def test_submit_refuses_what_is_no_notebook(course):
    (course / "notes.ipynb").write_text("no notebook")
    for name in ("notes.ipynb", "missing.ipynb"):
        result = CliRunner().invoke(app, ["submit", name])
        assert result.exit_code == 1
        assert result.stderr.startswith("efflab: ")
        assert result.stderr.count("\n") == 1


def test_a_server_that_does_not_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(
        jupyter.Server,
        "command",
        lambda _self: [sys.executable, "-c", "raise SystemExit('no kernel for you')"],
    )
    with (
        pytest.raises(EfflabError, match="did not start: no kernel for you"),
        jupyter.running(jupyter.Server(tmp_path, 1, "t", browser=False)),
    ):
        pass


def get(port: int, path: str) -> int:
    with contextlib.closing(http.client.HTTPConnection(jupyter.HOST, port, timeout=20)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.status


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_jupyterlab_answers_to_its_token_alone_and_ctrl_c_ends_it(course, tmp_path):
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"import sys; sys.prefix = {str(tmp_path / 'prefix')!r}\n"
        "from efflab.cli import main; sys.argv = ['efflab', 'lab', '--no-browser']; main()"
    )
    environment = {key: value for key, value in os.environ.items() if key != "JUPYTER_TOKEN"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment, cwd=course
    ) as process:
        assert process.stdout is not None
        address = re.search(
            r"http://127\.0\.0\.1:(\d+)(/lab/tree/start\.md\?token=\w+)", process.stdout.readline()
        )
        assert address
        port = int(address[1])
        assert get(port, address[2]) == 200
        assert get(port, "/api/contents") == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert jupyter.is_free(port)
