"""Huffman coding against zstd, whose first level comes down to Huffman coding on such data, and against memory.

The symbols are the 5-bit labels of a layer pruned to 10 %: the tails of a normal distribution in a code book of 32, one
byte each. zstd and ``huffman.encode`` count the symbols, make a code and write it along; the code alone is timed too.
Run it with ``python -m benchmarks.huffman [--write]``.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import zstandard
from dahuffman import HuffmanCodec
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks._bench import Timings, arguments, race
from efflab import huffman, results

COUNT = 10_000_000
FEW = 200_000
"""Symbols for the coder in plain Python."""

COPY = "copy"
ENCODE = "huffman.encode"
CODE = "HuffmanCode.encode"
DECODE = "huffman.decode"
ZSTD = "zstandard, level 1"
PYTHON = "dahuffman"


def labels(count: int = COUNT, k: int = 32) -> NDArray[np.uint8]:
    """Labels of normal weights beyond the largest tenth's threshold, after Lloyd's rounds from evenly spaced centroids."""
    generator = np.random.default_rng(0)
    tail = generator.normal(size=13 * count // 10 * 10).astype(np.float32)
    tail = tail[np.abs(tail) > 1.6448536][:count]
    sample = np.sort(tail[:1_000_000])
    low, high = np.abs(sample).min(), np.abs(sample).max()
    positive = np.linspace(low, high, k // 2)
    centroids = np.concatenate([-positive[::-1], positive])
    for _ in range(80):
        groups = np.split(sample, np.searchsorted(sample, (centroids[1:] + centroids[:-1]) / 2))
        centroids = np.array([g.mean() if g.size else c for g, c in zip(groups, centroids, strict=True)])
    return np.searchsorted((centroids[1:] + centroids[:-1]) / 2, tail).astype(np.uint8)


def coding(
    symbols: NDArray[np.uint8], clock: Callable[[], float], rounds: int = 9
) -> tuple[Timings, Timings]:
    """Time encoding and decoding."""
    raw, few = symbols.tobytes(), symbols[:FEW].tolist()
    zstd, unzstd = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
    code = huffman.HuffmanCode.of(symbols)
    python = HuffmanCodec.from_data(few)
    encoded, packed, words = huffman.encode(symbols), zstd.compress(raw), python.encode(few)
    assert np.array_equal(huffman.decode(encoded), symbols)
    bits = {"efflab": len(encoded), "zstd": len(packed)}
    print({name: f"{8 * size / symbols.size:.4f} bits a symbol" for name, size in bits.items()})
    counts = np.bincount(symbols)
    print(f"entropy {huffman.entropy(counts):.4f}, longest word {code.lengths.max()} bits")
    encoding = {
        COPY: symbols.copy,
        ENCODE: lambda: huffman.encode(symbols),
        CODE: lambda: code.encode(symbols),
        ZSTD: lambda: zstd.compress(raw),
        PYTHON: lambda: python.encode(few),
    }
    decoding = {
        COPY: symbols.copy,
        DECODE: lambda: huffman.decode(encoded),
        ZSTD: lambda: unzstd.decompress(packed),
        PYTHON: lambda: python.decode(words),
    }
    seldom = {PYTHON: 3}
    return (
        race(encoding, rounds=rounds, clock=clock, seldom=seldom),
        race(decoding, rounds=rounds, clock=clock, seldom=seldom),
    )


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    symbols = labels()
    encoding, decoding = coding(symbols, time.process_time)
    for name, timings in (("Encoding", encoding), ("Decoding", decoding)):
        print(
            timings.table(f"{name} {symbols.size / 1e6:g} million symbols ({PYTHON}: {FEW / 1e6:g} million)")
        )
        for contestant, seconds in timings.seconds.items():
            size = FEW if contestant == PYTHON else symbols.size
            print(f"  {contestant:22} {size / 1e6 / float(np.median(seconds)):9.1f} million symbols a second")
    share = FEW / symbols.size
    # Huff0 in C is no Python package; beside zstd it encoded 1,283 to 690 million symbols a second of this kind.
    ratios = {
        "speed/encode-vs-zstd": (encoding, ZSTD, CODE, 1, "at least 1", "1.86", lambda r: r >= 1),
        "speed/encode-with-counting-vs-zstd": (
            encoding,
            ZSTD,
            ENCODE,
            1,
            "at least 1",
            "1.86",
            lambda r: r >= 1,
        ),
        "speed/decode-vs-zstd": (decoding, ZSTD, DECODE, 1, "at least 0.6", "1", lambda r: r >= 0.6),
        "speed/encode-vs-dahuffman": (encoding, PYTHON, ENCODE, share, None, None, None),
        "speed/decode-vs-dahuffman": (decoding, PYTHON, DECODE, share, None, None, None),
        "speed/encode-vs-copy": (encoding, ENCODE, COPY, 1, None, None, None),
        "speed/decode-vs-copy": (decoding, DECODE, COPY, 1, None, None, None),
    }
    records = []
    for name, (timings, slow, fast, size, bar, goal, holds) in ratios.items():
        ratio = timings.ratio(slow, fast) / size
        spread = tuple(bound / size for bound in timings.spread(slow, fast))
        print(
            f"{name:32} {ratio:8.3f}x  ({slow} / {fast}; rounds {spread[0]:.3f} to {spread[1]:.3f}){f'  bar: {bar}, goal {goal}' if bar else ''}"
        )
        records.append(
            results.record(
                "huffman", name, measured=ratio, unit="x", bar=bar, goal=goal,
                holds=None if holds is None else bool(holds(ratio)), source="benchmarks/huffman.py",
                command="python -m benchmarks.huffman --write", spread=spread, scale="cpu", data="synthetic",
                packages=("zstandard", "dahuffman"),
            )
        )  # fmt: skip
    if options.write:
        results.write("huffman", records)


if __name__ == "__main__":
    main()
