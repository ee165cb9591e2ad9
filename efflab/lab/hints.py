"""Three layers of hints a task, shown on request: the picture of the result, the idea, the shape of the code."""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

from efflab.errors import EfflabError
from efflab.viz.output import Output

Layers = tuple[str | Callable[[], Any], str, str]

TITLES = ("What the result looks like", "The idea in words", "The shape of the code")
_registry: dict[str, Layers] = {}


def register(layers: Mapping[str, Layers]) -> None:
    """Make hints known to :func:`hint`.

    Args:
        layers: by task, (picture, words, shape of the code). The picture is text, or a function without arguments that
            gives text or something a notebook can show (:func:`efflab.viz.picture`); it is called when asked for.

    Raises:
        EfflabError: a task has not three layers.
    """
    for task, parts in layers.items():
        if len(parts) != len(TITLES):
            raise EfflabError(
                f"hints of {task!r} must be (picture, words, shape of the code), got {len(parts)} layers"
            )
    _registry.update(layers)


def hint(task: str, layer: int = 1) -> None:
    """Show the hints of a task up to a layer, the last one open.

    Args:
        task: the task's id, ``"pruning-1"``.
        layer: 1 (picture), 2 (words) or 3 (shape of the code).

    Raises:
        EfflabError: the task has no hints, or there is no such layer.
    """
    if task not in _registry:
        known = ", ".join(_registry) or "none"
        raise EfflabError(
            f"there are no hints for {task!r} (hints exist for {known}); run the notebook's first cells"
        )
    if layer not in {1, 2, 3}:
        raise EfflabError(f"layer must be 1, 2 or 3, got {layer!r}")
    parts = [_render(part, literal=index != 1) for index, part in enumerate(_registry[task][:layer])]
    names = [f"Hint {index + 1} for {task}: {TITLES[index]}" for index in range(layer)]
    more = f"hint({task!r}, {layer + 1}) shows one layer more." if layer < len(TITLES) else ""
    body = "".join(
        f'<details{" open" if index == layer - 1 else ""} style="margin:0.3em 0"><summary style="cursor:pointer">'
        f"{html.escape(name)}</summary>{part.html}</details>"
        for index, (name, part) in enumerate(zip(names, parts, strict=True))
    )
    text = "\n".join(f"{name}\n{part.text}" for name, part in zip(names, parts, strict=True))
    Output(body + f"<small>{html.escape(more)}</small>", f"{text}\n{more}".rstrip()).show()


def _render(part: Any, *, literal: bool) -> Output:
    """One layer: text as it stands, words with their `code`, or whatever the picture's function gave."""
    value = part() if callable(part) else part
    if isinstance(value, str):
        if literal:
            style = "background:rgba(127,127,127,0.10);color:inherit;padding:0.5em 0.9em;overflow-x:auto"
            return Output(f'<pre style="{style}">{html.escape(value)}</pre>', value)
        return Output(f"<p>{_inline(value)}</p>", value)
    if isinstance(value, Output):
        return value
    if hasattr(value, "_repr_mimebundle_"):
        bundle = value._repr_mimebundle_()
        return Output(bundle["text/html"], bundle["text/plain"])
    if hasattr(value, "_repr_html_"):
        return Output(value._repr_html_(), str(value))
    raise EfflabError(
        f"a hint's picture must be text or efflab.viz.picture(figure, alt=...), got {type(value).__name__}"
    )


def _inline(text: str) -> str:
    """Words as HTML; what stands in backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
