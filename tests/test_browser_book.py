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

from efflab import viz

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]
BOOK = ROOT / "build" / "book" / "html"
# Over file: a page may not read its neighbours, so search shows titles without excerpts.
EXCERPTS = ("search.html",)
# Whether a canvas has a pixel of just this colour.
HAS_COLOUR = """(canvas, wanted) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] === 255 && wanted.every((level, j) => data[i + j] === level)) return true;
  return false;
}"""
# In one go: a figure that plays on while a busy machine looks for its button would come to its end.
PAUSED_AT_3 = """figure => {
  if (Number(figure.querySelector('input[type=range]').value) < 3) return false;
  [...figure.querySelectorAll('button')].find(button => button.textContent === 'Pause').click();
  return true;
}"""


def time_in(text: str) -> float:
    """The time that the words under a schedule name."""
    found = re.search(r"it takes ([\d.]+) µs", text)
    assert found is not None
    return float(found[1])


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


@pytest.mark.parametrize("over", ["file", "http"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_player_of_eie_answers_to_every_control(
    over: str, scheme: str, pages: list[str], served: str, chromium: str
) -> None:
    assert "eie.html" in pages
    base = served if over == "http" else BOOK.as_uri() + "/"
    with browser(chromium, color_scheme=scheme, reduced_motion="reduce", has_touch=True) as context:
        watched = Watched(context.new_page())
        page = watched.page
        page.goto(base + "eie.html")
        figure = page.locator(".efflab-eie").first
        slider, words = figure.locator("input[type=range]"), figure.locator("output")
        slider.scroll_into_view_if_needed()
        last = slider.get_attribute("max")
        assert last is not None and int(last) > 20
        slider.focus()
        for key, cycle in (
            ("ArrowRight", "1"), ("End", last), ("ArrowRight", last), ("ArrowLeft", str(int(last) - 1)), ("Home", "0"), ("PageUp", None),
        ):  # fmt: skip
            page.keyboard.press(key)
            if cycle is not None:
                expect(slider).to_have_value(cycle)
                expect(words).to_contain_text(f"Cycle {int(cycle):,} of")
        page.keyboard.press("Home")
        figure.get_by_role("button", name="Step", exact=True).click()
        figure.get_by_role("button", name="Step", exact=True).click()
        figure.get_by_role("button", name="Back").click()
        expect(slider).to_have_value("1")
        figure.get_by_label("Speed").select_option("5")
        slider.focus()
        page.keyboard.press("Space")
        page.wait_for_function("slider => Number(slider.value) >= 5", arg=slider.element_handle())
        figure.get_by_role("button", name="Pause").click()
        stopped = slider.input_value()
        page.wait_for_timeout(1200)  # a picture a second where motion is unwelcome
        assert slider.input_value() == stopped
        grid, *_, course = figure.locator("canvas").all()
        colour = (viz.palette if scheme == "light" else viz.dark_palette).kept
        assert grid.evaluate(HAS_COLOUR, [int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        course.tap()
        assert abs(int(slider.input_value()) - int(last) / 2) < 3
        grid.tap(position={"x": 10, "y": 10})
        expect(words).to_contain_text("PE 0: ")
        figure.get_by_label("Look at PE").fill("3")
        expect(words).to_contain_text("PE 3: ")
        figure.locator("summary").click()
        row = figure.locator("tbody tr").nth(3)
        before = row.inner_text()
        slider.focus()
        page.keyboard.press("End")
        expect(row).to_contain_text("finished")
        assert row.inner_text() != before
        assert watched.foreign == []


@pytest.mark.parametrize("over", ["file", "http"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_schedule_of_ese_answers_to_every_switch(
    over: str, scheme: str, pages: list[str], served: str, chromium: str
) -> None:
    assert "ese.html" in pages
    base = served if over == "http" else BOOK.as_uri() + "/"
    with browser(chromium, color_scheme=scheme, has_touch=True) as context:
        watched = Watched(context.new_page())
        page = watched.page
        page.goto(base + "ese.html")
        figure = page.locator(".efflab-schedule").first
        words, detail = figure.locator("output"), figure.locator(".efflab-detail")
        figure.scroll_into_view_if_needed()
        shown = time_in(words.inner_text())
        for switch in figure.get_by_role("switch").all():
            was = switch.is_checked()
            switch.set_checked(not was)
            assert (time_in(words.inner_text()) > shown) == was
            assert time_in(words.inner_text()) != shown
            switch.set_checked(was)
            assert time_in(words.inner_text()) == shown
        figure.get_by_role("button", name="All on").click()
        expect(words).to_contain_text("With all overlaps")
        for switch in figure.get_by_role("switch").all():
            switch.focus()
            page.keyboard.press("Space")
            assert not switch.is_checked()
            expect(words).to_contain_text("Without")
            switch.check()
            expect(words).to_contain_text("With all overlaps")
        figure.get_by_role("button", name="All off").click()
        expect(words).to_contain_text("times as long as with all")
        page.keyboard.press("Shift+Tab")
        figure.locator(".efflab-task").first.focus()
        first = detail.inner_text()
        page.keyboard.press("ArrowRight")
        expect(detail).not_to_have_text(first)
        expect(detail).to_contain_text("waits for")
        page.keyboard.press("Escape")
        expect(detail).to_contain_text("Point at a bar")
        figure.locator(".efflab-task").nth(3).hover()
        expect(detail).to_contain_text("waits for")
        bar = figure.locator(".efflab-task").nth(8)
        bar.tap()
        told = bar.get_attribute("aria-label")
        assert told is not None
        expect(detail).to_have_text(told)
        lines = figure.locator(".efflab-threads path")
        drawn = [line.get_attribute("d") for line in lines.all()]
        page.set_viewport_size({"width": 360, "height": 740})
        expect(lines.first).not_to_have_attribute("d", drawn[0] or "")
        assert lines.count() == len(drawn)
        expect(detail).to_have_text(told)
        chart = figure.locator(".efflab-chart")
        assert chart.evaluate("box => box.scrollWidth > box.clientWidth && box.clientWidth < 340")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        last = figure.locator(".efflab-task").last
        last.tap()
        expect(detail).to_have_text(last.get_attribute("aria-label") or "")
        assert chart.evaluate("box => box.scrollLeft") > 0
        figure.locator("summary").click()
        assert figure.locator("tbody tr").count() == figure.locator(".efflab-task").count()
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
