"""Grading through the sandbox: the labs that exist, recovery after a loss, and the same scores each time."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures import sample_checks
from sandboxed import job, printed, shared

from autograder import case, expect, tasks
from autograder import notebook as nb
from autograder.job import Cell, Job, Outcome
from autograder.sandbox.runner import grade
from autograder.tasks import Callback, task


@pytest.fixture(scope="module")
def sandbox(bwrap):
    return shared()


def whole(lab, *, released):
    """A lab as a job: its own solution, or what students get."""
    loaded = case.load(lab)
    notebook = nb.graded(nb.release(loaded.source) if released else loaded.source)
    cells, waiting = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            origin = "check" if nb.is_check(cell) else "student" if nb.is_solution(cell) else "given"
            cells.append(
                Cell(cell.id, cell.source, origin, nb.grade_id(cell) if nb.is_check(cell) else waiting)
            )
    forbidden = tuple(loaded.source.metadata["efflab"]["forbidden"])
    return Job(lab.name, tuple(cells), forbidden, seed="secret"), loaded.checks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["00-measuring", "01-pruning"])
def test_the_solved_lab_earns_everything_and_the_released_one_nothing(sandbox, root, name):
    lab = nb.find(root, [name])[0]
    solved, checks = whole(lab, released=False)
    outcome = grade(solved, checks, sandbox)
    lost = [result for score in outcome.tasks for result in score.results if not result.passed]
    assert not lost
    assert outcome.points == outcome.max_points == sum(check.points for check in checks)
    assert {cell.status for cell in outcome.cells} == {"ok"}
    assert (outcome.flags, outcome.processes, outcome.failure) == ((), 1, "")
    released, checks = whole(lab, released=True)
    outcome = grade(released, checks, sandbox)
    assert outcome.points == 0 and outcome.processes == 1 and not outcome.flags
    messages = [result.message for score in outcome.tasks for result in score.results]
    assert all("is not written yet" in message for message in messages), messages


@pytest.fixture
def sample(root):
    """The sample lab's job and checks."""
    lab = nb.find(root / "tests/fixtures", ["00-sample"])[0]
    notebook = nb.graded(nb.read(lab.source.read_text(encoding="utf-8")))
    cells = tuple(Cell(c.id, c.source, "given") for c in notebook.cells if c.cell_type == "code")
    files = {name: path.read_bytes() for name, path in lab.data.items()}
    return Job("00-sample", cells, ("efflab.pruning",), data=files, seed="s"), tasks.collect(sample_checks)


def test_the_sample_lab_earns_the_same_again_and_survives_json(sandbox, sample):
    first, second = (grade(*sample, sandbox) for _ in range(2))
    assert first.points == first.max_points == 5, first
    assert {cell.status for cell in first.cells} == {"ok"}
    assert first.tasks == second.tasks
    assert [replace(cell, seconds=0.0) for cell in first.cells] == [
        replace(cell, seconds=0.0) for cell in second.cells
    ]
    assert Outcome.from_json(first.to_json()) == first
    assert first.sandbox == "bwrap" and first.peak_bytes > 2**26


def test_scores_do_not_depend_on_what_ran_before(sandbox, sample):
    hostile = job(
        "import numpy as np\nnp.sort = None\nimport random\nrandom.seed(1)", "import os\nos._exit(1)"
    )
    alone = grade(*sample, sandbox)
    grade(hostile, sample[1], sandbox)
    assert grade(*sample, sandbox).tasks == alone.tasks


def test_random_numbers_are_the_same_in_every_process(sandbox):
    source = "import random, numpy as np, torch, os\nprint(random.random(), np.random.rand(), torch.rand(1).item(), hash('x'))"
    outcome = grade(job(source, "os._exit(0)", source), (), sandbox)
    again = grade(job(source), (), sandbox)
    assert printed(outcome) == printed(again) != ""
    # The replayed cell has drawn its numbers, and the next ones follow.
    assert printed(outcome, 2) != printed(outcome)


