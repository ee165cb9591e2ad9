"""The ledger: what is refused, what a merge keeps, and how the files read."""

import json
import os
import re
import socket
from pathlib import Path

import pytest

from efflab import paper, results
from efflab.errors import EfflabError
from efflab.results import Result

KEYS = [
    "topic", "id", "paper", "measured", "unit", "bar", "holds", "goal", "source", "command", "seeds", "spread",
    "scale", "data", "machine", "versions", "date",
]  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path))
    return tmp_path


def make(name: str = "a/b", measured: float = 1.5, **others) -> Result:
    return results.record("pruning", name, measured, "%", command="efflab reproduce pruning", **others)


def test_keys_are_the_published_ones():
    assert sorted(make().to_dict()) == sorted(KEYS)
    json.dumps(make().to_dict(), allow_nan=False)


def test_record_describes_the_machine_without_naming_it():
    one = make()
    assert "cores" in one.machine
    assert {"python", "torch", "numpy"} <= set(one.versions)
    for name in (socket.gethostname(), os.environ.get("USER", "nobody in particular"), str(Path.home())):
        assert name not in one.machine
    assert len(one.date) == 10


def test_record_takes_value_and_source_from_a_published_figure():
    one = make(paper=paper.get("pruning/table1/lenet-5/error_pruned"))
    assert (one.paper, one.source) == (0.77, "Han et al., NIPS 2015, Table 1")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"measured": float("nan")}, "measured"),
        ({"measured": True}, "measured"),
        ({"paper": float("inf")}, "paper"),
        ({"id": "Upper/Case"}, "id"),
        ({"topic": "../up"}, "topic"),
        ({"bar": "at most 1"}, "bar and holds"),
        ({"holds": True}, "bar and holds"),
        ({"bar": "b", "holds": "yes"}, "holds"),
        ({"scale": "huge"}, "scale"),
        ({"seeds": (0.5,)}, "seeds"),
        ({"spread": (1.0, float("nan"))}, "spread"),
        ({"spread": float("nan")}, "spread"),
        ({"date": "yesterday"}, "date"),
        ({"versions": {"torch": 2}}, "versions"),
        ({"unit": None}, "unit"),
    ],
)
def test_a_bad_field_is_named(fields, named):
    with pytest.raises(EfflabError, match=named):
        Result(**({"topic": "pruning", "id": "a", "measured": 1.0, "unit": "%"} | fields))


def test_what_is_written_is_read(ledger):
    first = make("lenet5/error", 0.8, seeds=(0, 1, 2), spread=(0.7, 0.8, 0.9), bar="at most 1 %", holds=True)
    results.write("pruning", [first, make("a", 2)])
    assert results.read("pruning") == (make("a", 2), first)
    assert results.get("pruning", "lenet5/error") == first
    assert results.topics() == ("pruning",)


def test_a_smoke_run_leaves_longer_runs_alone(ledger):
    results.write("pruning", [make(measured=1.0), make("other", 3.0)], {"curve": {"x": [1, 2]}})
    results.write("pruning", [make(measured=9.0, scale="smoke")], {"curve": {"x": [7]}})
    assert results.get("pruning", "a/b").measured == 1.0
    assert results.get("pruning", "a/b", "smoke").measured == 9.0
    assert results.series("pruning", "curve") == {"x": [1, 2]}
    assert results.series("pruning", "curve", "smoke") == {"x": [7]}
    results.write("pruning", [make(measured=1.1)])
    assert results.get("pruning", "a/b").measured == 1.1
    assert results.get("pruning", "other").measured == 3.0
    results.write("pruning", [make(measured=0.9, scale="full")])
    assert results.get("pruning", "a/b").measured == 0.9


def test_the_file_is_stable_and_diffs_by_record(ledger):
    one, two = make("a", 1, spread=(1.0, 2.0)), make("b", 2)
    path = results.write("pruning", [two, one], {"points": [[1, 2], [3, 4]]})
    before = path.read_text()
    results.write("pruning", [one])
    assert path.read_text() == before
    assert json.loads(before)["format"] == 1
    results.write("pruning", [make("b", 5)])
    changed = [
        (x, y) for x, y in zip(before.splitlines(), path.read_text().splitlines(), strict=True) if x != y
    ]
    assert [y.strip() for _, y in changed] == ['"measured": 5,']
    assert '"spread": [1.0, 2.0],' in before
    assert "[3, 4]" in before


def test_only_timings_are_rounded(ledger):
    results.write(
        "pruning",
        [
            results.record("pruning", "time", 1.23456789, "ms", spread=(1.23456789, 2)),
            results.record("pruning", "share", 1.23456789, "%"),
        ],
    )
    assert results.get("pruning", "time").measured == 1.235
    assert results.get("pruning", "time").spread == (1.235, 2)
    assert results.get("pruning", "share").measured == 1.23456789


def test_refusals_leave_the_file_as_it_was(ledger):
    path = results.write("pruning", [make()])
    before = path.read_bytes()
    for records, series in [
        ([Result("measuring", "a", 1, "%")], {}),
        ([make(), make(measured=2)], {}),
        ([make(), make(scale="smoke")], {"s": [1]}),
        ([], {"s": [1]}),
        ([make()], {"s": [float("nan")]}),
        ([make()], {"s": object()}),
    ]:
        with pytest.raises(EfflabError):
            results.write("pruning", records, series)
    assert path.read_bytes() == before
    assert [child.name for child in ledger.iterdir()] == ["pruning.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"format": 2, "records": [], "series": {}}',
        '{"format": 1, "records": [{"a": 1}], "series": {}}',
    ],
)
def test_a_damaged_file_is_named_and_kept(ledger, content):
    (ledger / "pruning.json").write_text(content)
    with pytest.raises(EfflabError, match=r"pruning\.json"):
        results.read("pruning")
    with pytest.raises(EfflabError):
        results.write("pruning", [make()])
    assert (ledger / "pruning.json").read_text() == content


def test_unknown_names_get_a_remedy(ledger):
    with pytest.raises(EfflabError, match="efflab reproduce pruning"):
        results.read("pruning")
    results.write("pruning", [make("lenet5/error")], {"curve": [1]})
    with pytest.raises(EfflabError, match="did you mean 'lenet5/error'"):
        results.get("pruning", "lenet5/eror")
    with pytest.raises(EfflabError, match="at scale 'smoke'"):
        results.get("pruning", "lenet5/error", "smoke")
    with pytest.raises(EfflabError, match="curve"):
        results.series("pruning", "curves")
    with pytest.raises(EfflabError, match="topic"):
        results.read("../etc/passwd")


def test_table_for_terminal_and_notebook(ledger):
    results.write(
        "pruning", [make("a<b>".replace("<b>", ""), 1234567, paper=2, bar="at most <3>", holds=False)]
    )
    table = results.table("pruning")
    assert "1,234,567" in str(table)
    assert "at most &lt;3&gt;" in table._repr_html_()
    assert "<3>" not in table._repr_html_()


def test_recorded_results_of_the_checkout_are_sound(root, monkeypatch):
    monkeypatch.delenv("EFFLAB_RESULTS", raising=False)
    assert results.folder() == root / "results"
    for topic in results.topics():
        for one in results.read(topic):
            assert one.command, one.id
            assert one.machine, one.id
            # A folder of a machine, which "kills/worker" is not.
            assert not re.search(r"/(root|home|work)\b", json.dumps(one.to_dict())), one.id
