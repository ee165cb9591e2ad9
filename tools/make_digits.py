"""Write efflab/data/digits.npz from scikit-learn's copy of the digits: ``python tools/make_digits.py``.

The test set is fixed here once and for all: every fifth image of a seeded order sorted by label, 360 of 1,797, so that
each class gives a fifth of its images. RandomState is used because NumPy promises that its numbers never change.
"""

import io
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "efflab" / "data" / "digits.npz"
SEED = 0


def stratified_fifth(labels: np.ndarray, seed: int) -> np.ndarray:
    """Sorted indices of a fifth of every class."""
    order = np.random.RandomState(seed).permutation(len(labels))
    return np.sort(order[np.argsort(labels[order], kind="stable")][::5])


def packed() -> bytes:
    """The file's content: images 0 to 16 as bytes, labels, indices of the test set."""
    digits = load_digits()
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        images=digits.images.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
        test=stratified_fifth(digits.target, SEED).astype(np.uint16),
    )
    return buffer.getvalue()


if __name__ == "__main__":
    TARGET.write_bytes(packed())
    sys.stdout.write(f"{TARGET}: {TARGET.stat().st_size} bytes\n")
