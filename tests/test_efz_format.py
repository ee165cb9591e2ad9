"""The format itself: files of this version stay readable, another reader reads them, and bytes written by hand are a file."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import efz_reader
import pytest
import torch

from efflab import efz

GOLDEN = Path(__file__).parent / "fixtures" / "efz"
EXPECTED = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))


def plain_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_files_give_what_they_gave(name: str) -> None:
    expected = EXPECTED[name]
    path = GOLDEN / f"{name}.efz"
    tensors = efz.load(path)
    assert list(tensors) == list(expected["tensors"])
    for fqn, (dtype, shape, content) in expected["tensors"].items():
        found = plain_bytes(tensors[fqn])
        assert (str(tensors[fqn].dtype), list(tensors[fqn].shape)) == (f"torch.{dtype}", shape)
        assert content in {found.hex(), "sha256:" + hashlib.sha256(found).hexdigest()}, fqn
    with efz.open(path) as file:
        assert file.metadata == expected["metadata"]


def assert_read_alike(path: Path) -> None:
    other = efz_reader.read(path.read_bytes())
    tensors = efz.load(path)
    read = {name: tensor for tensor in other.tensors for name in tensor.names}
    assert list(read) == list(tensors)
    for name, tensor in tensors.items():
        assert (read[name].dtype, read[name].shape) == (str(tensor.dtype)[6:], list(tensor.shape))
        assert read[name].content == plain_bytes(tensor), name
    with efz.open(path) as file:
        assert other.metadata == file.metadata


@pytest.mark.parametrize("name", EXPECTED)
def test_another_reader_reads_the_golden_files(name: str) -> None:
    assert_read_alike(GOLDEN / f"{name}.efz")


def test_another_reader_reads_several_blocks_and_large_alphabets(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(2)
    sparse = torch.randint(0, 9, (600, 1100), generator=generator).sub(4).clamp(min=0).float()
    many = torch.randint(0, 3000, (20_000,), generator=generator).pow(2).int()
    far = torch.zeros(3, 90_000, dtype=torch.float16)
    far[0, 5] = far[2, 80_000] = 1
    for order in ("rows", "columns"):
        summary = efz.save(
            {"s": sparse, "m": many, "f": far}, tmp_path / "x.efz", order=order, metadata={"k": "v"}
        )
        assert_read_alike(tmp_path / "x.efz")
        assert max(entry.entries for entry in summary.entries) > 1 << 18


def book_example(root: Path) -> bytes:
    """The bytes that the chapter on the format prints."""
    chapter = (root / "book" / "efz.md").read_text(encoding="utf-8")
    listing = chapter.split("```text\n")[1].split("```")[0]
    return bytes.fromhex("".join(line[:24] for line in listing.splitlines()))


def test_bytes_written_by_hand_are_a_file(tmp_path: Path, root: Path) -> None:
    """The worked example of the book's chapter on the format, put together without any of efflab."""
    # 0 0 a 0 / 0 0 0 0 / 0 b a 0, index of 2 bits: gaps 2, 3 (a filler), 2, 0.
    codebook = struct.pack("<fff", 1.5, 0.0, -2.0)  # a, zero, b
    # Labels a 0 b a with lengths 1 2 2: words 0, 10, 11.
    label_book = bytes([0b1_00001_00, 0b1_1_000000])  # all used; 1; +1 as 2 zeros and a one; +0 as a one
    codes = bytes([0b0_10_11_0_00])
    # Gaps 2 3 2 0: symbols 0, 2, 3 with lengths 2, 1, 2: words 10, 0, 11.
    # Not all used (0): runs of 1 used (2: 010), 1 unused (1), 2 used (010); lengths 2, 1 (d = -1: 01), 2 (d = 1: 001).
    gap_book = bytes([0b0_010_1_010, 0b00010_01_0, 0b01_000000])
    gaps = bytes([0b0_11_0_10_00])
    section = codebook + label_book + codes + gap_book + gaps
    record = b"\x01" + b"\x01w" + b"\x00\x02" + b"\x02\x03\x04"  # one name, w; float32, sparse; 3 x 4
    record += bytes([3, 3, 1, 2, 0, len(label_book), len(codes), len(gap_book), len(gaps)])
    record += struct.pack("<I", zlib.crc32(section))
    directory = b"\x00" + b"\x01" + record  # no metadata, one tensor
    head = b"\x89EFZ\r\n\x1a\n" + struct.pack("<H", 1)
    length = struct.pack("<I", len(directory))
    trailer = length + struct.pack("<I", zlib.crc32(head + directory + length)) + b"EFZ."
    path = tmp_path / "hand.efz"
    path.write_bytes(head + section + directory + trailer)
    expected = torch.tensor([[0, 0, 1.5, 0], [0, 0, 0, 0], [0, -2.0, 1.5, 0]])
    assert torch.equal(efz.load(path)["w"], expected)
    assert efz_reader.read(path.read_bytes()).tensors[0].content == plain_bytes(expected)
    assert book_example(root) == path.read_bytes()
    with efz.open(path) as file:
        file.verify()
        codes_read = file.codes("w")
    assert codes_read.labels.tolist() == [0, 1, 2, 0] and codes_read.gaps.tolist() == [2, 3, 2, 0]
