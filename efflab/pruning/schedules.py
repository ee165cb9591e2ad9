"""How sparsity grows over the ticks of ``Pruner.step``: constant, linear, cubic, or by a list.

A schedule is a function of the tick (1, 2, ...) alone, so that its ``state_dict`` is its settings.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any

from efflab.errors import EfflabError
from efflab.pruning.masks import check_sparsity


@dataclass
class Schedule:
    """What all schedules share; ``target`` is theirs to give."""

    def target(self, final: float, tick: int) -> float:
        """Return the sparsity (or quality) that holds from ``tick`` (1, 2, ...) on, of the final one."""
        raise NotImplementedError

    @property
    def length(self) -> int:
        """The tick at which the final value is reached."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the settings, as plain data."""
        return {"kind": type(self).__name__, **asdict(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the settings of a saved schedule of the same kind.

        Raises:
            EfflabError: where the schedule is of another kind, or its settings are not those of this kind.
        """
        if state.get("kind") != type(self).__name__:
            raise EfflabError(
                f"the saved schedule is {state.get('kind')!r}, expected {type(self).__name__!r}"
            )
        settings = {key: value for key, value in state.items() if key != "kind"}
        known = sorted(each.name for each in fields(self))
        if sorted(settings) != known:
            raise EfflabError(f"a saved {type(self).__name__} schedule holds {known}, got {sorted(settings)}")
        fresh = type(self)(**settings)
        self.__dict__.update(fresh.__dict__)


@dataclass
class Constant(Schedule):
    """The final value from the first tick on: one aggressive step."""

    def target(self, final: float, tick: int) -> float:
        """Return ``final`` (0 before the first tick)."""
        return final if tick >= 1 else 0.0

    @property
    def length(self) -> int:
        """One tick."""
        return 1


@dataclass
class _Ramp(Schedule):
    steps: int
    begin: int = 0

    def __post_init__(self) -> None:
        if not (_is_whole(self.steps) and _is_whole(self.begin)) or self.steps < 1 or self.begin < 0:
            raise EfflabError(
                "steps must be a whole number of at least 1 and begin one of at least 0, "
                f"got {self.steps!r} and {self.begin!r}"
            )

    @property
    def length(self) -> int:
        """``begin + steps`` ticks."""
        return self.begin + self.steps

    def progress(self, tick: int) -> float:
        """Fraction of the ramp behind us, in [0, 1]."""
        return min(max((tick - self.begin) / self.steps, 0.0), 1.0)


@dataclass
class Linear(_Ramp):
    """Equal steps: ``steps`` of them after ``begin`` idle ticks.

    >>> [round(Linear(4).target(0.8, tick), 3) for tick in range(6)]
    [0.0, 0.2, 0.4, 0.6, 0.8, 0.8]
    """

    def target(self, final: float, tick: int) -> float:
        """Return ``final * progress``."""
        return final * self.progress(tick)


@dataclass
class Cubic(_Ramp):
    """Large steps first: s = s_f + (s_i - s_f)(1 - progress)^3.

    Source: M. Zhu, S. Gupta, "To prune, or not to prune", arXiv:1710.01878, equation (1).

    >>> [round(Cubic(4).target(0.8, tick), 3) for tick in range(6)]
    [0.0, 0.463, 0.7, 0.788, 0.8, 0.8]
    """

    initial: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sparsity(self.initial, "initial")

    def target(self, final: float, tick: int) -> float:
        """Return the cubic's value, ``initial`` during the idle ticks."""
        initial = min(self.initial, final)
        return final + (initial - final) * (1 - self.progress(tick)) ** 3


@dataclass
class Steps(Schedule):
    """A list of values, one a tick, scaled so that the last is the configuration's own.

    >>> [Steps([0.5, 0.75, 0.9]).target(0.9, tick) for tick in range(5)]
    [0.0, 0.5, 0.75, 0.9, 0.9]
    """

    values: Sequence[float]

    def __post_init__(self) -> None:
        self.values = list(self.values)
        finite = all(map(_is_finite, self.values))
        if (
            not finite
            or self.values != sorted(self.values)
            or min(self.values, default=0) < 0
            or not any(self.values)
        ):
            raise EfflabError(
                f"values must be a rising list of numbers from 0 that ends above 0, got {self.values}"
            )

    def target(self, final: float, tick: int) -> float:
        """Return ``final`` times the tick's value over the last; ``final`` itself from the last on."""
        if tick >= len(self.values):
            return final
        return final * (self.values[tick - 1] / self.values[-1]) if tick >= 1 else 0.0

    @property
    def length(self) -> int:
        """As many ticks as values."""
        return len(self.values)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)
