"""Downloads from a server on this machine that misbehaves in every way a real one has."""

import gzip
import hashlib
import http.server
import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import textwrap
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from efflab import data
from efflab.data import catalog, download, store
from efflab.data.fetch import read
from efflab.data.info import Archive, File, Info
from efflab.errors import DataError

CONTENT = bytes(range(256)) * 4000  # a little over a megabyte
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files``; ``behaviour`` by path changes how. Remembers what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.behaviour: dict[str, Callable[[Handler, bytes], None]] = {}
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        content = self.server.files.get(self.path, b"")
        self.server.behaviour.get(self.path, ranged)(self, content)

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Keep the test's output clean."""


def ranged(handler: Handler, content: bytes) -> None:
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    start = int(wanted[1]) if wanted else 0
    if start >= len(content):
        handler.head(416, Content_Length=0)
        return
    if wanted:
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206, Content_Length=len(content) - start, Content_Range=span)
    else:
        handler.head(200, Content_Length=len(content))
    handler.wfile.write(content[start:])


def without_ranges(handler: Handler, content: bytes) -> None:
    handler.head(200, Content_Length=len(content))
    handler.wfile.write(content)


def breaking_off_after(count: int) -> Callable[[Handler, bytes], None]:
    """Announces everything that is left, sends ``count`` bytes of it, and hangs up."""

    def behave(handler: Handler, content: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
        start = int(wanted[1]) if wanted else 0
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206 if wanted else 200, Content_Length=len(content) - start, Content_Range=span)
        handler.wfile.write(content[start : start + count])

    return behave


def status(code: int, **headers: object) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.head(code, Content_Length=0, **headers)


