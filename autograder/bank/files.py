"""Hostile files: no notebooks at all, notebooks that are too large or lie about what they are, forged cells and metadata."""

import copy
import json
from collections.abc import Callable
from typing import Any

import nbformat

from autograder import notebook as nb
from autograder.bank.draft import Draft
from autograder.bank.submission import Entry, entry

LARGE = 500 * 2**20
"""Bytes of the largest file."""


def _refused(name: str, words: str, make: Callable[[Draft], bytes]) -> Entry:
    return Entry(name, "hostile", words, make, refused=True)


def _content(draft: Draft) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(draft.to_bytes())
    return content


def _bytes(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def _with(**fields: Any) -> Callable[[Draft], bytes]:
    return lambda draft: _bytes(_content(draft) | fields)


REFUSED: tuple[Entry, ...] = (
    _refused("empty-file", "the file is empty", lambda _: b""),
    _refused("binary-file", "the file is a picture", lambda _: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40),
    _refused("corrupt-json", "the file ends in the middle", lambda draft: draft.to_bytes()[: len(draft.to_bytes()) // 2]),
    _refused("no-object", "the file is JSON, but a list", lambda _: b"[1, 2, 3]"),
    _refused("wrong-nbformat", "the file says that it is of notebook format 9", _with(nbformat=9)),
    _refused("cells-of-another-kind", "the cells are no list", _with(cells={"cell_type": "code"})),
    _refused("deep-json", "the file is nested a million deep", lambda _: b"[" * 10**6 + b"]" * 10**6),
    _refused("deep-json-objects", "objects are nested a hundred thousand deep in the metadata",
        lambda draft: draft.to_bytes().replace(b'"metadata": {', b'"metadata": {"x": ' + b'{"a": ' * 10**5 + b"1" + b"}" * 10**5 + b", ", 1)),
    _refused("long-number", "a number of five million digits stands for the format", lambda draft: draft.to_bytes().replace(b'"nbformat": 4', b'"nbformat": ' + b"4" * 5_000_000)),
    _refused("500-megabytes", "the file has 500 megabytes", lambda draft: b" " * LARGE + draft.to_bytes()),
    _refused("pickle", "the file is a pickle that runs code when it is read", lambda _: b"cos\nsystem\n(S'touch /tmp/efflab-bank-mark'\ntR."),
)  # fmt: skip


@entry("hostile", refused=True)
def duplicate_keys(draft: Draft) -> bytes:
    """The file holds its cells twice, by a key that is repeated, and the first ones differ."""
    text = draft.to_bytes().decode().strip()
    return ('{"cells": [], "nbformat": 3,' + text[1:]).encode()


@entry("hostile", refused=True)
def not_utf8(draft: Draft) -> bytes:
    """Text that is not UTF-8 stands in a cell."""
    return draft.add("# HERE").to_bytes().replace(b"# HERE", b"# \xff\xfe\x80")


@entry("hostile")
def odd_characters(draft: Draft) -> bytes:
    """Lone surrogates, NUL and control characters stand in a cell."""
    return draft.add("# HERE").to_bytes().replace(b"# HERE", rb"x = 1  # \ud800 \u0000 \u001b[2J")


@entry("hostile", exact=False)
def not_numbers(draft: Draft) -> bytes:
    """NaN and infinity stand where numbers should."""
    content = _content(draft)
    content["cells"][0]["execution_count"] = float("nan")
    content["metadata"]["x"] = float("inf")
    return _bytes(content)


@entry("hostile", refused=True)
def many_cells(draft: Draft) -> bytes:
    """There are a hundred thousand cells."""
    content = _content(draft)
    content["cells"] += [
        {"cell_type": "markdown", "metadata": {}, "source": "x", "id": f"c{n}"} for n in range(100_000)
    ]
    return _bytes(content)


@entry("hostile", exact=False, quick=True)
def long_cell(draft: Draft) -> Draft:
    """One cell has ten megabytes of code."""
    return draft.add("x = '''" + "x" * 10**7 + "'''")


@entry("hostile", quick=True)
def deep_code(draft: Draft) -> Draft:
    """A cell is nested too deep for Python's compiler."""
    return (
        draft.add("x = " + "(" * 50_000 + ")" * 50_000)
        .add("x = " + "-" * 10**6 + "1")
        .add("x = " + " + ".join(["1"] * 10**5))
    )


@entry("hostile", only=())
def forged_points(draft: Draft) -> Draft:
    """Points, locks and checksums of the check cells are forged."""
    draft.empty()
    for cell in draft.notebook.cells:
        if nb.nbgrader(cell):
            cell.metadata["nbgrader"] |= {
                "points": 1000,
                "locked": False,
                "checksum": "0" * 32,
                "grade": True,
                "solution": False,
            }
    return draft


@entry("hostile", only=())
def forged_checks(draft: Draft) -> Draft:
    """The check cells give points by their own text, and outputs say that all is right."""
    draft.empty()
    for cell in [cell for cell in draft.notebook.cells if nb.is_check(cell)]:
        cell.source = "100"
        cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "100"})]  # type: ignore[no-untyped-call]  # nbformat's own gap
    return draft


