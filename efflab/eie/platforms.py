"""EIE beside processors and other chips: speed, energy, area.

Times and powers of the other platforms are the published ones; those of EIE are given. Power differs from layer to layer on
the real platforms, and was published for AlexNet's FC7 alone, which is taken for all layers here.

Source: ISCA 2016, tables IV and V, figures 6 and 7.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import fmean
from typing import Final

from efflab import paper
from efflab.eie.energy_model import area, power
from efflab.eie.machine import Machine
from efflab.eie.nine import BENCHMARKS
from efflab.errors import EfflabError

DENSE_CPU: Final = "cpu-i7-5930k-dense-batch-1"
ROWS: Final = {
    "cpu_compressed": "cpu-i7-5930k-sparse-batch-1",
    "gpu_dense": "gpu-titan-x-dense-batch-1",
    "gpu_compressed": "gpu-titan-x-sparse-batch-1",
    "mgpu_dense": "mgpu-tegra-k1-dense-batch-1",
    "mgpu_compressed": "mgpu-tegra-k1-sparse-batch-1",
}
"""Rows of figures 6 and 7 by the row of table IV that they come from."""
_IN_TABLE5 = {"cpu": "core-i7-5930k", "gpu": "geforce-titan-x", "mgpu": "tegra-k1"}


@dataclass(frozen=True)
class Chip:
    """A row of table V: one layer again and again on one machine.

    Attributes:
        machine: the machine.
        time_us: microseconds a frame.
    """

    machine: Machine
    time_us: float

    @property
    def area_mm2(self) -> float:
        """Area of the chip."""
        return area(self.machine).total_mm2

    @property
    def power_w(self) -> float:
        """Power of the chip."""
        return power(self.machine).total_w

    @property
    def frames_per_s(self) -> float:
        """Frames a second."""
        return 1e6 / self.time_us

    @property
    def frames_per_s_mm2(self) -> float:
        """Frames a second and square millimetre."""
        return self.frames_per_s / self.area_mm2

    @property
    def frames_per_j(self) -> float:
        """Frames a joule."""
        return self.frames_per_s / self.power_w


def platform_us(row: str, layer: str) -> float:
    """Published time of a layer on a platform.

    >>> platform_us(DENSE_CPU, "alex-7")
    6187.1
    """
    return float(paper.get(f"eie/table4/{row}/{layer}").value)


def platform_w(row: str) -> float:
    """Published power of a platform, by a row of table IV.

    >>> platform_w("gpu-titan-x-dense-batch-1")
    159.0
    """
    name = _IN_TABLE5[row.partition("-")[0]]
    return float(paper.get(f"eie/table5/{name}/power").value)


def speedups(eie_us: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Compute figure 6 again: how many times faster than the dense layer on the CPU.

    Args:
        eie_us: EIE's time by layer.

    Returns:
        By row of the figure, by layer and ``"geomean"``.
    """
    _check_layers(eie_us)
    found = {
        name: {layer: platform_us(DENSE_CPU, layer) / platform_us(row, layer) for layer in eie_us}
        for name, row in ROWS.items()
    }
    found["eie"] = {layer: platform_us(DENSE_CPU, layer) / us for layer, us in eie_us.items()}
    return {name: line | {"geomean": geomean(line.values())} for name, line in found.items()}


def efficiencies(eie_uj: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Compute figure 7 again: how many times less energy than the dense layer on the CPU.

    Args:
        eie_uj: EIE's energy by layer.

    Returns:
        By row of the figure, by layer and ``"geomean"``.
    """
    _check_layers(eie_uj)
    found = {
        name: {layer: _uj(DENSE_CPU, layer) / _uj(row, layer) for layer in eie_uj}
        for name, row in ROWS.items()
    }
    found["eie"] = {layer: _uj(DENSE_CPU, layer) / uj for layer, uj in eie_uj.items()}
    return {name: line | {"geomean": geomean(line.values())} for name, line in found.items()}


def _uj(row: str, layer: str) -> float:
    return platform_us(row, layer) * platform_w(row)


def _check_layers(values: Mapping[str, float]) -> None:
    for layer, value in values.items():
        if layer not in BENCHMARKS:
            raise EfflabError(f"no benchmark layer is called {layer!r}; they are {', '.join(BENCHMARKS)}")
        if not value > 0:
            raise EfflabError(f"layer {layer!r} must have a value above 0, got {value}")


def geomean(values: Iterable[float]) -> float:
    """Geometric mean.

    >>> round(geomean([1, 10, 100]), 9)
    10.0
    """
    return exp(fmean(map(log, values)))
