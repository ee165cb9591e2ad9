"""Damaged, truncated and hostile files: one sentence, no harm, nothing taken because a header claims it."""

import struct
import sys
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from efflab import efz
from efflab.efz import directory
from efflab.efz.layout import HEAD, TRAILER, Entry
from efflab.errors import CheckpointError

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
from fuzz_efz import SMALL, check, repaired, seeds

CASES = Path(__file__).parent / "fixtures" / "efz"


def sample() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(0, 40, (60, 90), generator=generator).sub(34).clamp(min=0).float()
    return {"w": weight, "d": weight + 1, "b": torch.randn(20, generator=generator), "flags": weight > 0}


def file_of(sections: bytes, *entries: Entry, metadata: dict[str, str] | None = None) -> bytes:
    """A file with right checksums, whatever its records claim."""
    content = directory.directory(entries, metadata or {})
    return directory.head() + sections + content + directory.trailer(content)


def refused(data: bytes, tmp_path: Path, sentence: str, model: nn.Module | None = None) -> None:
    path = tmp_path / "hostile.efz"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=sentence) as raised:
        efz.load(path, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert peak < 4 << 20


@pytest.mark.parametrize("size", [0, 1, 7, 9, 10, 21, 22, 60])
def test_every_kind_of_short_file(size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.efz"
    efz.save(sample(), path)
    refused(path.read_bytes()[:size], tmp_path, "cut short|no .efz file")


def test_no_cut_and_no_appendix_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "x.efz"
    efz.save(sample(), path)
    data = path.read_bytes()
    for size in range(0, len(data), 37):
        refused(data[:size], tmp_path, "cut short|no .efz file")
    refused(data + b"\0", tmp_path, "something was added")


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.efz"
    efz.save({"w": sample()["w"][:20], "b": sample()["b"][:3]}, path)
    data = path.read_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(efz.EfzError, match=r"damaged|no .efz file|version|cut short"):
            efz.load(path)


def test_one_damaged_tensor_leaves_the_others_readable(tmp_path: Path) -> None:
    path = tmp_path / "x.efz"
    state = sample()
    entry = efz.save(state, path).entries[1]
    data = bytearray(path.read_bytes())
    data[entry.offset + 5] ^= 1
    path.write_bytes(data)
    with efz.open(path) as file:
        assert torch.equal(file.read("w"), state["w"]) and torch.equal(file.read("b"), state["b"])
        for broken in (file.read, file.codes, lambda _: file.verify()):
            with pytest.raises(efz.EfzError, match="damaged: d does not match its checksum"):
                broken("d")


def test_a_model_is_changed_wholly_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.efz"
    model = nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))
    entry = efz.save(model, path).entries[-1]
    data = bytearray(path.read_bytes())
    data[entry.offset] ^= 1
    other = nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))
    before = [parameter.clone() for parameter in other.parameters()]
    refused(bytes(data), tmp_path, "1.bias does not match its checksum", other)
    assert all(torch.equal(one, two) for one, two in zip(before, other.parameters(), strict=True))


def test_versions_and_paths_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.efz"
    efz.save({}, path)
    data = bytearray(path.read_bytes())
    data[8] = 2
    refused(
        bytes(data),
        tmp_path,
        "is of version 2 of the .efz format, and this efflab reads version 1: update efflab",
    )
    data[8] = 0
    refused(bytes(data), tmp_path, "there is no version 0")
    refused(b"PK\x03\x04" + bytes(100), tmp_path, "is no .efz file: it begins with other bytes")
    # A transfer as text changes line ends, which the magic is made to show.
    refused(path.read_bytes().replace(b"\r\n", b"\n"), tmp_path, "is no .efz file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for missing, what in (
        (tmp_path, "a folder"),
        (tmp_path / "none", "no file"),
        (tmp_path / "dangling", "no file"),
    ):
        with pytest.raises(efz.EfzError, match=f"there is {what} at"):
            efz.open(missing)


RAW = Entry(("w",), (2,), torch.float32, checksum=zlib.crc32(bytes(8)))
SPARSE = Entry(
    ("w",), (5, 8), torch.float32, "sparse", codebook_size=1, nonzeros=2, index_bits=3, gap_book=3, gaps=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (replace(RAW, shape=(3,)), "claims 12 bytes, more than the file has"),
        (replace(RAW, shape=(1,)), "its tensors take 4 bytes, and the file holds 8"),
        (replace(RAW, shape=(1 << 61, 1 << 61)), "a dimension of w|more than any tensor has"),
        (replace(RAW, shape=(1 << 40, 1 << 40)), "more than any tensor has"),
        (replace(RAW, shape=(0, 1 << 40, 1 << 40)), "more than any tensor has"),
        (replace(RAW, shape=(1,) * 65), "the number of dimensions of w is 65"),
        (replace(RAW, names=()), "a tensor has no name"),
        (replace(RAW, names=("w", "w")), "twice"),
        (replace(SPARSE, nonzeros=9), "claims 9 gaps in 1 bytes"),
        (replace(SPARSE, shape=(1, 1)), "claims 2 gaps in 1 bytes"),
        (replace(SPARSE, nonzeros=1 << 62), "gaps in 1 bytes"),
        (replace(SPARSE, fillers=1 << 62), "gaps in 1 bytes"),
        (replace(SPARSE, codebook_size=2), "claims 2 codes in 0 bytes"),
        (replace(SPARSE, codebook_size=0), "2 codes for a codebook of 0"),
        (replace(SPARSE, codebook_size=(1 << 16) + 1), "must be below 65,537"),
        (replace(SPARSE, index_bits=17), "must be below 17"),
        (replace(SPARSE, index_bits=0), "the index of w is half missing"),
        (replace(SPARSE, shape=(0, 8)), "cannot be coded"),
        (replace(SPARSE, dtype=torch.complex128), "cannot be coded"),
        (replace(SPARSE, coding="codebook", nonzeros=None, codes=1, codebook_size=2), "claims 40 codes in 1 bytes"),
    ],
)  # fmt: skip
def test_claims_are_compared_before_anything_is_taken(entry: Entry, sentence: str, tmp_path: Path) -> None:
    refused(file_of(bytes(8), entry), tmp_path, sentence)


