"""Numbers in prose and tables: published ones from ``efflab.paper``, measured ones from ``efflab.results``.

Roles ``{paper}`` and ``{measured}`` write one figure and link it to its row in the ledger; directives write whole tables.
An id that nobody recorded is a warning, and warnings stop the build.
"""

import re

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from efflab import paper, results, topics
from efflab.errors import EfflabError
from efflab.tables import quantity

LOGGER = logging.getLogger(__name__)
SCALED = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SPACE = "\N{NO-BREAK SPACE}"
STATUS = {
    "verified": "read in the paper",
    "digitised": "measured from a figure of the paper",
    "derived": "computed from published figures",
    "unverified": "not read in a source",
}
DOUBT = (
    f'<sup class="unverified" title="{STATUS["unverified"]}"><span aria-hidden="true">?</span>'
    '<span class="visually-hidden"> (unverified)</span></sup>'
)
UNITS = {"x": "\N{MULTIPLICATION SIGN}", "us": "µs", "um2": "µm²", "mm2": "mm²"}


def written(value, unit, style=""):
    """Write a value with its unit.

    Args:
        value: the number.
        unit: its unit; ``x`` becomes a multiplication sign.
        style: words: a format such as ``.1f``, a scale ``k``, ``M``, ``G``, ``T``, and ``bare`` for no unit.

    Raises:
        ValueError: a word that is none of these.
    """
    words = style.split()
    scale = next((word for word in words if word in SCALED), "")
    form = next((word for word in words if re.fullmatch(r"[+,]*(\.\d+)?[defg%]", word)), None)
    if unknown := set(words) - {scale, form, "bare"}:
        raise ValueError(f"a number's style is a format, k, M, G, T or bare, not {min(unknown)!r}")
    value = value / SCALED.get(scale, 1)
    number = format(value, form) if form else quantity(value)
    return join(number + (SPACE + scale) * bool(scale), "" if "bare" in words else unit)


def join(number, unit):
    """A number and its unit: ``12×``, ``0.9 pJ``, with a space that does not break and a true minus sign."""
    between = "" if unit in {"", "x"} else SPACE
    return number.replace("-", "\N{MINUS SIGN}") + between + UNITS.get(unit, unit)


def printed(figure, style=""):
    """A published figure as the paper prints it (``235K``), or in another style."""
    if style:
        return written(figure.value, figure.unit, style)
    short = figure.printed[-1:] in SCALED or figure.printed[-1:] == "K"
    return join(figure.printed if short else f"{figure.value:,}", figure.unit)


def published(name, style=""):
    """A published figure: text, tooltip, and the address of its row."""
    figure = paper.get(name)
    return printed(figure, style), figure.reference, f"published/{figure.paper}#{figure.id}"


def doubt(name):
    """Whether a published figure was read in no source, which a reader without a pointer must see, too."""
    return paper.get(name).status == "unverified"


def recorded(name, style=""):
    """A measured figure: text, tooltip, and the address of its row."""
    topic, _, rest = name.partition("/")
    found = results.get(topic, rest)
    if found.scale == "smoke":
        raise EfflabError(f"{name} was recorded by a smoke run alone, which measures nothing")
    how = "; ".join(filter(None, (found.command, found.data, seeds(found), found.machine, found.date)))
    return written(found.measured, found.unit, style), how, f"measured#{name}"


def seeds(result):
    """The seeds of a result in words."""
    if not result.seeds:
        return ""
    return ("seed " if len(result.seeds) == 1 else "seeds ") + ", ".join(map(str, result.seeds))


class Number(SphinxRole):
    """``{paper}`id``` or ``{measured}`topic/id```, with a style after a semicolon: ``id; .1f bare``."""

    def __init__(self, source, css):
        self.source, self.css = source, css

    def run(self):
        name, _, style = (part.strip() for part in self.text.partition(";"))
        try:
            text, tip, address = self.source(name, style)
        except (EfflabError, ValueError) as error:
            LOGGER.warning("%s", error, location=self.get_location())
            return [nodes.problematic(self.rawtext, self.rawtext)], []
        link = nodes.reference(
            self.rawtext, text, internal=True, ledger=address, reftitle=tip, classes=[self.css]
        )
        doubted = self.css == "published" and doubt(name)
        return [link, *([nodes.raw("", DOUBT, format="html")] if doubted else [])], []


def link_numbers(app, doctree, docname):
    """Give every number the relative address of its row."""
    for link in doctree.findall(nodes.reference):
        if "ledger" in link:
            page, mark, row = link["ledger"].partition("#")
            link["refuri"] = app.builder.get_relative_uri(docname, page) + mark + row