def without_length(handler: Handler, content: bytes) -> None:
    handler.head(200)
    handler.wfile.write(content)


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no EFFLAB_DATA, and no proxy between the test and its server."""
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EFFLAB_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "data"


@pytest.fixture
def offer(monkeypatch):
    """Put a data set of given files into the catalogue."""

    def add(*files: File, archive: Archive | None = None) -> Info:
        info = Info(
            name="tiny", title="", task="", classes=(), splits={}, unit="", licence="", licence_url="", holder="",
            homepage="", citation="", files=files, archive=archive,
        )  # fmt: skip
        monkeypatch.setitem(catalog.CATALOG, "tiny", info)
        return info

    return add


def one(*urls: str, content: bytes = CONTENT) -> File:
    return File("tiny/file.bin", len(content), hashlib.sha256(content).hexdigest(), urls)


def refused() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/file.bin"


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def fetch() -> list[Path]:
    return data.fetch("tiny", progress=False)


def test_a_download_is_checked_kept_and_not_asked_for_again(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    assert not data.available("tiny")
    assert fetch() == [cache / "tiny" / "file.bin"]
    assert (cache / "tiny" / "file.bin").read_bytes() == CONTENT
    assert data.available("tiny")
    assert fetch() == [cache / "tiny" / "file.bin"]
    assert server.asked == [("/file.bin", None)]
    assert left(cache) == ["file.bin"]


def test_a_part_is_continued_where_it_stopped(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin.part").write_bytes(CONTENT[:1000])
    (path,) = fetch()
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/file.bin", "bytes=1000-")]


def test_a_complete_part_needs_no_request(server, offer, cache):
    offer(one(server.url("/file.bin")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin.part").write_bytes(CONTENT)
    (path,) = fetch()
    assert path.read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize(
    "part", [b"\0" * 1000, CONTENT[:999] + b"!", CONTENT + b"more", b"\0" * len(CONTENT)]
)
def test_a_wrong_part_is_thrown_away_and_the_download_succeeds(server, offer, cache, part):
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin.part").write_bytes(part)
    (path,) = fetch()
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/file.bin", None)


def test_a_server_without_ranges_sends_everything_again(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    server.behaviour["/file.bin"] = without_ranges
    offer(one(server.url("/file.bin")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin.part").write_bytes(CONTENT[:1000])
    (path,) = fetch()
    assert path.read_bytes() == CONTENT


def test_an_interrupted_download_goes_on_by_itself(server, offer):
    server.files["/file.bin"] = CONTENT
    server.behaviour["/file.bin"] = breaking_off_after(400_000)
    offer(one(server.url("/file.bin")))
    (path,) = fetch()
    assert path.read_bytes() == CONTENT
    assert server.asked == [
        ("/file.bin", None),
        ("/file.bin", "bytes=400000-"),
        ("/file.bin", "bytes=800000-"),
    ]


def test_a_download_that_keeps_breaking_off_leaves_a_part_for_the_next_try(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    server.behaviour["/file.bin"] = breaking_off_after(1000)
    offer(one(server.url("/file.bin")))
    with pytest.raises(DataError, match="broke off"):
        fetch()
    kept = (cache / "tiny" / "file.bin.part").stat().st_size
    assert kept == 1000 * download.ATTEMPTS
    del server.behaviour["/file.bin"]
    (path,) = fetch()
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/file.bin", f"bytes={kept}-")


def test_a_mirror_goes_on_where_another_stopped(server, offer):
    server.files |= {"/a": CONTENT, "/b": CONTENT}
    server.behaviour["/a"] = breaking_off_after(1000)
    offer(one(server.url("/a"), server.url("/b")))
    assert fetch()[0].read_bytes() == CONTENT
    assert server.asked[-1] == ("/b", f"bytes={1000 * download.ATTEMPTS}-")


def test_addresses_are_tried_in_order(server, offer):
    server.files["/good"] = CONTENT
    server.behaviour["/gone"] = status(404)
    offer(one(refused(), server.url("/gone"), server.url("/good"), server.url("/never")))
    assert fetch()[0].read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/gone", "/good"]


def test_redirects_are_followed_with_the_range(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    server.behaviour["/moved"] = status(302, Location=server.url("/file.bin"))
    offer(one(server.url("/moved")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin.part").write_bytes(CONTENT[:77])
    assert fetch()[0].read_bytes() == CONTENT
    assert server.asked == [("/moved", "bytes=77-"), ("/file.bin", "bytes=77-")]


def test_a_file_that_is_sent_as_encoded_stays_as_it_is(server, offer):
    """A .gz file served with ``Content-Encoding: gzip`` must not be unpacked on the way."""
    packed = gzip.compress(CONTENT)
    server.files["/file.bin"] = packed
    server.behaviour["/file.bin"] = lambda handler, content: (
        handler.head(200, Content_Length=len(content), Content_Encoding="gzip"),
        handler.wfile.write(content),
    )
    offer(one(server.url("/file.bin"), content=packed))
    assert fetch()[0].read_bytes() == packed


def sentence(caught: pytest.ExceptionInfo[DataError]) -> str:
    """The message, held to be one sentence without a trace of a socket."""
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    text = str(caught.value)
    assert "\n" not in text
    assert "Errno" not in text
    assert "efflab data fetch tiny" in text
    return text


def test_no_network_is_one_sentence_that_says_what_to_do(offer, cache):
    url = refused()
    offer(one(url))
    for call in (fetch, lambda: read(data.describe("tiny").files[0], data.describe("tiny"))):
        with pytest.raises(DataError, match="tiny is not on this machine") as caught:
            call()
        text = sentence(caught)
        assert f"tried {url} (no connection)" in text
        assert "set EFFLAB_DATA to a folder that holds tiny/file.bin" in text
    assert left(cache) == []


def test_an_unknown_host_is_no_connection(offer):
    offer(one("http://no-such-host.invalid/file.bin"))
    with pytest.raises(DataError, match=r"no-such-host.invalid/file.bin \(no connection\)|refused|answered"):
        fetch()


def test_a_server_that_does_not_answer_is_left(server, offer, monkeypatch):
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    waiting = threading.Event()
    server.behaviour["/slow"] = lambda _handler, _content: waiting.wait(5)
    offer(one(server.url("/slow")))
    with pytest.raises(DataError, match="no answer in time"):
        fetch()
    waiting.set()


@pytest.mark.parametrize("code", [403, 404, 500, 503])
def test_an_http_error_names_its_status(server, offer, code):
    server.behaviour["/file.bin"] = status(code)
    offer(one(server.url("/file.bin")))
    with pytest.raises(DataError, match=f"answered {code}") as caught:
        fetch()
    sentence(caught)


def test_a_wrong_checksum_names_both_and_leaves_nothing(server, offer, cache):
    wrong = CONTENT[:-1] + b"!"
    server.files["/file.bin"] = wrong
    offer(one(server.url("/file.bin")))
    with pytest.raises(DataError, match="gave another file") as caught:
        fetch()
    text = sentence(caught)
    assert hashlib.sha256(wrong).hexdigest() in text
    assert SHA256 in text
    assert left(cache) == []


@pytest.mark.parametrize("page", [b"<html>please log in</html>", CONTENT + b"x"])
def test_a_page_of_another_length_does_not_touch_the_part(server, offer, cache, page):
    server.files["/file.bin"] = page
    server.behaviour["/file.bin"] = without_ranges
    offer(one(server.url("/file.bin")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin.part").write_bytes(CONTENT[:5000])
    with pytest.raises(DataError, match=f"announced {len(page)} bytes, expected {len(CONTENT)}"):
        fetch()
    assert (cache / "tiny" / "file.bin.part").read_bytes() == CONTENT[:5000]


def test_a_server_that_never_stops_cannot_fill_the_disk(server, offer, cache):
    server.files["/file.bin"] = CONTENT * 3
    server.behaviour["/file.bin"] = without_length
    offer(one(server.url("/file.bin")))
    with pytest.raises(DataError, match=f"sent more than the {len(CONTENT)} bytes expected"):
        fetch()
    assert sum(p.stat().st_size for p in cache.rglob("*.part")) <= len(CONTENT)


def test_another_range_than_asked_for_is_refused(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    server.behaviour["/file.bin"] = status(206, Content_Range="bytes 0-9/10")
    offer(one(server.url("/file.bin")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin.part").write_bytes(CONTENT[:50])
    with pytest.raises(DataError, match="another range"):
        fetch()


def test_efflab_data_comes_first_and_is_never_written(server, offer, cache, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    (mine / "tiny").mkdir(parents=True)
    (mine / "tiny" / "file.bin").write_bytes(CONTENT)
    monkeypatch.setenv("EFFLAB_DATA", str(mine))
    offer(one(server.url("/file.bin")))
    assert data.available("tiny")
    assert fetch() == [mine / "tiny" / "file.bin"]
    assert server.asked == []
    assert left(cache) == []


def test_a_damaged_file_in_efflab_data_is_passed_over_and_left_alone(
    server, offer, cache, tmp_path, monkeypatch, caplog
):
    mine = tmp_path / "mine"
    (mine / "tiny").mkdir(parents=True)
    (mine / "tiny" / "file.bin").write_bytes(b"!" + CONTENT[1:])
    monkeypatch.setenv("EFFLAB_DATA", str(mine))
    server.files["/file.bin"] = CONTENT
    info = offer(one(server.url("/file.bin")))
    assert read(info.files[0], info) == CONTENT
    assert "tiny/file.bin is damaged" in caplog.text.replace(os.sep, "/")
    assert (mine / "tiny" / "file.bin").read_bytes() == b"!" + CONTENT[1:]
    assert left(mine) == ["file.bin"]
    assert left(cache) == ["file.bin"]


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"!" + CONTENT[1:], CONTENT + b"x"])
def test_a_damaged_file_in_the_cache_is_downloaded_again(server, offer, cache, damage):
    server.files["/file.bin"] = CONTENT
    info = offer(one(server.url("/file.bin")))
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "file.bin").write_bytes(damage)
    assert read(info.files[0], info) == CONTENT
    assert (cache / "tiny" / "file.bin").read_bytes() == CONTENT


def test_a_damaged_file_without_network_is_named_with_both_digests_and_not_deleted(offer, cache):
    damaged = b"!" + CONTENT[1:]
    info = offer(one(refused()))
    (cache / "tiny").mkdir(parents=True)
    path = cache / "tiny" / "file.bin"
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="is damaged") as caught:
        read(info.files[0], info)
    text = sentence(caught)
    assert all(part in text for part in (str(path), hashlib.sha256(damaged).hexdigest(), SHA256))
    assert path.read_bytes() == damaged


def test_force_downloads_again_and_keeps_the_old_file_until_then(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    fetch()
    data.fetch("tiny", progress=False, force=True)
    assert len(server.asked) == 2
    server.behaviour["/file.bin"] = status(503)
    with pytest.raises(DataError, match="answered 503") as told:
        data.fetch("tiny", progress=False, force=True)
    assert "new download of tiny failed, and the copy on this machine stays" in str(told.value)
    assert "not on this machine" not in str(told.value)
    assert (cache / "tiny" / "file.bin").read_bytes() == CONTENT


def test_a_folder_in_the_place_of_a_file_is_named(offer, cache):
    offer(one(refused()))
    (cache / "tiny" / "file.bin").mkdir(parents=True)
    with pytest.raises(DataError, match=r"file.bin cannot be read \(Is a directory\)"):
        fetch()


def test_a_cache_that_cannot_be_made_is_one_sentence(server, offer, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EFFLAB_CACHE", str(tmp_path / "file" / "cache"))
    offer(one(server.url("/file.bin")))
    with pytest.raises(
        DataError, match=r"cannot be written to the cache .* name another folder in EFFLAB_CACHE"
    ) as caught:
        fetch()
    sentence(caught)


def test_a_full_disk_is_one_sentence_and_the_download_goes_on_later(server, offer, cache, tmp_path):
    """A limit on the size of files stands in for a full disk, in a process of its own."""
    pytest.importorskip("resource", reason="no limits on this platform")
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    program = f"""
        import resource, sys
        from efflab import data
        from efflab.data import catalog
        from efflab.data.info import File, Info
        from efflab.errors import DataError
        file = File("tiny/file.bin", {len(CONTENT)}, "{SHA256}", ("{server.url("/file.bin")}",))
        catalog.CATALOG["tiny"] = Info(*["tiny"] * 11, files=(file,))
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
        try:
            data.fetch("tiny", progress=False)
        except DataError as error:
            sys.exit(str(error))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert re.match(r"tiny cannot be written to the cache .* free 1 MB there or name another", done.stderr)
    kept = (cache / "tiny" / "file.bin.part").stat().st_size
    assert 0 < kept <= 600_000
    (path,) = fetch()
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/file.bin", f"bytes={kept}-")


