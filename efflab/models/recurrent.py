"""Small LSTMs: a classifier of sequences of features, and a language model."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from efflab.errors import EfflabError

State = tuple[Float[Tensor, "layers n hidden"], Float[Tensor, "layers n hidden"]]


class LSTMClassifier(nn.Module):
    """LSTM over feature frames; the output of each sequence's last real frame is classified."""

    def __init__(self, features: int, hidden: int, layers: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            features, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, classes)

    def forward(
        self, x: Float[Tensor, "n frames features"], lengths: Int[Tensor, " sequences"] | None = None
    ) -> Float[Tensor, "n classes"]:
        """Classify sequences.

        Args:
            x: frames, N x T x F; what lies beyond a sequence's length is not looked at.
            lengths: real frames of each sequence, N integers from 1 to T; None to take frames of zeros at a sequence's end
                as padding, as the batches of ``efflab.data`` have it.

        Returns:
            Logits, N x classes.
        """
        outputs, _ = self.lstm(x)
        last = _at_end(outputs, _real_frames(x) if lengths is None else lengths)
        logits: Tensor = self.fc(self.drop(last))
        return logits


def _real_frames(x: Float[Tensor, "n frames features"]) -> Int64[Tensor, " n"]:
    """Number of the last frame that is not all zeros, counted from 1; 1 for a sequence of zeros alone."""
    real = (x != 0).any(2)
    return (real * torch.arange(1, x.shape[1] + 1, device=x.device)).amax(1).clamp(min=1)


def _at_end(
    outputs: Float[Tensor, "n frames hidden"], lengths: Int[Tensor, " sequences"]
) -> Float[Tensor, "n hidden"]:
    """The output at each sequence's last frame, N x H: the LSTM is causal, so padding behind it has no influence."""
    if lengths.shape != outputs.shape[:1]:
        raise EfflabError(
            f"lengths has shape {tuple(lengths.shape)}, expected one integer for each of {outputs.shape[0]} sequences"
        )
    rows = torch.arange(outputs.shape[0], device=outputs.device)
    return outputs[rows, lengths.to(outputs.device) - 1]


def lstm_classifier(
    features: int = 40, hidden: int = 128, layers: int = 1, classes: int = 10, dropout: float = 0.0
) -> LSTMClassifier:
    """LSTM for sequences such as spoken digits.

    Args:
        features: numbers a frame, F.
        hidden: width of the LSTM.
        layers: stacked LSTM layers.
        classes: outputs.
        dropout: rate between layers and before the classifier.

    Returns:
        Model from frames N x T x F float32, and optionally lengths (N integers), to N x ``classes`` logits.

    >>> model = lstm_classifier(features=13, hidden=8)
    >>> model(torch.zeros(2, 5, 13), torch.tensor([5, 3])).shape
    torch.Size([2, 10])
    """
    return LSTMClassifier(features, hidden, layers, classes, dropout)


class LSTMLanguageModel(nn.Module):
    """Embedding, stacked LSTM, matrix back to the vocabulary (as in Zaremba et al., arXiv:1409.2329)."""

    def __init__(
        self, vocabulary: int, embedding: int, hidden: int, layers: int, dropout: float, *, tied: bool
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(
            embedding, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.decoder = nn.Linear(hidden, vocabulary)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        if tied:
            self.decoder.weight = self.embedding.weight

    def step(
        self, tokens: Int64[Tensor, "n t"], state: State | None = None
    ) -> tuple[Float[Tensor, "n t vocabulary"], State]:
        """Predict the next token after each of ``tokens``, going on from ``state``.

        Args:
            tokens: N x T integers.
            state: what an earlier call returned, None at the start of a text.

        Returns:
            Logits N x T x vocabulary, and the state after the last token (two tensors, layers x N x hidden).
        """
        outputs, after = self.lstm(self.drop(self.embedding(tokens)), state)
        return self.decoder(self.drop(outputs)), after

    def forward(self, tokens: Int64[Tensor, "n t"]) -> Float[Tensor, "n t vocabulary"]:
        """Logits N x T x vocabulary for tokens N x T, from an empty state."""
        return self.step(tokens)[0]


def lstm_language_model(
    vocabulary: int = 65,
    *,
    embedding: int = 128,
    hidden: int = 128,
    layers: int = 1,
    dropout: float = 0.0,
    tied: bool = False,
) -> LSTMLanguageModel:
    """LSTM that predicts the next token; the default vocabulary is Tiny Shakespeare's 65 characters.

    Args:
        vocabulary: number of tokens.
        embedding: width of a token's vector.
        hidden: width of the LSTM.
        layers: stacked LSTM layers.
        dropout: rate after the embedding, between layers and before the decoder.
        tied: the decoder uses the embedding's weights (Press and Wolf, EACL 2017).

    Returns:
        Model from tokens N x T int64 to logits N x T x ``vocabulary``; ``model.step(tokens, state)`` carries the state on.

    Raises:
        EfflabError: ``tied`` with ``embedding`` different from ``hidden``.

    >>> lstm_language_model(tied=True)(torch.zeros(2, 7, dtype=torch.int64)).shape
    torch.Size([2, 7, 65])
    """
    if tied and embedding != hidden:
        raise EfflabError(
            f"tied weights need embedding == hidden, got embedding={embedding} and hidden={hidden}"
        )
    return LSTMLanguageModel(vocabulary, embedding, hidden, layers, dropout, tied=tied)
