"""Headless Chromium for the tests: a page that remembers every request, error and failure."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL = {"127.0.0.1", "localhost", ""}


@dataclass
class Watched:
    """A page and what it did that a reader without a network would notice."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._request)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", self._failed)

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob", "about"} and (address.hostname or "") not in LOCAL:
            self.foreign.append(request.url)

    def _failed(self, request: Request) -> None:
        # What is given up because the page is left has not failed.
        if request.failure != "net::ERR_ABORTED":
            self.errors.append(f"failed: {request.url}: {request.failure}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@contextlib.contextmanager
def browser(chromium: str, **options: object) -> Iterator[BrowserContext]:
    """A fresh browser context; ``options`` are those of Playwright's ``new_context``."""
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            context = instance.new_context(viewport={"width": 1280, "height": 900}, **options)
            context.set_default_timeout(60_000)
            yield context
        finally:
            instance.close()
