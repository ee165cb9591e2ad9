"""SqueezeNet 1.0 and 1.1 (Iandola et al., arXiv:1602.07360v4, Table 1), with torchvision's state-dict keys."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Fire(nn.Module):
    """Squeeze 1x1, then expand 1x1 and 3x3 side by side (section 3.2).

    Args:
        inputs: channels that come in.
        s1x1: squeeze channels.
        e1x1: 1x1 expand channels.
        e3x3: 3x3 expand channels; the output has ``e1x1 + e3x3``.
    """

    def __init__(self, inputs: int, s1x1: int, e1x1: int, e3x3: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, s1x1, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(s1x1, e1x1, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(s1x1, e3x3, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "n inputs h w"]) -> Float[Tensor, "n outputs h w"]:
        """Feature maps N x (e1x1 + e3x3) x H x W."""
        x = self.squeeze_activation(self.squeeze(x))
        ones = self.expand1x1_activation(self.expand1x1(x))
        threes = self.expand3x3_activation(self.expand3x3(x))
        return torch.cat((ones, threes), 1)


class SqueezeNet(nn.Module):
    """Feature layers of Fire modules, then a 1x1 convolution to the classes and global average pooling."""

    def __init__(self, features: nn.Sequential, classes: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        final = nn.Conv2d(512, classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), final, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                if layer is final:
                    nn.init.normal_(layer.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Logits (N x classes) of images (N x 3 x H x W)."""
        return torch.flatten(self.classifier(self.features(x)), 1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


def squeezenet1_0(classes: int = 1000, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet 1.0, the network of the paper: 1,248,424 parameters.

    Args:
        classes: outputs.
        dropout: rate before the last convolution.

    Returns:
        Model from N x 3 x 227 x 227 float32 to N x ``classes`` logits. 227 pixels give the sizes of Table 1 (111 x 111
        after conv1); torchvision's 224, and any other size, works too.
    """
    features = nn.Sequential(
        nn.Conv2d(3, 96, 7, stride=2),
        nn.ReLU(inplace=True),
        _pool(),
        Fire(96, 16, 64, 64),
        Fire(128, 16, 64, 64),
        Fire(128, 32, 128, 128),
        _pool(),
        Fire(256, 32, 128, 128),
        Fire(256, 48, 192, 192),
        Fire(384, 48, 192, 192),
        Fire(384, 64, 256, 256),
        _pool(),
        Fire(512, 64, 256, 256),
    )
    return SqueezeNet(features, classes, dropout)


def squeezenet1_1(classes: int = 1000, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet 1.1, the authors' later network of 2.4 times fewer multiplications: 1,235,496 parameters.

    Args:
        classes: outputs.
        dropout: rate before the last convolution.

    Returns:
        Model from N x 3 x 224 x 224 float32 to N x ``classes`` logits.
    """
    features = nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(inplace=True),
        _pool(),
        Fire(64, 16, 64, 64),
        Fire(128, 16, 64, 64),
        _pool(),
        Fire(128, 32, 128, 128),
        Fire(256, 32, 128, 128),
        _pool(),
        Fire(256, 48, 192, 192),
        Fire(384, 48, 192, 192),
        Fire(384, 64, 256, 256),
        Fire(512, 64, 256, 256),
    )
    return SqueezeNet(features, classes, dropout)
