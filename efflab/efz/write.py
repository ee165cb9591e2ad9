"""Writing a file tensor by tensor: look at it once, choose its coding, and write it block by block."""

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from efflab import huffman
from efflab.efz import directory
from efflab.efz.blocks import BlockWriter, blocks
from efflab.efz.choose import Plan, choose
from efflab.efz.dtypes import (
    LARGEST_CODED,
    Bits,
    bits_of,
    bytes_of,
    refuse_big_endian,
    refuse_unstorable,
    unsigned,
)
from efflab.efz.layout import MAX_INDEX_BITS, MAX_TENSORS, ORDERS, RAW, ROWS, Entry
from efflab.efz.scan import Scan, scan
from efflab.efz.summary import Summary
from efflab.errors import EfflabError
from efflab.files import atomic_path

# A matrix of fewer rows has columns too short for their ends to be worth the memory.
_FEW_ROWS = 16
_FEW_COLUMNS = 1 << 16
_PIECE = 1 << 22
# Bytes below which no codebook pays for its place in the directory.
_SMALLEST_CODED = 12


def save(
    model_or_state_dict: nn.Module | Mapping[str, Tensor],
    path: str | os.PathLike[str],
    *,
    index_bits: int | str = "auto",
    order: str = "auto",
    limit: int | None = None,
    metadata: Mapping[str, str] | None = None,
    progress: bool = False,
) -> Summary:
    """Write tensors as an .efz file, bit for bit, all of the file or none of it.

    Each tensor is written the cheapest of three ways: as it is; as a codebook of its distinct values with Huffman-coded
    labels; or so for its non-zeros alone, with the Huffman-coded relative index of where they stand. A value is zero
    where all its bits are, so that -0.0 is a value like any other.

    Args:
        model_or_state_dict: a model, or tensors by name; they are not changed.
        path: the file to write.
        index_bits: width of a gap before Huffman coding, 1 to 16; ``"auto"`` weighs all of them for each tensor.
        order: ``"rows"`` or ``"columns"`` of a tensor seen as a matrix of shape[0] rows; ``"auto"`` weighs both. A
            vector, and a matrix of fewer than 16 very long rows, is always read along its rows.
        limit: longest Huffman word in bits, 1 to 24, raised where an alphabet needs more; by default what is fastest.
        metadata: strings to keep in the file.
        progress: whether to show a bar.

    Returns:
        What was written, tensor by tensor.

    Raises:
        EfflabError: a value is no tensor, or one that a file cannot hold; or a setting is none of those above.
        OSError: the file cannot be written; what stood at ``path`` is left as it was.
    """
    refuse_big_endian()
    settings = _settings(index_bits, order, limit)
    groups = groups_of(state_of(model_or_state_dict))
    words = dict(metadata or {})
    if len(groups) > MAX_TENSORS:
        raise EfflabError(f"{len(groups):,} tensors came, and a file holds at most {MAX_TENSORS:,}")
    if Path(path).is_dir():
        raise EfflabError(f"{path} is a folder, and an .efz file was to be written there")
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(directory.head())
        entries: list[Entry] = []
        for names, tensor in _shown(groups, progress=progress):
            entry = write_tensor(stream, names, tensor, settings)
            entries.append(replace(entry, header=len(directory.record(entry))))
        content = directory.directory(tuple(entries), words)
        if len(content) >= 1 << 32:
            raise EfflabError(f"the names of {len(entries):,} tensors take more than 4 GiB")
        stream.write(content + directory.trailer(content))
        size = stream.tell()
    return Summary(Path(path), size, tuple(entries))


@dataclass(frozen=True)
class Settings:
    """What may be chosen from."""

    widths: tuple[int, ...]
    orders: tuple[str, ...]
    limit: int | None


def _settings(index_bits: int | str, order: str, limit: int | None) -> Settings:
    every = tuple(range(1, MAX_INDEX_BITS + 1))
    if index_bits != "auto" and (isinstance(index_bits, bool) or index_bits not in every):
        raise EfflabError(f"index_bits is {index_bits!r}, and must be 1 to {MAX_INDEX_BITS} or 'auto'")
    if order != "auto" and order not in ORDERS:
        raise EfflabError(f"order is {order!r}, and must be 'rows', 'columns' or 'auto'")
    if limit is not None and (isinstance(limit, bool) or not 1 <= limit <= 24):
        raise EfflabError(f"limit is {limit!r}, and must be 1 to 24 bits or None")
    widths = (index_bits,) if isinstance(index_bits, int) else every
    return Settings(widths, ORDERS if order == "auto" else (order,), limit)


