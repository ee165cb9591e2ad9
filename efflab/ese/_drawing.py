"""Pictures of a schedule."""

from typing import TYPE_CHECKING, Any

from efflab.viz.styles import canvas

if TYPE_CHECKING:
    from efflab.ese.graph import Schedule

_LEAST = 0.035  # share of the width below which a bar has no room for its name


def gantt(schedule: "Schedule", ax: Any = None) -> Any:
    """Draw a Gantt chart: a row a resource, a bar a task with its name, hatched where the chain that decides the makespan runs.

    Args:
        schedule: what to draw.
        ax: axes to draw on; None makes a figure.

    Returns:
        The matplotlib figure.
    """
    resources = schedule.resources
    deciding = {slot.name for slot in schedule.critical()}
    width = schedule.time_us or 1.0
    with canvas(ax, 9.0, 0.9 + 0.55 * len(resources)) as (figure, axes, colours):
        for slot in schedule.slots:
            row = resources.index(slot.resource)
            start, length = slot.start / schedule.clock_mhz, (slot.end - slot.start) / schedule.clock_mhz
            axes.barh(
                row,
                length,
                left=start,
                height=0.68,
                color=colours.grid if slot.name not in deciding else colours.face,
                edgecolor=colours.text,
                linewidth=0.8,
                hatch="////" if slot.name in deciding else "",
            )
            if length > _LEAST * width:
                label = slot.name.split()[-1] if slot.resource in {"weights", "pointers"} else slot.name
                box = {"facecolor": colours.face, "edgecolor": "none", "pad": 0.8}
                axes.text(start + length / 2, row, label, ha="center", va="center", fontsize=7, bbox=box)
        axes.set(xlabel="time (µs)", xlim=(0, 1.01 * width))
        axes.set_yticks(range(len(resources)), resources)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
    return figure
