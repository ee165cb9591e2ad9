"""One published figure, and the paper it stands in."""

import difflib
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from efflab.errors import EfflabError

Status = Literal["verified", "digitised", "derived", "unverified"]
_STATES = get_args(Status)
_MARKS = {"verified": "", "digitised": " (digitised)", "derived": " (derived)", "unverified": " (unverified)"}


@dataclass(frozen=True)
class Paper:
    """A paper.

    Attributes:
        name: its name in ids, that of the topic which rebuilds it.
        title: the title.
        authors: all authors, separated by commas.
        venue: conference and year.
        arxiv: arXiv number with the version read, or an empty string.
        cite: its BibTeX key in the book.
        short: how a sentence names it, ``"Han et al., NIPS 2015"``.
        tables: titles of its tables by name.
        labels: rows as printed, by their form in ids, where the two differ.
    """

    name: str
    title: str
    authors: str
    venue: str
    arxiv: str
    cite: str
    short: str
    tables: dict[str, str]
    labels: dict[str, str]


@dataclass(frozen=True, repr=False)
class Figure:
    """One published figure.

    Attributes:
        id: paper, table, row and column, ``"pruning/table2/fc1/weights_pct"``.
        value: the number, with suffixes such as K and M resolved.
        unit: its unit; empty for a pure number.
        paper: name of the paper.
        where: table, figure or section.
        status: ``"verified"`` (read in the paper or the authors' repository), ``"digitised"`` (measured on a figure),
            ``"derived"`` (computed from other figures) or ``"unverified"`` (not read in a source).
        error: error of a digitised value in ``unit``, or None where none is stated.
        note: what a reader must know beside it, or an empty string.
        printed: the number as the paper prints it, ``"235K"``.
        source: the paper as a sentence names it.
    """

    id: str
    value: float
    unit: str
    paper: str
    where: str
    status: Status
    error: float | None = None
    note: str = ""
    printed: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.status not in _STATES:
            raise EfflabError(
                f"record {self.id}: status must be one of {', '.join(_STATES)}, got {self.status!r}"
            )
        if not self.printed:
            object.__setattr__(self, "printed", f"{self.value}")

    @property
    def reference(self) -> str:
        """Paper and place in one phrase, with the status where it is not ``verified``.

        >>> from efflab import paper
        >>> paper.get("ttq/table1/resnet-20/error").reference
        'Zhu et al., ICLR 2017, Table 1'
        """
        return f"{self.source}, {self.where}{_MARKS[self.status]}"

    @property
    def step(self) -> float:
        """One unit of the last printed digit, so 1,000 for ``"235K"`` and 0.01 for ``"1.64"``."""
        digits = re.search(r"\d+(?:\.(\d+))?", self.printed)
        if digits is None or not float(digits[0]):
            return 1.0
        return 10.0 ** -len(digits[1] or "") * self.value / float(digits[0])

    def agrees(self, measured: float) -> bool:
        """Whether ``measured`` would print as this figure: less than one unit of its last digit away.

        One unit, not half of one: the papers cut some figures instead of rounding them.
        """
        return abs(measured - self.value) < abs(self.step) * (1 - 1e-9)

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        text = (
            self.printed if self.unit in {"", "parameters", "weights", "FLOP", "MAC"} else f"{self.value:,}"
        )
        spread = "" if self.error is None else f" ± {self.error}"
        return f"{text}{spread}" + (f" {self.unit}" if self.unit else "")

    def __repr__(self) -> str:
        return f"Figure({self.id} = {self}, {self.where}, {self.status})"

    def _repr_html_(self) -> str:
        return f"<span title='{html.escape(self.reference, quote=True)}'>{html.escape(str(self))}</span>"


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the names close to it, or nothing.

    Args:
        name: what was asked for.
        known: what there is.

    Returns:
        ``"; did you mean 'a' or 'b'?"``, or an empty string where nothing is close.
    """
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