def state_of(source: nn.Module | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by name; an EfflabError names the first that a file cannot hold."""
    state: dict[str, Any] = dict(source.state_dict() if isinstance(source, nn.Module) else source)
    for name, value in state.items():
        if not isinstance(name, str):
            raise EfflabError(f"the state dict has the key {name!r}, and names are strings")
        refuse_unstorable(name, value)
    return state


def groups_of(state: Mapping[str, Tensor]) -> list[tuple[tuple[str, ...], Tensor]]:
    """Tensors, each with the names that stand for the same memory seen the same way."""
    groups: dict[object, list[str]] = {}
    for name, tensor in state.items():
        same = (
            tensor.data_ptr(),
            tensor.device,
            tensor.shape,
            tensor.stride(),
            tensor.dtype,
            tensor.is_conj(),
        )
        groups.setdefault(same if tensor.numel() else name, []).append(name)
    return [(tuple(names), state[names[0]]) for names in groups.values()]


def _shown(
    groups: list[tuple[tuple[str, ...], Tensor]], *, progress: bool
) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    if not progress:
        yield from groups
        return
    from tqdm.auto import tqdm  # noqa: PLC0415 - only where a bar is wanted

    with tqdm(groups, unit="tensor") as bar:
        for names, tensor in bar:
            bar.set_description(names[0][-30:])
            yield names, tensor


def write_tensor(stream: BinaryIO, names: tuple[str, ...], tensor: Tensor, settings: Settings) -> Entry:
    """Append one tensor's section to a file.

    Returns:
        Its entry, in which the size of the record is still missing.
    """
    itemsize = tensor.dtype.itemsize
    entry = Entry(names, tuple(tensor.shape), tensor.dtype, offset=stream.tell())
    if itemsize > LARGEST_CODED or entry.dense_bytes <= _SMALLEST_CODED:
        return _write_raw(stream, entry, bytes_of(tensor))
    bits = bits_of(tensor)
    found = scan(bits, entry.rows, _worthwhile(entry, settings.orders))
    plan = choose(found, itemsize, widths=settings.widths, limit=settings.limit)
    if plan.coding == RAW:
        return _write_raw(stream, entry, bits.view(np.uint8))
    return _write_coded(stream, entry, bits, found, plan)


def _worthwhile(entry: Entry, orders: tuple[str, ...]) -> tuple[str, ...]:
    """The orders to weigh: a vector has one, and a matrix of few and very long rows is not read down its columns."""
    flat = entry.rows == 1 or entry.columns == 1
    thin = entry.rows < _FEW_ROWS and entry.columns > _FEW_COLUMNS
    return (ROWS,) if flat or thin else orders


class _Section:
    """Writes bytes, and keeps their checksum."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.checksum = 0

    def write(self, data: bytes | memoryview) -> int:
        """Write some more; return how many bytes."""
        self.checksum = zlib.crc32(data, self.checksum)
        self.stream.write(data)
        return len(data)


def _write_raw(stream: BinaryIO, entry: Entry, content: NDArray[np.uint8]) -> Entry:
    section = _Section(stream)
    flat = content.data
    for start in range(0, content.size, _PIECE):
        section.write(flat[start : start + _PIECE])
    return replace(entry, coding=RAW, checksum=section.checksum)


def _write_coded(stream: BinaryIO, entry: Entry, bits: Bits, found: Scan, plan: Plan) -> Entry:
    section = _Section(stream)
    section.write(plan.codebook.astype(unsigned(entry.dtype.itemsize)).tobytes())
    label_book = section.write(huffman.pack_lengths(plan.labels))
    codes, packed = 0, []
    label_stream, gap_stream = BlockWriter(plan.labels), BlockWriter(plan.gaps)
    for labels, gaps, last in blocks(bits, entry, found, plan):
        codes += section.write(label_stream.block(labels, last=last))
        packed.append(gap_stream.block(gaps, last=last))
    gap_book = section.write(huffman.pack_lengths(plan.gaps))
    written = sum(section.write(piece) for piece in packed)
    return replace(
        entry, coding=plan.coding, codebook_size=plan.codebook.size, nonzeros=plan.nonzeros, fillers=plan.fillers,
        index_bits=plan.index_bits, order=plan.order, label_book=label_book, codes=codes, gap_book=gap_book, gaps=written,
        checksum=section.checksum,
    )  # fmt: skip