def test_records_of_unknown_kinds_are_refused(tmp_path: Path) -> None:
    good = directory.record(RAW)
    for place, value in ((3, 99), (4, 3)):
        bad = bytearray(good)
        bad[place] = value
        content = b"\0\1" + bytes(bad)
        refused(directory.head() + bytes(8) + content + directory.trailer(content), tmp_path, "unknown dtype")
    for content, sentence in (
        (b"\0\1\1\1\xff" + good[3:], "is no UTF-8"),
        (b"\0\1" + good + b"\0", "left over"),
        (b"\0\2" + good, "ends within a record"),
        (b"\0\x81\0" + good, "more bytes than it needs"),
        (b"\0" + b"\xff" * 9 + good, "larger than any"),
        (b"\0" + b"\xff" * 8 + b"\x7f" + good, "the number of tensors is"),
        (b"\2\1a\0\1a\0\1" + good, "name 'a' twice"),
        (b"\0\2" + good + good, "twice|more than the file has"),
    ):
        refused(directory.head() + bytes(8) + content + directory.trailer(content), tmp_path, sentence)


def test_sizes_are_limited_where_no_model_says_them(tmp_path: Path) -> None:
    zeros = Entry(("w",), (1 << 20, 1 << 10), torch.float32, "sparse", nonzeros=0)
    ones = Entry(
        ("w",), (1 << 20, 1 << 10), torch.uint8, "codebook", codebook_size=1, checksum=zlib.crc32(b"\1")
    )
    refused(
        file_of(b"", zeros),
        tmp_path,
        "would take 4,294,967,296 bytes in memory, more than limit_bytes=1,073,741,824",
    )
    path = tmp_path / "bomb.efz"
    path.write_bytes(file_of(b"\1", replace(ones, shape=(1000,))))
    assert torch.equal(efz.load(path)["w"], torch.ones(1000, dtype=torch.uint8))
    with pytest.raises(efz.EfzError, match="limit_bytes=999"):
        efz.load(path, limit_bytes=999)
    with efz.open(path, limit_bytes=999) as file:
        for read in (file.read, file.codes):
            with pytest.raises(efz.EfzError, match="limit_bytes=999"):
                read("w")
    refused(file_of(b"", zeros), tmp_path, "it holds no weight", nn.Linear(3, 3))
    path.write_bytes(file_of(b"\1", replace(ones, shape=(1 << 40, 1 << 20))))
    with efz.open(path) as file:
        file.verify()
        assert file.entries[0].entries == 1 << 60
        with pytest.raises(efz.EfzError, match="limit_bytes"):
            file.read("w")


def test_truth_values_are_true_or_false(tmp_path: Path) -> None:
    raw = Entry(("w",), (2,), torch.bool, checksum=zlib.crc32(b"\1\2"))
    refused(file_of(b"\1\2", raw), tmp_path, "neither true nor false")
    coded = Entry(("w",), (2,), torch.bool, "codebook", codebook_size=1, checksum=zlib.crc32(b"\2"))
    refused(file_of(b"\2", coded), tmp_path, "neither true nor false")


@pytest.mark.parametrize("number", range(len(seeds())))
def test_the_seeds_of_the_fuzzer_are_accepted(number: int, tmp_path: Path) -> None:
    data = seeds()[number]
    assert check(data, tmp_path) and repaired(data) == data


@pytest.mark.parametrize("small", [False, True])
def test_what_fuzzing_found_stays_fixed(small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for (module, name), size in SMALL.items() if small else ():
        monkeypatch.setattr(module, name, size)
    cases = sorted(CASES.glob("*.case"))
    assert cases
    for case in cases:
        check(case.read_bytes(), tmp_path)
        better = repaired(case.read_bytes())
        if better is not None:
            check(better, tmp_path)


def test_random_bytes_with_right_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for (module, name), size in SMALL.items():
        monkeypatch.setattr(module, name, size)
    generator = torch.Generator().manual_seed(1)
    accepted = 0
    for seed in seeds():
        for _ in range(6):
            data = bytearray(seed)
            for _ in range(int(torch.randint(1, 4, (), generator=generator))):
                place = int(torch.randint(0, len(data), (), generator=generator))
                data[place] = int(torch.randint(0, 256, (), generator=generator))
            better = repaired(bytes(data))
            accepted += better is not None and check(better, tmp_path)
    assert accepted > 0, "no mutation got through, so that nothing behind the checksums was tried"


def test_the_layout_of_head_and_trailer() -> None:
    assert (HEAD.size, TRAILER.size) == (10, 12)
    assert directory.head() == b"\x89EFZ\r\n\x1a\n\1\0"
    assert (
        directory.trailer(b"ab")
        == struct.pack("<II", 2, zlib.crc32(directory.head() + b"ab\2\0\0\0")) + b"EFZ."
    )
