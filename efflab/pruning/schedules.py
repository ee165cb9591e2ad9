"""How sparsity grows over the ticks of ``Pruner.step``: constant, linear, cubic, or by a list.

A schedule is a function of the tick (1, 2, ...) alone, so that its ``state_dict`` is its settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
        """Take the settings of a saved schedule of the same kind."""
        if state.get("kind") != type(self).__name__:
            raise EfflabError(
                f"the saved schedule is {state.get('kind')!r}, expected {type(self).__name__!r}"
            )
        fresh = type(self)(**{key: value for key, value in state.items() if key != "kind"})
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
        if self.steps < 1 or self.begin < 0:
            raise EfflabError(
                f"steps must be at least 1 and begin at least 0, got {self.steps} and {self.begin}"
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
        rising = all(earlier <= later for earlier, later in zip(self.values, self.values[1:], strict=False))
        if not self.values or not rising or self.values[0] < 0 or self.values[-1] <= 0:
            raise EfflabError(f"values must be a rising list that ends above 0, got {self.values}")

    def target(self, final: float, tick: int) -> float:
        """Return the tick's value, times ``final`` over the last."""
        if tick < 1:
            return 0.0
        return self.values[min(tick, len(self.values)) - 1] * (final / self.values[-1])

    @property
    def length(self) -> int:
        """As many ticks as values."""
        return len(self.values)
