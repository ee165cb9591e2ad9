"""The networks of the papers, with torchvision's state-dict keys where torchvision has the network.

>>> from efflab import models
>>> models.get("lenet-300-100").fc1
Linear(in_features=784, out_features=300, bias=True)
"""

from efflab.models.cifar import resnet20, resnet32, resnet56, vgg_nagadomi
from efflab.models.digits import passport
from efflab.models.imagenet import alexnet, alexnet_torchvision, vgg16
from efflab.models.lenet import lenet5, lenet_300_100
from efflab.models.recurrent import lstm_classifier, lstm_language_model
from efflab.models.registry import get, input_shape, names, resolve
from efflab.models.squeezenet import squeezenet1_0, squeezenet1_1
from efflab.models.weights import load_weights, save_weights

__all__ = [
    "alexnet",
    "alexnet_torchvision",
    "get",
    "input_shape",
    "lenet5",
    "lenet_300_100",
    "load_weights",
    "lstm_classifier",
    "lstm_language_model",
    "names",
    "passport",
    "resnet20",
    "resnet32",
    "resnet56",
    "resolve",
    "save_weights",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg16",
    "vgg_nagadomi",
]
