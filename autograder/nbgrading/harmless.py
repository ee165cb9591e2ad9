"""What students wrote, as HTML in which nothing runs and nothing is loaded from elsewhere."""

import re

from bleach.sanitizer import Cleaner  # type: ignore[import-untyped]  # bleach's own gap
from bs4 import BeautifulSoup
from nbconvert.filters.markdown_mistune import markdown2html_mistune

_STRUCTURE = frozenset({"blockquote", "br", "details", "div", "hr", "p", "pre", "span", "summary"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LISTS = frozenset({"dd", "dl", "dt", "li", "ol", "ul"})
_TABLES = frozenset({"caption", "table", "tbody", "td", "th", "thead", "tr"})
_WORDS = frozenset({"a", "abbr", "b", "code", "del", "em", "i", "kbd", "s", "strong", "sub", "sup"})
# What TeX could use to make a link, load more of itself or set attributes.
_TEX = re.compile(r"\\(?=(?:href|url|class|style|cssId|data|require|mmlToken)(?![A-Za-z]))")
# The parser takes quadratic time over a long text, above all over its runs of blanks.
_LONGEST = 20_000
_BLANKS = re.compile(r"[ \t]{40,}")
_CUT = "\n\n*(The rest of this text was left out here; the submitted notebook holds it.)*"
_WEB = ("http://", "https://", "mailto:")


def _kept(tag: str, name: str, value: str) -> bool:
    """Whether an attribute stays; a link leads away, never to what lies on the instructor's own server."""
    if tag == "a" and name == "href":
        return value.lower().startswith(_WEB)
    return name == "class" and tag in {"code", "div", "span"}


_CLEANER = Cleaner(
    tags=_STRUCTURE | _HEADINGS | _LISTS | _TABLES | _WORDS,
    attributes=_kept,
    protocols=frozenset({"http", "https", "mailto"}),
)


def markdown(source: str) -> str:
    """Markdown as HTML without scripts, event handlers, frames, forms, styles and images.

    Images are left out since looking at one tells its server that the instructor reads the answer. Formulas stay as they
    are written, for MathJax, but for the commands that make links or set attributes.
    """
    short = _BLANKS.sub(" " * 40, source)
    if len(short) > _LONGEST:
        short = short[:_LONGEST] + _CUT
    return clean(markdown2html_mistune(short))


def clean(page: str) -> str:
    """HTML reduced to text, its structure, links to web pages, and formulas that do no more than show something."""
    soup = BeautifulSoup(_CLEANER.clean(page), "html.parser")
    # In the text as a browser reads it, since a backslash or a letter can be written as an entity.
    for text in soup.find_all(string=_TEX):
        text.replace_with(_TEX.sub("\u2216", text))
    return str(soup)
