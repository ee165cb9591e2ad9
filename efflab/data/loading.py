"""``load``: from a data set's name to tensors ready for use."""

from typing import Literal, overload

import numpy as np
import torch
from jaxtyping import UInt8

from efflab.data import decode, speech
from efflab.data.catalog import describe
from efflab.data.fetch import read
from efflab.data.info import Info
from efflab.data.split import ImageData, SpeechData, SpeechSplit, Split
from efflab.data.text import TextData, characters, words
from efflab.errors import DataError, EfflabError

DIGITS_MAXIMUM = 16


@overload
def load(
    name: Literal["digits", "mnist", "fashion-mnist", "cifar-10"] = "digits",
    *,
    validation: int = 0,
    seed: int = 0,
) -> ImageData: ...
@overload
def load(name: Literal["spoken-digits"], *, validation: int = 0, seed: int = 0) -> SpeechData: ...
@overload
def load(
    name: Literal["tiny-shakespeare", "wikitext-2"], *, validation: int = 0, seed: int = 0
) -> TextData: ...
@overload
def load(name: str, *, validation: int = 0, seed: int = 0) -> ImageData | SpeechData | TextData: ...
def load(name: str = "digits", *, validation: int = 0, seed: int = 0) -> ImageData | SpeechData | TextData:
    """Load a data set, from this machine if it is there, else from its official address.

    ``digits`` has pixels in [0, 1]. MNIST, Fashion-MNIST and CIFAR-10 are normalised: pixels in [0, 1], minus the mean of
    the training images, divided by their standard deviation, by channel (``describe(name).mean`` and ``.std``). The
    spoken digits are log-mel features (``efflab.data.speech``). Texts are tokens.

    Args:
        name: one of ``names()``.
        validation: that many examples are taken from the training set, from the end of a seeded permutation; both parts
            keep the order of the file. Texts have a validation part of their own.
        seed: of the permutation; the same seed gives the same examples.

    Returns:
        ImageData, SpeechData or TextData.

    Raises:
        DataError: no data set has this name, or it is neither here nor to be had.
        EfflabError: ``validation`` does not leave a training set.

    >>> data = load("digits", validation=200)
    >>> data.train, data.validation, data.test
    (Split(1237 x 1 x 8 x 8), Split(200 x 1 x 8 x 8), Split(360 x 1 x 8 x 8))
    """
    info = describe(name)
    if not info.classes:
        if validation:
            raise EfflabError(f"{info.name} has a validation part of its own, came validation={validation}")
        return _text(info)
    if not 0 <= validation < info.splits["train"]:
        raise EfflabError(
            f"validation must be at least 0 and below the {info.splits['train']} training examples of {info.name},"
            f" came {validation}"
        )
    kept, held_out = _held_out(info.splits["train"], validation, seed)
    return _speech(info, kept, held_out) if info.unit == "recordings" else _images(info, kept, held_out)


def _held_out(count: int, validation: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    return np.sort(order[: count - validation]), np.sort(order[count - validation :])


def _images(info: Info, kept: np.ndarray, held_out: np.ndarray) -> ImageData:
    train, test = _raw_images(info)

    def split(part: decode.Labelled) -> Split:
        return Split(_normalise(part.images, info), torch.from_numpy(part.labels))

    def some(index: np.ndarray) -> decode.Labelled:
        return decode.Labelled(train.images[index], train.labels[index])

    return ImageData(
        info.name,
        train=split(some(kept) if len(held_out) else train),
        test=split(test),
        validation=split(some(held_out)) if len(held_out) else None,
        classes=info.classes,
    )


def _raw_images(info: Info) -> tuple[decode.Labelled, decode.Labelled]:
    """Training and test images as bytes, as many as the catalogue says."""
    if not info.files:
        parts = decode.digits()
    elif info.name == "cifar-10":
        # One batch at a time: the pickles together are as large as the images.
        *train, test = (decode.cifar_batch(read(file, info)) for file in info.files)
        parts = decode.Labelled(*map(np.concatenate, zip(*train, strict=True))), test
    else:
        train_x, train_y, test_x, test_y = (read(file, info) for file in info.files)
        parts = decode.idx_images(train_x, train_y), decode.idx_images(test_x, test_y)
    counts = [len(part.labels) for part in parts]
    if counts != list(info.splits.values()):
        raise DataError(f"{info.name} is damaged: {counts} images, expected {list(info.splits.values())}")
    return parts


def _normalise(images: UInt8[np.ndarray, "n channels height width"], info: Info) -> torch.Tensor:
    x = torch.from_numpy(images.astype(np.float32))
    if not info.mean:
        return x.div_(DIGITS_MAXIMUM)
    mean, std = (torch.tensor(value)[:, None, None] for value in (info.mean, info.std))
    return x.sub_(255 * mean).div_(255 * std)


def _speech(info: Info, kept: np.ndarray, held_out: np.ndarray) -> SpeechData:
    (file,) = info.files
    recordings = speech.cached(file.sha256)
    if recordings is None:
        recordings = speech.standardise(speech.from_tar(read(file, info)))
        speech.keep(recordings, file.sha256)
    x, y, lengths = map(torch.from_numpy, (speech.pad(recordings), recordings.labels, recordings.lengths))
    train = np.flatnonzero(~recordings.test)

    def split(index: np.ndarray) -> SpeechSplit:
        return SpeechSplit(x[index], y[index], lengths[index])

    return SpeechData(
        info.name,
        train=split(train[kept]),
        test=split(np.flatnonzero(recordings.test)),
        validation=split(train[held_out]) if len(held_out) else None,
        classes=info.classes,
    )


def _text(info: Info) -> TextData:
    texts = [read(file, info).decode() for file in info.files]
    if len(texts) == 1:
        train, validation, test = info.splits.values()
        return characters(info.name, texts[0], (train, validation, test))
    return words(info.name, *texts)
