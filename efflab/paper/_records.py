"""Reading the records: each file once, when its paper is first asked for."""

import functools
import json
from importlib import resources
from typing import Any

from efflab.errors import EfflabError
from efflab.paper._figures import Figure, Paper, suggestion

# In the order of the book; the name of each is that of the topic that rebuilds it.
_PAPERS = (
    "pruning",
    "deep_compression",
    "eie",
    "ese",
    "dsd",
    "ttq",
    "squeezenet",
    "winograd",
    "dgc",
    "amc",
    "path_level",
    "bandwidth",
)
# Topics that share a paper, or whose source has no records of its own.
_TOPIC_PAPER = {"quantization": "deep_compression", "huffman": "deep_compression", "codesign": "bandwidth"}
_CITE = {"measuring": "horowitz2014computing"}


def papers() -> tuple[str, ...]:
    """Names of the papers that have records."""
    return _PAPERS


def _paper_name(name: str) -> str:
    known = _TOPIC_PAPER.get(name, name)
    if known not in _PAPERS:
        close = suggestion(name, [*_PAPERS, *_TOPIC_PAPER]) or f"; the papers are {', '.join(_PAPERS)}"
        raise EfflabError(f"no paper is called {name!r}{close}")
    return known


@functools.cache
def _file(name: str) -> tuple[Paper, dict[str, Figure]]:
    """One paper with its figures by id."""
    text = resources.files("efflab.paper").joinpath("records", f"{name}.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    records = content.pop("records")
    paper = Paper(name=content.pop("paper"), **content)
    figures = [Figure(paper=name, source=paper.short, **record) for record in records]
    return paper, {figure.id: figure for figure in figures}


def info(name: str) -> Paper:
    """The paper called ``name``, or the one that topic ``name`` rebuilds.

    Raises:
        EfflabError: no paper is called so.
    """
    return _file(_paper_name(name))[0]


def get(id: str) -> Figure:  # noqa: A002 - the name every record gives it
    """One published figure.

    Args:
        id: paper, table, row and column, ``"pruning/table2/fc1/weights_pct"``.

    Raises:
        EfflabError: there is no such figure; the message names the ids close to it.

    >>> get("pruning/figure1/dram_32b").value
    640
    """
    name, _, rest = id.partition("/")
    figures = _file(_paper_name(name))[1]
    wanted = f"{_paper_name(name)}/{rest}"
    if wanted not in figures:
        raise EfflabError(f"no published figure is called {id!r}{suggestion(wanted, figures)}")
    return figures[wanted]


def find(prefix: str) -> tuple[Figure, ...]:
    """All figures below ``prefix``, in the paper's order.

    Args:
        prefix: the beginning of an id up to a slash, ``"pruning"`` or ``"pruning/table2/fc1"``.

    Raises:
        EfflabError: there is no figure below it.

    >>> [str(figure) for figure in find("pruning/table2/fc1")]
    ['235K weights', '470K FLOP', '38 %', '8 %', '8 %']
    """
    name, _, rest = prefix.strip("/").partition("/")
    paper, figures = _file(_paper_name(name))
    start = "/".join(filter(None, (paper.name, rest)))
    found = tuple(figure for key, figure in figures.items() if key == start or key.startswith(f"{start}/"))
    if not found:
        raise EfflabError(
            f"no published figure begins with {prefix!r}{suggestion(start, _beginnings(figures))}"
        )
    return found


def _beginnings(ids: dict[str, Figure]) -> set[str]:
    """Every prefix up to a slash that some id has."""
    parts = [one.split("/") for one in ids]
    return {"/".join(part[:n]) for part in parts for n in range(1, len(part) + 1)}


def cite(topic: str) -> str:
    """The BibTeX key of the paper that a topic rebuilds.

    >>> cite("pruning"), cite("huffman"), cite("measuring")
    ('han2015learning', 'han2016deep', 'horowitz2014computing')
    """
    return _CITE.get(topic) or info(topic).cite
