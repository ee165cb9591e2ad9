"""Coverage-guided fuzzing of the .efz reader: whatever comes, it answers with an EfzError or with tensors that stay the same.

    NUMBA_DISABLE_JIT=1 python tests/fuzz/fuzz_efz.py CORPUS -max_total_time=60

With Numba's compiler off, atheris sees the loops too. Each input is tried as it is, and once more as a file whose sizes
and checksums are put right, since no mutation gets past a CRC. Names of further folders, and options, are libFuzzer's.
"""

import struct
import sys
import tempfile
import zlib
from pathlib import Path

import torch

if __name__ == "__main__":
    import atheris

    with atheris.instrument_imports(include=["efflab.efz", "efflab.huffman"]):
        from efflab import efz
        from efflab.efz import blocks, directory, layout, scan, sections
        from efflab.efz.load import load
else:
    from efflab import efz
    from efflab.efz import blocks, directory, layout, scan, sections
    from efflab.efz.load import load

LIMIT_BYTES = 1 << 14
MAX_LENGTH = 2048
SMALL = {(sections, "BLOCK"): 64, (blocks, "BLOCK"): 64, (layout, "SINGLE"): 32, (scan, "CHUNK"): 16}
"""Sizes of blocks under which inputs of this length have several, and four streams in some."""


def check(data: bytes, folder: Path) -> bool:
    """Read a file; say whether it was accepted.

    Raises:
        AssertionError: it was accepted, and its tensors changed on the way through another file.
        Exception: anything but an EfzError.
    """
    path = folder / "input.efz"
    path.write_bytes(data)
    try:
        tensors = load(path, limit_bytes=LIMIT_BYTES)
    except efz.EfzError:
        return False
    with efz.open(path, limit_bytes=LIMIT_BYTES) as file:
        file.verify()
        assert file.names == tuple(tensors)
        assert sum(entry.bytes.total for entry in file.entries) <= len(data)
        for entry in file.entries:
            assert same(file.read(entry.name), tensors[entry.name])
            if entry.coding != "raw":
                assert same(file.codes(entry.name).dense(), tensors[entry.name])
    again = folder / "again.efz"
    efz.save(tensors, again)
    back = load(again, limit_bytes=LIMIT_BYTES)
    assert list(back) == list(tensors)
    assert all(same(back[name], tensors[name]) for name in tensors)
    return True


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal in shape, dtype and every bit."""
    form = (one.shape, one.dtype) == (other.shape, other.dtype)
    return form and one.reshape(-1).view(torch.uint8).equal(other.reshape(-1).view(torch.uint8))


def repaired(data: bytes) -> bytes | None:
    """The file with magic, version, sizes and checksums that agree; None where it is too short to be one."""
    edges = layout.HEAD.size + layout.TRAILER.size
    if len(data) < edges:
        return None
    room = len(data) - edges
    size = layout.TRAILER.unpack(data[-layout.TRAILER.size :])[0]
    size = size if size <= room else size % (room + 1)
    content = bytearray(data[len(data) - layout.TRAILER.size - size : len(data) - layout.TRAILER.size])
    sections = bytearray(data[layout.HEAD.size : len(data) - layout.TRAILER.size - size])
    _repair_records(content, sections)
    return directory.head() + bytes(sections) + bytes(content) + directory.trailer(bytes(content))


def _repair_records(content: bytearray, sections: bytearray) -> None:
    cursor = directory.Cursor(bytes(content), "input")
    offset = layout.HEAD.size
    try:
        for _ in range(cursor.number() * 2):
            cursor.string("")
        for _ in range(cursor.number()):
            entry = directory._read_record(cursor, offset)
            first = offset - layout.HEAD.size
            if entry.section > MAX_LENGTH:
                return
            sections.extend(bytes(max(0, first + entry.section - len(sections))))
            checksum = zlib.crc32(sections[first : first + entry.section])
            struct.pack_into("<I", content, cursor.at - 4, checksum)
            offset += entry.section
    except efz.EfzError:
        return
    del sections[offset - layout.HEAD.size :]


def seeds() -> list[bytes]:
    """Small files of every coding, order and kind of number."""
    generator = torch.Generator().manual_seed(0)
    sparse = torch.randint(0, 9, (12, 30), generator=generator).float().clamp(min=6).sub(6)
    wide = torch.zeros(9, 70)
    wide[::4, ::13] = torch.tensor([-0.0, float("nan"), float("inf")]).repeat(6)[:18].reshape(3, 6)
    states: list[dict[str, torch.Tensor]] = [
        {},
        {"a": torch.tensor(3)},
        {"w": sparse, "b": torch.randn(5, generator=generator)},
        {"h": sparse.half(), "t": torch.zeros(40, 3), "e": torch.zeros(0, 4)},
        {"f": torch.tensor([True, False, True]), "m": torch.arange(200).remainder(5).to(torch.uint8)},
        {"c": torch.ones(50), "d": sparse > 0, "i": sparse.to(torch.int8)},
        {"u": wide, "v": wide.double(), "x": wide.bfloat16(), "z": torch.zeros(3, dtype=torch.complex128)},
    ]
    tied = sparse.clone()
    states.append({"one": tied, "two": tied})
    files = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.efz"
        for state in states:
            for bits, order in ((2, "columns"), ("auto", "auto"), (12, "rows")):
                efz.save(
                    state, path, index_bits=bits, order=order, metadata={"a": "b"} if bits == 2 else None
                )
                files.append(path.read_bytes())
    return files


def main() -> None:
    """Fuzz."""
    for (module, name), size in SMALL.items():
        setattr(module, name, size)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-efz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    for number, seed in enumerate(seeds() if arguments else ()):
        Path(arguments[0]).mkdir(parents=True, exist_ok=True)
        (Path(arguments[0]) / f"seed-{number:02}").write_bytes(seed)

    def one(data: bytes) -> None:
        check(data, folder)
        better = repaired(data)
        if better is not None and better != data:
            check(better, folder)

    limits = [f"-max_len={MAX_LENGTH}", "-timeout=300", "-rss_limit_mb=3000"]
    atheris.Setup([sys.argv[0], *limits, *sys.argv[1:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
