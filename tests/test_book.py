"""The book: its sources, its strict build, and the check of its pages."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from efflab import paper, results, topics

BOOK = Path(__file__).resolve().parents[1] / "book"


def load(name: str) -> ModuleType:
    """A script of the book as a module of another name, since ``build`` is a package's name too."""
    spec = importlib.util.spec_from_file_location(f"book_{name.replace('/', '_')}", BOOK / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return load("build")


@pytest.fixture(scope="module")
def check() -> ModuleType:
    return load("check")


@pytest.fixture(scope="module")
def vendor() -> ModuleType:
    return load("vendor")


@pytest.fixture(scope="module")
def numbers() -> ModuleType:
    pytest.importorskip("sphinx")
    return load("_ext/numbers")


def toc_files() -> set[str]:
    def below(entry: object) -> set[str]:
        if isinstance(entry, dict):
            own = {value for key, value in entry.items() if key in {"file", "root"}}
            return own.union(*(below(value) for value in entry.values()))
        return set().union(*(below(value) for value in entry)) if isinstance(entry, list) else set()

    return below(yaml.safe_load((BOOK / "_toc.yml").read_text()))


def test_every_page_is_in_the_table_of_contents_and_there() -> None:
    pages = {
        path.relative_to(BOOK).with_suffix("").as_posix()
        for path in BOOK.rglob("*.md")
        if not path.relative_to(BOOK).parts[0].startswith("_")
    }
    assert pages == toc_files()


def test_every_ready_topic_has_a_chapter() -> None:
    assert {topic.name for topic in topics.TOPICS if topic.ready} <= toc_files()


def test_every_paper_is_in_the_bibliography_and_has_its_page() -> None:
    keys = re.findall(r"^@\w+\{(\S+),$", (BOOK / "references.bib").read_text(), re.MULTILINE)
    assert len(keys) == len(set(keys))
    wanted = {paper.cite(name) for name in paper.papers()} | {paper.cite("measuring"), "williams2009roofline"}
    assert wanted <= set(keys)
    assert {f"published/{name}" for name in paper.papers()} <= toc_files()


def test_the_reference_has_every_public_module() -> None:
    written = set(
        re.findall(r"automodule:: efflab\.(\w+)", "".join(p.read_text() for p in BOOK.glob("api/*.md")))
    )
    efflab = importlib.import_module("efflab")
    assert set(efflab.__all__) - {"__version__"} <= written


def test_no_measured_number_is_typed_in_the_pages_of_the_frame() -> None:
    frame = ("index", "memory", "network", "engineer", "measured", "published")
    for name in frame:
        prose = re.sub(r"\{\w+(:\w+)?\}`[^`]*`", "", (BOOK / f"{name}.md").read_text())
        assert not re.search(r"\d+(\.\d+)?\s*(%|×|x\b|pJ|ms\b|MB\b)", prose), name


def test_vendored_files_are_those_of_the_manifest(vendor: ModuleType) -> None:
    assert vendor.problems() == []
    for package in vendor.manifest()["packages"]:
        assert (vendor.VENDOR / "licences" / f"{package['name'].rpartition('/')[2]}.txt").stat().st_size > 500


def test_a_changed_vendored_file_is_noticed(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(vendor.VENDOR, tmp_path / "_vendor")
    monkeypatch.setattr(vendor, "VENDOR", copy)
    font = copy / "mathjax" / "fonts" / "MathJax_Zero.woff"
    font.write_bytes(font.read_bytes() + b"x")
    (copy / "stray.js").write_text("")
    found = vendor.problems()
    assert len(found) == 2
    assert "MathJax_Zero" in found[0]
    assert "stray.js" in found[1]


def test_no_vendored_file_is_over_a_megabyte(vendor: ModuleType) -> None:
    assert max(path.stat().st_size for path in vendor.VENDOR.rglob("*")) < 1_000_000


def test_scripts_stay_out_of_the_folder_that_every_page_loads() -> None:
    assert list((BOOK / "_static").rglob("*.js")) == []


# The keys of the caches


@pytest.fixture
def checkout(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "efflab/pruning/masks.py": "a = 1",
        "efflab/viz/static/explorer.js": "1",
        "requirements.lock": "torch==2.13.0",
        "results/pruning.json": "{}",
        "book/_ext/numbers.py": "b = 1",
        "book/_config.yml": "title: t",
        "book/build.py": "",
        "book/pruning.md": "# Pruning",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BOOK", tmp_path / "book")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["efflab/pruning/masks.py", "efflab/viz/static/explorer.js", "requirements.lock", "results/pruning.json"],
)
def test_the_execution_cache_sees_what_a_cell_reads(build: ModuleType, checkout: Path, name: str) -> None:
    before = build.execution_key()
    (checkout / name).write_text("changed")
    assert build.execution_key() != before


def test_the_execution_cache_outlives_a_change_of_text_and_of_bytecode(
    build: ModuleType, checkout: Path
) -> None:
    before = build.execution_key(), build.reading_key()
    (checkout / "book" / "pruning.md").write_text("# Changed")
    (checkout / "efflab" / "__pycache__").mkdir()
    (checkout / "efflab" / "__pycache__" / "masks.pyc").write_bytes(b"1")
    assert (build.execution_key(), build.reading_key()) == before


def test_a_changed_extension_reads_the_pages_again_but_runs_none(build: ModuleType, checkout: Path) -> None:
    before = build.execution_key(), build.reading_key()
    (checkout / "book" / "_ext" / "numbers.py").write_text("b = 2")
    assert build.execution_key() == before[0]
    assert build.reading_key() != before[1]


def test_only_the_last_caches_are_kept(build: ModuleType, tmp_path: Path) -> None:
    for age, key in enumerate("abcde"):
        folder = build.kept_folder(tmp_path, key)
        os.utime(folder, (1e9 + age, 1e9 + age))
    build.kept_folder(tmp_path, "f")
    assert {path.name for path in tmp_path.iterdir()} == {"d", "e", "f"}


# Numbers in prose


@pytest.mark.parametrize(
    ("value", "unit", "style", "text"),
    [
        (12.0, "x", "", "12×"),
        (-0.034, "%", "", "−0.034 %"),
        (1.59, "%", ".1f", "1.6 %"),
        (61_000_000, "weights", "M", "61 M weights"),
        (61_100_840, "weights", ".1f M bare", "61.1 M"),
        (431_080, "weights", "bare", "431,080"),
        (0.9, "pJ", "", "0.9 pJ"),
    ],
)
def test_a_number_is_written_with_its_unit(
    numbers: ModuleType, value: float, unit: str, style: str, text: str
) -> None:
    assert numbers.written(value, unit, style).replace("\N{NO-BREAK SPACE}", " ") == text


def test_an_unknown_style_is_refused(numbers: ModuleType) -> None:
    with pytest.raises(ValueError, match="not 'Mega'"):
        numbers.written(1.0, "x", "Mega")


def test_a_published_figure_is_written_as_the_paper_prints_it(numbers: ModuleType) -> None:
    text, tip, row = numbers.published("pruning/table1/alexnet/parameters")
    assert text == "61M\N{NO-BREAK SPACE}parameters"
    assert "Table 1" in tip
    assert row == "published/pruning#pruning/table1/alexnet/parameters"


def test_a_figure_that_was_read_in_no_source_is_marked_for_eyes_and_ears(numbers: ModuleType) -> None:
    assert [numbers.doubt(f"ese/{one}") for one in ("configuration/channels", "headline/clock")] == [
        True,
        False,
    ]
    assert ">?<" in numbers.DOUBT
    assert "(unverified)" in numbers.DOUBT


# The check of the pages

GOOD = '<html lang="en"><head>{head}</head><body><h1>Title</h1>{body}</body></html>'


def site(folder: Path, body: str = "", head: str = "") -> Path:
    (folder / "_static").mkdir()
    (folder / "_static" / "a.css").write_text(
        "/* https://kept.example in a comment: url(http://x.example/a) */ a {}"
    )
    (folder / "other.html").write_text(GOOD.format(head="", body='<p id="place">'))
    (folder / "index.html").write_text(GOOD.format(head=head, body=body))
    return folder


def test_a_good_page_passes(check: ModuleType, tmp_path: Path) -> None:
    body = '<a href="https://example.org">out</a><a href="other.html#place">in</a><img src="data:x" alt="a line">'
    head = '<link rel="stylesheet" href="_static/a.css?v=1"><link rel="canonical" href="https://example.org">'
    assert list(check.problems(site(tmp_path, body, head))) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "another host"),
        ('<script src="//cdn.example/x.js"></script>', "another host"),
        ('<img src="http://x.example/a.png" alt="a line">', "another host"),
        ('<link rel="preload" href="https://fonts.example/f.woff2">', "another host"),
        ('<p style="background: url(https://x.example/a.png)">', "another host"),
        ("<style>@import 'https://x.example/a.css';</style>", "another host"),
        ('<iframe src="https://x.example"></iframe>', "another host"),
        ('<script src="_static/gone.js"></script>', "not there"),
        ('<img src="data:x">', "no alternative text"),
        ('<img src="data:x" alt=" ">', "no alternative text"),
        ('<img src="_static/a.css" alt="_static/a.css">', "only its file name"),
        ('<a href="gone.html">x</a>', "not there"),
        ('<a href="other.html#gone">x</a>', "no such place"),
        ('<a href="#gone">x</a>', "no such place"),
        ('<p id="a"><p id="a">', "two elements"),
        ("<h1>Again</h1>", "one first-level heading"),
    ],
)
def test_a_bad_page_is_found(check: ModuleType, tmp_path: Path, body: str, words: str) -> None:
    found = list(check.problems(site(tmp_path, body)))
    assert len(found) == 1
    assert found[0].startswith("index.html: ")
    assert words in found[0]


