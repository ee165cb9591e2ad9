"""AlexNet and VGG-16 on 1000 classes, with torchvision's state-dict keys."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

_VGG16_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class FeaturesClassifier(nn.Module):
    """``features``, average pooling to a fixed size, ``classifier``: the frame of AlexNet and VGG in torchvision."""

    def __init__(self, features: nn.Sequential, size: int, classifier: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((size, size))
        self.classifier = classifier

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Logits (N x classes) of images (N x 3 x H x W)."""
        out: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return out


def _rectified(*, normalise: bool) -> nn.Module:
    """ReLU, with AlexNet's response normalisation behind it (section 3.3; k = 1 and alpha / n as in Caffe)."""
    if not normalise:
        return nn.ReLU(inplace=True)
    return nn.Sequential(nn.ReLU(inplace=True), nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0))


def _alexnet_features(channels: Sequence[int], groups: int, padding: int) -> nn.Sequential:
    c1, c2, c3, c4, c5 = channels
    grouped = groups > 1
    return nn.Sequential(
        nn.Conv2d(3, c1, 11, stride=4, padding=padding),
        _rectified(normalise=grouped),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(c1, c2, 5, padding=2, groups=groups),
        _rectified(normalise=grouped),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(c2, c3, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(c3, c4, 3, padding=1, groups=groups),
        nn.ReLU(inplace=True),
        nn.Conv2d(c4, c5, 3, padding=1, groups=groups),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
    )


def _initialise_as_published(model: FeaturesClassifier) -> None:
    """Gaussian weights of deviation 0.01; ones as biases of conv2, conv4, conv5 and the hidden layers (section 5)."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for index, layer in enumerate(layers):
        nn.init.normal_(layer.weight, std=0.01)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, 1.0 if index in {1, 3, 4, 5, 6} else 0.0)


def alexnet(grouped: bool = True, classes: int = 1000, dropout: float = 0.5) -> FeaturesClassifier:
    """AlexNet, as published on two GPUs or as torchvision has it.

    Args:
        grouped: True for the network of Krizhevsky et al. (NIPS 2012) as Caffe defines it and as Deep Compression prunes it:
            96-256-384-384-256 channels, conv2, conv4 and conv5 in two groups, response normalisation, 227 x 227 input,
            60,965,224 parameters. False for torchvision's: 64-192-384-256-256, one group, 224 x 224, 61,100,840.
        classes: outputs.
        dropout: rate before each hidden fully connected layer.

    Returns:
        Model from N x 3 x 227 x 227 (grouped) or N x 3 x 224 x 224 to logits. Both have their five convolutions at
        ``features.0``, ``3``, ``6``, ``8``, ``10`` and their three matrices at ``classifier.1``, ``4``, ``6``.
    """
    channels = (96, 256, 384, 384, 256) if grouped else (64, 192, 384, 256, 256)
    classifier = nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(channels[-1] * 6 * 6, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Linear(4096, classes),
    )
    features = _alexnet_features(channels, groups=2 if grouped else 1, padding=0 if grouped else 2)
    model = FeaturesClassifier(features, 6, classifier)
    if grouped:
        _initialise_as_published(model)
    return model


def alexnet_torchvision(classes: int = 1000, dropout: float = 0.5) -> FeaturesClassifier:
    """``alexnet(grouped=False)``: the network whose weights torchvision distributes, 61,100,840 parameters."""
    return alexnet(grouped=False, classes=classes, dropout=dropout)


def convolution_stages(stages: Sequence[Sequence[int]], channels: int, dropout: float = 0.0) -> nn.Sequential:
    """3x3 convolutions with ReLU, each stage closed by 2x2 max-pooling (and dropout where its rate is not zero)."""
    layers: list[nn.Module] = []
    for stage in stages:
        for width in stage:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def initialise_rectified(model: nn.Module) -> None:
    """He's initialisation by fan-out for convolutions, N(0, 0.01) for matrices, zero biases (as torchvision's VGG)."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.01)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def vgg16(classes: int = 1000, dropout: float = 0.5) -> FeaturesClassifier:
    """VGG-16, configuration D (Simonyan and Zisserman, ICLR 2015, Table 1): 138,357,544 parameters.

    Args:
        classes: outputs.
        dropout: rate after each hidden fully connected layer.

    Returns:
        Model from N x 3 x 224 x 224 float32 to N x ``classes`` logits.
    """
    classifier = nn.Sequential(
        nn.Linear(512 * 7 * 7, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(4096, classes),
    )
    model = FeaturesClassifier(convolution_stages(_VGG16_STAGES, 3), 7, classifier)
    initialise_rectified(model)
    return model
