"""What is known about a data set: its files, archive, licence, citation and splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """One file of a data set, as its authors publish it.

    Args:
        path: where it lies below ``EFFLAB_DATA`` and below the cache, with ``/`` between folders.
        size: bytes.
        sha256: hexadecimal digest of the file.
        urls: addresses that give exactly this file, tried in order.
        member: its path inside the data set's archive.
        repacked: digest of the same content in a container that we make ourselves (see ``Archive``).
    """

    path: str
    size: int
    sha256: str
    urls: tuple[str, ...] = ()
    member: str = ""
    repacked: str = ""


@dataclass(frozen=True)
class Archive:
    """A published archive that holds files of a data set.

    Args:
        name: file name.
        urls: addresses, tried in order.
        size: bytes; None where the host makes the archive on request, so that its bytes are not stable.
        sha256: hexadecimal digest; empty for the same reason, then only the members are checked.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Info:
    """What there is to know about a data set.

    Args:
        name: the name that ``load`` takes.
        title: the name that its authors use.
        task: what it is for, in a few words.
        classes: names of the labels 0, 1, ...; empty for text.
        splits: items in each split, in ``unit``.
        unit: what is counted: images, recordings, characters, tokens.
        licence: its licence, by SPDX name where it has one.
        licence_url: the licence's text, or the statement it is taken from.
        holder: who holds the rights.
        homepage: the authors' page.
        citation: BibTeX entry.
        files: what it consists of; empty where it is embedded in the package.
        archive: an archive that holds the files.
        mean: mean of the training images by channel, pixels in [0, 1].
        std: standard deviation of the training images by channel, pixels in [0, 1].
        note: what else a user should know.
    """

    name: str
    title: str
    task: str
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    unit: str
    licence: str
    licence_url: str
    holder: str
    homepage: str
    citation: str
    files: tuple[File, ...] = ()
    archive: Archive | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    note: str = field(default="", repr=False)

    @property
    def bytes(self) -> int:
        """Size of the files together; 0 where the data set is embedded."""
        return sum(file.size for file in self.files)

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address that a download tries, in order."""
        archive = self.archive.urls if self.archive else ()
        return (*(url for file in self.files for url in file.urls), *archive)

    @property
    def key(self) -> str:
        """Key of the citation, as in the bibliography."""
        return self.citation.partition("{")[2].partition(",")[0]
