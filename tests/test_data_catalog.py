"""The catalogue against the manifest beside the files, and the book's page against the catalogue."""

import json
import os
import re
from pathlib import Path

import pytest
from conftest import skip_or_fail

from efflab.data.catalog import CATALOG

MANIFEST_NAMES = {"spoken-digits": "fsdd", "tiny-shakespeare": "tinyshakespeare"}


@pytest.fixture(scope="module")
def manifest():
    path = Path(os.environ.get("EFFLAB_DATA", "")) / "manifest.json"
    if not path.is_file():
        skip_or_fail("no manifest.json lies in EFFLAB_DATA")
    return {entry["name"]: entry for entry in json.loads(path.read_text())["datasets"]}


@pytest.mark.parametrize("name", [name for name, info in CATALOG.items() if info.files])
def test_the_catalogue_agrees_with_the_manifest(manifest, name):
    info, entry = CATALOG[name], manifest[MANIFEST_NAMES.get(name, name)]
    listed = {file["path"]: file for file in entry["files"]}
    for file in info.files:
        theirs = listed[file.path]
        assert (file.size, file.sha256) == (theirs["bytes"], theirs["sha256"])
        assert file.urls == tuple(theirs["urls"]) or "archive_member" in theirs
        assert file.repacked or file.member == theirs.get("archive_member", "")
    if info.archive:
        (archive,) = entry["archives"]
        assert (info.archive.name, info.archive.urls) == (archive["filename"], tuple(archive["urls"]))
        assert (info.archive.size, info.archive.sha256) == (archive["bytes"], archive["sha256"] or "")
    assert info.classes == tuple(entry.get("classes", ()))
    if entry["splits"]:
        assert list(info.splits.values()) == list(entry["splits"].values())
    assert info.licence == entry["licence"]["spdx"] or (info.licence, entry["licence"]["formal"]) == (
        "none stated",
        False,
    )


@pytest.mark.parametrize("info", CATALOG.values(), ids=list(CATALOG))
def test_every_record_is_complete(info):
    assert all(
        (info.title, info.task, info.licence, info.licence_url, info.holder, info.homepage, info.splits)
    )
    assert re.fullmatch(r"@\w+\{\w+, author = .*\}", info.citation)
    assert info.citation.count("{") == info.citation.count("}")
    assert re.fullmatch(r"\w+", info.key)
    assert info.bytes == sum(file.size for file in info.files)
    for file in info.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert not Path(file.path).is_absolute()
        assert ".." not in Path(file.path).parts
        assert file.urls or (info.archive and file.member)
    assert all(url.startswith(("https://", "http://fashion-mnist.s3-website")) for url in info.urls)
    assert not info.files or info.urls


def test_the_books_page_says_what_the_catalogue_says(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "tools")
    import datasets_page

    text = datasets_page.PAGE.read_text(encoding="utf-8")
    assert datasets_page.page(text) == text, "run python tools/datasets_page.py"
    for info in CATALOG.values():
        assert f"| `{info.name}` |" in text
        assert f"[{info.licence}]({info.licence_url})" in text


def test_the_bibliography_has_every_data_set(root):
    keys = set(re.findall(r"@\w+\{(\w+),", (root / "book" / "references.bib").read_text(encoding="utf-8")))
    assert {info.key for info in CATALOG.values()} <= keys
