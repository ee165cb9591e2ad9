"""Deep Compression: prune, share weights, code them, and run what is left from its compressed form.

Source: S. Han, H. Mao, W. J. Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization
and Huffman Coding", ICLR 2016, arXiv:1510.00149.

>>> import torch
>>> from efflab import deep_compression
>>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8))
>>> report = deep_compression.compress_(model, config=deep_compression.Settings(sparsity=0.75, bits=4), progress=False)
>>> report.sparsity, report.rate > 8
(0.75, True)
>>> packing = deep_compression.pack_(model)
>>> packing.nbytes < packing.dense_bytes / 6, type(model[0]).__name__
(True, 'PackedLinear')
"""

from efflab.deep_compression.codes import PackedMatrix
from efflab.deep_compression.packed import PackedConv2d, PackedLayer, PackedLinear
from efflab.deep_compression.packing import Packing, load_packed, pack_
from efflab.deep_compression.procedure import compress_
from efflab.deep_compression.report import CompressionReport, LayerReport, StageError
from efflab.deep_compression.settings import Layer, Settings
from efflab.deep_compression.sizes import (
    StageSizes,
    expected_fillers,
    measured_sizes,
    stage_sizes,
    together,
)

__all__ = [
    "CompressionReport",
    "Layer",
    "LayerReport",
    "PackedConv2d",
    "PackedLayer",
    "PackedLinear",
    "PackedMatrix",
    "Packing",
    "Settings",
    "StageError",
    "StageSizes",
    "compress_",
    "expected_fillers",
    "load_packed",
    "measured_sizes",
    "pack_",
    "stage_sizes",
    "together",
]
