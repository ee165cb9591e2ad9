"""From the published formats to arrays: IDX (MNIST), the batches of CIFAR-10, and the embedded digits.

A header is never trusted: its numbers are compared with what is there before anything is allocated by them.
"""

import gzip
import importlib.resources
import io
import pickle
import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64, UInt8

from efflab.errors import DataError

Bytes = npt.NDArray[np.uint8]


class Labelled(NamedTuple):
    """Images, N x C x H x W of bytes, and their labels."""

    images: UInt8[np.ndarray, "n channels height width"]
    labels: Int64[np.ndarray, " n"]


def idx(packed: bytes, *, rank: int) -> Bytes:
    """Decode a gzipped IDX file of unsigned bytes.

    Args:
        packed: content of the ``.gz`` file.
        rank: number of dimensions expected: 3 for images, 1 for labels.

    Returns:
        The array, of the shape that the header names.

    Raises:
        DataError: it is not gzip, not IDX, or its length differs from what its header says.

    Source: the format's description on the home page of MNIST.
    """
    try:
        raw = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"an IDX file is damaged: it is no complete gzip file ({error})") from None
    start = 4 + 4 * rank
    if len(raw) < start or raw[:4] != bytes((0, 0, 8, rank)):
        raise DataError(
            f"an IDX file is damaged: it begins with {raw[:4].hex()}, expected 000008{rank:02x} and {rank} sizes"
        )
    shape = tuple(int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4))
    # Python's integers do not overflow, so sizes cannot wrap round to the right length.
    wanted = 1
    for size in shape:
        wanted *= size
    if len(raw) - start != wanted:
        raise DataError(
            f"an IDX file is damaged: its header names {shape}, {wanted} bytes, but {len(raw) - start} follow"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def idx_images(images: bytes, labels: bytes) -> Labelled:
    """Decode a pair of IDX files into 1-channel images and labels below 10.

    Raises:
        DataError: one is damaged, or they do not belong together.
    """
    x, y = idx(images, rank=3), idx(labels, rank=1)
    if len(x) != len(y) or (len(y) and y.max() >= 10):
        raise DataError(f"an IDX file is damaged: {len(x)} images, {len(y)} labels, expected labels 0 to 9")
    return Labelled(x[:, None], y.astype(np.int64))


class _NumpyOnly(pickle.Unpickler):
    """An unpickler that builds NumPy arrays and Python's own containers, and nothing else."""

    _ADMITTED = frozenset(
        {("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}
    )

    def find_class(self, module: str, name: str) -> Any:
        """The three names that a pickled array needs."""
        if (module, name) not in self._ADMITTED:
            raise DataError(
                f"a pickle is refused: it names {module}.{name}, and only NumPy arrays are admitted"
            )
        # NumPy 2 renamed the module; the old name would warn.
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def cifar_batch(pickled: bytes) -> Labelled:
    """Decode a batch of CIFAR-10 (python version) with an unpickler that admits NumPy arrays alone.

    Args:
        pickled: content of ``data_batch_N`` or ``test_batch``, already checked against its SHA-256.

    Returns:
        Images N x 3 x 32 x 32 and labels.

    Raises:
        DataError: it names anything but NumPy's array types, or is not such a batch.
    """
    try:
        batch = _NumpyOnly(io.BytesIO(pickled), encoding="bytes").load()
        data, labels = batch[b"data"], np.array(batch[b"labels"])
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle may raise anything
        raise DataError(f"a CIFAR-10 batch is damaged: {type(error).__name__}: {error}") from None
    good = (
        isinstance(data, np.ndarray)
        and data.dtype == np.uint8
        and data.shape == (labels.size, 3 * 32 * 32)
        and labels.dtype.kind == "i"
        and np.isin(labels, range(10)).all()
    )
    if not good:
        raise DataError("a CIFAR-10 batch is damaged: expected uint8 images of 3072 bytes and labels 0 to 9")
    return Labelled(data.reshape(-1, 3, 32, 32), labels.astype(np.int64))


def digits() -> tuple[Labelled, Labelled]:
    """The embedded digits, values 0 to 16, and their fixed split.

    Returns:
        Training and test images, N x 1 x 8 x 8.
    """
    packed = importlib.resources.files("efflab.data").joinpath("digits.npz").read_bytes()
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        images, labels, test = arrays["images"][:, None], arrays["labels"].astype(np.int64), arrays["test"]
    rest = np.setdiff1d(np.arange(len(labels)), test)
    return Labelled(images[rest], labels[rest]), Labelled(images[test], labels[test])
