"""The engine: keys, seeds, the cache, and jobs graded here."""

import dataclasses
import json
import shutil
import sys

import engine_fakes
import numpy as np
import pytest

from autograder import tasks
from autograder.engine import inline, jobs, keys, run, transport, variants
from autograder.engine.cache import Cache
from autograder.job import Cell, Job, Limits, Outcome
from efflab.errors import EfflabError
from efflab.lab.variants import variant


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    for name in ("autograder.sandbox", "autograder.sandbox.runner"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))
    import autograder

    monkeypatch.setattr(autograder, "sandbox", None, raising=False)
    engine_fakes.install()


def job(source="x = 1", **fields):
    given = {"lab": "01-pruning", "seed": "s", "forbidden": ("efflab.pruning",), "data": {"a.csv": b"1"}}
    return Job(cells=(Cell("c1", source, "student", "pruning-1"),), **given | fields)


def test_a_seed_is_the_submissions_own_and_needs_the_secret():
    cells = job().cells
    first = keys.seed("secret", "01-pruning", cells)
    assert first == keys.seed("secret", "01-pruning", cells)
    others = {
        keys.seed("other", "01-pruning", cells),
        keys.seed("secret", "00-measuring", cells),
        keys.seed("secret", "01-pruning", job("x = 2").cells),
    }
    assert first not in others
    assert len(others) == 3
    renamed = [dataclasses.replace(cell, id="other") for cell in cells]
    assert first == keys.seed("secret", "01-pruning", renamed)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "t"},
        {"forbidden": ()},
        {"data": {"a.csv": b"2"}},
        {"variant": "3"},
        {"limits": Limits(cell_seconds=1.0)},
        {"source": "x = 2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_key_covers_everything_that_decides_a_grade(change):
    assert keys.key(job(), "v", sandbox="bwrap") != keys.key(job(**change), "v", sandbox="bwrap")


def test_the_key_covers_the_checks_and_the_sandbox():
    one = keys.key(job(), "v", sandbox="bwrap")
    assert one == keys.key(job(), "v", sandbox="bwrap")
    assert len({one, keys.key(job(), "w", sandbox="bwrap"), keys.key(job(), "v", sandbox="none")}) == 3


def test_sources_change_with_checks_engine_and_efflab(tmp_path):
    package = tmp_path / "autograder"
    for name in (
        "tasks.py",
        "expect.py",
        "wire.py",
        "job.py",
        "checks/pruning.py",
        "checks/pruning_layers.py",
    ):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("a = 1\n")
    (package / "checks/measuring.py").write_text("a = 1\n")
    (package / "sandbox").mkdir()
    (tmp_path / "efflab").mkdir()

    def found(number):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(tmp_path / "autograder", copy / "autograder")
        shutil.copytree(tmp_path / "efflab", copy / "efflab")
        return keys.sources("pruning", copy / "autograder")

    seen = {found(0)}
    (package / "checks/measuring.py").write_text("a = 2\n")
    assert found(1) in seen
    changed = (
        "autograder/checks/pruning_layers.py",
        "autograder/tasks.py",
        "autograder/sandbox/x.py",
        "efflab/y.py",
    )
    for number, name in enumerate(changed, start=2):
        (tmp_path / name).write_text("a = 2\n")
        new = found(number)
        assert new not in seen
        seen.add(new)


def test_a_job_crosses_as_plain_bytes():
    whole = job(variant="7", limits=Limits(cell_seconds=2.5))
    assert transport.unpack(transport.pack(whole)) == whole
    for broken in (b"", b"\xc1", b"\x93\x01\x02\x03", transport.pack(whole)[:-3]):
        with pytest.raises(ValueError, match="this is no job"):
            transport.unpack(broken)


def test_the_cache_gives_what_was_put_and_nothing_damaged(tmp_path):
    cache, outcome = Cache(tmp_path), Outcome("ab" * 32, "01-pruning", (), notes=("note",))
    assert cache.get(outcome.key) is None
    cache.put(outcome)
    assert cache.get(outcome.key) == outcome
    file = tmp_path / "ab" / f"{outcome.key}.json"
    whole = file.read_bytes()
    entry = json.loads(whole)
    forged = entry | {"outcome": entry["outcome"].replace("note", "vote")}
    for damage in (b"", whole[:-5], b"[]", b"\xff", json.dumps(forged).encode()):
        file.write_bytes(damage)
        assert cache.get(outcome.key) is None
    elsewhere = tmp_path / "cd" / f"{'cd' * 32}.json"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(whole)
    assert cache.get("cd" * 32) is None


def test_a_failure_is_not_kept(tmp_path):
    cache = Cache(tmp_path)
    outcome = inline.outcome(job("raise"), cache=cache)
    assert "no room for a sandbox" in outcome.failure
    assert list(tmp_path.iterdir()) == []


def test_one_outcome_is_graded_once_unless_forced(tmp_path):
    log = tmp_path / "log"
    for force, times in ((False, 1), (False, 1), (True, 2)):
        outcome = inline.outcome(job(f"log {log}"), cache=Cache(tmp_path / "cache"), force=force)
        assert outcome.tasks[0].points == len(f"log {log}")
        assert outcome.key == keys.key(job(f"log {log}"), sandbox="fake")
        assert log.read_text().count("\n") == times


def test_a_batch_here_grades_equal_jobs_once_and_goes_past_what_fails(tmp_path):
    log = tmp_path / "log"
    jobs = [job(f"log {log}"), job("raise"), job(f"log {log}"), job("plain")]
    cache = Cache(tmp_path / "cache")
    found = dict(run.grade_all(jobs, cache=cache, workers=1))
    assert sorted(found) == [0, 1, 2, 3]
    assert found[0] == found[2]
    assert found[1].failure
    assert found[3].points == len("plain")
    assert log.read_text().count("\n") == 1
    again = run.grade_all(jobs, cache=cache, workers=1)
    assert {index for index, _ in (next(again) for _ in range(3))} == {0, 2, 3}
    assert next(again)[0] == 1
    assert log.read_text().count("\n") == 1


def test_no_workers_are_refused():
    with pytest.raises(EfflabError, match="workers must be at least 1, got 0"):
        list(run.grade_all([job()], workers=0))


def test_a_variant_is_the_same_on_both_sides_and_differs_between_students():
    assert keys.variant("", "01-pruning", "ada") == str(variant("01-pruning", " ADA "))
    assert len({variant("01-pruning", name) for name in ("ada", "bob", "cyd")}) == 3
    assert variant("01-pruning", "ada") != variant("00-measuring", "ada")
    assert variant("01-pruning", "ada") != variant("01-pruning", "ada", "spring")
    with pytest.raises(EfflabError, match="needs your id"):
        variant("01-pruning", "  ")


def test_only_checks_that_ask_get_the_variant():
    seen = []

    @tasks.task("t1", points=1)
    def asks(student, rng, variant):
        """It asks."""
        seen.append(variant)

    @tasks.task("t1", points=1)
    def plain(student, rng):
        """It does not."""
        seen.append("plain")

    bound = variants.bind((asks, plain), "17")
    for check in bound:
        check(None, np.random.default_rng(0))
    assert seen == [17, "plain"]
    assert [check.name for check in bound] == ["asks", "plain"]
    assert bound[1] is plain


SAMPLE = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: efflab, language: python, name: efflab}
efflab: {title: Sample, variants: spring, forbidden: [efflab.pruning]}
---

