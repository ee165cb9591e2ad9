"""The leak scan: no solution, model answer, rubric, hidden check or mutant may stand in what students and readers get.

Looked for: every solution region and private cell of the lab sources, and every function body of the hidden checks and
the mutants, as `autograder.fingerprints` (renaming and reformatting do not hide a copy). Looked through: notebooks,
HTML, Markdown and text.

What is public is no leak. In labs that is only the given code of cells tagged ``given``. In the book and in feedback it
is also the released labs and `efflab`'s own source, which the chapters show on purpose; in a lab the same lines are
reported, since the lab asks to rebuild them.

``python -m autograder.leaks PATH ...`` scans folders or files such as the built book.
"""

import argparse
import ast
import functools
import html.parser
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder import notebook as nb
from autograder.fingerprints import Index

MARKERS = (
    "### BEGIN SOLUTION",
    "### END SOLUTION",
    "### BEGIN HIDDEN TESTS",
    "### END HIDDEN TESTS",
    "# STUB:",
)
GIVEN_TAG = "given"
SUFFIXES = frozenset({".ipynb", ".html", ".htm", ".md", ".txt", ".py", ".json", ".rst"})
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Leak:
    """A piece of a secret where it must not be.

    Attributes:
        file: where it stands.
        place: where in the file.
        origin: what it is a piece of.
        excerpt: the piece, normalised.
    """

    file: str
    place: str
    origin: str
    excerpt: str

    def __str__(self) -> str:
        """One line for a report."""
        return f"{self.file}, {self.place}: holds {self.origin}: {self.excerpt[:100]}"


class _Text(html.parser.HTMLParser):
    """Everything in a page that a person or a program can read, style sheets and scripts left out."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("type") or "javascript"
        # A script element of another type is data, such as the state of a widget.
        self.silent = tag == "style" or (tag == "script" and ("javascript" in kind or kind == "module"))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "script"}:
            self.silent = False
        if tag in {"p", "pre", "div", "li", "td", "h1", "h2", "h3"}:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(data)


def secrets(labs: list[tuple[str, NotebookNode]], code: dict[str, str]) -> Index:
    """What must not be found.

    Args:
        labs: names of labs with their sources as `autograder.notebook.read` gives them.
        code: hidden checks and mutants, file name to source.
    """
    index = Index()
    for name, source in labs:
        for cell in source.cells:
            _add_cell(index, name, cell)
    for file, text in code.items():
        for function, body in _bodies(text):
            index.add_code(body, f"{function} of {file}")
    return index


def _add_cell(index: Index, lab: str, cell: NotebookNode) -> None:
    if nb.is_solution(cell):
        for region in nb.regions(cell.source):
            index.add_code(region, f"the solution {nb.grade_id(cell)} of {lab}")
    elif nb.is_answer(cell):
        index.add_prose(cell.source, f"the model answer {nb.grade_id(cell)} of {lab}")
    elif nb.tags(cell) & nb.PRIVATE_TAGS and cell.cell_type == "code":
        index.add_code(cell.source, f"an instructor's cell of {lab}")
    elif nb.tags(cell) & nb.PRIVATE_TAGS:
        index.add_prose(cell.source, f"a rubric of {lab}")


def _bodies(text: str) -> Iterator[tuple[str, str]]:
    """The name and body of each outermost function and class, as written, docstring left out."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = node.body[0]
            start = (first.end_lineno or 0) + 1 if ast.get_docstring(node) is not None else first.lineno
            yield node.name, "\n".join(lines[start - 1 : node.end_lineno])


def given(labs: list[tuple[str, NotebookNode]]) -> list[str]:
    """The code that a lab gives away on purpose: the cells tagged ``given``."""
    return [cell.source for _, source in labs for cell in source.cells if GIVEN_TAG in nb.tags(cell)]


def released_texts(notebooks: list[NotebookNode]) -> list[str]:
    """Every cell of released labs: public for the book and the feedback."""
    return [cell.source for released in notebooks for cell in released.cells]


