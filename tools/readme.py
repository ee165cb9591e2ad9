"""Fill the README's numbers, table of topics and figure from the records: ``python tools/readme.py`` (``--check`` only compares).

A number stands between ``<!-- measured pruning/lenet-5/rate -->`` or ``<!-- paper pruning/table1/lenet-5/rate -->`` and
``<!-- / -->``; what lies between is replaced. A record of a smoke run is refused: it says only that the code runs.
"""

import re
import sys
from pathlib import Path

from efflab import paper, results
from efflab.errors import EfflabError
from efflab.topics import TOPICS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FIGURE = ROOT / "book" / "figures" / "tradeoff.png"
MARK = re.compile(r"<!-- (measured|paper|topics)(?: (\S+))? -->.*?<!-- / -->", re.DOTALL)


def record(topic: str, name: str) -> results.Result:
    """The most faithful record of a figure.

    Raises:
        EfflabError: there is none, or none but a smoke run's.
    """
    one = results.get(topic, name)
    if one.scale == "smoke":
        raise EfflabError(f"{topic}/{name} was recorded by a smoke run alone, which measures nothing")
    return one


def number(kind: str, name: str) -> str:
    """A record's value with three digits, and its unit."""
    if kind == "measured":
        topic, _, rest = name.partition("/")
        one = record(topic, rest)
        value, unit = one.measured, one.unit
    else:
        figure = paper.get(name)
        value, unit = figure.value, figure.unit
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}" if unit in {"%", "points", "GFLOP/s"} else text


def topics() -> str:
    """The table of topics with their state."""
    lines = ["| | topic | paper | state |", "| --- | --- | --- | --- |"]
    for topic in TOPICS:
        name = f"[{topic.title}](book/{topic.name}.md)" if topic.ready else topic.title
        state = f"ready: [lab](labs/{topic.lab}/{topic.name}.ipynb)" if topic.ready else "planned"
        lines.append(f"| {topic.number:02d} | {name} | {topic.paper} | {state} |")
    return "\n" + "\n".join(lines) + "\n"


def filled(text: str) -> str:
    """The README with every marked place renewed."""

    def renew(match: re.Match[str]) -> str:
        kind, name = match[1], match[2] or ""
        content = topics() if kind == "topics" else number(kind, name)
        return f"<!-- {' '.join(filter(None, (kind, name)))} -->{content}<!-- / -->"

    return MARK.sub(renew, text)


def draw() -> None:
    """The README's picture: the trade-off figure of the recorded run."""
    from efflab.pruning import tradeoff  # noqa: PLC0415 - only drawing needs torch and matplotlib

    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    scale = record("pruning", "tradeoff/l2_iterative/free_rate").scale
    tradeoff.plot(results.series("pruning", "tradeoff", scale)).savefig(
        FIGURE, dpi=144, metadata={"Software": None}
    )


if __name__ == "__main__":
    old = README.read_text(encoding="utf-8")
    new = filled(old)
    if "--check" in sys.argv:
        sys.exit("README.md is not what the records say: run python tools/readme.py" if new != old else 0)
    README.write_text(new, encoding="utf-8")
    draw()
