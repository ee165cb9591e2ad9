"""Figures for labs and book: one colour-blind-safe palette, helpers that draw the course's pictures, and widgets.

>>> from efflab.viz import contrast, palette
>>> contrast(palette.text, palette.face) > 7
True
"""

import importlib
from typing import TYPE_CHECKING, Any

from efflab.viz.colours import Palette, contrast, dark_palette, palette

if TYPE_CHECKING:
    from efflab.viz.coding import HuffmanExplorer
    from efflab.viz.eie_player import EiePlayer
    from efflab.viz.ese_schedule import EseSchedule
    from efflab.viz.explorer import PruneExplorer
    from efflab.viz.kmeans import KMeansExplorer
    from efflab.viz.pictures import Picture, picture, show
    from efflab.viz.plots import curve, histogram, layers, roofline
    from efflab.viz.styles import new_figure, style
    from efflab.viz.timeline import MachineState

__all__ = [
    "EiePlayer",
    "EseSchedule",
    "HuffmanExplorer",
    "KMeansExplorer",
    "MachineState",
    "Palette",
    "Picture",
    "PruneExplorer",
    "contrast",
    "curve",
    "dark_palette",
    "histogram",
    "layers",
    "new_figure",
    "palette",
    "picture",
    "roofline",
    "show",
    "style",
]

# Drawing needs matplotlib and anywidget, which half of the package's users never load.
_LAZY = {
    "EiePlayer": "eie_player",
    "EseSchedule": "ese_schedule",
    "HuffmanExplorer": "coding",
    "KMeansExplorer": "kmeans",
    "MachineState": "timeline",
    "PruneExplorer": "explorer",
    **dict.fromkeys(("curve", "histogram", "layers", "roofline"), "plots"),
    **dict.fromkeys(("Picture", "picture", "show"), "pictures"),
    **dict.fromkeys(("new_figure", "style"), "styles"),
}


def __getattr__(name: str) -> Any:
    """Import a drawing function when it is first named."""
    if name in _LAZY:
        try:
            return getattr(importlib.import_module(f"efflab.viz.{_LAZY[name]}"), name)
        except ModuleNotFoundError as error:
            remedy = "python -m pip install 'efflab[student]'"
            raise ImportError(
                f"efflab.viz.{name} needs {error.name}, which is not installed: {remedy}"
            ) from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
