"""LeNet-300-100 and LeNet-5 as pruned in "Learning both Weights and Connections" (NIPS 2015, Tables 1 to 3)."""

from collections import OrderedDict

from torch import nn


def dropout_layer(rate: float, name: str) -> list[tuple[str, nn.Module]]:
    """A named dropout layer, or none where the rate is zero."""
    return [(name, nn.Dropout(rate))] if rate > 0 else []


def lenet_300_100(dropout: float = 0.0, classes: int = 10) -> nn.Sequential:
    """Fully connected network with hidden layers of 300 and 100 neurons: 266,610 parameters.

    Args:
        dropout: rate after each hidden layer.
        classes: outputs.

    Returns:
        Model from N x 1 x 28 x 28 (or N x 784) float32 to N x ``classes`` logits; its layers are ``fc1``, ``fc2``, ``fc3``.

    >>> sum(p.numel() for p in lenet_300_100().parameters())
    266610
    """
    layers: list[tuple[str, nn.Module]] = [
        ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(784, 300)),
        ("relu1", nn.ReLU()),
        *dropout_layer(dropout, "drop1"),
        ("fc2", nn.Linear(300, 100)),
        ("relu2", nn.ReLU()),
        *dropout_layer(dropout, "drop2"),
        ("fc3", nn.Linear(100, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


def lenet5(dropout: float = 0.0, classes: int = 10) -> nn.Sequential:
    """Caffe's LeNet-5, 20-50-500-10 without padding: 431,080 parameters.

    Caffe's definition rectifies only after ``fc1``. Table 3 lists 82 % and 72 % of the convolutions' outputs as non-zero,
    which needs a rectifier after them too, so it is here.

    Args:
        dropout: rate after the hidden fully connected layer.
        classes: outputs.

    Returns:
        Model from N x 1 x 28 x 28 float32 to N x ``classes`` logits; its layers are ``conv1``, ``conv2``, ``fc1``, ``fc2``.

    >>> sum(p.numel() for p in lenet5().parameters())
    431080
    """
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(1, 20, 5)),
        ("relu1", nn.ReLU()),
        ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(20, 50, 5)),
        ("relu2", nn.ReLU()),
        ("pool2", nn.MaxPool2d(2)),
        ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(800, 500)),
        ("relu3", nn.ReLU()),
        *dropout_layer(dropout, "drop1"),
        ("fc2", nn.Linear(500, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))
