"""What the interactive figures share: one style sheet and one text of JavaScript helpers.

A figure's module is those helpers followed by its own file, so that it imports nothing and runs wherever it is put.
"""

from pathlib import Path
from typing import Any

from efflab.errors import EfflabError
from efflab.viz.colours import Palette, dark_palette, palette

_STATIC = Path(__file__).parent / "static"


def _properties(colours: Palette) -> str:
    names = {"face": colours.face, "text": colours.text, "muted": colours.muted, "grid": colours.grid}
    names["stop"] = colours.stop
    names |= {f"series-{i}": colour for i, colour in enumerate(colours.series)}
    return " ".join(f"--efflab-{name}: {colour};" for name, colour in names.items())


def css(*sheets: str) -> str:
    """The explorers' style sheet: the palette as custom properties for light and dark pages, then the rules.

    Args:
        sheets: further files of rules in the folder ``static``, without ending.

    A theme that says which it is (the book's ``data-theme``, JupyterLab's ``data-jp-theme-light``) wins over the
    system's preference.
    """
    root = ".efflab-explorer"
    light = f"color-scheme: light; {_properties(palette)}"
    dark = f"color-scheme: dark; {_properties(dark_palette)}"
    return "\n".join(
        [
            f"{root} {{ {light} }}",
            f"@media (prefers-color-scheme: dark) {{ {root} {{ {dark} }} }}",
            f'html[data-theme="light"] {root}, body[data-jp-theme-light="true"] {root} {{ {light} }}',
            f'html[data-theme="dark"] {root}, body[data-jp-theme-light="false"] {root} {{ {dark} }}',
            *((_STATIC / f"{sheet}.css").read_text(encoding="utf-8") for sheet in ("explorer", *sheets)),
        ]
    )


def module(*names: str) -> str:
    """The JavaScript of one explorer, complete.

    Args:
        names: its files in the folder ``static``, without ending, in order.
    """
    return "\n".join((_STATIC / f"{part}.js").read_text(encoding="utf-8") for part in ("parts", *names))


def whole(name: str, value: Any, low: int, high: int) -> int:
    """An argument that must be a whole number from ``low`` to ``high``.

    Raises:
        EfflabError: it is not; the sentence names the argument.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= value <= high:
        raise EfflabError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    return int(value)
