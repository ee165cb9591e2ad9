"""Text as tokens: the characters of Tiny Shakespeare and the words of WikiText-2, and windows over them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from efflab.errors import EfflabError

END_OF_LINE = "<eos>"
Tokens = Int64[Tensor, " _tokens"]  # of any length each


@dataclass(frozen=True, eq=False)
class TextData:
    """A text as tensors of token numbers.

    Args:
        name: of the data set.
        train: tokens to train on, int64.
        validation: tokens to choose on.
        test: tokens to test on, once.
        vocabulary: token i is spelt ``vocabulary[i]``.
    """

    name: str
    train: Tokens
    validation: Tokens
    test: Tokens
    vocabulary: tuple[str, ...]

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{split}={len(getattr(self, split))}" for split in ("train", "validation", "test")
        )
        return f"TextData({self.name}, {counts}, vocabulary={len(self.vocabulary)})"

    def windows(self, split: str, batch_size: int, length: int) -> "Windows":
        """Windows over ``batch_size`` parallel streams of a split, for back-propagation through time.

        Args:
            split: train, validation or test.
            batch_size: number of equal streams that the split is cut into; a rest shorter than a token each is left out.
            length: tokens in a window; the last one may be shorter.

        Returns:
            An iterable of pairs (inputs, targets), each batch x length; targets are the inputs one token on, and row b
            of a window goes on where row b of the window before ended.

        Raises:
            EfflabError: the split's name is unknown, or a number does not fit the split.
        """
        if split not in {"train", "validation", "test"}:
            raise EfflabError(f"split must be train, validation or test, came {split!r}")
        tokens = getattr(self, split)
        if batch_size < 1 or length < 1 or len(tokens) // max(batch_size, 1) < 2:
            raise EfflabError(
                f"batch_size and length must be at least 1, and {len(tokens)} tokens must give each stream two;"
                f" came batch_size={batch_size}, length={length}"
            )
        return Windows(tokens, batch_size, length)

    def decode(self, tokens: Tokens) -> str:
        """Spell tokens: characters joined as they are, words with blanks between them."""
        between = "" if all(len(word) == 1 for word in self.vocabulary) else " "
        return between.join(self.vocabulary[token] for token in tokens.tolist())


@dataclass(frozen=True, eq=False, repr=False)
class Windows:
    """An iterable over the windows of a text; made by ``TextData.windows``."""

    tokens: Tokens
    batch_size: int
    length: int

    @property
    def streams(self) -> Int64[Tensor, "batch stream"]:
        """The text cut into equal streams, one a row."""
        steps = len(self.tokens) // self.batch_size
        return self.tokens[: steps * self.batch_size].view(self.batch_size, steps)

    def __len__(self) -> int:
        return math.ceil((self.streams.shape[1] - 1) / self.length)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        inputs, targets = self.streams[:, :-1], self.streams[:, 1:]
        for start in range(0, inputs.shape[1], self.length):
            yield inputs[:, start : start + self.length], targets[:, start : start + self.length]


def characters(name: str, text: str, sizes: tuple[int, int, int]) -> TextData:
    """Number the characters of a text in their sorted order and cut it into train, validation and test.

    Args:
        name: of the data set.
        text: the whole text.
        sizes: characters in each split, which follow one another.

    >>> data = characters("abba", "abba", (2, 1, 1))
    >>> data.vocabulary, data.train, data.test
    (('a', 'b'), tensor([0, 1]), tensor([0]))
    """
    vocabulary = tuple(sorted(set(text)))
    number = {character: i for i, character in enumerate(vocabulary)}
    tokens = torch.tensor([number[character] for character in text])
    train, validation, test = torch.split(tokens, list(sizes))
    return TextData(name, train, validation, test, vocabulary)


def words(name: str, train: str, validation: str, test: str) -> TextData:
    r"""Number the words of three texts in the order of their first appearance, with an end-of-line token a line.

    Args:
        name: of the data set.
        train: training text, words separated by blanks.
        validation: validation text.
        test: test text.

    >>> words("two", "a b\n", "b\n", "a\n").vocabulary
    ('a', 'b', '<eos>')
    """
    number: dict[str, int] = {}

    def tokens(text: str) -> Tokens:
        spelt = text.replace("\n", f" {END_OF_LINE} ").split()
        return torch.tensor([number.setdefault(word, len(number)) for word in spelt])

    numbered = tokens(train), tokens(validation), tokens(test)
    return TextData(name, *numbered, tuple(number))
