"""Bringing a data set onto this machine: find, else download, check, and move into the cache in one step."""

import contextlib
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from efflab.data import store
from efflab.data.catalog import describe
from efflab.data.download import Wanted, download
from efflab.data.info import Archive, File, Info
from efflab.errors import DataError
from efflab.files import write_atomic


def fetch(name: str, *, progress: bool = True, force: bool = False) -> list[Path]:
    """Make sure that a data set is on this machine, downloading what is missing or damaged into the cache.

    An interrupted download goes on where it stopped. ``EFFLAB_DATA`` is searched and never written.

    Args:
        name: one of ``names()``.
        progress: whether to show a progress bar for each download.
        force: download even what is here already; the copy in the cache is replaced once the new one is checked.

    Returns:
        Paths of the checked files; none for an embedded data set.

    Raises:
        DataError: no data set has this name, or it cannot be had: the sentence says what was tried and what to do.

    >>> fetch("digits")
    []
    """
    info = describe(name)
    if not info.files:
        return []
    paths = {} if force else _present(info)
    if len(paths) < len(info.files):
        with _cache_errors(info), _only_one(info):
            # Another process may have brought the files while this one waited.
            paths = {} if force else _present(info)
            failures = _download_files(info, paths, progress)
            failures += _download_archive(info, paths, progress)
    missing = [file for file in info.files if file not in paths]
    if missing:
        raise DataError(_cannot(info, missing, failures))
    return [paths[file] for file in info.files]


def read(file: File, info: Info) -> bytes:
    """The checked bytes of one file of a data set, downloaded if need be.

    Raises:
        DataError: it is nowhere, or every copy is damaged and it cannot be downloaded.
    """
    found = store.search(file)
    if found.path is None:
        fetch(info.name)
        found = store.search(file)
    if found.path is None:
        raise DataError(f"{info.name} cannot be loaded: {'; '.join(found.complaints)}")
    store.note(found.complaints)
    return found.content


def _present(info: Info) -> dict[File, Path]:
    found = {file: store.search(file).path for file in info.files}
    return {file: path for file, path in found.items() if path}


def _download_files(info: Info, paths: dict[File, Path], progress: bool) -> list[str]:
    """Download the files that have addresses of their own into the cache and enter them in ``paths``.

    Returns:
        Why the first one that failed did; the rest is then not tried, since it lies at the same addresses.
    """
    for file in info.files:
        if file in paths or not file.urls:
            continue
        target = store.cached_path(file)
        part = target.with_name(target.name + ".part")
        failures = download(file.urls, Wanted(part, file.size, file.sha256, target.name, progress))
        if failures:
            return failures
        paths[file] = part.replace(target)
    return []


def _download_archive(info: Info, paths: dict[File, Path], progress: bool) -> list[str]:
    """Download the archive, put the files still missing into the cache, enter them in ``paths``, remove the archive."""
    archive = info.archive
    missing = [file for file in info.files if file not in paths]
    if archive is None or not missing:
        return []
    part = store.cache_folder() / "data" / f"{archive.name}.part"
    failures = download(archive.urls, Wanted(part, archive.size, archive.sha256, archive.name, progress))
    if failures:
        return failures
    try:
        for file in missing:
            content = _unpack(archive, part, file)
            wrong = store.difference(file, content)
            if wrong:
                return [f"{archive.urls[0]} (its member {file.member} {wrong})"]
            paths[file] = write_atomic(store.cached_path(file), content)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, KeyError, EOFError) as error:
        return [f"{archive.urls[0]} (the archive cannot be read: {_first_line(error)})"]
    finally:
        part.unlink(missing_ok=True)
    return []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(": ")


def _unpack(archive: Archive, path: Path, file: File) -> bytes:
    """One member's bytes, at most one more than expected; nothing is ever unpacked to a path that an archive names."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(path) as zipped, zipped.open(file.member) as member:
            return member.read(file.size + 1)
    with tarfile.open(path) as packed:
        if file.repacked:
            return repack(packed, file.member)
        member_stream = packed.extractfile(file.member)
        if member_stream is None:
            raise KeyError(file.member)
        return member_stream.read(file.size + 1)


def repack(packed: tarfile.TarFile, folder: str) -> bytes:
    """Put the regular files of a folder into a plain tar that depends on their names and content alone.

    Args:
        packed: an open archive; its own bytes may differ from one download to the next.
        folder: path of the folder in it, with a ``/`` at the end.

    Returns:
        A tar in the ustar format: members sorted by name, every time stamp and owner zero.
    """
    members = [m for m in packed.getmembers() if m.isfile() and m.name.startswith(folder)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for member in sorted(members, key=lambda m: m.name):
            plain = tarfile.TarInfo(member.name)
            plain.size = member.size
            out.addfile(plain, packed.extractfile(member))
    return buffer.getvalue()


@contextlib.contextmanager
def _cache_errors(info: Info) -> Iterator[None]:
    """Say what to do where the cache cannot be written; what was downloaded so far stays for the next try."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{info.name} cannot be written to the cache {store.cache_folder()} ({error.strerror or error}): free"
            f" {info.bytes / 1e6:.0f} MB there or name another folder in EFFLAB_CACHE, then run"
            f" `efflab data fetch {info.name}`; the download goes on where it stopped"
        ) from None


@contextlib.contextmanager
def _only_one(info: Info) -> Iterator[None]:
    """Let one process download a data set while others wait for it."""
    from filelock import FileLock  # noqa: PLC0415 - needed only for a download

    folder = store.cache_folder() / "data"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{info.name}.lock"):
        yield


def _cannot(info: Info, missing: list[File], failures: list[str]) -> str:
    """One sentence: what was tried, and what to do."""
    damaged = [text for file in missing for text in store.search(file).complaints]
    tried = "; ".join([*damaged, *(f"tried {failure}" for failure in failures)])
    if len(_present(info)) == len(info.files):  # it was forced
        return f"the new download of {info.name} failed, and the copy on this machine stays as it is: {tried}"
    return (
        f"{info.name} is not on this machine, or not whole: {tried}; check the network and run"
        f" `efflab data fetch {info.name}`, or set EFFLAB_DATA to a folder that holds {missing[0].path}"
    )
