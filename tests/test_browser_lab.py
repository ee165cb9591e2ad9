"""The labs as a student meets them: JupyterLab in Chromium, started by the command behind ``make lab``."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from browser import Watched, browser
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as Late

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(400)]
LAB = "00-measuring"
CELL = '.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index="{}"]'
# What stands beside a cell: [ ] before it is run and when the kernel gave it up, [*] until it has run, then a number.
NUMBERED = r"prompt => /\d/.test(prompt.textContent)"
STARRED = "prompt => prompt.textContent.includes('*')"
# The last code cell has its number, or an error has ended the run; widgets keep the kernel's indicator out of the question.
ENDED = """count => {
  const prompts = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-InputPrompt')];
  return prompts.some(prompt => prompt.textContent.trim() === `[${count}]:`)
    || (prompts.some(prompt => /\\d/.test(prompt.textContent)) && !prompts.some(prompt => prompt.textContent.includes('*')));
}"""
ERROR = '.jp-NotebookPanel:not(.lm-mod-hidden) [data-mime-type="application/vnd.jupyter.error"]'


@dataclass
class Course:
    """A running JupyterLab on a student's folder."""

    folder: Path
    address: str

    def page(self, notebook: str) -> str:
        start, query = self.address.split("?")
        return start.removesuffix("start.md") + notebook + "?" + query + "&reset"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """JupyterLab on fresh copies of the labs, and the solved first lab beside them."""
    from autograder import notebook as source

    root = Path(__file__).resolve().parents[1]
    folder = tmp_path_factory.mktemp("student") / "my-labs"
    log = folder.parent / "log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "efflab.cli", "lab", "--no-browser", "--port", str(free_port()), "--folder", folder],
            stdout=stream, stderr=subprocess.STDOUT, cwd=root, start_new_session=True, env={**os.environ, "EFFLAB_CACHE": str(folder.parent / "cache")},
        )  # fmt: skip
    try:
        end = time.monotonic() + 90
        while not (
            found := re.search(r"http://127\.0\.0\.1:\d+/lab/tree/start\.md\?token=\w+", log.read_text())
        ):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        solved = source.read((root / "solutions" / LAB / f"{LAB[3:]}.md").read_text())
        for cell in solved.cells:
            cell.setdefault("id", nbformat.v4.new_code_cell().id)
        (folder / LAB / "solved.ipynb").write_bytes(source.to_bytes(solved))
        yield Course(folder, found[0])
    finally:
        try:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            shutil.rmtree(folder, ignore_errors=True)


def test_the_start_page_lists_the_labs_with_their_budgets(course: Course, chromium: str) -> None:
    with browser(chromium) as context:
        watched = Watched(context.new_page())
        watched.page.goto(course.address)
        page = watched.page.locator(".jp-RenderedMarkdown:visible")
        page.get_by_role("table").first.wait_for()
        text = page.inner_text()
        assert "Measuring" in text and "Pruning" in text and "min" in text
        assert not watched.foreign


def open_notebook(page: Page, course: Course, notebook: str) -> None:
    page.goto(course.page(notebook))
    # The notebook's own sign shows a kernel at rest before there is one, and what is run then asks which kernel to take.
    page.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle$")).wait_for()


def run_all(page: Page, course: Course, notebook: str) -> None:
    open_notebook(page, course, notebook)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def run_one(page: Page, index: int, *, numbered: bool) -> None:
    """Run a cell as a student does who has come to it; one that gets a number has then been run."""
    active = f"{CELL.format(index)}.jp-mod-active"
    page.wait_for_selector(active, state="attached")
    prompt = page.query_selector(f"{CELL.format(index)} .jp-InputPrompt")
    page.keyboard.press("Shift+Enter")
    if not numbered:
        return
    for _ in range(8):
        with contextlib.suppress(Late):
            page.wait_for_function(NUMBERED, arg=prompt, timeout=15_000)
            break
        # A kernel that still clears up after an error gives up what it is asked then.
        if not page.evaluate(STARRED, prompt):
            page.keyboard.press("ArrowUp")
            page.wait_for_selector(active, state="attached")
            page.keyboard.press("Shift+Enter")
    page.wait_for_function(NUMBERED, arg=prompt)
    page.wait_for_timeout(200)


def saved(page: Page, path: Path) -> nbformat.NotebookNode:
    """The notebook as JupyterLab writes it."""
    before = path.stat().st_mtime_ns
    page.keyboard.press("Control+s")
    end = time.monotonic() + 30
    while path.stat().st_mtime_ns == before:
        assert time.monotonic() < end, "JupyterLab did not save the notebook"
        time.sleep(0.2)
    time.sleep(0.5)
    return nbformat.read(path, as_version=4)


def test_the_solved_first_lab_runs_to_its_end_and_its_slider_moves(course: Course, chromium: str) -> None:
    path = course.folder / LAB / "solved.ipynb"
    code = sum(
        bool(cell.cell_type == "code" and cell.source.strip())
        for cell in nbformat.read(path, as_version=4).cells
    )
    with browser(chromium) as context:
        watched = Watched(context.new_page())
        page = watched.page
        run_all(page, course, f"{LAB}/solved.ipynb")
        page.wait_for_function(ENDED, arg=code, timeout=240_000)
        assert [error.inner_text() for error in page.locator(ERROR).all()] == []
        handle = page.locator(".jupyter-widgets .noUi-handle[role=slider]").first
        before = handle.get_attribute("aria-valuenow")
        # JupyterLab lays the notebook out as it scrolls, which can carry the handle away from under the mouse.
        for _ in range(5):
            handle.hover()
            page.wait_for_timeout(500)
            handle.hover()
            place = handle.bounding_box()
            assert place is not None
            page.mouse.down()
            page.mouse.move(place["x"] + place["width"] / 2 + 40, place["y"] + place["height"] / 2, steps=5)
            page.mouse.up()
            page.wait_for_timeout(200)
            if handle.get_attribute("aria-valuenow") != before:
                break
            handle.press("ArrowRight")
        assert handle.get_attribute("aria-valuenow") != before
        notebook = saved(page, path)
        assert not watched.foreign
    failures = [o.ename for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert failures == []
    shown = [key for c in notebook.cells for o in c.get("outputs", []) for key in o.get("data", {})]
    assert "image/png" in shown or "image/svg+xml" in shown or any("svg" in str(c) for c in notebook.cells)


def test_each_task_of_the_released_lab_fails_with_its_own_message(course: Course, chromium: str) -> None:
    path = course.folder / LAB / f"{LAB[3:]}.ipynb"
    released = nbformat.read(path, as_version=4)
    stubs = re.findall(r'raise NotImplementedError\(\\?"([^"\\]+)', path.read_text())
    assert len(stubs) >= 3
    with browser(chromium) as context:
        page = context.new_page()
        open_notebook(page, course, f"{LAB}/{LAB[3:]}.ipynb")
        # A student meets the stubs one by one: every cell is run, whatever the one before it did.
        for index, cell in enumerate(released.cells):
            hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
            run_one(page, index, numbered=cell.cell_type == "code" and not hidden)
        notebook = saved(page, path)
    checks = [cell for cell in notebook.cells if "check" in cell.metadata.get("tags", [])]
    assert len(checks) >= 3
    for cell in checks:
        (error,) = [output for output in cell.outputs if output.output_type == "error"]
        assert error.ename == "NotImplementedError"
        assert error.evalue in stubs
    assert len({cell.outputs[-1].evalue for cell in checks}) == len(checks)
