"""Networks for CIFAR-10: the residual networks of He et al. and VGG-nagadomi."""

from collections import OrderedDict

import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from jaxtyping import Float
from torch import Tensor, nn

from efflab.models.imagenet import convolution_stages, initialise_rectified


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (He et al., CVPR 2016, section 3.3, option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.stride = stride
        self.added = outputs - inputs

    def shortcut(self, x: Float[Tensor, "n inputs h w"]) -> Float[Tensor, "n outputs a b"]:
        """The input at the block's stride, with channels of zeros added half before and half behind."""
        if self.stride == 1 and self.added == 0:
            return x
        before = self.added // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.added - before))

    def forward(self, x: Float[Tensor, "n inputs h w"]) -> Float[Tensor, "n outputs a b"]:
        """Feature maps N x outputs x H/stride x W/stride."""
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu(residual + self.shortcut(x))
        return out


class ResNetCifar(nn.Module):
    """Residual network of 6n + 2 layers for 32x32 images (He et al., section 4.2); keys as in torchvision's ResNets."""

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._stage(16, 16, blocks, 1)
        self.layer2 = self._stage(16, 32, blocks, 2)
        self.layer3 = self._stage(32, 64, blocks, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
        rest = (BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1))
        return nn.Sequential(BasicBlock(inputs, outputs, stride), *rest)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Logits (N x classes) of images (N x 3 x 32 x 32)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        out: Tensor = self.fc(self.avgpool(x).flatten(1))
        return out


def resnet20(classes: int = 10) -> ResNetCifar:
    """ResNet-20 for N x 3 x 32 x 32 images: 0.27 M parameters (He et al., Table 6)."""
    return ResNetCifar(3, classes)


def resnet32(classes: int = 10) -> ResNetCifar:
    """ResNet-32 for N x 3 x 32 x 32 images: 0.46 M parameters (He et al., Table 6)."""
    return ResNetCifar(5, classes)


def resnet56(classes: int = 10) -> ResNetCifar:
    """ResNet-56 for N x 3 x 32 x 32 images: 0.85 M parameters (He et al., Table 6)."""
    return ResNetCifar(9, classes)


def vgg_nagadomi(classes: int = 10) -> nn.Sequential:
    """VGG-nagadomi: eight 3x3 convolutions and matrices 4096-1024-1024-10, without batch normalisation.

    The layers conv0 to conv7 of Liu et al., "Efficient Sparse-Winograd Convolutional Neural Networks" (ICLR 2018,
    Table 1), are ``features.0``, ``2``, ``6``, ``8``, ``12``, ``14``, ``16``, ``18``: 228.26 M MACs, and 5.25 M in the
    classifier. The network is nagadomi's for the CIFAR-10 competition: dropout 0.25 after each pooling, 0.5 after each
    hidden matrix.

    Args:
        classes: outputs.

    Returns:
        Model from N x 3 x 32 x 32 float32 to N x ``classes`` logits.
    """
    features = convolution_stages(((64, 64), (128, 128), (256, 256, 256, 256)), 3, dropout=0.25)
    classifier = nn.Sequential(
        nn.Linear(256 * 4 * 4, 1024),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(1024, 1024),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(1024, classes),
    )
    model = nn.Sequential(OrderedDict(features=features, flatten=nn.Flatten(), classifier=classifier))
    initialise_rectified(model)
    for layer in classifier:
        if isinstance(layer, nn.Linear):
            # Deviation 0.01 suits VGG-16's width; here it would start the signal far too small.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return model
