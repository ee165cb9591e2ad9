"""Every page of the built book in Chromium, without a network: as files, and from a server."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator

import pytest
from browser import Watched, browser
from conftest import ROOT, skip_or_fail
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]
BOOK = ROOT / "build" / "book" / "html"
# Over file: a page may not read its neighbours, so search shows titles without excerpts.
EXCERPTS = ("search.html",)
# In one go: a figure that plays on while a busy machine looks for its button would come to its end.
PAUSED_AT_3 = """figure => {
  if (Number(figure.querySelector('input[type=range]').value) < 3) return false;
  [...figure.querySelectorAll('button')].find(button => button.textContent === 'Pause').click();
  return true;
}"""


@pytest.fixture(scope="module")
def pages() -> list[str]:
    if not (BOOK / "index.html").is_file():
        skip_or_fail("the book is not built (make book)")
    return sorted(str(path.relative_to(BOOK)) for path in BOOK.rglob("*.html") if "_static" not in path.parts)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(BOOK)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("over", ["file", "http"])
def test_every_page_opens_offline_without_an_error(
    over: str, pages: list[str], served: str, chromium: str
) -> None:
    base = served if over == "http" else BOOK.as_uri() + "/"
    problems = []
    with browser(chromium) as context:
        for name in pages:
            watched = Watched(context.new_page())
            watched.page.goto(base + name, wait_until="load")
            watched.page.wait_for_timeout(100)
            errors = [] if over == "file" and name in EXCERPTS else watched.errors
            problems += [f"{name}: {what}" for what in (*watched.foreign, *errors)]
            watched.page.close()
    assert problems == []
    assert len(pages) > 10


@pytest.mark.parametrize("over", ["file", "http"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pruning_figure_answers_to_the_keyboard(
    over: str, scheme: str, pages: list[str], served: str, chromium: str
) -> None:
    assert "pruning.html" in pages
    base = served if over == "http" else BOOK.as_uri() + "/"
    with browser(chromium, color_scheme=scheme) as context:
        watched = Watched(context.new_page())
        watched.page.goto(base + "pruning.html")
        slider = watched.page.locator(".efflab-explorer input[type=range]").first
        slider.scroll_into_view_if_needed()
        figure = watched.page.locator(".efflab-explorer").first
        before = figure.inner_text()
        slider.focus()
        for _ in range(5):
            watched.page.keyboard.press("ArrowRight")
        watched.page.wait_for_function(
            "before => document.querySelector('.efflab-explorer').innerText !== before", arg=before
        )
        assert watched.foreign == []


@pytest.mark.parametrize("over", ["file", "http"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("page", "kind"), [("quantization.html", ".efflab-kmeans"), ("huffman.html", ".efflab-huffman")]
)
def test_a_played_figure_answers_to_keyboard_and_click(
    page: str, kind: str, over: str, scheme: str, pages: list[str], served: str, chromium: str
) -> None:
    assert page in pages
    base = served if over == "http" else BOOK.as_uri() + "/"
    with browser(chromium, color_scheme=scheme) as context:
        watched = Watched(context.new_page())
        watched.page.goto(base + page)
        figure = watched.page.locator(kind).first
        slider = figure.locator("input[type=range]")
        slider.scroll_into_view_if_needed()
        assert slider.input_value() == "0"
        slider.focus()
        watched.page.keyboard.press("ArrowRight")
        expect(slider).to_have_value("1")
        moved = figure.locator("output").inner_text()
        figure.get_by_role("button", name="Step", exact=True).focus()
        watched.page.keyboard.press("Enter")
        expect(slider).to_have_value("2")
        assert figure.locator("output").inner_text() != moved
        figure.get_by_role("button", name="Back").click()
        expect(figure.locator("output")).to_have_text(moved)
        figure.get_by_role("button", name="Play").click()
        # It runs on, and may be seen a step later only.
        expect(slider).to_have_value(re.compile(r"[3-9]|\d\d+"), timeout=10_000)
        figure.get_by_role("button", name="Pause").click()
        stopped = slider.input_value()
        watched.page.wait_for_timeout(1200)
        assert slider.input_value() == stopped
        for start in figure.locator("input[type=radio]").all():
            before = figure.locator("output").inner_text()
            start.check()
            assert start.is_checked()
            assert start.get_attribute("value") == "linear" or figure.locator("output").inner_text() != before
        assert watched.foreign == []


def test_mathematics_is_set_and_search_finds(pages: list[str], served: str, chromium: str) -> None:
    with browser(chromium) as context:
        page = context.new_page()
        page.goto(served + "pruning.html")
        page.locator("mjx-container").first.wait_for(state="attached")
        page.goto(served + "search.html?q=pruning")
        page.locator("#search-results li a").first.wait_for()
        assert page.locator("#search-results li").count() > 1


def test_no_serious_accessibility_violation_is_known(pages: list[str], chromium: str) -> None:
    """The rules that need no library: names for controls, text for images, headings in order, a language."""
    rules = """() => {
      const bad = [];
      if (!document.documentElement.lang) bad.push('page without a language');
      for (const i of document.querySelectorAll('main img')) if (!i.hasAttribute('alt')) bad.push('image without alt');
      for (const i of document.querySelectorAll('main input:not([type=hidden])'))
        if (!(i.labels?.length || i.getAttribute('aria-label') || i.getAttribute('aria-labelledby'))) bad.push('unnamed input');
      const levels = [...document.querySelectorAll('main h1, main h2, main h3, main h4')].map(h => +h.tagName[1]);
      levels.forEach((level, k) => { if (k && level > levels[k - 1] + 1) bad.push('heading level skipped'); });
      return bad;
    }"""
    problems = []
    with browser(chromium) as context:
        page = context.new_page()
        for name in pages:
            page.goto((BOOK / name).as_uri())
            problems += [f"{name}: {what}" for what in page.evaluate(rules)]
    assert problems == []