def table(columns, rows, numeric=(), css="ledger"):
    """A table of nodes.

    Args:
        columns: headings.
        rows: (row id or None, cells); a cell is a text or a list of nodes.
        numeric: positions of the columns that stand flush right.
        css: class of the table.
    """
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in columns), cols=len(columns))
    head, body = nodes.thead(), nodes.tbody()
    head += table_row(columns, numeric)
    for name, cells in rows:
        row = table_row(cells, numeric)
        if name:
            row["ids"].append(name)
        body += row
    group += [head, body]
    return nodes.table("", group, classes=[css, "colwidths-auto"])


def table_row(cells, numeric):
    """One row; numeric cells carry a class for the style sheet."""
    row = nodes.row()
    for position, cell in enumerate(cells):
        inner = [nodes.Text(cell)] if isinstance(cell, str) else cell
        row += nodes.entry("", nodes.paragraph("", "", *inner), classes=["number"] * (position in numeric))
    return row


def scroll(inner):
    """Let a wide table scroll by itself, by keyboard too, instead of widening the page."""
    return nodes.container("", inner, classes=["wide-table"])


def spread(result):
    """The spread of a result: plus or minus, or one value a seed."""
    if result.spread is None:
        return "–"
    if isinstance(result.spread, tuple):
        return ", ".join(join(quantity(one), "") for one in result.spread)
    return f"±{SPACE}{quantity(result.spread)}"


def verdict(result):
    """Whether the bar holds, in words that need no colour."""
    return {True: "holds", False: "missed", None: "–"}[result.holds]


def origin(result):
    """Where and how a figure was measured, as a hashable key."""
    return (
        result.command,
        result.data,
        seeds(result),
        result.machine,
        tuple(result.versions.items()),
        result.date,
    )


def provenance(key):
    """One paragraph: command, data, seeds, machine, versions, date."""
    command, data, runs, machine, versions, date = key
    programs = ", ".join(f"{name} {number}" for name, number in versions)
    rest = ", ".join(part for part in (data and f"data set {data}", runs, machine, programs, date) if part)
    return nodes.paragraph(
        "", "", nodes.Text("Measured by "), nodes.literal("", command), nodes.Text(f": {rest}.")
    )


class Directive(SphinxDirective):
    """A directive whose content may fail with a sentence, which then is a warning of the build."""

    def run(self):
        try:
            return self.make()
        except EfflabError as error:
            LOGGER.warning("%s", error, location=self.get_location())
            return []


class PaperVsMeasured(Directive):
    """``{paper-vs-measured} topic``: published, measured, bar and whether it holds, then how it was measured."""

    required_arguments = 1
    option_spec = {"only": directives.unchanged, "scale": directives.unchanged, "bars": directives.flag}  # noqa: RUF012 - docutils reads it so

    def make(self):
        topic = self.arguments[0]
        chosen = self.chosen(results.read(topic))
        if not chosen:
            raise EfflabError(f"no result of {topic!r} begins with {self.options.get('only')!r}")
        columns = ("figure", "paper", "measured", "spread", "bar", "", "goal")
        rows = [(None, self.cells(topic, one)) for one in chosen]
        used = [i for i in range(len(columns)) if i < 3 or any(row[i] != "–" for _, row in rows)]
        body = [(None, [row[i] for i in used]) for _, row in rows]
        numeric = [place for place, i in enumerate(used) if i in {1, 2, 3}]
        small = table([columns[i] or "verdict" for i in used], body, numeric)
        return [scroll(small), *(provenance(key) for key in dict.fromkeys(map(origin, chosen)))]

    def chosen(self, records):
        """One record an id: of the wanted scale, else of the most faithful one."""
        prefixes = tuple(self.options.get("only", "").split())
        found = {}
        for one in records:
            if one.scale == self.options.get("scale", one.scale) and one.id.startswith(prefixes or ""):
                found.setdefault(one.id, one)
        return [one for one in found.values() if one.bar or "bars" not in self.options]

    @staticmethod
    def cells(topic, one):
        address = f"measured#{topic}/{one.id}"
        value = written(one.measured, one.unit)
        measured = nodes.reference("", value, internal=True, ledger=address, classes=["measured"])
        stated = "–" if one.paper is None else written(one.paper, one.unit)
        return [one.id, stated, [measured], spread(one), one.bar or "–", verdict(one), one.goal or "–"]


class RecordedTable(Directive):
    """``{recorded-table} topic/name``: a series that was recorded as a table, with its columns and rows as they are."""

    required_arguments = 1

    def make(self):
        topic, _, name = self.arguments[0].partition("/")
        found = results.series(topic, name)
        if not isinstance(found, dict) or not {"columns", "rows"} <= set(found):
            raise EfflabError(f"series {name!r} of {topic!r} is no table of columns and rows")
        columns, rows = found["columns"], found["rows"]
        numbers = [
            i for i in range(len(columns)) if all(isinstance(row[i], int | float | None) for row in rows)
        ]
        return [scroll(table(columns, [(None, list(map(plain, row))) for row in rows], numbers))]


