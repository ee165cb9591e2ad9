"""The repository's settings without what students do not get: extras, scripts, targets and tools of its authors."""

import itertools
import re
from collections.abc import Iterator

TARGETS = ("help", "lab", "reproduce", "clean")
_CHOSEN = {
    "project.optional-dependencies": frozenset({"student"}),
    "project.scripts": frozenset({"efflab"}),
}
TABLES = ("build-system", "project", "tool.hatch")
GITIGNORE = (
    ".venv/\nmy-labs/\nbuild/\n__pycache__/\n*.py[cod]\n.ipynb_checkpoints/\n*.part\n.cache/\n.efflab/\n"
)
_HEADER = re.compile(r"^\[+([^\[\]]+)\]+\s*$")
_ENTRY = re.compile(r'^"?([\w.-]+)"?\s*=')
_RULE = re.compile(r"^([a-z-]+):(?!=)")


def pyproject(text: str) -> str:
    """The settings of the package that students install.

    Args:
        text: the repository's ``pyproject.toml``.
    """
    kept = []
    for name, lines in _tables(text):
        if name in _CHOSEN:
            kept += _entries(lines, _CHOSEN[name])
        elif name.startswith(TABLES):
            kept += lines
    return "\n".join(kept).rstrip() + "\n"


def _tables(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each table with its lines; comments go with the table that they stand before."""
    name = ""
    lines: list[str] = []
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            comments = list(
                reversed(list(itertools.takewhile(lambda one: one.startswith("#"), reversed(lines))))
            )
            yield name, lines[: len(lines) - len(comments)]
            name, lines = header[1].strip(), comments
        lines.append(line)
    yield name, lines


def _entries(lines: list[str], names: frozenset[str]) -> list[str]:
    """The table's head and its named entries, a list over several lines included."""
    kept, inside = [], True
    for line in lines:
        entry = _ENTRY.match(line)
        if entry:
            inside = entry[1] in names
        if inside or not line.strip():
            kept.append(line)
    return kept


def makefile(text: str) -> str:
    """The targets that work in the bundle.

    Args:
        text: the repository's ``Makefile``.
    """
    kept, inside = [], True
    for line in text.splitlines():
        rule = _RULE.match(line)
        if rule:
            inside = rule[1] in TARGETS
        elif line and not line.startswith(("\t", "#")):
            inside = True
        if line.startswith(".PHONY:"):
            kept.append(".PHONY: " + " ".join(TARGETS))
        elif inside and not line.startswith(("#   make test", "WORKERS")):
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).rstrip() + "\n"


def page(text: str) -> str:
    """A page of the book as plain Markdown: without its header and directives."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    body = re.sub(r"^```\{[\w-]+\}.*?^```\n", "", body, flags=re.DOTALL | re.MULTILINE)
    body = re.sub(r"^\([\w-]+\)=\n", "", body, flags=re.MULTILINE)
    body = re.sub(r"\{[\w:-]+\}`([^`<]*?)(?:\s*<[^`>]*>)?`", r"\1", body)
    return body.strip() + "\n"