def test_ctrl_c_leaves_a_part_that_the_next_fetch_continues(server, offer, cache, monkeypatch):
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    real = download._chunks

    def interrupted(answer):
        yield next(real(answer))
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_chunks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch()
    monkeypatch.setattr(download, "_chunks", real)
    kept = (cache / "tiny" / "file.bin.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert fetch()[0].read_bytes() == CONTENT
    assert server.asked[-1] == ("/file.bin", f"bytes={kept}-")


def test_two_processes_share_one_download(server, offer, cache):
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.extend(fetch())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [cache / "tiny" / "file.bin"] * 4
    assert len(server.asked) == 1


def test_the_first_failure_ends_the_attempt(offer, server):
    """Twelve addresses that each time out would be minutes."""
    server.behaviour["/gone"] = status(404)
    offer(*(File(f"tiny/{n}", 1, SHA256, (server.url("/gone"),)) for n in range(3)))
    with pytest.raises(DataError):
        fetch()
    assert len(server.asked) == 1


def test_progress_is_shown_where_wanted(server, offer, capsys):
    server.files["/file.bin"] = CONTENT
    offer(one(server.url("/file.bin")))
    data.fetch("tiny")
    assert re.search(r"file\.bin: 100%.*1\.02M/1\.02M", capsys.readouterr().err)
    data.fetch("tiny", progress=False, force=True)
    assert capsys.readouterr().err == ""


MEMBERS = {"folder/one": b"one" * 100, "folder/two": b"two" * 100}


def tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as out:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return buffer.getvalue()


def members() -> list[File]:
    return [
        File(f"tiny/{name}", len(content), hashlib.sha256(content).hexdigest(), member=name)
        for name, content in MEMBERS.items()
    ]


@pytest.mark.parametrize(("name", "pack"), [("a.tar.gz", tar_gz), ("a.zip", zipped)])
@pytest.mark.parametrize("checked", [True, False])
def test_an_archive_gives_its_members_and_goes(server, offer, cache, name, pack, checked):
    content = pack(MEMBERS | {"../../outside": b"never unpacked"})
    server.files["/a"] = content
    size, digest = (len(content), hashlib.sha256(content).hexdigest()) if checked else (None, "")
    offer(*members(), archive=Archive(name, (server.url("/a"),), size, digest))
    assert [path.read_bytes() for path in fetch()] == list(MEMBERS.values())
    assert left(cache) == ["one", "two"]
    (cache / "tiny" / "folder" / "two").write_bytes(b"damaged")
    assert [path.read_bytes() for path in fetch()] == list(MEMBERS.values())


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.tar.gz", tar_gz({"folder/one": MEMBERS["folder/one"]}), "cannot be read"),
        ("a.tar.gz", tar_gz(MEMBERS | {"folder/two": b"wrong"}), "its member folder/two is damaged"),
        ("a.tar.gz", tar_gz(MEMBERS | {"folder/two": bytes(10**6)}), "its member folder/two is damaged"),
        ("a.tar.gz", tar_gz(MEMBERS)[:-40], "cannot be read"),
        ("a.tar.gz", b"no archive", "cannot be read"),
        ("a.zip", zipped(MEMBERS)[:-40], "cannot be read"),
        ("a.zip", zipped({}), "cannot be read"),
    ],
    # Names of their own: an archive holds the time at which it was made, and the workers must agree on names.
    ids=["member missing", "member wrong", "member long", "tar cut", "no tar", "zip cut", "zip empty"],
)
def test_a_damaged_archive_is_one_sentence_and_goes(server, offer, cache, name, content, complaint):
    server.files["/a"] = content
    offer(*members(), archive=Archive(name, (server.url("/a"),)))
    with pytest.raises(DataError, match=complaint) as caught:
        fetch()
    sentence(caught)
    assert not list(cache.rglob("*.part"))


