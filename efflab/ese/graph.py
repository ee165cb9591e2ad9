"""Work on shared resources as an explicit graph: tasks that wait for others, and a resource that does one at a time.

A resource takes its tasks in the order in which they are listed, as a state machine issues them. So a task starts as soon as the
one before it on its resource and all that it waits for have ended, and no choice is left: further waiting can only delay.

Source: S. Han et al., "ESE", FPGA 2017, for a state machine with double buffers that schedules an LSTM; the graph is ours.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from efflab.errors import EfflabError
from efflab.ese._checks import names
from efflab.tables import TextTable


@dataclass(frozen=True)
class Task:
    """A piece of work.

    Attributes:
        name: its name, of which there is one.
        resource: what does it.
        cycles: how long it takes.
        after: names of the tasks it waits for in any case; all are listed before it.
        unless: by overlap, names of tasks that it waits for only where that overlap is switched off.
        state: the state of the controller it belongs to, or an empty text.
    """

    name: str
    resource: str
    cycles: int
    after: tuple[str, ...] = ()
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    state: str = ""

    def waits_for(self, overlaps: Iterable[str]) -> tuple[str, ...]:
        """The tasks it waits for where only ``overlaps`` are on, each once, in order."""
        on = set(overlaps)
        more = (name for overlap, names in self.unless.items() if overlap not in on for name in names)
        return tuple(dict.fromkeys((*self.after, *more)))


@dataclass(frozen=True)
class Slot:
    """A task in its place.

    Attributes:
        name: the task's name.
        resource: what does it.
        start: cycle in which it starts.
        end: cycle in which it has ended.
        after: names of the tasks that it waited for.
        state: as in :class:`Task`.
    """

    name: str
    resource: str
    start: int
    end: int
    after: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True)
class Schedule:
    """Tasks in their places.

    Attributes:
        tasks: the tasks, in order.
        overlaps: which overlaps are on.
        known: all overlaps there are.
        clock_mhz: cycles a microsecond.
        slots: start and end of every task, in the tasks' order.

    >>> tasks = [Task("load", "memory", 5), Task("multiply", "PEs", 7, after=("load",)), Task("add", "PEs", 1)]
    >>> [(slot.name, slot.start, slot.end) for slot in Schedule.of(tasks).slots]
    [('load', 0, 5), ('multiply', 5, 12), ('add', 12, 13)]
    """

    tasks: tuple[Task, ...]
    overlaps: tuple[str, ...]
    known: tuple[str, ...]
    clock_mhz: float
    slots: tuple[Slot, ...]

    @classmethod
    def of(
        cls,
        tasks: Sequence[Task],
        overlaps: Iterable[str] | None = None,
        clock_mhz: float = 1.0,
        known: Iterable[str] = (),
    ) -> "Schedule":
        """Place tasks.

        Args:
            tasks: each listed after those it waits for.
            overlaps: which overlaps are on; all where None.
            clock_mhz: cycles a microsecond.
            known: overlaps that may be named although no task knows them, in their order.

        Raises:
            EfflabError: a name twice, a task that waits for a later or unknown one, cycles below 0, an unknown overlap.
        """
        every = tuple(dict.fromkeys((*known, *(overlap for task in tasks for overlap in task.unless))))
        on = every if overlaps is None else names("overlaps", overlaps)
        _check_overlaps(on, every)
        if not clock_mhz > 0:
            raise EfflabError(f"clock_mhz must be above 0, got {clock_mhz!r}")
        ordered = tuple(name for name in every if name in on)
        return cls(tuple(tasks), ordered, every, clock_mhz, tuple(_place(tasks, ordered)))

    def without(self, *overlaps: str) -> "Schedule":
        """The same tasks with some overlaps switched off.

        Raises:
            EfflabError: an unknown overlap.
        """
        _check_overlaps(overlaps, self.known)
        left = [name for name in self.overlaps if name not in overlaps]
        return self.of(self.tasks, left, self.clock_mhz, self.known)

    def with_only(self, *overlaps: str) -> "Schedule":
        """The same tasks with these overlaps on and all others off."""
        return self.of(self.tasks, overlaps, self.clock_mhz, self.known)

    @property
    def makespan(self) -> int:
        """Cycles until the last task has ended."""
        return max((slot.end for slot in self.slots), default=0)

    @property
    def time_us(self) -> float:
        """The makespan in microseconds."""
        return self.makespan / self.clock_mhz

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources, in the order in which they are first named."""
        return tuple(dict.fromkeys(task.resource for task in self.tasks))

    def busy(self, resource: str) -> int:
        """Cycles in which a resource works."""
        return sum(task.cycles for task in self.tasks if task.resource == resource)

    def utilisation(self, resource: str) -> float:
        """Share of the makespan in which a resource works."""
        return self.busy(resource) / self.makespan if self.makespan else 0.0

    def slot(self, name: str) -> Slot:
        """The slot of one task.

        Raises:
            EfflabError: there is no such task.
        """
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise EfflabError(f"there is no task {name!r}")

    def critical(self) -> tuple[Slot, ...]:
        """A chain of tasks that decides the makespan: each starts when the one before it ends."""
        chain: list[Slot] = []
        left = list(self.slots)
        at = max(left, key=lambda slot: slot.end, default=None)
        while at is not None:
            chain.append(at)
            left = left[: left.index(at)]
            causes = [s for s in left if s.end == chain[-1].start and _causes(s, chain[-1])]
            at = causes[-1] if causes else None
        return tuple(reversed(chain))

    def to_json(self) -> dict[str, Any]:
        """What a chart needs: tasks with start and end in cycles, what they wait for, the clock and the overlaps."""
        rows = [
            {**dataclasses.asdict(slot), "cycles": task.cycles, "always": list(task.after), "after": list(slot.after),
             "unless": {overlap: list(names) for overlap, names in task.unless.items()}}
            for slot, task in zip(self.slots, self.tasks, strict=True)
        ]  # fmt: skip
        return {
            "tasks": rows,
            "resources": list(self.resources),
            "overlaps": {name: name in self.overlaps for name in self.known},
            "clock_mhz": self.clock_mhz,
        }

    def table(self) -> TextTable:
        """Each task with its times in microseconds."""
        rows = [
            (
                one.name,
                one.resource,
                f"{one.start / self.clock_mhz:.2f}",
                f"{one.end / self.clock_mhz:.2f}",
                ", ".join(one.after),
            )
            for one in self.slots
        ]
        return TextTable.of(
            ("task", "resource", "start, µs", "end, µs", "waits for"), rows, note=self._note()
        )

    def _note(self) -> str:
        off = [name for name in self.known if name not in self.overlaps]
        return f"{self.time_us:.1f} µs" + (f", without the overlap of {', '.join(off)}" if off else "")

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self, ax: Any = None) -> Any:
        """Draw a Gantt chart: a row a resource, a bar a task, hatched where it decides the makespan; see ``_drawing.gantt``."""
        from efflab.ese._drawing import gantt  # noqa: PLC0415 - only drawing needs matplotlib

        return gantt(self, ax)


