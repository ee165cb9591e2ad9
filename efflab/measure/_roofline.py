"""The roofline of this machine: peak, bandwidth, and what arithmetic intensity allows (Williams et al., CACM 2009)."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from efflab.errors import EfflabError
from efflab.measure._profile import LayerCount, Profile
from efflab.tables import TextTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MATRIX = 512  # near the peak, and over before a busy machine takes the core away
_CHUNK_BYTES = 3 * 2**22  # one timed step of the triad: the same reason
_CACHED_BYTES = 3 * 2**18  # three arrays that the second-level cache of any processor of today holds
_LARGEST_BYTES = 3 * 2**28
_SMALLEST_BYTES = 3 * 2**26


@dataclass(frozen=True)
class Roofline:
    """What a machine can do at most.

    Attributes:
        peak_gflops: GFLOP/s of a large matrix product.
        bandwidth_gb_s: GB/s between memory and processor, by the triad ``a = b + s c``.
        cache_gb_s: the same on arrays that stay in the cache; 0 if not measured.
        threads: threads it was measured with.
    """

    peak_gflops: float
    bandwidth_gb_s: float
    cache_gb_s: float = 0.0
    threads: int = 1

    def __post_init__(self) -> None:
        if not (self.peak_gflops > 0 and self.bandwidth_gb_s > 0):
            raise EfflabError(
                f"peak_gflops and bandwidth_gb_s must be above 0, got {self.peak_gflops} and {self.bandwidth_gb_s}"
            )

    @property
    def ridge(self) -> float:
        """Arithmetic intensity, in FLOP/byte, from which on the peak and not the bandwidth is the limit."""
        return self.peak_gflops / self.bandwidth_gb_s

    def attainable(self, intensity: float, *, cached: bool = False) -> float:
        """GFLOP/s that ``intensity`` FLOP/byte allow: the lower of peak and intensity times bandwidth.

        Args:
            intensity: FLOP/byte.
            cached: whether all that is read is already in the cache, as a small network's weights are from its second
                inference on; then the cache's bandwidth counts.

        Raises:
            EfflabError: the cache's bandwidth is asked for and was not measured.

        >>> Roofline(peak_gflops=100, bandwidth_gb_s=10).attainable(2)
        20.0
        """
        if cached and not self.cache_gb_s:
            raise EfflabError(
                "this roofline has no cache bandwidth (cache_gb_s is 0): measure it with roofline()"
            )
        bandwidth = self.cache_gb_s if cached else self.bandwidth_gb_s
        return float(min(self.peak_gflops, intensity * bandwidth))

    def bound(self, intensity: float) -> str:
        """What limits a computation: ``"memory"`` left of the ridge, ``"compute"`` from it on."""
        return "memory" if intensity < self.ridge else "compute"

    def table(self) -> TextTable:
        """The machine's figures, for terminal and notebook."""
        columns = ("peak", "memory bandwidth", "cache bandwidth", "ridge", "threads")
        cache = f"{self.cache_gb_s:.3g} GB/s" if self.cache_gb_s else None
        row = (
            f"{self.peak_gflops:.3g} GFLOP/s",
            f"{self.bandwidth_gb_s:.3g} GB/s",
            cache,
            f"{self.ridge:.3g} FLOP/byte",
            self.threads,
        )
        return TextTable.of(columns, [row], "Roofline of this machine")

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self, points: Mapping[str, tuple[float, float]] | None = None) -> "Figure":
        """Draw the roofline.

        Args:
            points: by label, (FLOP/byte, GFLOP/s) of something that ran.

        Returns:
            The figure.
        """
        from efflab import viz  # noqa: PLC0415 - matplotlib is loaded by those who draw

        return viz.roofline(self.peak_gflops, self.bandwidth_gb_s, points, title="Roofline of this machine")


def arithmetic_intensity(counted: Profile | LayerCount, dtype_bytes: int = 4) -> float:
    """FLOP a byte moved, where every layer reads its parameters and inputs once and writes its outputs once.

    Args:
        counted: a profile, or one layer of it.
        dtype_bytes: bytes of a number.

    Returns:
        FLOP/byte; 0 where nothing moves.

    Raises:
        EfflabError: ``dtype_bytes`` is not above 0.
    """
    if dtype_bytes <= 0:
        raise EfflabError(f"dtype_bytes must be above 0, got {dtype_bytes}")
    layers = counted.layers if isinstance(counted, Profile) else (counted,)
    moved = sum(layer.parameters + layer.inputs + layer.activations for layer in layers)
    return counted.flop / (moved * dtype_bytes) if moved else 0.0


def roofline(*, seconds: float = 1.0, device: str = "cpu") -> Roofline:
    """Measure the roofline with the threads torch has now.

    Peak by an fp32 matrix product of 512 x 512, bandwidth by the triad on arrays larger than the last cache where that
    is at most 256 MiB each (on a server that shares a larger cache among guests, part of it may be cache bandwidth).
    The best repetition counts: a roofline is what the machine can do at most.

    Args:
        seconds: time for all of it, above 0; a third each for peak, memory and cache.
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises:
        EfflabError: ``seconds`` is not above 0.
    """
    if not seconds > 0:
        raise EfflabError(f"seconds must be above 0, got {seconds}")
    left = torch.ones(_MATRIX, _MATRIX, device=device)
    right, out = left.clone(), left.clone()
    finish = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device, lambda: None)
    quickest = _quickest(lambda: torch.mm(left, right, out=out), finish, seconds / 3)
    return Roofline(
        peak_gflops=2 * _MATRIX**3 / quickest / 1e9,
        bandwidth_gb_s=_triad(_working_set(), finish, seconds / 3, device),
        cache_gb_s=_triad(_CACHED_BYTES, finish, seconds / 3, device),
        threads=torch.get_num_threads(),
    )


def _triad(total: int, finish: Callable[[], object], seconds: float, device: str) -> float:
    """GB/s of ``a = b + 3 c`` over ``total`` bytes in three arrays; two reads and a write, as STREAM counts them.

    Large arrays are walked through chunk by chunk, each timed by itself and seen again only after all others.
    """
    size = min(total, _CHUNK_BYTES) // 12
    whole = [torch.ones(total // 12, device=device) for _ in range(3)]
    starts = range(0, total // 12 - size + 1, size)
    chunks = itertools.cycle([[array[start : start + size] for array in whole] for start in starts])

    def step() -> None:
        a, b, c = next(chunks)
        torch.add(b, c, alpha=3, out=a)

    return 12 * size / _quickest(step, finish, seconds) / 1e9


def _quickest(call: Callable[[], object], finish: Callable[[], object], seconds: float) -> float:
    """Seconds of the quickest of the calls that fit into ``seconds``, and of three at least."""
    best, end, calls = float("inf"), time.perf_counter() + seconds, 0
    while calls < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        finish()
        best, calls = min(best, time.perf_counter() - start), calls + 1
    return best


def _working_set() -> int:
    """Bytes of three arrays: twice the largest cache the system tells of, within bounds."""
    sizes = [_cache_bytes(path) for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return min(max(2 * max(sizes, default=0), _SMALLEST_BYTES), _LARGEST_BYTES)


def _cache_bytes(path: Path) -> int:
    """Read ``"4096K"``."""
    text = path.read_text().strip()
    number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
    return int(number) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[unit]