def package_texts(root: Path = ROOT) -> list[str]:
    """The source of `efflab`: public for the book and the feedback."""
    return [path.read_text() for path in sorted((root / "efflab").rglob("*.py"))]


def scan_notebook(file: str, notebook: NotebookNode, index: Index) -> list[Leak]:
    """The leaks in a notebook: sources, outputs and metadata."""
    leaks = []
    for number, cell in enumerate(notebook.cells):
        place = f"cell {number} ({nb.grade_id(cell) or cell.get('id', '')})"
        rest = json.dumps(
            [cell.metadata, cell.get("outputs", []), cell.get("attachments", {})], ensure_ascii=False
        )
        text = cell.source + "\n" + rest.replace("\\n", "\n").replace('\\"', '"')
        leaks += scan_text(file, place, text, index)
    return leaks + scan_text(file, "metadata", json.dumps(notebook.metadata, ensure_ascii=False), index)


def scan_text(file: str, place: str, text: str, index: Index) -> list[Leak]:
    """The leaks in a text."""
    marks = [
        Leak(file, place, "a marker of the lab's source", marker) for marker in MARKERS if marker in text
    ]
    return marks + [Leak(file, place, origin, excerpt) for origin, excerpt in index.search(text).items()]


def scan_html(file: str, page: str, index: Index) -> list[Leak]:
    """The leaks in a page: its text, whatever elements cut it up."""
    parser = _Text()
    parser.feed(page)
    parser.close()
    return scan_text(file, "text", "".join(parser.parts), index)


def scan_path(path: Path, index: Index) -> list[Leak]:
    """The leaks in a file, or in all files below a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    leaks: list[Leak] = []
    for file in files:
        if file.suffix not in SUFFIXES:
            continue
        text = file.read_text(errors="replace")
        if file.suffix in {".html", ".htm"}:
            leaks += scan_html(str(file), text, index)
        elif file.suffix == ".ipynb":
            leaks += scan_text(str(file), "file", text.replace("\\n", "\n").replace('\\"', '"'), index)
        else:
            leaks += scan_text(str(file), "file", text, index)
    return leaks


def hidden_code(root: Path = ROOT) -> dict[str, str]:
    """The hidden checks and mutants of a repository, file name to source."""
    files = [
        p for folder in ("checks", "mutants") for p in sorted((root / "autograder" / folder).glob("*.py"))
    ]
    return {str(path.relative_to(root)): path.read_text() for path in files}


def lab_index(labs: list[tuple[str, NotebookNode]], code: dict[str, str]) -> Index:
    """What must not be found in released labs."""
    index = secrets(labs, code)
    return index.without(index.covering(given(labs)))


def public_index(labs: list[tuple[str, NotebookNode]], code: dict[str, str], public: list[str]) -> Index:
    """What must not be found in the book and in feedback, where ``public`` texts may be shown."""
    index = secrets(labs, code)
    released = released_texts([nb.release(source) for _, source in labs])
    return index.without(index.covering([*released, *public]))


@functools.cache
def book_index(root: Path = ROOT) -> Index:
    """What must not be found in the book and feedback of a repository."""
    labs = [(lab.name, nb.read(lab.source.read_text())) for lab in nb.find(root)]
    return public_index(labs, hidden_code(root), package_texts(root))


def main(arguments: list[str] | None = None) -> int:
    """Scan what the command line names; 1 if anything leaks."""
    parser = argparse.ArgumentParser(
        prog="python -m autograder.leaks", description="Search pages for answers."
    )
    parser.add_argument("paths", nargs="+", type=Path, help="folders or files: the built book, feedback")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    options = parser.parse_args(arguments)
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        parser.error(f"there is no {missing[0]}")
    leaks = [leak for path in options.paths for leak in scan_path(path, book_index(options.root))]
    sys.stdout.writelines(f"{leak}\n" for leak in leaks)
    sys.stdout.write(f"{len(leaks)} leaks\n")
    return 1 if leaks else 0


if __name__ == "__main__":
    raise SystemExit(main())
