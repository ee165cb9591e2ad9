"""Random numbers: one seed for everything, and generators that a run can be resumed with."""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (all devices).

    >>> seed_everything(0); first = torch.rand(1)
    >>> seed_everything(0); bool(torch.rand(1) == first)
    True
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - seeding the legacy global state is the purpose
    torch.manual_seed(seed)


def derived_seed(seed: int, *purpose: object) -> int:
    """A seed of 63 bits for one purpose, independent of those for others.

    >>> derived_seed(0, "order", 1) == derived_seed(0, "order", 2)
    False
    """
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


@contextlib.contextmanager
def forked(device: torch.device) -> Iterator[None]:
    """Leave torch's global generators as they were: the CPU's, and that of ``device``."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def start(seed: int, device: torch.device) -> None:
    """Seed the CPU's generator and that of ``device``, and no other."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def states(device: torch.device) -> dict[str, Tensor]:
    """States of the generators that ``start`` seeds."""
    found = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def restore(found: dict[str, Tensor], device: torch.device) -> None:
    """Put ``states`` back; a run that changes its device goes on with the generator as it is there."""
    torch.set_rng_state(found["cpu"])
    if device.type == "cuda" and "cuda" in found:
        torch.cuda.set_rng_state(found["cuda"], device)
