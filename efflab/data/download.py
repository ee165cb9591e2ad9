"""A download that goes on where it broke off.

It writes to a ``.part`` file and asks for the rest of it with an HTTP range (RFC 9110, section 14); the part is handed
over only when its size and SHA-256 are right. Redirects, proxies and certificates are the business of ``requests``.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 10
READ_SECONDS = 30
ATTEMPTS = 4
CHUNK_BYTES = 1 << 18
# An archive of unknown size may be at most this large, so that a server cannot fill the disk.
LIMIT_BYTES = 64 << 20


@dataclass(frozen=True)
class Wanted:
    """What to download.

    Args:
        part: file to write; what it already holds is kept as the beginning of the download.
        size: bytes expected; None where the host makes the file on request, then nothing is resumed.
        sha256: digest expected; empty where none is known.
        label: what the progress bar shows.
        progress: whether to show one.
    """

    part: Path
    size: int | None
    sha256: str
    label: str
    progress: bool = True

    @property
    def limit(self) -> int:
        """Bytes above which an answer is cut off."""
        return LIMIT_BYTES if self.size is None else self.size

    @property
    def so_far(self) -> int:
        """Bytes that are here already."""
        return self.part.stat().st_size if self.part.exists() else 0


class DownloadError(Exception):
    """One address did not give the file; the message says why in a few words."""


class _BrokeOffError(DownloadError):
    """The connection ended before the file did; what came is kept."""


def download(urls: tuple[str, ...], wanted: Wanted) -> list[str]:
    """Download one file, trying its addresses in order.

    Args:
        urls: addresses of the same bytes.
        wanted: what they should give.

    Returns:
        Why each address failed; empty if the last one tried gave the file.

    Raises:
        OSError: the part cannot be written (disk full, no permission).
    """
    wanted.part.parent.mkdir(parents=True, exist_ok=True)
    if wanted.size is None or wanted.so_far > wanted.size:
        wanted.part.unlink(missing_ok=True)
    failures = []
    for url in urls:
        try:
            _verified(url, wanted)
        except DownloadError as error:
            failures.append(f"{url} ({error})")
        else:
            return []
    return failures


def _verified(url: str, wanted: Wanted) -> None:
    """Fetch and check; where an older part was continued and the whole is wrong, once more from the start."""
    continued = wanted.so_far > 0
    _complete(url, wanted)
    wrong = _wrong(wanted)
    if wrong and continued:
        _complete(url, wanted)
        wrong = _wrong(wanted)
    if wrong:
        raise DownloadError(wrong)


def _complete(url: str, wanted: Wanted) -> None:
    """Fetch until the part is complete, going on after an interruption as long as each attempt brings something."""
    for attempt in range(ATTEMPTS):
        before = wanted.so_far
        if before == wanted.size:
            return
        try:
            _stream(url, wanted)
        except _BrokeOffError:
            if attempt == ATTEMPTS - 1 or wanted.size is None or wanted.so_far <= before:
                raise
        else:
            return


def _stream(url: str, wanted: Wanted) -> None:
    """Make one request and append what it brings to the part."""
    offset = wanted.so_far
    with _answer(url, offset) as answer:
        if not (offset and _resumes(answer, offset)):
            offset = 0
            _same_length(answer, wanted.size)
        with wanted.part.open("ab" if offset else "wb") as stream, _bar(wanted, offset) as bar:
            for chunk in _chunks(answer):
                if offset + len(chunk) > wanted.limit:
                    raise DownloadError(f"sent more than the {wanted.limit} bytes expected")
                offset += stream.write(chunk)
                bar.update(len(chunk))
    if wanted.size is not None and offset < wanted.size:
        raise _BrokeOffError(f"broke off after {offset} of {wanted.size} bytes")


@contextlib.contextmanager
def _answer(url: str, offset: int) -> Iterator["requests.Response"]:
    """Ask for ``url`` from byte ``offset`` on, and put whatever goes wrong into a few words."""
    import requests  # noqa: PLC0415 - needed only here, and slow to import

    # Stored encodings such as gzip must reach the disk as they are: the checksums are of those bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
        ) as answer:
            if answer.status_code not in {200, 206, 416}:
                raise DownloadError(f"answered {answer.status_code} {answer.reason}")
            yield answer
    except requests.exceptions.SSLError:
        raise DownloadError("its certificate could not be checked") from None
    except requests.exceptions.ProxyError:
        raise DownloadError("the proxy refused") from None
    except requests.exceptions.Timeout:
        raise DownloadError("no answer in time") from None
    except requests.exceptions.ConnectionError:
        raise DownloadError("no connection") from None
    except requests.exceptions.RequestException as error:
        raise DownloadError(type(error).__name__) from None


def _resumes(answer: "requests.Response", offset: int) -> bool:
    """Whether the answer goes on at ``offset``; a server may also send the whole file again."""
    if answer.status_code == 416:
        raise DownloadError(f"has no bytes after {offset}")
    if answer.status_code == 200:
        return False
    start = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if start is None or int(start[1]) != offset:
        raise DownloadError("sent another range than asked for")
    return True


def _same_length(answer: "requests.Response", size: int | None) -> None:
    """Refuse the page of a captive portal or an error page before it takes the place of a part."""
    announced = answer.headers.get("Content-Length")
    if size is not None and announced is not None and announced != str(size):
        raise DownloadError(f"announced {announced} bytes, expected {size}")


def _chunks(answer: "requests.Response") -> Iterator[bytes]:
    import urllib3  # noqa: PLC0415 - comes with requests

    try:
        yield from answer.raw.stream(CHUNK_BYTES, decode_content=False)
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError):
        raise _BrokeOffError("the connection broke off") from None


def _bar(wanted: Wanted, offset: int) -> Any:
    from tqdm import tqdm  # noqa: PLC0415 - needed only here

    return tqdm(
        total=wanted.size,
        initial=offset,
        desc=wanted.label,
        disable=not wanted.progress,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
    )


def _wrong(wanted: Wanted) -> str:
    """How a complete part differs from the file expected; it is then removed, as going on from it could never succeed."""
    with wanted.part.open("rb") as stream:
        got = hashlib.file_digest(stream, "sha256").hexdigest()
    if not wanted.sha256 or got == wanted.sha256:
        return ""
    length = wanted.so_far
    wanted.part.unlink()
    return f"gave another file: sha256 {got} ({length} bytes), expected {wanted.sha256} ({wanted.size} bytes)"
