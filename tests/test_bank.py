"""The bank of submissions: well made, and a selection of it graded for real."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

from autograder import bank, build, mutating
from autograder import notebook as nb
from autograder.bank import __main__ as command
from autograder.bank import batches, running, sources, submission, traces
from autograder.bank.draft import Draft
from autograder.case import load
from efflab import topics

CASES = {lab.name: load(lab) for lab in nb.find(build.ROOT)}
QUICK = (
    "without-the-challenge",
    "warns",
    "no-metadata",
    "gives-cycle",
    "exits-hard",
    "kills-everything",
    "replaced-numpy-testing",
    "lying-tensor",
    "searches-memory",
    "forbidden-import",
    "empty-file",
    "forged-points",
)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_every_lab_has_at_least_seventy_submissions_of_every_kind(case):
    found = bank.submissions(case)
    assert len(found) >= 70
    assert len({one.name for one in found}) == len(found)
    kinds = Counter(one.kind for one in found)
    assert set(kinds) == {"honest", "partial", "different", "broken", "hostile"}
    assert kinds["hostile"] > 60
    due = nb.tasks(case.source)
    for one in found:
        assert one.words
        assert set(one.expected) == set(due)
        assert all(0 <= points <= due[task] for task, points in one.expected.items()), one.name
    assert any(one.points == sum(due.values()) for one in found)


def test_the_class_has_all_of_one_lab_and_a_part_of_every_other_ready_one():
    batch = batches.everything(CASES)
    assert len({(one.lab, one.name) for one in batch}) == len(batch)
    by_lab = {
        topic.lab: [one.name for one in batch if one.lab == topic.lab]
        for topic in topics.TOPICS
        if topic.ready
    }
    assert sum(map(len, by_lab.values())) == len(batch)
    for lab, names in by_lab.items():
        found = bank.submissions(CASES[lab])
        near = {one.name for one in batches.neighbours(list(found))}
        assert len(near & set(names)) >= len(near) // batches.SHARE
        part = len(names) / len(found)
        assert part == 1 if lab == "01-pruning" else 0.08 < part < 0.2


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_every_file_can_be_made_twice_alike(case):
    for one in bank.submissions(case):
        if one.name not in {"500-megabytes", "long-cell", "long-number"}:
            content = one.make(case)
            assert isinstance(content, bytes)
            assert one.refused or json.loads(content)["cells"], one.name
    some = bank.submissions(case, ["helper-cell", "warns", "many-cells", "new-ids"])
    # New cells have new ids; everything else is the same.
    assert [len(one.make(case)) for one in some] == [len(one.make(case)) for one in some]


def test_a_variant_travels_as_text_and_stays_itself():
    case = CASES["00-measuring"]
    for name in ("no_stride", "rereads", "by_walking"):
        (variant,) = (one for one in case.variants if one.name == name)
        source = sources.cell_source(case, variant)
        assert "autograder" not in source.replace("autograder.mut", "") or variant.replaces in source
        with case.namespace(case.source) as namespace:
            error, _ = namespace.execute(source)
            assert error is None
            assert namespace.names[variant.replaces].__name__ == variant.name


def test_the_cell_of_a_variant_is_the_one_that_defines_its_function():
    case = CASES["01-pruning"]
    for variant in case.variants:
        draft = Draft(case)
        assert f"def {variant.replaces}(" in draft.cell(sources.cell_of(case, variant)).source
    odd = mutating.Variant("pruning-1", "nothing", "x", "", honest=False, named=False, function=print)
    with pytest.raises(KeyError):
        sources.cell_of(case, odd)


def test_a_score_that_is_not_as_it_must_be_is_told():
    (exact,) = bank.submissions(CASES["01-pruning"], ["without-the-challenge"])
    assert exact.problems(exact.expected) == []
    assert "must earn 5" in exact.problems(dict(exact.expected) | {"pruning-2": 4.0})[0]
    assert "no score" in exact.problems({})[0]
    (bound,) = bank.submissions(CASES["01-pruning"], ["replaced-torch"])
    assert bound.problems(dict.fromkeys(bound.expected, 0.0)) == []
    assert "may at most earn 0" in bound.problems(dict(bound.expected) | {"pruning-challenge": 1.0})[0]
    (refused,) = bank.submissions(CASES["01-pruning"], ["empty-file"])
    assert refused.problems({}) == []
    assert running.Graded(refused).problems
    assert running.Graded(refused, refusal="no notebook").problems == []
    assert running.Graded(exact, refusal="no notebook").problems


def test_an_attack_needs_a_target_and_an_entry_binds_to_its_labs_only():
    only = submission.attack("x", "words", labs=("01-pruning",))
    assert only.bind(CASES["01-pruning"]).expected["pruning-2"] == 0
    brief = submission.attack("x", "words", quick=True).bind(CASES["01-pruning"])
    assert brief.expected["pruning-3"] == 0 < brief.expected["pruning-2"]
    with pytest.raises(KeyError):
        submission.target("99-nothing")


def test_traces_see_files_links_and_processes(tmp_path):
    (tmp_path / "kept").write_text("one")
    before = traces.look(tmp_path)
    assert before.since(before) == []
    (tmp_path / "kept").write_text("two")
    (tmp_path / traces.MARK).symlink_to("/etc/passwd")
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        found = " ".join(traces.look(tmp_path).since(before))
    finally:
        child.communicate()
    assert "kept is new or changed" in found
    assert f"{traces.MARK} was left" in found
    assert f"process {child.pid} was left" in found


def test_what_is_leaving_is_given_time_and_what_stays_is_told(tmp_path):
    before = traces.look(tmp_path)
    (tmp_path / "leaving").touch()
    threading.Timer(0.5, (tmp_path / "leaving").unlink).start()
    assert traces.left(before, tmp_path) == []
    (tmp_path / "staying").touch()
    assert "staying is new" in " ".join(traces.left(before, tmp_path, seconds=0.5))


def test_orphans_come_to_the_process_that_adopts():
    with traces.adopting() as able:
        if not able:
            pytest.skip("this system has no subreaper")
        before = traces.look()
        code = (
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        left = [number for number in traces.look().processes if number not in before.processes]
        assert len(left) == 1
        os.kill(left[0], 9)
        os.waitpid(left[0], 0)


def test_a_selection_gets_what_it_must_and_leaves_nothing(bwrap):
    before = traces.look()
    (case,) = (case for case in CASES.values() if case.name == "01-pruning")
    graded = running.grade(bank.submissions(case, QUICK), CASES, workers=1)
    assert running.problems(graded) == []
    assert len(graded) == len(QUICK)
    assert traces.left(before) == []


def test_the_books_table_counts_each_kind():
    (honest,) = bank.submissions(CASES["01-pruning"], ["complete"])
    (hostile,) = bank.submissions(CASES["01-pruning"], ["empty-file"])
    graded = {
        "a": running.Graded(honest, refusal="no notebook"),
        "b": running.Graded(hostile, refusal="no notebook"),
    }
    rows = {row[0]: row[1:] for row in command.series(graded)["rows"]}
    assert rows["honest"] == [1, 1, 0, 0, 1]
    assert rows["hostile"] == [1, 0, 0, 1, 0]
    found = {one.id: one for one in command.batch_records(graded, {}, [])}
    assert found["bank/wrong"].measured == 1
    assert not found["bank/wrong"].holds
    assert found["bank/left_behind"].holds