def test_a_style_sheet_of_another_host_is_found(check: ModuleType, tmp_path: Path) -> None:
    (site(tmp_path) / "_static" / "b.css").write_text(
        "@font-face { src: url('https://fonts.example/f.woff2') }"
    )
    assert ["another host" in line for line in check.problems(tmp_path)] == [True]


def test_a_folder_without_a_book_fails(check: ModuleType, tmp_path: Path) -> None:
    assert any("make book" in line for line in check.problems(tmp_path))


# The strict build, on a book of three pages

Small = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def small_book(tmp_path: Path) -> Small:
    """Build the book's own configuration over one page of text; the result of the run."""
    pytest.importorskip("jupyter_book")
    recorded = tmp_path / "results"
    one = results.record(
        "pruning",
        "lenet-5/rate",
        16.25,
        "x",
        paper=12.0,
        bar="at least 12x",
        holds=True,
        command="efflab reproduce",
    )
    book = tmp_path / "book"
    for name in ("_config.yml", "_ext", "_static", "_templates", "_vendor", "vendor.py", "references.bib"):
        copy = shutil.copytree if (BOOK / name).is_dir() else shutil.copy
        book.mkdir(exist_ok=True)
        copy(BOOK / name, book / name)
    pages = ("measured", "bibliography", "published/pruning")
    (book / "published").mkdir()
    for page in pages:
        shutil.copy(BOOK / f"{page}.md", book / f"{page}.md")
    (book / "reading.md").write_text("# Reading\n")
    chapters = "".join(f"  - file: {page}\n" for page in (*pages, "reading"))
    (book / "_toc.yml").write_text(f"format: jb-book\nroot: index\nchapters:\n{chapters}")

    def run(text: str) -> subprocess.CompletedProcess[str]:
        (book / "index.md").write_text("# Small\n\n" + textwrap.dedent(text))
        code = (
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import build;"
            "build.build(Path(sys.argv[2]), Path(sys.argv[3]))"
        )
        environment = os.environ | {"EFFLAB_RESULTS": str(recorded)}
        command = [sys.executable, "-c", code, str(BOOK), str(book), str(tmp_path / "out")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFLAB_RESULTS", str(recorded))
        results.write("pruning", [one])
    return run


def test_a_small_book_builds_and_its_pages_pass(small_book: Small, check: ModuleType, tmp_path: Path) -> None:
    done = small_book("""
        We reach {measured}`pruning/lenet-5/rate; .1f` where {cite:t}`han2015learning` reached
        {paper}`pruning/table1/lenet-5/rate`, and $\\theta = q \\sigma$.

        :::{paper-vs-measured} pruning
        :::

        :::{exercise}
        First.
        :::

        :::{exercise}
        Second.
        :::
        """)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "html" / "index.html").read_text()
    assert 'href="measured.html#pruning/lenet-5/rate"' in page
    assert ">16.2×</a>" in page
    assert 'href="published/pruning.html#pruning/table1/lenet-5/rate"' in page
    assert "at least 12x" in page
    assert "holds" in page
    assert "mathjax/tex-chtml.js" in page
    assert list(check.problems(tmp_path / "out" / "html")) == []


