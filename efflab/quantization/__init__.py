"""Quantization: many weights share few values, or are rounded to integers.

Source: S. Han, H. Mao, W. J. Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained
Quantization and Huffman Coding", ICLR 2016, arXiv:1510.00149, section 3; linear quantization and integer arithmetic after
B. Jacob et al., CVPR 2018, arXiv:1712.05877.

>>> import torch
>>> from efflab import quantization
>>> model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
>>> sharing = quantization.share_weights_(model, quantization.KMeans(bits=2))
>>> _ = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)  # trains the centroids
>>> sharing.codebooks()["0.weight"].bits
2
"""

from efflab.quantization.calibration import Calibration, calibrate
from efflab.quantization.clustering import KMeans1D, kmeans, lloyd
from efflab.quantization.codebook import Codebook, assign, centroid_gradient, compression_rate, update
from efflab.quantization.configs import Affine, KMeans
from efflab.quantization.course import KMeansQuantizer, k_means_quantize
from efflab.quantization.initial import density_centroids, linear_centroids, random_centroids
from efflab.quantization.int8 import Int8Conv2d, Int8Linear, quantize_int8_
from efflab.quantization.linear import affine_parameters, dequantize, fake_quantize, integer_range, quantize
from efflab.quantization.optimal import optimal_centroids
from efflab.quantization.rounding import Rounding, quantize_
from efflab.quantization.sharing import SharedWeights, Sharing, share_weights_

__all__ = [
    "Affine",
    "Calibration",
    "Codebook",
    "Int8Conv2d",
    "Int8Linear",
    "KMeans",
    "KMeans1D",
    "KMeansQuantizer",
    "Rounding",
    "SharedWeights",
    "Sharing",
    "affine_parameters",
    "assign",
    "calibrate",
    "centroid_gradient",
    "compression_rate",
    "density_centroids",
    "dequantize",
    "fake_quantize",
    "integer_range",
    "k_means_quantize",
    "kmeans",
    "linear_centroids",
    "lloyd",
    "optimal_centroids",
    "quantize",
    "quantize_",
    "quantize_int8_",
    "random_centroids",
    "share_weights_",
    "update",
]
