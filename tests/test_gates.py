"""The gates pass a good lab, and each of them catches what it stands for."""

import dataclasses
import importlib
import json
import signal
import socket
import time

import numpy as np
import pytest
from fixtures import sample_checks, sample_mutants

from autograder import gates, kernel, mutating, tasks
from autograder import notebook as nb
from autograder.agreement import agrees
from autograder.case import Case, load
from autograder.mutating import mutant
from autograder.namespace import Namespace, deadline

QUICK = (agrees, gates.scored, gates.killed, gates.accepted)
SAMPLE = nb.find(gates.ROOT / "tests" / "fixtures")[0]
TEXT = SAMPLE.source.read_text()


def case(text=TEXT, *, checks=None, variants=None):
    return Case(
        SAMPLE.name,
        nb.read(text),
        tasks.collect(sample_checks) if checks is None else checks,
        mutating.collect(sample_mutants) if variants is None else variants,
        SAMPLE.data,
    )


def problems(gate, sample):
    return " | ".join(gate(sample).problems)


def test_a_good_lab_passes_every_gate():
    reports = {report.gate: report for report in gates.run(case())}
    assert {name: report.problems for name, report in reports.items()} == dict.fromkeys(reports, ())
    assert reports["killed"].figures == {"mutants": 10, "killed": 10, "named": 7, "kill_rate": 1.0}
    assert reports["scored"].figures == {"sample-1": "3/3", "sample-2": "2/2"}
    solved = reports["solved"].figures
    assert 0 < solved["graded_seconds"] < solved["seconds"]
    assert 0.02 < solved["memory_gb"] < 1
    assert json.dumps([dataclasses.asdict(report) for report in reports.values()])


# The labs of the course.

LABS = nb.find(gates.ROOT)


@pytest.mark.parametrize("gate", QUICK)
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_a_lab_of_the_course_passes(lab, gate):
    assert gate(load(lab)).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("gate", [gates.solved, gates.released])
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_a_lab_of_the_course_runs_on_a_fresh_kernel(lab, gate):
    assert gate(load(lab)).problems == ()


# What runs on a kernel: one notebook that does everything wrong, since each start costs seconds.

WRONG = TEXT.replace("seconds: 30", "seconds: 0.001").replace("memory_gb: 1", "memory_gb: 0.001")
WRONG = WRONG.replace(
    'print("kept"', 'import socket\nsocket.create_connection(("192.0.2.1", 9), 1)\nprint("kept"'
)


def test_a_solution_that_needs_network_or_more_than_its_budget_is_caught():
    told = problems(gates.solved, case(WRONG))
    assert "raises OSError" in told
    assert "seconds is" in told
    assert "memory_gb is" in told


def test_stubs_that_do_not_fail_as_they_should_are_caught():
    text = TEXT.replace("write masked_update (one line)", "write keep_largest (three lines)")
    text = text.replace("Task 2: write keep_largest", "Task 1: write keep_largest")
    text = text.replace('print("kept"', 'print(not_defined, "kept"')
    text = text.replace("w, g, m =", "keep_missing\nw, g, m =")
    told = problems(gates.released, case(text))
    assert "two stubs say 'Task 1: write keep_largest (three lines).'" in told
    assert "which is no stub's message" in told
    assert "NameError: name 'keep_missing' is not defined" in told
    assert "the visible check of sample-2 does not fail with the message of its own stub" in told


@pytest.mark.parametrize("way", ["bwrap", "unshare", "guard"])
def test_a_kernel_has_no_network_whatever_keeps_it_from_it(way, tmp_path, monkeypatch):
    if not kernel.works(way):
        pytest.skip(f"{way} does not work on this machine")
    monkeypatch.setattr(kernel, "isolation", lambda: way)
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket, os\nprint(os.environ['OMP_WAIT_POLICY'])\nsocket.create_connection(('203.0.113.7', {server.getsockname()[1]}), 1)"
        text = f"---\nkernelspec: {{name: efflab, display_name: efflab}}\n---\n\n```{{code-cell}} python\n{code}\n```\n"
        run = kernel.run(nb.read(text), tmp_path)
    assert run.notebook.cells[0].outputs[0].text == "passive\n"
    assert run.cells[0].error == "OSError"
    assert run.isolation == way


# What runs in this process.


@pytest.mark.parametrize("gate", QUICK)
def test_the_quick_gates_pass_the_sample(gate):
    assert gate(case()).problems == ()


def test_a_solution_that_loses_points_is_caught():
    assert "sample-1: keeps_the_largest" in problems(gates.scored, case(TEXT.replace("[:drop]", "[drop:]")))
    assert "cell 1 " in problems(gates.scored, case(TEXT.replace("largest.txt", "missing.txt")))


def test_a_graded_cell_may_not_need_a_measure_cell():
    text = TEXT.replace('print("kept"', 'later = 1\nprint("kept"').replace("w, g, m =", "later\nw, g, m =")
    assert "name 'later' is not defined" in problems(gates.scored, case(text))


def test_a_surviving_or_unnamed_mutant_and_too_few_of_them_are_caught():
    @mutant("sample-1", replaces="keep_largest", misconception="Nothing is wrong.", named=True)
    def right(weight, sparsity):
        return sample_checks.oracle(weight, sparsity)

    told = problems(gates.killed, case(variants=(*mutating.collect(sample_mutants), right)))
    assert "mutant right of sample-1 earns full points: Nothing is wrong." in told
    assert "mutant right of sample-1 is not named by the visible check" in told
    few = problems(gates.killed, case(variants=mutating.collect(sample_mutants)[:4]))
    assert "sample-1 has 4 mutants; 5 are needed" in few
    assert "sample-2 has 0 mutants" in few
    unnamed = TEXT.replace("You ", "They ").replace("The mask", "A mask")
    assert "name 0 of 10 mutants; half are needed" in problems(gates.killed, case(unnamed))