@entry("hostile")
def forged_grade_ids(draft: Draft) -> Draft:
    """Cells carry the grade ids of checks and of no task; the answer stands in one of them, and its own cell is a stub."""
    check = copy.deepcopy(draft.cell(draft.target.task))
    check.source = "raise SystemExit"
    draft.notebook.cells.insert(0, check)
    stranger = copy.deepcopy(draft.cell(draft.target.cell))
    stranger.metadata["nbgrader"] |= {"grade_id": "no-such-task", "points": 50, "grade": True}
    draft.notebook.cells.append(stranger)
    return draft.write(draft.target.cell, Draft(draft.case).cell(draft.target.cell).source)


@entry("hostile")
def forged_tags(draft: Draft) -> Draft:
    """Solution and check cells are tagged as not to be run in grading."""
    for cell in draft.notebook.cells:
        if nb.is_check(cell) or nb.is_solution(cell):
            cell.metadata["tags"] = ["measure", "rubric", "instructor", "paper-scale"]
    return draft


@entry("hostile", exact=False)
def forged_kinds(draft: Draft) -> bytes:
    """Cells change their kind: checks are text, answers are code, solutions are raw."""
    content = _content(draft)
    for cell in content["cells"]:
        kinds = {"markdown": "code", "code": "raw"}
        if cell["metadata"].get("nbgrader"):
            cell["cell_type"] = kinds[cell["cell_type"]]
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    return _bytes(content)


@entry("hostile", exact=False)
def forged_metadata(draft: Draft) -> bytes:
    """Metadata and attachments are of the wrong kinds everywhere."""
    content = _content(draft)
    odd: list[Any] = [
        None,
        [],
        "text",
        7,
        {"nbgrader": []},
        {"nbgrader": {"grade_id": ["x"]}},
        {"tags": {"a": 1}},
        {"nbgrader": {"grade": "yes"}},
    ]
    for number, value in enumerate(odd):
        content["cells"].insert(
            number,
            {
                "cell_type": "code",
                "metadata": value,
                "source": ["x = 1\n", 2, None],
                "outputs": {},
                "id": [number],
            },
        )
    content["cells"] += [None, 3, "cell", [], {}, {"cell_type": "evil"}]
    content["metadata"] |= {
        "kernelspec": "rm -rf /",
        "efflab": {"forbidden": [], "budget": {"seconds": 10**9}},
        "jupytext": {"formats": "ipynb,py"},
    }
    return _bytes(content)


@entry("hostile")
def forged_ids(draft: Draft) -> Draft:
    """An added cell takes the id and the place of the lab's own cells, and forbids nothing."""
    first = copy.deepcopy(draft.notebook.cells[1])
    first.source = "import builtins"
    draft.notebook.cells.insert(0, first)
    draft.notebook.metadata["efflab"] = {"forbidden": [], "title": "<script>alert(1)</script>"}
    return draft


ENTRIES: tuple[Entry, ...] = (
    *REFUSED, duplicate_keys, not_utf8, odd_characters, not_numbers, many_cells, long_cell, deep_code, forged_points, forged_checks,
    forged_grade_ids, forged_tags, forged_kinds, forged_metadata, forged_ids,
)  # fmt: skip
