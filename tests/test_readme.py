"""The README says what the records say."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def readme(root: Path):
    spec = importlib.util.spec_from_file_location("readme", root / "tools" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_number_and_the_table_of_topics_come_from_the_records(readme) -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.filled(text) == text
    assert len(readme.MARK.findall(text)) >= 8


def test_a_wrong_number_is_put_right(readme) -> None:
    wrong = "<!-- paper pruning/table1/lenet-5/rate -->13<!-- / -->"
    assert readme.filled(wrong) == "<!-- paper pruning/table1/lenet-5/rate -->12<!-- / -->"


def test_a_record_of_a_smoke_run_is_refused(readme, tmp_path, monkeypatch) -> None:
    from efflab import results
    from efflab.errors import EfflabError

    monkeypatch.setenv("EFFLAB_RESULTS", str(tmp_path))
    marked = "<!-- measured pruning/lenet-5/rate --><!-- / -->"
    results.write("pruning", [results.record("pruning", "lenet-5/rate", 3.0, "x", scale="smoke")])
    with pytest.raises(EfflabError, match="smoke"):
        readme.filled(marked)
    results.write("pruning", [results.record("pruning", "lenet-5/rate", 16.0, "x", scale="cpu")])
    assert readme.filled(marked) == "<!-- measured pruning/lenet-5/rate -->16<!-- / -->"


def test_every_file_that_it_links_to_is_there(readme, root: Path) -> None:
    import re

    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme.README.read_text(encoding="utf-8"))
    assert [link for link in links if not (root / link).exists()] == []
    assert links
