"""What students wrote, as HTML in which nothing runs and nothing is loaded from elsewhere."""

from bleach.sanitizer import Cleaner  # type: ignore[import-untyped]  # bleach's own gap
from nbconvert.filters.markdown_mistune import markdown2html_mistune

_STRUCTURE = frozenset({"blockquote", "br", "details", "div", "hr", "p", "pre", "span", "summary"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LISTS = frozenset({"dd", "dl", "dt", "li", "ol", "ul"})
_TABLES = frozenset({"caption", "table", "tbody", "td", "th", "thead", "tr"})
_WORDS = frozenset({"a", "abbr", "b", "code", "del", "em", "i", "kbd", "s", "strong", "sub", "sup"})
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
    are written, for MathJax and its safe extension.
    """
    return clean(markdown2html_mistune(source))


def clean(page: str) -> str:
    """HTML reduced to text, its structure, and links to web pages."""
    return str(_CLEANER.clean(page))