def test_an_archive_with_a_known_checksum_is_continued(server, offer, cache):
    content = tar_gz(MEMBERS)
    server.files["/a"] = content
    offer(
        *members(),
        archive=Archive("a.tar.gz", (server.url("/a"),), len(content), hashlib.sha256(content).hexdigest()),
    )
    cache.mkdir(parents=True)
    (cache / "a.tar.gz.part").write_bytes(content[:100])
    fetch()
    assert server.asked == [("/a", "bytes=100-")]


def test_files_that_have_gone_are_taken_from_the_archive(server, offer):
    server.behaviour["/gone"] = status(404)
    server.files["/a"] = zipped(MEMBERS)
    files = [File(f.path, f.size, f.sha256, (server.url("/gone"),), f.member) for f in members()]
    offer(*files, archive=Archive("a.zip", (server.url("/a"),)))
    assert [path.read_bytes() for path in fetch()] == list(MEMBERS.values())


def test_the_spoken_digits_of_an_archive_are_repacked_to_the_known_checksum(
    needs_data, server, monkeypatch, cache
):
    monkeypatch.undo()
    needs_data("spoken-digits")
    info = data.describe("spoken-digits")
    (file,) = info.files
    tar = store.search(file).content
    monkeypatch.setenv("EFFLAB_CACHE", str(cache.parent))
    monkeypatch.delenv("EFFLAB_DATA")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.files["/fsdd.tar.gz"] = gzip.compress(tar, 1)
    archive = Archive(info.archive.name, (server.url("/fsdd.tar.gz"),))
    monkeypatch.setitem(catalog.CATALOG, info.name, Info(**{**vars(info), "archive": archive}))
    (path,) = data.fetch(info.name, progress=False)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.repacked
    assert path.stat().st_size == file.size
    assert len(data.load("spoken-digits").test) == 300
