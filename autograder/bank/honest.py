"""Honest submissions: everything, nothing, parts; and right answers written, saved or decorated differently."""

import json
import uuid
from typing import Any

import nbformat

from autograder.bank import sources
from autograder.bank.draft import Draft
from autograder.bank.submission import Entry, attack, entry

RIGHT = "return _right(*args, **kwargs)"


@entry("honest", lost=())
def complete(draft: Draft) -> Draft:
    """Everything is solved."""
    return draft.solve(*draft.tasks)


@entry("honest")
def without_the_challenge(draft: Draft) -> Draft:
    """Everything but the challenge is solved."""
    return draft


@entry("honest", only=())
def untouched(draft: Draft) -> Draft:
    """Nothing has been written yet."""
    return draft.empty()


@entry("partial", only=("target",), labs=("01-pruning",))
def one_task(draft: Draft) -> Draft:
    """Only the attacked task is solved."""
    return draft.empty().solve(draft.target.task)


_FIRST_HALF = (
    *("measuring-1", "measuring-2", "pruning-1", "pruning-2", "pruning-3", "sample-1"),
    *("quantization-1", "quantization-2", "quantization-3", "huffman-1", "huffman-2", "huffman-3"),
    *("eie-1", "eie-2", "eie-3", "ese-1", "ese-2", "ese-3"),
)


