"""The .efz container: any state dict goes in, and comes out bit for bit; shared values and zeros take little room.

Source: S. Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, sections 2 to 4 (relative index, codebook, Huffman
coding). The format is described byte by byte in the book's chapter on it.

>>> import tempfile, torch
>>> from efflab import efz
>>> layer = torch.nn.Linear(100, 50, bias=False)
>>> with torch.no_grad():
...     _ = layer.weight.copy_((layer.weight * 30).round() / 30)
>>> with tempfile.TemporaryDirectory() as folder:
...     summary = efz.save(layer, f"{folder}/layer.efz")
...     state = efz.load(f"{folder}/layer.efz")
>>> torch.equal(state["weight"], layer.weight), summary.rate > 8
(True, True)
"""

from efflab.efz.bound import Bound, LayerBound, entropy_bound
from efflab.efz.errors import EfzError
from efflab.efz.layout import Entry, Parts
from efflab.efz.load import load
from efflab.efz.read import Codes, File, open  # noqa: A004 - efz.open, as gzip.open
from efflab.efz.summary import Summary
from efflab.efz.write import save

__all__ = [
    "Bound",
    "Codes",
    "EfzError",
    "Entry",
    "File",
    "LayerBound",
    "Parts",
    "Summary",
    "entropy_bound",
    "load",
    "open",
    "save",
]
