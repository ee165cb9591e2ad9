"""The report: copies are found whatever they are called, honest work is not, and the page runs nothing."""

import ast
import inspect
import itertools
import textwrap
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from autograder import mutating, tasks
from autograder import notebook as nb
from autograder.job import Flag, Outcome
from autograder.report import overview, page, references, similarity, statistics, trees
from autograder.report.similarity import SMALLEST, THRESHOLD, Pair, Piece
from autograder.report.trees import features

ROOT = Path(__file__).resolve().parents[1]
CODE = """
def magnitude_mask(weight, sparsity):
    '''Keep the largest.'''
    magnitudes = weight.abs().flatten()
    count = int(round(sparsity * magnitudes.numel()))
    if count == 0:
        return torch.ones_like(weight, dtype=torch.bool)
    order = torch.argsort(magnitudes, descending=False)
    mask = torch.ones(magnitudes.numel(), dtype=torch.bool)
    mask[order[:count]] = False
    return mask.reshape(weight.shape)
"""
COPY = """
import torch as something
def magnitude_mask(w, s):
    # mine!
    a = w.abs().flatten()
    n = int(round(s * a.numel()))
    keep = torch.ones(a.numel(), dtype=torch.bool)
    ranks = torch.argsort(
        a, descending=False)
    if n == 0:
        return torch.ones_like(w, dtype=torch.bool)
    keep[ranks[:n]] = False
    return keep.reshape(w.shape)
"""


def share(first, second):
    pieces = [Piece("a", "t", features(first)), Piece("b", "t", features(second))]
    found = similarity.against(pieces[:1], pieces[1:])
    return found[0].share if found else 0.0


def test_renaming_reordering_and_comments_hide_nothing():
    assert share(CODE, COPY) == 1.0
    changed = COPY.replace("ranks = torch.argsort(\n        a, descending=False)", "ranks = a.sort().indices")
    assert THRESHOLD <= share(CODE, changed) < 1.0


def test_broken_code_has_no_features():
    for text in ("def f(:", "", "x = '\0'", "(" * 5000):
        assert features(text) == frozenset()


