"""A recogniser of spoken digits around one LSTM layer of the paper's size.

The paper's network reads 153 numbers a frame and recognises phones of TIMIT, which is not free. Here four frames of 40 log-mel
features make one of 160, and the last output of a recording is classified as one of ten digits.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from efflab.ese._checks import whole
from efflab.ese.lstm import LSTM


class Recogniser(nn.Module):
    """LSTM with peepholes and projection, and a linear layer on the output of each recording's last frame.

    Args:
        features: numbers a frame.
        stack: frames put together into one input.
        hidden: cells.
        outputs: of the projection.
        classes: digits.
        longest: frames that are looked at; what a recording has beyond them is cut off.

    Raises:
        EfflabError: stack or longest is not a whole number of at least 1.

    >>> Recogniser(hidden=16, outputs=8)(torch.randn(3, 10, 40)).shape
    torch.Size([3, 10])
    """

    def __init__(  # noqa: PLR0917 - settings of a network
        self,
        features: int = 40,
        stack: int = 4,
        hidden: int = 1024,
        outputs: int = 512,
        classes: int = 10,
        longest: int = 100,
    ) -> None:
        super().__init__()
        self.stack, self.longest = whole("stack", stack), whole("longest", longest)
        self.lstm = LSTM(self.stack * features, hidden, outputs)
        self.fc = nn.Linear(outputs, classes)

    def frames(self, x: Float[Tensor, "n frames features"]) -> tuple[Tensor, Tensor]:
        """Stack frames, and leave out what is padding in all recordings.

        Args:
            x: N x T x features; frames of zeros at the end of a recording are padding.

        Returns:
            N x T x (stack features), and (N,) the number of stacked frames with something in them, at least 1.
        """
        x = x[:, : self.longest]
        real = (x != 0).any(2)
        lengths = (real * torch.arange(1, x.shape[1] + 1, device=x.device)).amax(1).clamp(min=1)
        stacked = (lengths + self.stack - 1) // self.stack
        whole = int(stacked.max()) * self.stack
        x = nn.functional.pad(x[:, :whole], (0, 0, 0, max(0, whole - x.shape[1])))
        return x.reshape(len(x), -1, self.stack * x.shape[2]), stacked

    def classify(self, y: Float[Tensor, "n frames outputs"], lengths: Tensor) -> Float[Tensor, "n classes"]:
        """Logits from the LSTM's outputs."""
        logits: Tensor = self.fc(y[torch.arange(len(y), device=y.device), lengths - 1])
        return logits

    def forward(self, x: Float[Tensor, "n frames features"]) -> Float[Tensor, "n classes"]:
        """Logits of recordings whose frames of zeros at the end are padding."""
        stacked, lengths = self.frames(x)
        return self.classify(self.lstm(stacked)[0], lengths)
