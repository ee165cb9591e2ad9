"""Check every page of the built book: nothing from another host, no dead link, no picture without words.

``python book/check.py [FOLDER]`` reads ``build/book/html`` unless told otherwise, lists what is wrong, and exits 1 if anything is.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HTML = Path(__file__).resolve().parents[1] / "build" / "book" / "html"
# What a browser fetches by itself when it shows a page; a link that the reader may follow is another matter.
LOADS = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("image", "href"),
    ("img", "src"),
    ("img", "srcset"),
    ("input", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("track", "src"),
    ("video", "poster"),
    ("video", "src"),
}
PASSIVE_LINKS = {"author", "canonical", "license", "next", "prev", "search"}  # relations that fetch nothing
PRINTED_TITLE = "jb-print-docs-body"  # the theme repeats the title there, for paper alone
CSS_URL = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*([^"')\s;]+)""")
FOREIGN = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


@dataclass
class Page(HTMLParser):
    """What one page loads, links to, names and shows."""

    path: Path
    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    headings: int = 0
    language: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._inside = self._before = ""
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._inside = tag
        self.language = given.get("lang", "") if tag == "html" else self.language
        self.headings += tag == "h1" and self._before != PRINTED_TITLE
        self._before = given.get("id", "")
        self._name(given)
        self._picture(tag, given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if not (tag == "link" and set(given.get("rel", "").split()) <= PASSIVE_LINKS):
            self.loads += [given[name] for element, name in LOADS if element == tag and name in given]
        self.loads += CSS_URL.findall(given.get("style", ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._inside = ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.loads += CSS_URL.findall(data)

    def _name(self, given: dict[str, str]) -> None:
        if given.get("id") and given["id"] in self.ids:
            self.wrong.append(f"two elements have the id {given['id']!r}")
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}

    def _picture(self, tag: str, given: dict[str, str]) -> None:
        hidden = given.get("aria-hidden") == "true" or given.get("role") == "presentation"
        if tag == "img" and not hidden and not given.get("alt", "").strip():
            self.wrong.append(f"the picture {given.get('src', '')[:80]} has no alternative text")
        if tag == "img" and _is_file_name(given.get("alt", ""), given.get("src", "")):
            self.wrong.append(f"the alternative text of {given['src']} is only its file name")


def _is_file_name(words: str, source: str) -> bool:
    return bool(words) and unquote(words) == unquote(source)


def problems(folder: Path) -> Iterator[str]:
    """Everything wrong with a built book, a sentence each.

    Args:
        folder: the folder that holds ``index.html``.
    """
    pages = {
        path.resolve(): Page(path) for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts
    }
    if (folder / "index.html").resolve() not in pages:
        yield f"{folder} holds no index.html: run `make book` first"
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        yield from (f"{name}: {wrong}" for wrong in [*page.wrong, *_form(page)])
        yield from (f"{name}: {wrong}" for target in page.loads for wrong in _load(target, path))
        yield from (f"{name}: {wrong}" for target in page.links for wrong in _link(target, path, pages))
    for path in sorted(folder.rglob("*.css")):
        for target in CSS_URL.findall(_without_comments(path.read_text(encoding="utf-8", errors="replace"))):
            yield from (f"{path.relative_to(folder)}: {wrong}" for wrong in _load(target, path))


def _without_comments(style: str) -> str:
    return re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)


def _form(page: Page) -> Iterator[str]:
    if page.headings != 1:
        yield f"a page has one first-level heading, this one has {page.headings}"
    if not page.language:
        yield "the page does not name its language"


def _load(target: str, base: Path) -> Iterator[str]:
    """What is wrong with something that the browser fetches: another host, or no such file."""
    if FOREIGN.match(target):
        yield f"loads {target} from another host"
    elif not target.startswith(("data:", "blob:", "#")):
        local = base.parent / unquote(urlsplit(target.split(" ", maxsplit=1)[0]).path)
        if not local.is_file():
            yield f"loads {target}, which is not there"


def _link(target: str, base: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """What is wrong with an internal link: no such page, or no such place on it."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return
    path = (base.parent / unquote(parts.path)).resolve() if parts.path else base
    if not path.is_file():
        yield f"links to {target}, which is not there"
    elif path in pages and parts.fragment and unquote(parts.fragment) not in pages[path].ids:
        yield f"links to {target}, but the page has no such place"


def main() -> int:
    """Check the folder named on the command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HTML
    wrong = list(dict.fromkeys(problems(folder)))
    count = len(list(folder.rglob("*.html")))
    sys.stdout.writelines(
        f"{line}\n"
        for line in wrong or [f"{count} pages: no foreign request, no dead link, no picture without words"]
    )
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
