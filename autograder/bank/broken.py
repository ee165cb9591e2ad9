"""Broken submissions: code that fails, cells that are missing or doubled, answers that are no answers."""

import copy
from typing import Any

from autograder import notebook as nb
from autograder.bank.draft import Draft
from autograder.bank.submission import CHALLENGE, TARGET, Entry, attack, entry

LOST = (TARGET, CHALLENGE)


@entry("broken", lost=LOST)
def syntax_error(draft: Draft) -> Draft:
    """The solution cell does not parse."""
    return draft.write(draft.target.cell, "def broken(:\n    return")


@entry("broken", lost=LOST)
def missing_import(draft: Draft) -> Draft:
    """The solution cell imports what is not there."""
    return draft.write(draft.target.cell, "import no_such_package\n" + draft.solutions()[draft.target.cell])


@entry("broken")
def exits_in_a_cell(draft: Draft) -> Draft:
    """Cells of the student's own leave the interpreter."""
    return draft.add("import sys\nsys.exit(3)").add("exit()").add("raise KeyboardInterrupt")


@entry("broken", lost=LOST)
def deleted_solution(draft: Draft) -> Draft:
    """The solution cell has been deleted."""
    draft.notebook.cells.remove(draft.cell(draft.target.cell))
    return draft


@entry("broken")
def deleted_checks(draft: Draft) -> Draft:
    """All check cells have been deleted, and each task is graded all the same."""
    draft.notebook.cells = [cell for cell in draft.notebook.cells if not nb.is_check(cell)]
    return draft


@entry("broken")
def doubled_solution(draft: Draft) -> Draft:
    """The solution cell stands in the notebook twice, as a copy."""
    draft.notebook.cells.insert(draft.place(draft.target.cell), copy.deepcopy(draft.cell(draft.target.cell)))
    return draft


@entry("broken", exact=False)
def doubled_with_a_stub(draft: Draft) -> Draft:
    """The solution cell is doubled, and one of the two is a stub."""
    stub = copy.deepcopy(Draft(draft.case).cell(draft.target.cell))
    draft.notebook.cells.insert(draft.place(draft.target.cell) + 1, stub)
    return draft


@entry("broken")
def doubled_checks(draft: Draft) -> Draft:
    """Check cells are doubled and their text is changed."""
    for cell in [cell for cell in draft.notebook.cells if nb.is_check(cell)]:
        twin = copy.deepcopy(cell)
        twin.source = "print('passed')"
        draft.notebook.cells.append(twin)
    return draft


@entry("broken")
def reversed_order(draft: Draft) -> Draft:
    """The cells stand in reverse order."""
    draft.notebook.cells.reverse()
    return draft


@entry("broken")
def emptied_given_cells(draft: Draft) -> Draft:
    """The lab's own cells (imports, given functions) have been emptied."""
    for cell in draft.notebook.cells:
        if nb.tags(cell) & {"setup", "given"}:
            cell.source = ""
    return draft


def _answer(name: str, words: str, code: str, **settings: Any) -> Entry:
    """An entry whose function gives something that is no answer."""
    return attack(name, f"the function returns {words}", call=code, kind="broken", **settings)


CALLS: tuple[Entry, ...] = (
    attack("exits-in-a-call", "the function leaves the interpreter", kind="broken", call="import sys\nsys.exit(0)"),
    attack("recursion", "the function calls itself for ever", kind="broken", call="return globals()[_right.__name__](*args, **kwargs)"),
    attack("recursion-without-limit", "the function calls itself until the stack overflows", kind="broken", call="""
        import sys
        sys.setrecursionlimit(10**9)
        def deeper(x):
            return max(map(deeper, [x]))
        return deeper(1)
        """),
    attack("raises-oddly", "the function raises an exception that cannot be printed", kind="broken", call="""
        class Odd(Exception):
            def __str__(self):
                raise self
            __repr__ = __str__
        raise Odd("x" * 10**7)
        """),
    attack("raises-base", "the function raises a BaseException of its own", kind="broken", call="""
        class Odd(BaseException):
            pass
        raise Odd(b"x" * 10**7)
        """),
)  # fmt: skip

ANSWERS: tuple[Entry, ...] = (
    _answer("gives-nothing", "None", "return None"),
    _answer("gives-complex", "the right values, all as text", "return repr(_right(*args, **kwargs))"),
    _answer("gives-nan", "arrays of NaN and infinity", "return np.full((3, 4), np.nan), float('inf')", setup="import numpy as np"),
    _answer("gives-wrong-shape", "an array with no dimension and one of thirty", "return np.zeros(()), np.zeros((1,) * 30)", points={"01-pruning": {"pruning-2": 1.0}}, setup="import numpy as np"),
    _answer("gives-objects", "arrays of objects, text and dates", "return np.array([object(), 1]), np.array(['a']), np.array(['2020'], 'M8[D]')", setup="import numpy as np"),
    _answer("gives-enormous", "a tensor of a million million elements that takes no room", "return torch.zeros(1).expand(10**12)"),
    _answer("gives-large", "a gigabyte of real zeros", "return torch.zeros(2**28), torch.zeros(2**28)", quick=True),
    _answer("gives-long-number", "a whole number of a hundred million bits", "return 1 << 10**8"),
    _answer("gives-many", "three million numbers in a list", "return list(range(3_000_000))"),
    _answer("gives-deep", "a list nested a million deep", "deep = []\nfor _ in range(10**6):\n    deep = [deep]\nreturn deep"),
    _answer("gives-cycle", "a list and a dict that hold themselves", "one = []\none.append(one)\ntwo = {}\ntwo['x'] = two\nreturn one, two"),
    _answer("gives-generator", "an endless generator", "import itertools\nreturn (x for x in itertools.count())"),
    _answer("gives-sparse", "sparse, quantised and nested tensors", "return torch.eye(3).to_sparse(), torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)"),
    _answer("gives-meta", "tensors without data, on a device that is none", "return torch.empty(3, device='meta'), torch.empty(3, 4, device='meta')"),
    _answer("gives-cuda", "a tensor on an accelerator that is not there", "return torch.zeros(3, device='cuda')"),
    _answer("gives-function", "a function, a class and a module", "import os\nreturn _right, int, os"),
    _answer("gives-odd-dict", "a dict with keys that no data have", "return {(): 1, None: 2, 1.5: {frozenset(): 3}, object(): 4}"),
    _answer("gives-surrogates", "text that no encoding has", r"return '\ud800' * 10, b'\xff' * 10"),
    _answer("gives-dishonest-list", "kinds of list, dict, str and int whose methods fail or loop", """
        class L(list):
            def __iter__(self):
                while True:
                    yield 1
            def __len__(self):
                raise SystemExit
            def __reduce__(self):
                return (eval, ("1/0",))
        class S(str):
            def encode(self, *_):
                raise MemoryError
        class I(int):
            def bit_length(self):
                return -5
        return L([1]), S("x"), I(7)
        """),
)  # fmt: skip

ENTRIES: tuple[Entry, ...] = (
    syntax_error,
    missing_import,
    exits_in_a_cell,
    deleted_solution,
    deleted_checks,
    doubled_solution,
    doubled_with_a_stub,
    doubled_checks,
    reversed_order,
    emptied_given_cells,
    *CALLS,
    *ANSWERS,
)
