"""efflab: efficient deep learning, rebuilt and measured.

Each method is a module named after its paper's noun (``efflab.pruning``); the shared ground lies beside them
(``efflab.data``, ``efflab.models``, ``efflab.training``, ``efflab.measure``). Modules are imported on first use, so that
``import efflab`` costs nothing.
"""

import importlib
import os
import sys
from types import ModuleType

__version__ = "0.1.0"

_MODULES = (
    "data",
    "deep_compression",
    "efz",
    "eie",
    "errors",
    "ese",
    "files",
    "huffman",
    "lab",
    "measure",
    "models",
    "paper",
    "pruning",
    "quantization",
    "results",
    "sparse",
    "topics",
    "training",
    "viz",
)
__all__ = ["__version__", *_MODULES]  # noqa: PLE0604 - every name is a module's

if "torch" not in sys.modules:
    # libgomp's spinning barrier costs a factor of five on a busy machine; it is read once, when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def __getattr__(name: str) -> ModuleType:
    """Import a module of the package when it is first named."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