@entry("partial", only=_FIRST_HALF)
def first_half(draft: Draft) -> Draft:
    """The first half of the tasks is solved."""
    return draft.empty().solve(*draft.tasks[: len(draft.tasks) // 2])


@entry("partial", points={"01-pruning": {"pruning-1": 4.0}}, labs=("01-pruning",))
def half_a_task(draft: Draft) -> Draft:
    """Of task 1's two functions one is still a stub."""
    stub = Draft(draft.case).cell("pruning-1-quality-solution").source
    return draft.write("pruning-1-quality-solution", stub)


@entry("partial", points={"01-pruning": {"pruning-1": 4.0, "pruning-3": 0.0}}, labs=("01-pruning",))
def two_mistakes(draft: Draft) -> Draft:
    """Two wrong answers among right ones, each losing its own points only."""
    draft.write(
        "pruning-1-quality-solution", "def quality_mask(weight, quality):\n    return weight > quality"
    )
    return draft.write("pruning-3-solution", "def retraining_dropout(rate, mask):\n    return rate")


def _variants(draft: Draft, number: int) -> Draft:
    """In each task the honest variant of a number instead of the solution."""
    for task in draft.tasks:
        found = [one for one in draft.case.honest() if one.task == task]
        if found:
            chosen = found[number % len(found)]
            draft.write(sources.cell_of(draft.case, chosen), sources.cell_source(draft.case, chosen))
    return draft


@entry("different", lost=())
def variants_first(draft: Draft) -> Draft:
    """Another right answer in each task: other algorithms, dtypes and layouts."""
    return _variants(draft.solve(*draft.tasks), 0)


@entry("different", lost=())
def variants_second(draft: Draft) -> Draft:
    """A third right answer in each task."""
    return _variants(draft.solve(*draft.tasks), 1)


@entry("different")
def warns(draft: Draft) -> Draft:
    """Every cell and function warns."""
    draft.add("import warnings\nwarnings.simplefilter('always')\nwarnings.warn('careful')")
    return draft.edit(
        lambda code: (
            f"import warnings\nwarnings.warn('here too')\n{_before_return(code, 'warnings.warn(str(1))')}"
        )
    )


@entry("different")
def prints(draft: Draft) -> Draft:
    """Every function prints a thousand lines."""
    return draft.edit(lambda code: _before_return(code, "print('debug ' * 10 + chr(10), end='' or ' ' * 99)"))


@entry("different")
def logs(draft: Draft) -> Draft:
    """Progress bars of tqdm and lines of logging go to stderr."""
    draft.add(
        """
        import logging, sys
        from tqdm.auto import tqdm
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
        for _ in tqdm(range(50)):
            pass
        """
    )
    return draft.edit(
        lambda code: _before_return(code, "logging.error('here'); list(tqdm(range(3), file=sys.stderr))")
    )


def _before_return(code: str, statement: str) -> str:
    """A statement before the last return of each function."""
    lines = []
    for line in code.splitlines():
        inner = line.lstrip()
        if inner.startswith("return ") and line.startswith("    return"):
            lines.append(line[: len(line) - len(inner)] + statement)
        lines.append(line)
    return "\n".join(lines)


@entry("different")
def helper_cell(draft: Draft) -> Draft:
    """The answer stands in a helper function of a cell that the student added."""
    helper = draft.solutions()[draft.target.cell].replace(
        f"def {draft.target.function}(", "def my_own_helper(", 1
    )
    draft.add("# My own functions, see below.\n" + helper, before=draft.target.cell)
    draft.add("Some *thoughts* of my own.", before=draft.target.cell, kind="markdown")
    return draft.write(
        draft.target.cell,
        f"def {draft.target.function}(*args, **kwargs):\n    return my_own_helper(*args, **kwargs)",
    )


@entry("different")
def new_ids(draft: Draft) -> Draft:
    """Another editor has given every cell a new id."""
    for number, cell in enumerate(draft.notebook.cells):
        cell["id"] = uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex[:8]
    return draft


@entry("different")
def no_ids(draft: Draft) -> bytes:
    """Saved as nbformat 4.4, without cell ids."""
    content = _json(draft)
    for cell in content["cells"]:
        cell.pop("id", None)
    return _bytes(content | {"nbformat_minor": 4})


@entry("different")
def no_metadata(draft: Draft) -> bytes:
    """An editor has dropped all metadata of cells and notebook; functions tell where they belong."""
    content = _json(draft)
    for cell in content["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    return _bytes(content | {"metadata": {}, "nbformat_minor": 4})


@entry("different")
def unknown_kernel(draft: Draft) -> Draft:
    """The kernelspec is one that this machine does not have."""
    draft.notebook.metadata["kernelspec"] = {"name": "my-env-7", "display_name": "Mine", "language": "python"}
    return draft


@entry("different")
def magics(draft: Draft) -> Draft:
    """IPython's magics and shell lines stand among the code."""
    return draft.add("%matplotlib inline\n!echo hello\nx = 1\n%time y = x + 1\nassert y == 2")


@entry("different")
def cell_magic(draft: Draft) -> Draft:
    """A solution cell begins with a cell magic."""
    return draft.write(draft.target.cell, "%%time\n" + draft.solutions()[draft.target.cell])


@entry("different")
def scratch_cells(draft: Draft) -> Draft:
    """Cells of the student's own raise, ask for input, and draw."""
    draft.add("1 / 0")
    draft.add("name = input('your name? ')")
    draft.add("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    return draft.add("# nothing\n\n")


@entry("different")
def with_outputs(draft: Draft) -> Draft:
    """Cells were run, so that outputs and counts are kept in the file."""
    for number, cell in enumerate(draft.notebook.cells):
        if cell.cell_type == "code":
            cell.execution_count = number
            text = {"text/plain": "x" * 10_000, "text/html": "<script>alert(1)</script>"}
            cell.outputs = [nbformat.v4.new_output("display_data", text)]  # type: ignore[no-untyped-call]  # nbformat's own gap
    return draft


@entry("different")
def unicode_names(draft: Draft) -> Draft:
    """Names and comments in Greek, Chinese and emoji."""
    draft.add("ταχύτητα = 1  # 速度 🚀\nif __name__ == '__main__':\n    print(ταχύτητα, '✓')")
    return draft.edit(lambda code: f"# 剪枝 🌿\n{code}")


@entry("different")
def reformatted(draft: Draft) -> bytes:
    """The file was indented and sorted by another tool."""
    return json.dumps(_json(draft), indent=3, sort_keys=True, ensure_ascii=True).encode()


ENTRIES: tuple[Entry, ...] = (
    complete, without_the_challenge, untouched, one_task, first_half, half_a_task, two_mistakes, variants_first, variants_second, warns,
    prints, logs, helper_cell, new_ids, no_ids, no_metadata, unknown_kernel, magics, cell_magic, scratch_cells, with_outputs,
    unicode_names, reformatted,
    attack("threads", "the function works in a thread of its own", kind="different", lost=("challenge",), call="""
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            return pool.submit(_right, *args, **kwargs).result()
        """),
    attack("callable-object", "the function is an object with __call__", kind="different", lost=("challenge",), call=RIGHT
        + "\n\nclass Answer:\n    __slots__ = ()\n    def __call__(self, *args, **kwargs):\n        return _right(*args, **kwargs)"
        + "\n\nglobals()['ANSWER'] = Answer()"),
    attack("seeds-everything", "the function seeds every random generator and sets torch's threads", kind="different",
        lost=("challenge",), setup="import random", call="""
        random.seed(0); np.random.seed(0) if 'np' in globals() else None; torch.manual_seed(0); torch.set_num_threads(1)
        """ + RIGHT),
)  # fmt: skip


def _json(draft: Draft) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(draft.to_bytes())
    return content


def _bytes(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()
