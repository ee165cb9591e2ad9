"""Tensors of examples and labels, their batches, and the data sets made of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TypeVar, overload

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from efflab.errors import EfflabError

# Not typing.Self: beartype, which checks shapes in the tests, decorates methods one by one and cannot resolve it.
# ruff: noqa: PYI019 - for this reason
Part = TypeVar("Part", bound="Split")


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Examples and their labels.

    An index that is an integer gives one pair, so that ``torch.utils.data.DataLoader`` takes a split as it is; a slice,
    mask or tensor of indices gives a smaller split.

    Args:
        x: examples, the first axis counts them.
        y: labels, int64.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise EfflabError(f"x and y must be equally long; came {len(self.x)} and {len(self.y)}")

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({' x '.join(map(str, self.x.shape))})"

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]: ...
    @overload
    def __getitem__(self: Part, index: slice | Tensor) -> Part: ...
    def __getitem__(self: Part, index: int | slice | Tensor) -> tuple[Tensor, Tensor] | Part:
        if isinstance(index, int):
            return self.x[index], self.y[index]
        return self._map(lambda tensor: tensor[index])

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        drop_last: bool = False,
    ) -> "Batches":
        """Iterate over batches, as often as wanted.

        Args:
            batch_size: examples in a batch; the last one may be smaller.
            shuffle: whether each iteration takes a new order.
            generator: source of the orders; torch's global one where it is None.
            drop_last: leave out a smaller last batch.

        Returns:
            An iterable of pairs (examples, labels) that knows its length.

        Raises:
            EfflabError: ``batch_size`` is below 1.
        """
        if batch_size < 1:
            raise EfflabError(f"batch_size must be at least 1, came {batch_size}")
        return Batches(self, batch_size, shuffle, generator, drop_last)

    def to(self: Part, device: torch.device | str) -> Part:
        """The same split on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def take(self: Part, n: int) -> Part:
        """The first ``n`` examples.

        Raises:
            EfflabError: there are not so many.
        """
        if not 0 <= n <= len(self):
            raise EfflabError(f"n must lie between 0 and the {len(self)} examples of the split, came {n}")
        return self[:n]

    def _map(self: Part, change: Callable[[Tensor], Tensor]) -> Part:
        return replace(self, **{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def _batch(self, index: slice | Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(index, Tensor):  # much faster than indexing with it
            return self.x.index_select(0, index), self.y.index_select(0, index)
        return self.x[index], self.y[index]


@dataclass(frozen=True, eq=False, repr=False)
class SpeechSplit(Split):
    """Recordings as sequences of feature vectors, padded with zeros at their end.

    A frame of a recording is never all zeros, so the lengths can also be read back from a batch with ``lengths_of``.

    Args:
        x: N x T x F float32.
        y: labels, int64.
        lengths: frames of each recording, int64.
    """

    lengths: Int64[Tensor, " n"]

    def _batch(self, index: slice | Tensor) -> tuple[Tensor, Tensor]:
        """A batch, cut to its longest recording."""
        longest = int(self.lengths[index].max())
        return self.x[index, :longest], self.y[index]


def lengths_of(x: Float[Tensor, "n frames features"]) -> Int64[Tensor, " n"]:
    """Frames of each recording of a padded batch.

    >>> lengths_of(torch.tensor([[[1.0], [2.0], [0.0]], [[3.0], [0.0], [0.0]]]))
    tensor([2, 1])
    """
    return (x != 0).any(dim=2).sum(dim=1)


@dataclass(frozen=True, eq=False)
class Batches:
    """An iterable over the batches of a split; made by ``Split.batches``."""

    split: Split
    batch_size: int
    shuffle: bool = False
    generator: torch.Generator | None = None
    drop_last: bool = False

    def __len__(self) -> int:
        full, rest = divmod(len(self.split), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self._order()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            window = slice(start, start + self.batch_size)
            yield self.split._batch(window if order is None else order[window])  # noqa: SLF001 - the class's other half

    def _order(self) -> Int64[Tensor, " n"] | None:
        if not self.shuffle:
            return None
        source = self.generator.device if self.generator else torch.device("cpu")
        order = torch.randperm(len(self.split), generator=self.generator, device=source)
        return order.to(self.split.x.device)


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images N x C x H x W float32, and their labels.

    Args:
        name: of the data set.
        train: what to train on.
        test: what to test on, once.
        validation: what to choose on; None where none was asked for.
        classes: names of the labels.
    """

    name: str
    train: Split
    test: Split
    validation: Split | None
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SpeechData:
    """Spoken words as log-mel features N x T x F float32, their lengths and labels (see ``efflab.data.speech``).

    Args:
        name: of the data set.
        train: what to train on.
        test: what to test on, once.
        validation: what to choose on; None where none was asked for.
        classes: names of the labels.
    """

    name: str
    train: SpeechSplit
    test: SpeechSplit
    validation: SpeechSplit | None
    classes: tuple[str, ...]
