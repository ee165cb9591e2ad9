"""The nine benchmark layers, drawn at their published densities.

The trained weights were never published. Positions are drawn at random at table III's densities, and so is one sample's
set of non-zero inputs, of which there are exactly as many as the table's share of them.

Source: ISCA 2016, table III.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from efflab import paper
from efflab.eie.pattern import Pattern, draw
from efflab.errors import EfflabError


@dataclass(frozen=True)
class Benchmark:
    """A layer of table III.

    Attributes:
        name: in ids, ``"alex-6"``.
        title: as printed, ``"Alex-6"``.
        inputs: columns of its matrix.
        outputs: rows of its matrix.
        weights_pct: weights that are not zero, printed as a whole percentage.
        act_pct: inputs that are not zero.
        flop_pct: products that are left; the printed product of both.
    """

    name: str
    title: str
    inputs: int
    outputs: int
    weights_pct: float
    act_pct: float
    flop_pct: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its matrix."""
        return self.outputs, self.inputs

    @property
    def rounding_pct(self) -> float:
        """By how much the printed share of weights may be off for its rounding, in percent of itself."""
        return 100 * 0.5 / self.weights_pct

    @property
    def agreed_pct(self) -> float:
        """The share of weights nearest to the printed one at which the printed share of products comes out too.

        Both are rounded to whole percents. For seven layers this is the printed share itself.
        """
        low, high = ((self.flop_pct + half) / self.act_pct * 100 for half in (-0.5, 0.5))
        return min(max(self.weights_pct, low), high)

    def pattern(self, seed: int = 0, weights_pct: float | None = None) -> Pattern:
        """Draw where the weights are.

        Args:
            seed: another one draws other weights; each layer has its own stream.
            weights_pct: share of the weights, by default the printed one.
        """
        share = self.weights_pct if weights_pct is None else weights_pct
        return draw(self.outputs, self.inputs, share / 100, self._generator(seed, 0))

    def active(self, seed: int = 0, act_pct: float | None = None) -> NDArray[np.bool_]:
        """Draw which inputs of one sample are not zero.

        Args:
            seed: see above.
            act_pct: share of them, by default the printed one.

        Returns:
            (inputs,) True where an input is not zero.

        Raises:
            EfflabError: a share outside 0 to 100.
        """
        share = self.act_pct if act_pct is None else act_pct
        if not 0 <= share <= 100:
            raise EfflabError(f"act_pct must be from 0 to 100, got {share}")
        chosen = np.zeros(self.inputs, np.bool_)
        chosen[: round(share / 100 * self.inputs)] = True
        return self._generator(seed, 1).permutation(chosen)

    def _generator(self, seed: int, stream: int) -> np.random.Generator:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise EfflabError(f"seed must be a whole number from 0, got {seed!r}")
        return np.random.default_rng([seed, stream, *self.name.encode()])


def _published(name: str) -> Benchmark:
    row = {column: float(figure.value) for column, figure in paper.table("eie", "table3").row(name).items()}
    return Benchmark(
        name,
        paper.info("eie").labels[name],
        inputs=int(row["inputs"]),
        outputs=int(row["outputs"]),
        weights_pct=row["weights_pct"],
        act_pct=row["act_pct"],
        flop_pct=row["flop_pct"],
    )


BENCHMARKS: Final = {name: _published(name) for name in paper.table("eie", "table3").labels}
"""The nine layers by name, in the paper's order."""
