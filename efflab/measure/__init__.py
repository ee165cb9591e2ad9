"""What a network costs: parameters, multiplications, activations, bytes, time and energy.

Counting follows the papers: a MAC is one multiplication with its addition, a FLOP half of one (FLOP = 2 x MAC), weights
leave out biases, and zero-padding is multiplied too. Symbols and constants come from :mod:`efflab.paper`.

>>> import torch
>>> from efflab import measure, models
>>> counted = measure.profile(models.lenet5(), torch.zeros(1, 1, 28, 28))
>>> counted.weights, counted.parameters, counted.macs
(430500, 431080, 2293000)
>>> [layer.macs for layer in counted.layers]
[288000, 1600000, 400000, 5000]
"""

from efflab.measure._bytes import bytes_by_dtype, file_bytes, saved_bytes
from efflab.measure._counting import Count, Use, conv_macs, count, linear_macs
from efflab.measure._energy import Energy, LayerEnergy, energy
from efflab.measure._latency import Latency, latency
from efflab.measure._profile import LayerCount, Profile
from efflab.measure._profiling import activations, macs, nonzeros, parameters, profile
from efflab.measure._roofline import Roofline, arithmetic_intensity, roofline

__all__ = [
    "Count",
    "Energy",
    "Latency",
    "LayerCount",
    "LayerEnergy",
    "Profile",
    "Roofline",
    "Use",
    "activations",
    "arithmetic_intensity",
    "bytes_by_dtype",
    "conv_macs",
    "count",
    "energy",
    "file_bytes",
    "latency",
    "linear_macs",
    "macs",
    "nonzeros",
    "parameters",
    "profile",
    "roofline",
    "saved_bytes",
]