def plain(value):
    """A cell of a recorded table as text."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else written(value, "")


class Measured(Directive):
    """``{measured-ledger}``: every recorded figure of every topic, with an anchor each."""

    def make(self):
        made = []
        for topic in results.topics():
            section = nodes.section("", nodes.title("", topic), ids=[f"topic-{topic}"], names=[topic])
            section += self.whole(topic, results.read(topic))
            made.append(section)
        return made or [nodes.paragraph("", "Nothing has been recorded yet.")]

    @staticmethod
    def whole(topic, records):
        origins = {key: chr(ord("a") + i) for i, key in enumerate(dict.fromkeys(map(origin, records)))}
        rows, seen = [], set()
        for one in records:
            name = f"{topic}/{one.id}"
            stated = "–" if one.paper is None else written(one.paper, one.unit)
            where = f"{one.scale}, {origins[origin(one)]}"
            cells = [
                one.id,
                stated,
                written(one.measured, one.unit),
                spread(one),
                one.bar or "–",
                verdict(one),
                where,
            ]
            rows.append((None if name in seen else name, cells))
            seen.add(name)
        columns = ("figure", "paper", "measured", "spread", "bar", "verdict", "run")
        notes = nodes.enumerated_list("", enumtype="loweralpha", prefix="", suffix=".")
        notes += [nodes.list_item("", provenance(key)) for key in origins]
        return [scroll(table(columns, rows, (1, 2, 3))), notes]


class Published(Directive):
    """``{published-ledger} paper``: every published figure of one paper, a section a table, with an anchor each."""

    required_arguments = 1

    def make(self):
        about, by_table = paper.info(self.arguments[0]), {}
        for figure in paper.find(about.name):
            by_table.setdefault(table_of(figure, about), []).append(figure)
        return [self.section(about, name, figures) for name, figures in by_table.items()]

    def section(self, about, name, figures):
        title = about.tables.get(name) or untitled(name)
        made = nodes.section(
            "", nodes.title("", title), ids=[f"table-{name}"], names=[f"{about.name} {name}"]
        )
        rows = [(one.id, self.cells(one, f"{about.name}/{name}/")) for one in figures]
        made += scroll(table(("figure", "value", "where", "status"), rows, (1,)))
        return made

    @staticmethod
    def cells(one, before):
        error = f" ±{SPACE}{quantity(one.error)}" if one.error else ""
        note = f"; {one.note}" if one.note else ""
        return [one.id.removeprefix(before), printed(one) + error, one.where, STATUS[one.status] + note]


def untitled(name):
    """A heading for figures outside a titled table: ``table2_caption`` is Table 2 caption."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", name.replace("_", " ").replace("/", ", ")).capitalize()


def table_of(figure, about):
    """The name of the paper's table that a figure belongs to."""
    rest = figure.id.removeprefix(f"{about.name}/")
    named = [name for name in about.tables if rest.startswith(f"{name}/")]
    return max(named, key=len, default=rest.partition("/")[0])


class Topics(Directive):
    """``{topics} part``: the topics of a part, with their state; without an argument, all."""

    optional_arguments = 1
    final_argument_whitespace = True

    def make(self):
        part = self.arguments[0] if self.arguments else None
        chosen = [topic for topic in topics.TOPICS if part in {None, topic.part}]
        if not chosen:
            raise EfflabError(f"no topic belongs to the part {part!r}")
        rows = [(None, self.cells(topic)) for topic in chosen]
        return [scroll(table(("no.", "topic", "published in", "state"), rows, css="topics"))]

    def cells(self, topic):
        title = [nodes.Text(topic.title)]
        if topic.ready and topic.name in self.env.found_docs:
            title = [nodes.reference("", topic.title, internal=True, ledger=topic.name)]
        return [f"{topic.number:02d}", title, topic.paper or "–", "ready" if topic.ready else "planned"]


def focusable(app, doctree, _docname):
    """Tables that scroll take the keyboard's focus, as HTML asks of a scrolling region."""
    if app.builder.format != "html":
        return
    for box in list(doctree.findall(nodes.container)):
        if "wide-table" in box["classes"]:
            opening = '<div class="wide-table" tabindex="0" role="group" aria-label="Table">'
            box.replace_self(
                [nodes.raw("", opening, format="html"), *box.children, nodes.raw("", "</div>", format="html")]
            )


def setup(app):
    app.add_role("paper", Number(published, "published"))
    app.add_role("measured", Number(recorded, "measured"))
    app.add_directive("paper-vs-measured", PaperVsMeasured)
    app.add_directive("recorded-table", RecordedTable)
    app.add_directive("measured-ledger", Measured)
    app.add_directive("published-ledger", Published)
    app.add_directive("topics", Topics)
    app.connect("doctree-resolved", link_numbers)
    app.connect("doctree-resolved", focusable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
