"""A small lab run in a real kernel without a display: rich output, no warnings, nothing written outside its folder."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = {
    "start": 'from efflab.lab import check, challenge, hint, passport, recorded, start\nlab = start("01-pruning")\nimport torch',
    "ask": 'lab.predict("pruning-1", "How many stay?", unit="%", low=0, high=100)',
    "predict": 'lab.predict("pruning-1", "How many stay?", unit="%", low=0, high=100, value=37)',
    "stub": 'def mask(w):\n    raise NotImplementedError("Task 1.1: the mask")\n\nwith check("pruning-1") as c:\n    c.equal(mask(1), 1)',
    "other": 'raise NotImplementedError("no such kernel")',
    "wrong": 'with check("pruning-1") as c:\n    c.equal(torch.tensor([True, False]), torch.tensor([False, True]), '
    'what="the mask", misconceptions={"small was kept": torch.tensor([True, False])})',
    "right": 'with check("pruning-1") as c:\n    c.equal(torch.ones(2), [1, 1])',
    "compare": 'lab.compare("pruning-1", 12.5)',
    "hint": 'lab.hints({"pruning-1": ("[0 1]", "Think of `abs`", "...")})\nhint("pruning-1", 2)',
    "figure": 'from efflab import viz\nviz.show(viz.histogram(torch.randn(99), threshold=0.3), alt="A bell & a threshold")',
    "widget": "viz.PruneExplorer(torch.randn(99), [0, 0.5, 0.9], [98, 97, 60])",
    "passport": 'passport.append("01-pruning", bytes=1000, accuracy=97.0)\nNone',
    "challenge": 'challenge("Smallest", 3, references={"dense": 9}, better="lower")',
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list], Path]:
    """Outputs by cell, of one run in an empty folder."""
    folder = tmp_path_factory.mktemp("student")
    cells = [nbformat.v4.new_code_cell(text, id=name) for name, text in CELLS.items()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook,
        timeout=60,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return {cell["id"]: cell["outputs"] for cell in notebook["cells"]}, folder


def rich(outputs: list) -> str:
    """The HTML of a cell's outputs."""
    return "".join(str(one.get("data", {}).get("text/html", "")) for one in outputs)


def test_nothing_goes_to_stderr_and_only_the_cells_that_must_fail_do(outputs) -> None:
    found, _ = outputs
    errors = {
        name: [one["ename"] for one in cell if one["output_type"] == "error"] for name, cell in found.items()
    }
    assert {name: names for name, names in errors.items() if names} == {
        "stub": ["NotImplementedError"],
        "other": ["NotImplementedError"],
        "wrong": ["CheckFailed"],
    }
    assert not [one for cell in found.values() for one in cell if one.get("name") == "stderr"]


def test_the_stub_fails_with_its_own_message_and_a_wrong_answer_with_its_cause(outputs) -> None:
    found, _ = outputs
    assert found["stub"][-1]["evalue"] == "Task 1.1: the mask"
    assert found["stub"][-1]["traceback"] == ["NotImplementedError: Task 1.1: the mask"]
    assert "Task 1.1: the mask" in rich(found["stub"])
    assert "still empty" in rich(found["stub"])
    assert len(found["other"][-1]["traceback"]) > 1
    assert not rich(found["other"])
    assert "Likely cause: small was kept" in found["wrong"][-1]["evalue"]
    assert found["wrong"][-1]["traceback"] == ["CheckFailed: pruning-1: Not as expected: the mask."]
    box = rich(found["wrong"])
    assert "Likely cause: small was kept" in box
    assert "at [0]: expected False, got True" in box
    assert "color:inherit" in box


def test_each_call_shows_html_and_text(outputs) -> None:
    found, _ = outputs
    assert "Budget: about" in rich(found["start"])
    assert "the check holds" in rich(found["right"])
    assert "24.5 percentage points too high" in rich(found["compare"])
    assert 'aria-label="predicted: 37 %; measured: 12.5 %"' in rich(found["compare"])
    assert rich(found["hint"]).count("<details") == 2
    assert "<code>abs</code>" in rich(found["hint"])
    assert 'alt="A bell &amp; a threshold"' in rich(found["figure"])
    assert "<svg" in rich(found["challenge"])
    for name in ("start", "right", "compare", "hint", "figure", "passport", "challenge"):
        assert found[name][0]["data"]["text/plain"]


def test_widgets_come_with_their_view(outputs) -> None:
    found, _ = outputs
    for name in ("ask", "widget"):
        assert "application/vnd.jupyter.widget-view+json" in found[name][0]["data"]


def test_no_output_names_a_path_or_leaves_a_tag_open(outputs) -> None:
    found, folder = outputs
    for name, cell in found.items():
        text = rich(cell)
        assert str(folder) not in text
        for tag in ("div", "svg", "table", "details", "strong"):
            assert len(re.findall(f"<{tag}[ >]", text)) == text.count(f"</{tag}>"), (name, tag)
        assert html.unescape(text).isprintable() or "\n" in text


def test_the_notebook_writes_only_its_own_state(outputs) -> None:
    _, folder = outputs
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {".efflab/01-pruning.json", "passport.jsonl"}
    state = json.loads((folder / ".efflab/01-pruning.json").read_text())
    assert state["predictions"]["pruning-1"]["prediction"]["value"] == 37


def test_a_student_commits_with_the_slider(tmp_path: Path) -> None:
    """The button's callback, pressed from Python in a process that counts as a kernel."""
    script = """
import json, pathlib
from efflab.lab import session, slider
slider.available = lambda: True
lab = session.Lab("01-pruning", "Pruning")
shown = []
import IPython.display
IPython.display.display = shown.append
lab.predict("pruning-1", "How many?", unit="%", low=0, high=100)
box, = shown
above, row = box.children
control, button = row.children
control.value = 64
button.click()
assert "You predict 64 %" in above.value, above.value
state = json.loads(pathlib.Path(".efflab/01-pruning.json").read_text())
assert state["predictions"]["pruning-1"]["prediction"]["value"] == 64
lab.predict("macs", "MACs?", unit="MAC", low=1e3, high=1e9, log=True)
assert shown[1].children[1].children[0].__class__.__name__ == "FloatLogSlider"
lab.predict("free", "How many?")
assert shown[2].children[1].children[0].__class__.__name__ == "FloatText"
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_importing_the_kit_loads_nothing_heavy() -> None:
    # Processor time: the clock on the wall says more about what else the machine does.
    script = (
        "import torch, time, sys\nt = time.process_time()\nimport efflab.lab\nspent = time.process_time() - t\n"
        "heavy = {'matplotlib', 'IPython', 'ipywidgets', 'anywidget', 'nbformat', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\nprint(spent)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 0.1
