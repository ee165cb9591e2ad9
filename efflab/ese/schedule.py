"""The step of an LSTM as a graph of fetches, sparse products and element-wise passes.

Source: S. Han et al., "ESE", FPGA 2017: the LSTM is decomposed into sparse products and element-wise products, which a state machine
schedules with double buffers. The paper's own diagram of states is not among our sources. Here each matrix is a state: in it the
channels multiply by the matrix, memory brings the next one, and the element-wise unit reads out the result of the one before,
an element a cycle: it adds what the gate's sum has so far, bias and peephole, and when the sum is whole looks up the table. What
cannot be done beside a product, the last passes before the projection, has states of its own.

Resources: ``weights`` and ``pointers``, the two memory ports; ``products``, the elements of all channels; ``element-wise``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from efflab.errors import EfflabError
from efflab.ese._checks import whole
from efflab.ese.graph import Schedule, Task
from efflab.ese.machine import Machine, machine_or_paper

OVERLAPS = {
    "buffers": "while a product runs, the next matrix is fetched into the other buffer",
    "ports": "weights and pointers are fetched side by side",
    "passes": "element-wise passes run beside products",
    "steps": "the next step's first matrix is fetched while this step ends",
    "states": "a task starts when what it needs is there, not when its state begins",
}
PAPER = ("buffers", "ports", "passes", "steps")
"""How we read the paper's "state machine with double buffering", whose diagram is not among our sources: the machine goes from state
to state, and within one everything overlaps; so all but ``states``."""

_ORDER = ("Wix", "Wfx", "Wcx", "Wox", "Wir", "Wfr", "Wcr", "Wor")
# The passes that run beside a product: those of the product before, whose result is read out then, and the cell's.
_BESIDE = {
    "Wfx": ("ix",), "Wcx": ("fx",), "Wox": ("cx",), "Wir": ("ox",), "Wfr": ("i",), "Wcr": ("f",), "Wor": ("g", "c"),
}  # fmt: skip
# What a pass waits for.
_NEEDS = {
    "ix": ("Wix",), "fx": ("Wfx",), "cx": ("Wcx",), "ox": ("Wox",),
    "i": ("ix", "Wir"), "f": ("fx", "Wfr"), "g": ("cx", "Wcr"), "c": ("i", "f", "g"),
    "o": ("ox", "Wor", "c"), "m": ("o", "c"), "y": ("Wym",),
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """What one matrix takes.

    Attributes:
        product: cycles of the sparse product.
        weights: cycles of the fetch of its weights.
        pointers: cycles of the fetch of its pointers.
    """

    product: int
    weights: int = 0
    pointers: int = 0


def lstm_schedule(
    work: Mapping[str, Work],
    machine: Machine | None = None,
    *,
    hidden: int,
    inputs: int,
    outputs: int,
    steps: int = 1,
    overlaps: Iterable[str] | None = PAPER,
) -> Schedule:
    """Schedule one or several steps of an LSTM.

    Args:
        work: what each of the paper's matrices takes; ``Wym`` only with a projection.
        machine: the machine; the paper's by default.
        hidden: cells.
        inputs: numbers in x_t.
        outputs: numbers in y_t.
        steps: steps one after the other.
        overlaps: which of ``OVERLAPS`` are on; the paper's by default, all where None.

    Returns:
        The schedule; ``without`` switches overlaps off.

    Raises:
        EfflabError: a matrix is missing, a size or the number of steps is below 1, or there is no such overlap.

    >>> even = {name: Work(product=100, weights=90, pointers=10) for name in (*_ORDER, "Wym")}
    >>> made = lstm_schedule(even, hidden=40, inputs=20, outputs=20)
    >>> made.makespan, made.without("buffers").makespan
    (1134, 1854)
    """
    machine = machine_or_paper(machine)
    _check(work, steps, hidden=hidden, inputs=inputs, outputs=outputs)
    vector = machine.channels * machine.activation_bits
    passes = machine.element_wise(hidden), machine.element_wise(outputs)
    sizes = _Sizes(*passes, machine.words(vector * inputs), machine.words(vector * outputs))
    made = _Builder(work, sizes, steps).go()
    return Schedule.of(made, overlaps, machine.clock_mhz, OVERLAPS)


def period(one: Schedule, two: Schedule) -> int:
    """Cycles of a step among many: by how much a second step makes a schedule longer."""
    return two.makespan - one.makespan


def _check(work: Mapping[str, Work], steps: int, **sizes: int) -> None:
    for name, size in {**sizes, "steps": steps}.items():
        whole(name, size)
    if missing := [name for name in _ORDER if name not in work]:
        raise EfflabError(f"work must have all of {', '.join(_ORDER)}; {missing[0]} is missing")
    if unknown := sorted(set(work) - {*_ORDER, "Wym"}):
        raise EfflabError(f"an LSTM has no matrix {unknown[0]!r}; it has {', '.join(_ORDER)} and Wym")


@dataclass(frozen=True)
class _Sizes:
    """Cycles of what does not depend on the matrices: a pass over the cells, one over y, the fetch of x, the store of y."""

    cells: int
    outputs: int
    fetch: int
    store: int


class _Builder:
    """Makes the tasks in order, state by state.

    Two buffers hold matrices, so that a fetch waits in any case for the product before the last, whose buffer it fills.
    """

    def __init__(self, work: Mapping[str, Work], sizes: _Sizes, steps: int) -> None:
        self.work, self.sizes, self.steps = work, sizes, steps
        self.order = [name for name in (*_ORDER, "Wym") if name in work]
        self.tasks: list[Task] = []
        self.state = ""
        self.previous: tuple[str, ...] = ()
        self.current: tuple[str, ...] = ()
        self.products: list[str] = []
        self.fetched: list[str] = []

    def go(self) -> list[Task]:
        """Make all tasks."""
        self.enter("start")
        self.fetch(self.order[0], 0)
        for step in range(self.steps):
            self.one_step(step)
        self.enter("end")
        self.finish(self.steps - 1)
        return self.tasks

    def one_step(self, step: int) -> None:
        """The states of one step: the matrices in the paper's order, then what is left of the gates before the projection."""
        for place, name in enumerate(_ORDER):
            self.enter(_at(name, step))
            self.multiply(name, step)
            for one in _BESIDE.get(name, ()):
                self.sweep(one, step, beside=_at(name, step))
            if place == 0 and step:
                self.finish(step - 1, beside=_at(name, step))
            if place + 1 < len(self.order):
                self.fetch(self.order[place + 1], step)
        for one in ("o", "m"):
            self.enter(_at(one, step))
            self.sweep(one, step)
        if "Wym" in self.work:
            self.enter(_at("Wym", step))
            self.multiply("Wym", step)
        if step + 1 < self.steps:
            self.fetch(self.order[0], step + 1)

    def enter(self, state: str) -> None:
        """Begin a state."""
        self.state, self.previous, self.current = state, self.current, ()

    def add(
        self, name: str, resource: str, cycles: int, after: Sequence[str], **unless: Sequence[str]
    ) -> None:
        """Add a task to the state."""
        extra = {overlap: tuple(names) for overlap, names in unless.items() if names}
        if self.previous:
            extra["states"] = self.previous
        self.tasks.append(Task(name, resource, cycles, tuple(after), extra, self.state))
        self.current += (name,)

    def multiply(self, name: str, step: int) -> None:
        """Add a sparse product; with y_(t-1) it waits for the step before, and the projection for m."""
        after = [f"weights {_at(name, step)}", f"pointers {_at(name, step)}"]
        if name == self.order[0]:
            after.append(_at("fetch x", step))
        elif name == "Wym":
            after.append(_at("m", step))
        elif name.endswith("r") and step:
            after.append(self.output(step - 1))
        made = _at(name, step)
        self.add(made, "products", self.work[name].product, after, passes=self.last("element-wise"))
        self.products.append(made)

    def sweep(self, name: str, step: int, beside: str = "") -> None:
        """Add an element-wise pass: what a product adds to a gate's sum, a whole gate, the cell, m, or y."""
        after = [_at(one, step) for one in _NEEDS[name]]
        if name in {"ix", "fx", "c"} and step:
            after.append(_at("c", step - 1))
        cycles = self.sizes.outputs if name == "y" else self.sizes.cells
        self.add(_at(name, step), "element-wise", cycles, after, passes=(beside,) if beside else ())

    def finish(self, step: int, beside: str = "") -> None:
        """Read out the projection and store y."""
        if "Wym" in self.work:
            self.sweep("y", step, beside)
        self.add(
            _at("store y", step),
            "pointers",
            self.sizes.store,
            (self.output(step),),
            ports=self.last("weights"),
        )

    def fetch(self, name: str, step: int) -> None:
        """Add the fetches of a matrix, and of x before the first."""
        at, work = _at(name, step), self.work[name]
        free = self.products[-2:-1]
        ended = self.products[-1:] if step and name == self.order[0] else []
        waits = {"buffers": self.products[-1:], "steps": ended}
        if name == self.order[0]:
            self.add(_at("fetch x", step), "pointers", self.sizes.fetch, (), **waits)
        self.add(f"pointers {at}", "pointers", work.pointers, free, ports=self.last("weights"), **waits)
        self.add(f"weights {at}", "weights", work.weights, free, ports=self.last("pointers"), **waits)

    def output(self, step: int) -> str:
        """The task that gives y."""
        return _at("y" if "Wym" in self.work else "m", step)

    def last(self, resource: str) -> tuple[str, ...]:
        """The newest task of a resource."""
        return next(((task.name,) for task in reversed(self.tasks) if task.resource == resource), ())


def _at(name: str, step: int) -> str:
    """A name in a step: bare in the first, with the step's number after it in others."""
    return f"{name} ({step + 1})" if step else name