def functions(text):
    return {
        node.name: ast.get_source_segment(text, node)
        for node in ast.parse(text).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


@pytest.mark.parametrize("name", ["measuring", "pruning"])
def test_no_honest_variant_is_called_a_copy(name):
    lab = nb.find(ROOT, [name])[0]
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    written = {}
    for cell in source.cells:
        if nb.is_solution(cell):
            written |= functions(cell.source)
    pieces = [Piece(f"solution {one}", one, features(text)) for one, text in written.items()]
    variants = [variant for variant in mutating.load(name) if variant.honest]
    pieces += [
        Piece(one.name, one.replaces, features(textwrap.dedent(inspect.getsource(one.function))))
        for one in variants
    ]
    assert len(variants) >= 10
    compared = list(itertools.combinations([one for one in pieces if len(one.features) >= SMALLEST], 2))
    assert len(compared) > 100
    assert similarity.among(pieces) == []


@pytest.mark.parametrize("name", ["01-pruning", "00-measuring"])
def test_a_renamed_solution_is_found_in_every_task_that_can_tell(name):
    lab = nb.find(ROOT, [name])[0]
    source = nb.read(lab.source.read_text(encoding="utf-8"))
    starter, found = references.starter(name), set()
    expected = set()
    for task, cells in nb.solution_cells(source).items():
        text = ast.unparse(_Renamed().visit(ast.parse("\n".join(cell.source for cell in cells))))
        piece = Piece("ada", task, features(text))
        if len(piece.features - starter) >= SMALLEST:
            expected.add(task)
        found |= {pair.task for pair in similarity.against([piece], references.pieces(name), starter)}
    assert len(expected) >= 4
    assert found == expected
    stubs = [
        Piece("bob", task, features("\n".join(cell.source for cell in cells)))
        for task, cells in nb.solution_cells(nb.release(source)).items()
    ]
    assert similarity.against(stubs, references.pieces(name), starter) == []


class _Renamed(ast.NodeTransformer):
    """Gives every local name another one."""

    def visit_FunctionDef(self, node):
        names = {
            one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
        names |= {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
        for one in ast.walk(node):
            if isinstance(one, ast.Name) and one.id in names:
                one.id += "_of_mine"
            elif isinstance(one, ast.arg):
                one.arg += "_of_mine"
        return node


def test_efflabs_own_source_is_recognised():
    text = (ROOT / "efflab" / "pruning" / "schedules.py").read_text()
    longest = max(functions(text).values(), key=len)
    found = similarity.against(
        [Piece("ada", "pruning-5", features(longest))], references.pieces("01-pruning")
    )
    assert found[0].second.startswith("efflab/pruning/schedules.py: ")
    assert found[0].share == 1.0


def test_starter_code_and_what_most_write_is_nobodys():
    assert similarity.among([Piece(name, "t", features(CODE)) for name in "ab"], features(CODE)) == []
    many = [Piece(f"s{number}", "t", features(CODE)) for number in range(30)]
    assert similarity.among(many) == []
    assert len(similarity.among(many[:3])) == 3


def test_two_hundred_are_compared_and_grouped():
    def own(number):
        return "\n".join(f"a{i} = torch.f{number}_{i}(x, {number}).g{i}(y) + {i}" for i in range(20))

    pieces = [Piece(f"s{number:03}", "t", features(own(number))) for number in range(198)]
    pieces += [Piece("copy1", "t", features(own(0))), Piece("copy2", "t", features(own(0)))]
    found = similarity.among(pieces)
    assert similarity.groups(found) == [("copy1", "copy2", "s000")]
    assert len(found) == 3


def outcome(first, second):
    results = (
        tasks.CheckResult("one", "The first. Hint: a.", first, 2.0, "" if first else "Not so."),
        tasks.CheckResult("two", "The second.", second, 2.0, "" if second else "Not so."),
    )
    return Outcome("", "l", (tasks.TaskScore("t1", results),))


def test_statistics_of_a_class():
    found = statistics.tasks(
        [outcome(2.0, 2.0), outcome(2.0, 0.0), outcome(0.0, 0.0), Outcome("", "l", (), failure="x")]
    )
    first, total = found
    assert (first.task, first.max_points, first.mean, first.median) == ("t1", 4.0, 2.0, 2.0)
    assert first.bins == (1, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    assert [(check.name, round(check.share, 2)) for check in first.failed] == [("two", 0.67), ("one", 0.33)]
    assert (total.task, total.mean) == ("all", 2.0)
    assert statistics.tasks([]) == ()


class _Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_is_self_contained_and_shows_hostile_text_as_text():
    evil = "<script>alert(1)</script>"
    one = overview.Overview(
        "01-pruning",
        2,
        2,
        statistics.tasks([outcome(2.0, 0.0)]),
        (Pair("ada", "bob", "t1", 0.9, 30),),
        (Pair("ada", evil, "t1", 0.8, 20),),
        (("ada", "t1", evil),),
        (),
        {("ada", "t1"): evil, ("bob", "t1"): "x = 1"},
    )
    text = page.render([one])
    elements = _Elements()
    elements.feed(text)
    assert not elements.names & {"script", "img", "link", "iframe", "object", "a"}
    assert not elements.attributes & {"src", "href", "onclick", "style"}
    assert text.count("&lt;script&gt;") == 3
    assert "ada and bob, 90%" in text
    assert one.as_json()["groups"] == [["ada", "bob"]]


def test_flags_and_unreadable_files_are_in_the_overview(tmp_path):
    from autograder.gradebook import Course

    course, lab = Course.create(tmp_path), nb.find(ROOT, ["01-pruning"])[0]
    assert overview.lab(course, lab) is None
    for student, content in (
        ("ada", nb.to_bytes(nb.release(nb.read(lab.source.read_text())))),
        ("eve", b"{"),
    ):
        path = course.submitted / student / lab.name / "pruning.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    folder = course.outcomes / lab.name
    folder.mkdir()
    flagged = Outcome("", lab.name, (), flags=(Flag("odd", "It is odd.", "pruning-1"),))
    (folder / "ada.json").write_text(flagged.to_json())
    (folder / "bob.json").write_text("{")
    found = overview.lab(course, lab)
    assert (found.submissions, found.unreadable) == (2, ("eve",))
    assert found.flags == (("ada", "pruning-1", "It is odd."),)
    assert (found.alike, found.copied) == ((), ())


def test_a_number_of_thousands_of_digits_ends_no_report():
    assert features(f"x = 0x{'f' * 4000} + y * z + 3")
    assert features(f"x = {'9' * 5000}") == frozenset()  # which Python does not read


def test_a_piece_has_no_more_features_than_a_report_can_hold():
    data = "x = [" + ", ".join(map(str, range(60_000))) + "]"
    assert len(features(data)) == trees.MOST
    assert features("x = 1 + 2 + y\n" * 50_000) == frozenset()  # too long to be parsed
    code = {("eve", task): data.replace("x", task) for task in ("one", "two")}
    assert max(len(piece.features) for piece in overview._pieces(code)) <= trees.MOST


def test_a_piece_that_breaks_the_parser_is_left_out_alone(monkeypatch):
    def broken(text):
        if "boom" in text:
            raise SystemError("the parser gave up")
        return features(text)

    monkeypatch.setattr(overview, "features", broken)
    found = {
        piece.owner: piece.features for piece in overview._pieces({("eve", "t"): "boom", ("ada", "t"): CODE})
    }
    assert found == {"eve": frozenset(), "ada": features(CODE)}


def test_shares_are_the_same_in_blocks_of_any_size(monkeypatch):
    sets = {"a": range(40), "b": range(10, 50), "c": range(30, 45), "d": range(100, 140)}
    pieces = [Piece(name, "t", frozenset((str(one),) for one in ones)) for name, ones in sets.items()]
    expected = [
        [len(one.features & two.features) / min(len(one.features), len(two.features)) for two in pieces]
        for one in pieces
    ]
    for block in (3, 7, 4096):
        monkeypatch.setattr(similarity, "BLOCK", block)
        assert similarity._table(pieces, list(pieces)) == pytest.approx(np.array(expected))
        assert (similarity._table(pieces, pieces) >= THRESHOLD)[0, 1]
        assert similarity._table(pieces[:2], pieces[2:]) == pytest.approx(np.array(expected)[:2, 2:])
