"""Which submissions are alike, and which are alike to the solution or to `efflab`'s source.

Two pieces of code are compared by the features that they share (`autograder.report.trees`), once the starter code and
what most of the class writes are left out. The features are columns of one table, so a class is compared by a product
of matrices and not pair by pair.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.report.trees import Feature

THRESHOLD = 0.7
"""Share of the smaller piece's features from which on two are called alike.

The course's honest variants share at most 0.36 with each other and with the solutions; a copy with other names, another
layout or another order of statements shares all (`tests/test_report.py` holds both).
"""
SMALLEST = 12
"""A piece of fewer features is too short to tell a copy from the one obvious answer."""
COMMON_SHARE, COMMON_COUNT = 0.3, 10
"""What more than this part of the class, and more than this many students, write is nobody's own."""

BLOCK = 4096
"""Features that are compared at once."""


@dataclass(frozen=True)
class Piece:
    """Code of one owner for one task.

    Attributes:
        owner: a student's id, or what a reference is called.
        task: the task; empty for the whole submission.
        features: as `trees.features` gives them.
    """

    owner: str
    task: str
    features: frozenset[Feature]


@dataclass(frozen=True)
class Pair:
    """Two pieces that are alike.

    Attributes:
        first: a student's id.
        second: another's, or a reference.
        task: the task; empty for the whole submission.
        share: of the smaller piece's features, from 0 to 1.
        size: features of the smaller piece.
    """

    first: str
    second: str
    task: str
    share: float
    size: int


def among(pieces: Sequence[Piece], starter: frozenset[Feature] = frozenset()) -> list[Pair]:
    """The pairs of alike submissions, most alike first.

    Args:
        pieces: of all students, any tasks.
        starter: features of the released lab, which are left out.
    """
    found: list[Pair] = []
    for task, own in _by_task(pieces).items():
        reduced = _without(own, starter | _common(own))
        table = _table(reduced, reduced)
        found += [_pair(reduced[i], reduced[j], task, table[i, j]) for i, j in _places(table) if i < j]
    return _sorted(found)


def against(
    pieces: Sequence[Piece], references: Sequence[Piece], starter: frozenset[Feature] = frozenset()
) -> list[Pair]:
    """The submissions that are alike to a reference, each with the reference that it is most alike to, task by task.

    Args:
        pieces: of all students.
        references: solutions and `efflab`'s functions; one without a task is held against every task.
        starter: features of the released lab, which are left out.
    """
    found: list[Pair] = []
    for task, own in _by_task(pieces).items():
        theirs = _without([one for one in references if one.task in {task, ""}], starter)
        reduced = _without(own, starter)
        if not theirs or not task:
            continue
        table = _table(reduced, theirs)
        best = table.argmax(axis=1)
        found += [
            _pair(reduced[i], theirs[j], task, table[i, j])
            for i, j in enumerate(best)
            if table[i, j] >= THRESHOLD
        ]
    return _sorted(found)


def groups(pairs: Sequence[Pair]) -> list[tuple[str, ...]]:
    """The students who are linked by pairs, largest group first."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for pair in pairs:
        leader[find(pair.first)] = find(pair.second)
    members: dict[str, list[str]] = {}
    for name in sorted(leader):
        members.setdefault(find(name), []).append(name)
    return sorted((tuple(names) for names in members.values()), key=lambda names: (-len(names), names))


def _by_task(pieces: Sequence[Piece]) -> Mapping[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for piece in pieces:
        found.setdefault(piece.task, []).append(piece)
    return found


def _common(pieces: Sequence[Piece]) -> frozenset[Feature]:
    counts = Counter(feature for piece in pieces for feature in piece.features)
    most = max(COMMON_COUNT, COMMON_SHARE * len(pieces))
    return frozenset(feature for feature, count in counts.items() if count > most)


def _without(pieces: Sequence[Piece], features: frozenset[Feature]) -> list[Piece]:
    """The pieces without some features; those that are then too short are left out."""
    reduced = [Piece(piece.owner, piece.task, piece.features - features) for piece in pieces]
    return [piece for piece in reduced if len(piece.features) >= SMALLEST]


def _table(rows: Sequence[Piece], columns: Sequence[Piece]) -> np.ndarray:
    """The share of each row's piece with each column's, a block of features after the other to bound the memory."""
    pieces = rows if rows is columns else (*rows, *columns)
    counts = Counter(feature for piece in pieces for feature in piece.features)
    shared = (feature for feature, count in counts.items() if count > 1)
    known = {feature: place for place, feature in enumerate(shared)}
    first, second = _numbers(rows, known), _numbers(columns, known)
    common = np.zeros((len(rows), len(columns)), np.float32)
    for start in range(0, len(known), BLOCK):
        common += _matrix(first, start) @ _matrix(second, start).T
    smaller = np.minimum(_sizes(rows)[:, None], _sizes(columns)[None, :])
    share: np.ndarray = common / np.maximum(smaller, 1.0)
    return share


def _sizes(pieces: Sequence[Piece]) -> np.ndarray:
    return np.array([len(piece.features) for piece in pieces], np.float32)


def _numbers(pieces: Sequence[Piece], known: Mapping[Feature, int]) -> list[np.ndarray]:
    """The columns of each piece's features, in order."""
    return [
        np.array(sorted(known[feature] for feature in piece.features if feature in known), np.int64)
        for piece in pieces
    ]


def _matrix(numbers: Sequence[np.ndarray], start: int) -> np.ndarray:
    """One line for each piece, the columns from ``start`` on."""
    matrix = np.zeros((len(numbers), BLOCK), np.float32)
    for row, own in enumerate(numbers):
        first, end = np.searchsorted(own, (start, start + BLOCK))
        matrix[row, own[first:end] - start] = 1.0
    return matrix


def _places(table: np.ndarray) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in zip(*np.nonzero(table >= THRESHOLD), strict=True)]


def _pair(first: Piece, second: Piece, task: str, share: float) -> Pair:
    size = min(len(first.features), len(second.features))
    return Pair(first.owner, second.owner, task, round(float(share), 3), size)


def _sorted(pairs: list[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.size, pair.task, pair.first, pair.second))
