"""The paper against itself: figures that follow from each other, and by how much they do not.

Source: ISCA 2016. Curves were measured on printed plots, so that small differences are those of the ruler.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from efflab import paper
from efflab.eie.energy_tables import WIDTHS
from efflab.eie.nine import BENCHMARKS
from efflab.eie.platforms import DENSE_CPU, platform_us

TWINS: Final = {"alex-6": "vgg-6", "alex-7": "vgg-7"}
"""Layers whose curves of figure 11 each fit the other's figures 12 and 13."""


@dataclass(frozen=True)
class Identity:
    """Two published figures that should be one.

    Attributes:
        law: what ties them.
        case: of what.
        printed: the one.
        computed: the other, from what else is published.
    """

    law: str
    case: str
    printed: float
    computed: float

    @property
    def off_pct(self) -> float:
        """By how many percent the computed figure differs from the printed one."""
        return 100 * (self.computed / self.printed - 1)


def _value(name: str) -> float:
    return float(paper.get(f"eie/{name}").value)


def identities() -> tuple[Identity, ...]:
    """All of them."""
    return (*balances(), *speedups(), *frames(), *platform_speedups())


def balances() -> Iterator[Identity]:
    """Theoretical over actual time is the load balance, which figures 8 and 13 both show for the published machine."""
    for layer in BENCHMARKS:
        ratio = 100 * _value(f"table4/eie-64pe-theoretical-batch-1/{layer}") / actual_us(layer)
        yield Identity("balance = theoretical / actual time", layer, _value(f"figure13/{layer}/pe_64"), ratio)
        yield Identity(
            "figure 8 at 8 = figure 13 at 64",
            layer,
            _value(f"figure13/{layer}/pe_64"),
            _value(f"figure8/{layer}/fifo_8"),
        )


def speedups(pes: int = 64) -> Iterator[Identity]:
    """Figure 11 is N times figure 12's gain in real work times figure 13."""
    for layer in BENCHMARKS:
        yield Identity(
            f"figure 11 = figures 12 x 13 at {pes}",
            layer,
            _value(f"figure11/{layer}/pe_{pes}"),
            scaled(layer, pes),
        )


def scaled(layer: str, pes: int) -> float:
    """Speed-up over one PE that figures 12 and 13 amount to."""
    gain = _value(f"figure12/{layer}/pe_{pes}") / _value(f"figure12/{layer}/pe_1")
    return pes * gain * _value(f"figure13/{layer}/pe_{pes}") / _value(f"figure13/{layer}/pe_1")


def frames() -> Iterator[Identity]:
    """Table V follows from FC7's time, power and area."""
    for row in ("eie-64pe", "eie-256pe-projected"):
        speed = _value(f"table5/{row}/frames_per_s")
        for column, by in (("frames_per_j", "power"), ("frames_per_s_mm2", "area")):
            printed = _value(f"table5/{row}/{column}")
            yield Identity(f"{column} of table V", row, printed, speed / _value(f"table5/{row}/{by}"))
    yield Identity(
        "frames/s = 1 / time", "alex-7", _value("table5/eie-64pe/frames_per_s"), 1e6 / actual_us("alex-7")
    )


def platform_speedups() -> Iterator[Identity]:
    """EIE's row of figure 6 follows from table IV."""
    for layer in BENCHMARKS:
        ratio = platform_us(DENSE_CPU, layer) / actual_us(layer)
        yield Identity("figure 6 = times of table IV", layer, _value(f"figure6/eie/{layer}"), ratio)


def actual_us(layer: str) -> float:
    """EIE's published time."""
    return _value(f"table4/eie-64pe-actual-batch-1/{layer}")


def read_energies() -> dict[int, tuple[float, float]]:
    """Energy of a read in figure 9 by width, in pJ: as its left panel shows it, and as Alex-6's total over its reads."""
    return {
        width: (
            _value(f"figure9/sram/width_{width}/energy_per_read"),
            1e3
            * _value(f"figure9/total_energy/alex-6/width_{width}")
            / _value(f"figure9/sram/width_{width}/reads"),
        )
        for width in WIDTHS
    }
