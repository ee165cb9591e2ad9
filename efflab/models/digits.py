"""The passport network: the small model that a student carries from lab to lab."""

from collections import OrderedDict

from torch import nn

from efflab.models.lenet import dropout_layer


def passport(dropout: float = 0.5, classes: int = 10) -> nn.Sequential:
    """Convolutional network for the 8x8 ``digits``: 9,802 parameters, most of them fully connected.

    Small enough to be pruned, quantised, encoded and simulated in seconds, and with a layer (``fc1``) that is large enough
    for the compression to be worth it. Shapes, for a batch of N:

    ======== ================== ============ =================
    layer    weight             parameters   output
    ======== ================== ============ =================
    conv1    8 x 1 x 3 x 3      80           N x 8 x 8 x 8
    conv2    16 x 8 x 3 x 3     1,168        N x 16 x 8 x 8
    pool                                     N x 16 x 4 x 4
    fc1      32 x 256           8,224        N x 32
    fc2      10 x 32            330          N x 10
    ======== ================== ============ =================

    ``efflab.training.fit(model, data.train, epochs=20, lr=0.1, batch_size=64)`` trains it in seconds.

    Args:
        dropout: rate before ``fc1``; without it the 1437 training images are learnt by heart.
        classes: outputs.

    Returns:
        Model from N x 1 x 8 x 8 float32 in [0, 1] to N x ``classes`` logits.

    >>> sum(p.numel() for p in passport().parameters())
    9802
    """
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(1, 8, 3, padding=1)),
        ("relu1", nn.ReLU()),
        ("conv2", nn.Conv2d(8, 16, 3, padding=1)),
        ("relu2", nn.ReLU()),
        ("pool", nn.MaxPool2d(2)),
        ("flatten", nn.Flatten()),
        *dropout_layer(dropout, "drop1"),
        ("fc1", nn.Linear(256, 32)),
        ("relu3", nn.ReLU()),
        ("fc2", nn.Linear(32, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))
