"""The slider on which a student predicts in a notebook; the plain way, ``value=...``, works everywhere."""

import importlib.util
from collections.abc import Callable
from typing import Any

from efflab.errors import EfflabError
from efflab.lab.predictions import Entry
from efflab.viz.output import Output, in_kernel


def available() -> bool:
    """Whether this session can show a widget."""
    return in_kernel() and importlib.util.find_spec("ipywidgets") is not None


def _control(entry: Entry) -> Any:
    """A slider where both ends are known, else a field for a number."""
    import ipywidgets as widgets  # noqa: PLC0415 - only a notebook needs it

    low, high = entry.get("low"), entry.get("high")
    known = entry.get("prediction")
    wide = widgets.Layout(width="26em")
    common = {"description": entry.get("unit") or "value", "layout": wide}
    if low is None or high is None:
        return widgets.FloatText(value=known["value"] if known else 0.0, **common)
    if entry.get("log"):
        import math  # noqa: PLC0415 - this branch alone

        ends = {"min": math.log10(low), "max": math.log10(high), "base": 10, "step": 0.01}
        start = known["value"] if known else math.sqrt(low * high)
        return widgets.FloatLogSlider(value=start, readout_format=".3g", **ends, **common)
    start = known["value"] if known else (low + high) / 2
    return widgets.FloatSlider(
        value=start, min=low, max=high, step=(high - low) / 200, readout_format=".4g", **common
    )


def ask(entry: Entry, shown: Output, commit: Callable[[float], Output | None]) -> Any:
    """Build the widget.

    Args:
        entry: question, unit, ends and an earlier prediction.
        shown: what stands above the slider.
        commit: called with the number when the student commits; gives what to show then.

    Returns:
        The widget, to be displayed.
    """
    import ipywidgets as widgets  # noqa: PLC0415 - only a notebook needs it

    control = _control(entry)
    button = widgets.Button(description="Commit", tooltip="Commit to this prediction", button_style="primary")
    above = widgets.HTML(shown.html)

    def on_click(_: object) -> None:
        try:
            answer = commit(float(control.value))
        except EfflabError as error:
            above.value = shown.html + f"<div>{error}</div>"
            return
        if answer is not None:
            above.value = answer.html
        button.description = "Change"

    button.on_click(on_click)
    return widgets.VBox([above, widgets.HBox([control, button])])
