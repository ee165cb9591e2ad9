"""The .efz file against a copy and a write of the dense tensors, and against xz and zstd.

The tensors are drawn to the published densities, bit widths and word lengths of Deep Compression: VGG-16 with --write (138
million weights, a quarter of an hour, nearly all of it spent by xz and zstd), otherwise SqueezeNet for the compressors and
AlexNet for the speed. Run it with ``python -m benchmarks.efz [--write]``.
"""

import lzma
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import zstandard
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._bench import Timings, arguments, race
from efflab import efz, results
from efflab.deep_compression._drawing import DrawnState

COPY = "copy"
COPY_AND_WRITE = "copy and write"
SAVE = "efz.save"
LOAD = "efz.load"
READ = "read the dense file"
PIECE = 1 << 24


def coding(state: Mapping[str, Tensor], folder: Path, clock: Callable[[], float], rounds: int) -> Timings:
    """Time writing and reading."""
    dense, packed = folder / "dense.bin", folder / "model.efz"

    def copy_and_write() -> None:
        with dense.open("wb") as stream:
            for tensor in state.values():
                stream.write(tensor.clone().numpy().data)

    copy_and_write()
    efz.save(state, packed)
    assert all(torch.equal(tensor, state[name]) for name, tensor in efz.load(packed).items())
    contestants = {
        COPY: lambda: [tensor.clone() for tensor in state.values()],
        COPY_AND_WRITE: copy_and_write,
        READ: dense.read_bytes,
        SAVE: lambda: efz.save(state, packed),
        LOAD: lambda: efz.load(packed),
    }
    return race(contestants, rounds=rounds, clock=clock)


def sizes(state: Mapping[str, Tensor], folder: Path) -> dict[str, int]:
    """Bytes of the same tensors under each compressor."""
    xz = lzma.LZMACompressor(preset=9 | lzma.PRESET_EXTREME)
    zstd = zstandard.ZstdCompressor(level=19).compressobj()
    written = dict.fromkeys(("xz -9e", "zstd -19"), 0)
    for tensor in state.values():
        data = tensor.numpy().tobytes()
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            written["xz -9e"] += len(xz.compress(piece))
            written["zstd -19"] += len(zstd.compress(piece))
    written["xz -9e"] += len(xz.flush())
    written["zstd -19"] += len(zstd.flush())
    return {"efz": efz.save(state, folder / "sizes.efz").file_bytes, **written}


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    state = dict(DrawnState("vgg-16" if options.write else "alexnet"))
    with tempfile.TemporaryDirectory() as name:
        timings = coding(state, Path(name), clock, rounds=7 if options.write else 3)
        compared = state if options.write else dict(DrawnState("squeezenet"))
        found = sizes(compared, Path(name))
        bound = efz.entropy_bound(compared).bytes
    weights = sum(tensor.numel() for tensor in state.values())
    print(timings.table(f"{weights / 1e6:.0f} million weights to .efz and back"))
    print({kind: f"{size:,} bytes" for kind, size in found.items()}, f"entropy bound {bound:,.0f}")
    times = {
        "speed/write-vs-copy-and-write": (SAVE, COPY_AND_WRITE, "at most 1.5, goal 1", 1.5),
        "speed/read-vs-copy-and-write": (LOAD, COPY_AND_WRITE, "at most 6, goal 3", 6),
        "speed/copy-and-write-vs-copy": (COPY_AND_WRITE, COPY, None, None),
        "speed/read-vs-reading-dense": (LOAD, READ, None, None),
    }
    rows = [
        (name, timings.ratio(slow, fast), timings.spread(slow, fast), bar, limit)
        for name, (slow, fast, bar, limit) in times.items()
    ]
    rows += [
        (f"size/efz-vs-{kind.replace(' ', '')}", found["efz"] / size, None, "below 1", 1)
        for kind, size in found.items()
        if kind != "efz"
    ]
    rows.append(("size/efz-vs-entropy-bound", found["efz"] / bound, None, "at most 1.05, goal 1.02", 1.05))
    records = []
    for name, ratio, spread, bar, limit in rows:
        print(f"{name:32} {ratio:8.3f}x{f'  bar: {bar}' if bar else ''}")
        records.append(
            results.record(
                "efz", name, measured=ratio, unit="x", bar=bar, holds=None if limit is None else ratio <= limit,
                source="benchmarks/efz.py", command="python -m benchmarks.efz --write", spread=spread,
                scale="cpu", data="synthetic",
            )
        )  # fmt: skip
    if options.write:
        results.write("efz", records)


if __name__ == "__main__":
    main()
