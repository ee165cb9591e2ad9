"""The data sets of the course by name, as tensors ready for use.

``load()`` gives ``digits``, which is embedded and needs no network. The others are looked for in ``EFFLAB_DATA`` (never
written), then in ``EFFLAB_CACHE``, and are downloaded from their official addresses on first use. Every file is compared
with its SHA-256 before a byte of it is decoded.

>>> from efflab import data
>>> digits = data.load()
>>> digits.train
Split(1437 x 1 x 8 x 8)
>>> images, labels = next(iter(digits.train.batches(32)))
>>> images.shape, labels.dtype
(torch.Size([32, 1, 8, 8]), torch.int64)
"""

import importlib
from typing import TYPE_CHECKING, Any

from efflab.data.catalog import CATALOG, describe, names
from efflab.data.fetch import fetch
from efflab.data.info import Archive, File, Info
from efflab.data.store import available

if TYPE_CHECKING:
    from efflab.data.loading import load
    from efflab.data.split import Batches, ImageData, SpeechData, SpeechSplit, Split
    from efflab.data.text import TextData, Windows

__all__ = [
    "CATALOG",
    "Archive",
    "Batches",
    "File",
    "ImageData",
    "Info",
    "SpeechData",
    "SpeechSplit",
    "Split",
    "TextData",
    "Windows",
    "available",
    "describe",
    "fetch",
    "load",
    "names",
]

# These need torch; the command line lists data sets without it.
_LAZY = {
    "load": "loading",
    **dict.fromkeys(("Batches", "ImageData", "SpeechData", "SpeechSplit", "Split"), "split"),
    **dict.fromkeys(("TextData", "Windows"), "text"),
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first named."""
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