def test_cells_run_as_in_a_notebook(sandbox):
    outcome = grade(
        job(
            "%timeit -n1 -r1 1\nimport asyncio\nvalue = await asyncio.sleep(0, 5)\nvalue + 1",
            "from IPython.display import display, HTML\nimport warnings, sys\ndisplay({'a': 1}, HTML('<script>'))\n"
            "warnings.warn('careful')\nprint('out'); print('err', file=sys.stderr);",
            "import io\nfrom matplotlib.figure import Figure\nfigure = Figure(); buffer = io.BytesIO(); figure.savefig(buffer)\n"
            "from IPython.display import Image\nImage(buffer.getvalue())",
            "1 / 0",
            "def broken(:",
            "class Odd(Exception):\n    def __str__(self): raise ValueError\n    _render_traceback_ = None\nraise Odd",
            "exit()\nquit()\n_ + 1 if False else Out[1]",
            "raise SystemExit(3)",
            "raise KeyboardInterrupt",
            "__name__, get_ipython().__class__.__name__, input",
            "input()",
        ),
        (),
        sandbox,
    )
    statuses = [cell.status for cell in outcome.cells]
    assert statuses == ["ok"] * 3 + ["error"] * 3 + ["ok"] + ["error"] * 2 + ["ok", "error"], outcome.cells
    cells = outcome.cells
    assert cells[0].outputs[-1]["data"] == {"text/plain": "6"}
    kinds = [one.get("name") or one["output_type"] for one in cells[1].outputs]
    assert kinds == ["display_data", "display_data", "stderr", "stdout", "stderr"]
    assert "careful" in cells[1].outputs[2]["text"]
    assert not any("text/html" in one.get("data", {}) for cell in cells for one in cell.outputs)
    assert cells[2].outputs[0]["data"]["image/png"].startswith("iVBOR")
    assert cells[3].message == "This cell raised ZeroDivisionError: division by zero."
    assert cells[3].outputs[0]["traceback"][-1] == "ZeroDivisionError: division by zero"
    assert cells[4].outputs[0]["ename"] == "SyntaxError"
    assert outcome.processes == 1


def test_a_cell_that_raised_is_replayed_and_one_that_hung_is_not(sandbox):
    outcome = grade(
        job(
            "kept = 1\nraise ValueError('here')",
            "lost = 1\nimport time\ntime.sleep(100)",
            "print(kept, 'lost' in globals())",
            "import os\nos.abort()",
            "print(kept, 'lost' in globals())",
            cell_seconds=1.0,
        ),
        (),
        sandbox,
    )
    assert [cell.status for cell in outcome.cells] == ["error", "timeout", "ok", "died", "ok"]
    assert printed(outcome, 2) == printed(outcome, 4) == "1 False\n"
    assert outcome.cells[1].message == "This cell did not finish within 1 seconds."
    assert outcome.cells[3].message == "This cell was ended by the signal SIGABRT."
    assert outcome.processes == 3
    assert "started anew" in outcome.notes[0]


@pytest.mark.slow
def test_a_submission_that_always_ends_stops_at_a_number_of_processes(sandbox):
    outcome = grade(job(*["import os\nos._exit(0)"] * 14), (), sandbox)
    assert [cell.status for cell in outcome.cells] == ["died"] * 12 + ["skipped"] * 2
    assert outcome.processes == 12
    assert "lost 12 times" in outcome.cells[-1].message


def a_check(function, points=1):
    """A check of a function, as `task` makes it."""
    function.__doc__ = "Something."
    return task("sample-1", points=points)(function)


def test_the_whole_of_a_student_works_over_the_channel(sandbox):
    source = """
import torch, warnings
class Box:
    def __init__(self, value): self.value, self.inner = value, torch.ones(2)
    def add(self, other): print("noise"); warnings.warn("w"); self.value = self.value + other; return self.value
def change(values): values[0] = 7
def apply(function, x): return function(x, scale=2) + 1
def kind(x): return type(x).__name__
def keep(box): return box.value
"""

    def everything(student, rng):
        box = student.make("Box", 3)
        assert student.call_method(box, "add", 4) == 7
        assert student.fetch(box, "value") == 7
        assert np.array_equal(student.fetch(box, "inner"), np.ones(2, np.float32))
        values = student.put([1, 2])
        student.call("change", values)
        assert student.fetch(values) == [7, 2]
        assert student.call("apply", Callback(lambda x, scale: x * scale), 5) == 11
        import torch

        assert student.call("kind", torch.ones(1)) == "Tensor"
        assert student.call("kind", np.ones(1)) == "ndarray"
        assert student.call("keep", box) == 7
        assert student.call_method(student.get("Box"), "keep2") is None

    outcome = grade(job(source), [a_check(everything)], sandbox)
    (result,) = outcome.tasks[0].results
    assert result.message == "The object has no keep2 (AttributeError)."
    assert not result.detail


def test_a_failure_in_a_callback_says_what_it_says_in_one_process(sandbox):
    from autograder.inprocess import InProcess

    def refuses(student, rng):
        def judge(x):
            expect.true(x == 2, "It should be called with 2.")

        student.call("apply", Callback(judge))

    source = "def apply(function): return function(1)"
    names = {}
    exec(source, names)
    (here,) = tasks.grade([a_check(refuses)], InProcess(names), "seed")
    there = grade(job(source), [a_check(refuses)], sandbox)
    assert there.tasks[0] == here
    assert "It should be called with 2." in here.results[0].message


def test_objects_of_a_lost_process_are_lost(sandbox):
    def uses(student, rng):
        box = student.put([1])
        with pytest.raises(tasks.StudentError, match="ended its own process"):
            student.call("end")
        student.fetch(box)

    outcome = grade(job("import os\ndef end(): os._exit(0)"), [a_check(uses)], sandbox)
    assert outcome.tasks[0].results[0].message == "The object was lost with the process that held it."