```{code-cell} python
:nbgrader: {solution: true, grade_id: sample-1-solution}
def size():
    # STUB: raise NotImplementedError("Task 1: write size.")
    ### BEGIN SOLUTION
    return 3
    ### END SOLUTION
```

```{code-cell} python
:nbgrader: {grade: true, grade_id: sample-1, points: 2}
assert size() > 0
```
"""


def test_a_lab_with_variants_gives_each_student_a_job_of_their_own(tmp_path):
    folder = tmp_path / "solutions" / "07-sample"
    (folder / "data").mkdir(parents=True)
    (folder / "sample.md").write_text(SAMPLE)
    (folder / "data" / "a.csv").write_bytes(b"1,2")
    lab = jobs.released("07-sample", tmp_path)
    ada, bob, nobody = (jobs.job(lab, lab.notebook, secret="s", student=name) for name in ("ada", "bob", ""))
    assert ada.variant == str(variant("07-sample", "ada", "spring"))
    assert len({ada.variant, bob.variant, nobody.variant}) == 3
    assert nobody.variant == ""
    assert keys.key(ada, "v") != keys.key(bob, "v")
    assert (ada.seed, ada.forbidden, dict(ada.data)) == (
        bob.seed,
        ("efflab.pruning",),
        {"data/a.csv": b"1,2"},
    )
    assert [(cell.origin, cell.task) for cell in ada.cells] == [
        ("student", "sample-1"),
        ("check", "sample-1"),
    ]
    assert jobs.released("01-pruning").variant("ada") == ""
