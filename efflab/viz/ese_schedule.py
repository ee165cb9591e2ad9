"""An interactive figure: a step of ESE as a Gantt chart whose overlaps one can switch off (S. Han et al., "ESE", FPGA 2017).

The page gets the tasks with what they wait for; its JavaScript places them anew after each switch, by the rule of
:class:`efflab.ese.Schedule`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from efflab.errors import EfflabError
from efflab.ese import OVERLAPS, Schedule, Task
from efflab.viz.widgets import css, module

MOST_TASKS, MOST_RESOURCES = 400, 8


class EseSchedule(anywidget.AnyWidget):
    """See when each resource does which task, what a task waits for, and what each overlap is worth.

    Args:
        schedule: a schedule of :mod:`efflab.ese`, or its tasks, each listed after those it waits for.
        overlaps: those that are on at first; by default the schedule's.
        meanings: by overlap, what it means, written beside its switch.
        title: a heading; also the figure's name for a screen reader.

    The trait ``overlaps`` follows the switches and moves them; ``schedule`` is the one that is shown. Hatched bars decide how
    long it takes; the bar under the pointer or the keyboard's focus shows what it waits for and what waits for it.

    Raises:
        EfflabError: there is no task, there are too many to be seen, or there is no such overlap.

    >>> from efflab.ese import Task
    >>> tasks = [
    ...     Task("weights A", "memory", 3), Task("A", "products", 4, after=("weights A",)),
    ...     Task("weights B", "memory", 3, unless={"buffers": ("A",)}), Task("B", "products", 4, after=("weights B",)),
    ... ]
    >>> figure = EseSchedule(tasks)
    >>> figure
    EseSchedule: 4 tasks on memory, products; 11.00 µs with buffers
    >>> figure.overlaps = []
    >>> figure.schedule.makespan
    14
    """

    _esm = module("schedule", "ese_schedule")
    _css = css("machines", "schedule")

    title = traitlets.Unicode("").tag(sync=True)
    tasks = traitlets.List(traitlets.Dict()).tag(sync=True)
    known = traitlets.List(traitlets.Unicode()).tag(sync=True)
    meanings = traitlets.Dict().tag(sync=True)
    overlaps = traitlets.List(traitlets.Unicode()).tag(sync=True)
    clock_mhz = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self,
        schedule: Schedule | Sequence[Task],
        *,
        overlaps: Iterable[str] | None = None,
        meanings: Mapping[str, str] = OVERLAPS,
        title: str = "A step's schedule, and what its overlaps are worth",
    ) -> None:
        made = schedule if isinstance(schedule, Schedule) else Schedule.of(schedule)
        if not 1 <= len(made.tasks) <= MOST_TASKS or len(made.resources) > MOST_RESOURCES:
            raise EfflabError(
                f"schedule must have 1 to {MOST_TASKS} tasks on at most {MOST_RESOURCES} resources, "
                f"got {len(made.tasks)} on {len(made.resources)}"
            )
        self._made = made if overlaps is None else made.with_only(*overlaps)
        super().__init__(
            title=title,
            tasks=[_row(task) for task in made.tasks],
            known=list(made.known),
            meanings={name: str(meanings[name]) for name in made.known if name in meanings},
            overlaps=list(self._made.overlaps),
            clock_mhz=float(made.clock_mhz),
        )

    @traitlets.validate("overlaps")
    def _in_order(self, proposal: Any) -> list[str]:
        return list(self._made.with_only(*proposal["value"]).overlaps)

    @property
    def schedule(self) -> Schedule:
        """The schedule with the overlaps that are on."""
        return self._made.with_only(*self.overlaps)

    def __repr__(self) -> str:
        shown = self.schedule
        on = ", ".join(shown.overlaps) or "no overlap"
        return (
            f"{type(self).__name__}: {len(shown.tasks)} tasks on {', '.join(shown.resources)}; "
            f"{shown.time_us:.2f} µs with {on}"
        )


def _row(task: Task) -> dict[str, Any]:
    """A task as plain data."""
    return {
        "name": task.name,
        "resource": task.resource,
        "cycles": task.cycles,
        "after": list(task.after),
        "unless": {overlap: list(names) for overlap, names in task.unless.items()},
        "state": task.state,
    }