def _check_overlaps(named: Iterable[str], known: Sequence[str]) -> None:
    if unknown := sorted(set(named) - set(known)):
        raise EfflabError(
            f"there is no overlap {unknown[0]!r}; the overlaps are {', '.join(known) or 'none'}"
        )


def _causes(before: Slot, after: Slot) -> bool:
    return before.resource == after.resource or before.name in after.after


def _place(tasks: Sequence[Task], overlaps: Sequence[str]) -> Iterable[Slot]:
    """Give every task its start and end."""
    ends: dict[str, int] = {}
    free: dict[str, int] = {}
    for task in tasks:
        after = task.waits_for(overlaps)
        _check(task, after, ends)
        start = max([free.get(task.resource, 0), *(ends[name] for name in after)])
        ends[task.name] = free[task.resource] = start + task.cycles
        yield Slot(task.name, task.resource, start, ends[task.name], after, task.state)


def _check(task: Task, after: Sequence[str], placed: Mapping[str, int]) -> None:
    if task.name in placed:
        raise EfflabError(f"two tasks are called {task.name!r}")
    if isinstance(task.cycles, bool) or not isinstance(task.cycles, int) or task.cycles < 0:
        raise EfflabError(
            f"task {task.name!r} must take a whole number of cycles from 0, got {task.cycles!r}"
        )
    if missing := [name for name in after if name not in placed]:
        raise EfflabError(f"task {task.name!r} waits for {missing[0]!r}, which is not listed before it")
