"""What the tests share: what the machine has, and what to do where it is missing."""

import importlib
import os
import shutil
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook
from shapes import PACKAGES

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# A shell starts what runs in its background with Ctrl-C ignored, and so would be all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
install_import_hook(list(PACKAGES), "shapes.checker")

ROOT = Path(__file__).resolve().parents[1]
REQUIRE_ALL = os.environ.get("EFFLAB_REQUIRE_ALL") == "1"

# How long an example takes says more of the machine than of the code. A change is judged by the same examples each time;
# every other run draws new ones.
settings.register_profile(
    "efflab", deadline=None, derandomize=REQUIRE_ALL, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("efflab")


def skip_or_fail(reason: str) -> None:
    """Skip where something is missing, unless everything is required (as in ``.ci/run``)."""
    if REQUIRE_ALL:
        pytest.fail(f"required here, but {reason}")
    pytest.skip(reason)


def chromium_path() -> str | None:
    """Debian's, Ubuntu's or a plain Chrome; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium to drive."""
    path = chromium_path()
    if path is None:
        skip_or_fail("no Chromium is installed (Debian: apt-get install chromium)")
    return str(path)


@pytest.fixture(scope="session")
def bwrap() -> str:
    """Path of bubblewrap."""
    path = shutil.which("bwrap")
    if path is None:
        skip_or_fail("bubblewrap is not installed (Debian: apt-get install bubblewrap)")
    return str(path)


@pytest.fixture
def needs_data() -> Callable[[str], None]:
    """Call with a data set's name: skips where its files are not on this machine."""
    data = importlib.import_module("efflab.data")

    def need(name: str) -> None:
        if not data.available(name):
            skip_or_fail(f"data set {name} is not on this machine (efflab data fetch {name})")

    return need


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(autouse=True)
def _private_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into a user's cache or the recorded results."""
    if "EFFLAB_TEST_CACHE" not in os.environ:
        monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a skipped test is a failed one."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be: {report.longrepr}"
    return report