def test_every_unknown_number_is_named_and_stops_the_build(small_book: Small) -> None:
    done = small_book("{paper}`pruning/table1/lenet-5/rates` and {measured}`pruning/lenet-5/rat`")
    assert done.returncode != 0
    assert "no published figure is called 'pruning/table1/lenet-5/rates'" in done.stderr
    assert "has no result 'lenet-5/rat'" in done.stderr


def test_every_listing_names_code_that_is_there(root) -> None:
    import re

    listing = re.compile(r"```\{literalinclude\} (\S+)\n((?::[^\n]*\n)*)```")
    found = [
        (page, *match) for page in (root / "book").glob("*.md") for match in listing.findall(page.read_text())
    ]
    for page, file, options in found:
        source = (page.parent / file).read_text()
        settings = dict(re.findall(r":([a-z-]+): (.*)", options))
        for name in settings.get("pyobject", "").split("."):
            assert re.search(rf"^\s*(def|class) {name}\b", source, re.MULTILINE) or not name, (
                page.name,
                name,
            )
        for edge in ("start-at", "start-after", "end-before", "end-at"):
            assert settings.get(edge, "") in source, (page.name, edge)
    assert len(found) > 5


def test_a_cell_of_a_recorded_table_is_written_as_a_person_reads_it(numbers: ModuleType) -> None:
    assert [numbers.plain(cell) for cell in ("as it is", 9.0, 12345, None)] == [
        "as it is",
        "9",
        "12,345",
        "–",
    ]
