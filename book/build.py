"""Build the book: strict, offline, into ``build/book/html``.

Executed cells are kept in a cache whose folder is named after everything that they can depend on: the package, its lock file
and the recorded results. Jupyter's own cache sees the text of a chapter alone.
"""

import argparse
import hashlib
import os
import shutil
import sys
import time
import warnings
import webbrowser
from collections.abc import Iterable
from pathlib import Path

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
OUTPUT = ROOT / "build" / "book"
KEPT = 3  # caches of that many states of the package stay, so that going back and forth is quick


def digest(paths: Iterable[Path]) -> str:
    """A short hash of the files' names and contents, in any order given."""
    whole = hashlib.sha256(sys.version.encode())
    for path in sorted(paths):
        whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def sources(folder: Path) -> list[Path]:
    """The files of a folder that people wrote."""
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def execution_key() -> str:
    """Names the state of everything that an executed cell reads."""
    lock = ROOT / "requirements.lock"
    return digest([*sources(ROOT / "efflab"), *sources(ROOT / "results"), *([lock] if lock.exists() else [])])


def reading_key() -> str:
    """Names the state of everything that a page is made from beside its own text."""
    own = [*sources(BOOK / "_ext"), BOOK / "build.py"]
    return f"{execution_key()}-{digest(own)}"


def kept_folder(family: Path, key: str) -> Path:
    """The folder of this key, made the newest of its family; older ones than the last few go."""
    chosen = family / key
    chosen.mkdir(parents=True, exist_ok=True)
    os.utime(chosen)
    by_age = sorted(family.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in by_age[KEPT:]:
        shutil.rmtree(old)
    return chosen


def build(book: Path = BOOK, output: Path = OUTPUT) -> Path:
    """Build the book as strictly as Sphinx can.

    Args:
        book: folder with ``_config.yml`` and ``_toc.yml``.
        output: folder that takes ``html/``, the caches and nothing else.

    Returns:
        The page to open.

    Raises:
        SystemExit: a warning was given, or no page was written.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # the chapters' kernels inherit it
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    warnings.filterwarnings("ignore", "`torch.distributed.reduce_op` is deprecated", FutureWarning)
    from jupyter_book.sphinx import build_sphinx  # noqa: PLC0415 - after the environment is set

    overrides = {
        "nitpicky": True,
        "external_toc_path": str(book / "_toc.yml"),
        "latex_individualpages": False,
        "nb_execution_cache_path": str(kept_folder(output / "executed", execution_key())),
    }
    read = kept_folder(output / "read", reading_key())
    status = build_sphinx(
        book,
        output / "html",
        noconfig=True,
        path_config=book / "_config.yml",
        confoverrides=overrides,
        doctreedir=read,
        warningiserror=True,
        keep_going=True,
    )
    if status != 0:
        shutil.rmtree(read, ignore_errors=True)  # a page that is kept would not warn a second time
        raise SystemExit("the book did not build without a warning: see above")
    page = output / "html" / "index.html"
    if not page.exists():
        raise SystemExit(f"{page} was not written; is jupyter-book 1.x installed?")
    return page


def main() -> None:
    """Build, then say where the page is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--clean", action="store_true", help="forget everything built and executed before")
    parser.add_argument("--open", action="store_true", help="open the first page in a browser")
    wanted = parser.parse_args()
    if wanted.clean:
        shutil.rmtree(OUTPUT, ignore_errors=True)
    start = time.monotonic()
    page = build()
    sys.stdout.write(f"\nbuilt in {time.monotonic() - start:.0f} s: open {page}\n")
    if wanted.open:
        webbrowser.open(page.as_uri())


if __name__ == "__main__":
    main()