def test_a_mutant_that_hangs_is_dead(monkeypatch):
    monkeypatch.setattr("autograder.namespace.DEADLINE", 0.05)

    @mutant("sample-2", replaces="masked_update", misconception="It never ends.")
    def hangs(weight, gradient, mask, rate):
        while True:
            pass

    assert gates.killed(case(variants=(*mutating.collect(sample_mutants), hangs))).problems == ()


def test_an_honest_variant_that_is_not_accepted_is_caught():
    wrong = [
        dataclasses.replace(v, honest=True) if v.name in {"smallest", "density"} else v
        for v in mutating.collect(sample_mutants)
        if v.task == "sample-1"
    ]
    told = problems(gates.accepted, case(variants=tuple(wrong)))
    assert "honest variant smallest of sample-1 loses points: keeps_the_largest" in told
    assert "honest variant smallest of sample-1 fails the visible check" in told
    assert "honest variant density of sample-1 loses points" in told
    assert "sample-2 has 0 honest variants; 2 are needed" in told


def sum_check(name, task="sample-2"):
    def check(student, rng):
        """Asks for something."""
        student.call("other_name", 1)

    check.__name__ = name
    return tasks.task(task, points=1)(check)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": TEXT.replace('"points": 3', '"points": 4')}, "sample-1 gives 4 points in the notebook and 3"),
        ({"text": TEXT.replace("[check]", "[]")}, "sample-1 has no tag check"),
        ({"text": TEXT.replace("        sparsity: f", "        share: f")}, "keep_largest does not describe sparsity"),
        ({"text": TEXT.replace("masked_update(w, g", "np.multiply(w, g")}, "check of sample-2 does not use masked_update"),
        ({"text": TEXT.replace("gradient, mask, rate):", "gradient, mask, lr):")}, "where masked_update takes"),
        ({"checks": tasks.collect(sample_checks)[:2]}, "sample-2 gives 2 points in the notebook and 0"),
        ({"checks": (sum_check("one"),)}, "asks for other_name, which the notebook does not define"),
        ({"checks": (sum_check("one", "sample-9"),)}, "sample-9 has hidden checks but no grade cell"),
        ({"text": TEXT.replace("sample-1-solution", "x").replace('"solution": true}\ndef k', '"locked": true}\ndef k')},
         "sample-1 has no solution cell"),
    ],
)  # fmt: skip
def test_names_points_and_docstrings_that_disagree_are_caught(change, words):
    assert words in problems(agrees, case(**change))


def test_a_variant_of_a_function_that_is_not_of_its_task_is_caught():
    moved = tuple(dataclasses.replace(v, task="sample-2") for v in mutating.collect(sample_mutants))
    assert "smallest replaces keep_largest, which is no solution of sample-2" in problems(
        agrees, case(variants=moved)
    )


def test_a_namespace_goes_on_after_an_error_and_restores_what_was_replaced():
    notebook = nb.release(nb.read(TEXT))
    with Namespace(nb.graded(notebook), SAMPLE.data) as namespace:
        assert set(namespace.errors) == {"sample-1", "sample-2"}
        assert namespace.names["largest"] == 4.0
        stub = namespace.names["keep_largest"]
        variant = mutating.collect(sample_mutants)[0]
        with namespace.replaced(variant):
            namespace.execute("left_behind = keep_largest(np.ones(2), 0.5)")
            assert np.sum(namespace.names["left_behind"]) == 1
        assert namespace.names["keep_largest"] is stub
        assert "left_behind" not in namespace.names


def test_a_deadline_rings_and_gives_the_clock_back():
    signal.setitimer(signal.ITIMER_REAL, 200)
    with pytest.raises(TimeoutError), deadline(0.01):
        time.sleep(5)
    assert 190 < signal.setitimer(signal.ITIMER_REAL, 0)[0] <= 200


def test_the_command_reports_as_json_and_knows_its_labs(capsys, monkeypatch):
    monkeypatch.setattr(gates, "load", lambda lab: case())
    arguments = ["--root", str(gates.ROOT / "tests" / "fixtures"), "--gate", "scored", "--gate", "agrees"]
    assert gates.main([*arguments, "--json", "sample"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["gate"], row["passed"]) for row in rows] == [("agrees", True), ("scored", True)]
    monkeypatch.setattr(gates, "load", lambda lab: case(variants=()))
    assert gates.main(["--root", arguments[1], "--gate", "killed"]) == 1
    assert "00-sample killed: FAILED" in capsys.readouterr().out
    assert gates.main(["--root", arguments[1], "nothing"]) == 1
    assert "no lab is called 'nothing'" in capsys.readouterr().err


def test_a_variant_hidden_by_another_of_its_name_is_caught(tmp_path, monkeypatch):
    text = (gates.ROOT / "tests" / "fixtures" / "sample_mutants.py").read_text()
    (tmp_path / "twice_mutants.py").write_text(text.replace("def signed(", "def smallest("))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="name of its own"):
        mutating.collect(importlib.import_module("twice_mutants"))
