"""What the reports of this package share when they draw themselves."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def figure(width: float = 7.0, height: float = 4.0) -> Iterator[tuple[Any, Any]]:
    """Give a matplotlib figure and axes in the house style, off pyplot's list so that a notebook shows it once."""
    plt = importlib.import_module("matplotlib.pyplot")
    with importlib.import_module("efflab.viz").style():
        drawn, axes = plt.subplots(figsize=(width, height), layout="constrained")
        try:
            yield drawn, axes
        finally:
            plt.close(drawn)
