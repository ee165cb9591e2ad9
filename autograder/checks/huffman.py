"""Hidden checks of lab 03, Huffman coding. Oracles share no code with `efflab.huffman`, `efflab.sparse` or `efflab.efz`.

Those of tasks 4, 5 and the challenge stand here, the others in `huffman_codes`; `huffman_file` reads the challenge's file.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from autograder.checks.huffman_codes import *  # noqa: F403 - tasks 1 to 3, collected from here
from autograder.checks.huffman_codes import Array, Rng, best_cost
from autograder.checks.huffman_file import index_oracle, largest_size, read
from autograder.checks.pruning import trained_network
from autograder.tasks import Callback, Student, expect, task


def draw_codes(rng: Rng, size: int, density: float, most: int = 15) -> Array:
    """Flat codes, zero where a weight is removed."""
    return np.where(rng.random(size) < density, rng.integers(1, most + 1, size=size), 0)


def the_entries(student: Student, codes: Array, bits: int) -> tuple[Array, Array]:
    """The student's gaps and values, as two flat arrays of equal size."""
    got = student.call("relative_index", codes, bits)
    expect.true(isinstance(got, (tuple, list)) and len(got) == 2, "Two things come back: gaps and values.")
    gaps, values = expect.array(got[0], "the gaps"), expect.array(got[1], "the values")
    expect.true(gaps.ndim == values.ndim == 1, "Gaps and values should be flat.")
    expect.equal(values.size, gaps.size, "the number of values, beside the gaps")
    return gaps, values


@task("huffman-4", points=2)
def counts_the_zeros_between(student: Student, rng: Rng) -> None:
    """Each gap is the number of zeros before its entry, with fillers where they do not fit, for any width. Hint: a filler stands for 2 ** bits zeros."""
    for bits, density in ((1, 0.3), (2, 0.2), (3, 0.1), (4, 0.05), (5, 0.02), (8, 0.004)):
        codes = draw_codes(rng, 2000, density)
        gaps, values = the_entries(student, codes, bits)
        right = index_oracle(codes, bits)
        expect.equal(gaps, right[0], f"the gaps of {bits} bits")
        expect.equal(values, right[1], f"the values beside gaps of {bits} bits")


@task("huffman-4", points=1)
def fills_only_where_needed(student: Student, rng: Rng) -> None:
    """A run of 2 ** bits - 1 zeros needs no filler, one more zero needs one, and so on at each multiple. Hint: whole fillers and remainder come from one division."""
    for bits in (1, 3, 4):
        for zeros in (0, 2**bits - 1, 2**bits, 2 ** (bits + 1) - 1, 2 ** (bits + 1), 5 * 2**bits + 1):
            codes = np.array([0] * zeros + [int(rng.integers(1, 9))])
            gaps, values = the_entries(student, codes, bits)
            what = f"of a weight behind {zeros} zeros, with gaps of {bits} bits"
            expect.equal(gaps.size, zeros // 2**bits + 1, f"the number of entries {what}")
            expect.equal(gaps[-1], zeros % 2**bits, f"the last gap {what}")
            expect.equal(values, [0] * (gaps.size - 1) + [codes[-1]], f"the values {what}")


@task("huffman-4", points=1)
def forgets_trailing_zeros(student: Student, rng: Rng) -> None:
    """The zeros behind the last weight leave no entry, and a layer of zeros none at all. Hint: begin with the weights, not with the zeros."""
    for bits in (2, 4):
        head = draw_codes(rng, 60, 0.3)
        head[-1] = 3
        tail = np.zeros(int(rng.integers(40, 90)), int)
        gaps, values = the_entries(student, np.concatenate([head, tail]), bits)
        right = index_oracle(head, bits)
        expect.equal(gaps, right[0], "the gaps of a layer that ends in zeros")
        expect.equal(values, right[1], "the values of a layer that ends in zeros")
        gaps, _ = the_entries(student, tail, bits)
        expect.equal(gaps.size, 0, "the number of entries of a layer of zeros")


@task("huffman-4", points=2)
def puts_everything_back(student: Student, rng: Rng) -> None:
    """The codes come back from gaps and values, fillers among them, as many as the layer has weights. Hint: the position is the sum of gap + 1 so far, minus 1."""
    for bits, density in ((2, 0.1), (4, 0.05), (6, 0.4)):
        codes = draw_codes(rng, int(rng.integers(300, 900)), density)
        codes[-int(rng.integers(3, 30)) :] = 0
        gaps, values = (np.array(part) for part in index_oracle(codes, bits))
        got = expect.shape(student.call("dense_codes", gaps, values, codes.size), codes.shape, "the codes")
        expect.equal(got, codes, f"the codes from gaps of {bits} bits")


@task("huffman-4", points=1)
def edges_of_a_layer(student: Student, rng: Rng) -> None:
    """A weight may stand first or last, all may be left, or none. Hint: the first entry with gap 0 is at position 0."""
    first, last = np.zeros(30, int), np.zeros(30, int)
    first[0], last[29] = rng.integers(1, 9, size=2)
    for codes in (first, last, rng.integers(1, 9, size=30), np.zeros(30, int)):
        gaps, values = (np.array(part, dtype=int) for part in index_oracle(codes, 3))
        got = student.call("dense_codes", gaps, values, 30)
        expect.equal(expect.shape(got, (30,), "the codes"), codes, "the codes of a layer")
        found = the_entries(student, codes, 3)
        expect.equal(found[0], gaps, "the gaps of the same layer")


class Coder:
    """A coder for `table_row`, which also knows what it was asked."""

    def __init__(self, *, best: bool) -> None:
        self.best, self.calls = best, 0

    def __call__(self, counts: Any) -> list[int]:
        """The lengths for counts in any order of the symbols."""
        given = expect.array(counts, "the counts given to the coder")
        fits = given.ndim == 1 and 0 < given.size <= 1024 and given.dtype.kind in "iuf"
        expect.true(fits, "The coder takes the counts of all symbols, one after the other.")
        self.calls += 1
        expect.true(self.calls <= 20, "The coder was asked more often than a row needs.")
        return huffman_oracle(given) if self.best else [self.odd(int(count)) for count in given]

    @staticmethod
    def odd(count: int) -> int:
        """Lengths that no good code has."""
        return 2 + count % 5 if count else 0

    def mean(self, symbols: Array) -> float:
        """The mean length of symbols by this coder."""
        counts = np.bincount(symbols)
        bits = best_cost(counts) if self.best else sum(int(c) * self.odd(int(c)) for c in counts)
        return bits / len(symbols)


def huffman_oracle(counts: Array) -> list[int]:
    """Lengths of an optimal code, by a list that is searched for the lightest two."""
    groups = [(float(count), [symbol]) for symbol, count in enumerate(counts) if count > 0]
    lengths = [int(len(groups) == 1 and count > 0) for count in counts]
    while len(groups) > 1:
        pair = [groups.pop(min(range(len(groups)), key=lambda place: groups[place][0])) for _ in range(2)]
        below = pair[0][1] + pair[1][1]
        for symbol in below:
            lengths[symbol] += 1
        groups.append((pair[0][0] + pair[1][0], below))
    return lengths


def row_oracle(
    size: int, entries: tuple[Array, Array], bits: int, index_bits: int, coder: Coder
) -> dict[str, float]:
    """The row, summed up in bits."""
    gaps, values = entries
    dense, book = 32 * size, 32 * 2**bits
    fixed = sum(bits + index_bits for _ in gaps) + book
    coded = len(gaps) * coder.mean(values) + len(gaps) * coder.mean(gaps) + book
    return {
        "weights_pct": 100 * sum(bool(value) for value in values) / size,
        "weight_bits": bits,
        "index_bits": index_bits,
        "rate_pct": 100 * fixed / dense,
        "weight_bits_huffman": coder.mean(values),
        "index_bits_huffman": coder.mean(gaps),
        "rate_pct_huffman": 100 * coded / dense,
    }


def rows(
    student: Student, rng: Rng, *, best: bool = True
) -> list[tuple[Mapping[str, Any], dict[str, float], Coder]]:
    """The student's rows of some layers, and what they should be."""
    found = []
    for bits, index_bits, density in ((3, 2, 0.1), (4, 4, 0.06), (5, 3, 0.3)):
        size = int(rng.integers(800, 2000))
        # Some codes are frequent and some do not occur, so that means, widths and alphabets all differ.
        codes = np.where(rng.random(size) < density, 1 + rng.binomial(2**bits - 2, 0.3, size=size), 0)
        codes[[5, size // 2]] = 1, 2
        gaps, values = (np.array(part) for part in index_oracle(codes, index_bits))
        asked = Coder(best=best)
        got = student.call("table_row", size, gaps, values, bits, index_bits, Callback(asked))
        right = row_oracle(size, (gaps, values), bits, index_bits, Coder(best=best))
        expect.true(isinstance(got, dict), "The row should be a dict of numbers by column.")
        for column in right:
            expect.true(column in got, f"The row has no column {column}.")
        found.append((got, right, asked))
    return found


def _columns(found: Any, *names: str) -> None:
    for got, right, _ in found:
        for name in names:
            expect.close(expect.number(got[name], name), right[name], name, rtol=1e-6)


@task("huffman-5", points=2)
def pruned_and_quantised(student: Student, rng: Rng) -> None:
    """Weights left, widths and the rate before Huffman coding. Hint: fillers are entries but no weights; the codebook has 2 ** bits numbers of 32 bits."""
    _columns(rows(student, rng), "weights_pct", "weight_bits", "index_bits", "rate_pct")


@task("huffman-5", points=3)
def huffman_coded(student: Student, rng: Rng) -> None:
    """The mean lengths over all entries, and the rate that they give; no other column comes back. Hint: weigh each length by its count, fillers included."""
    found = rows(student, rng)
    _columns(found, "weight_bits_huffman", "index_bits_huffman", "rate_pct_huffman")
    for got, right, _ in found:
        expect.equal(sorted(got), sorted(right), "the names of the columns")


@task("huffman-5", points=1)
def asks_the_coder(student: Student, rng: Rng) -> None:
    """The lengths come from the coder that was given, even if it is a bad one. Hint: call `coder` with the counts."""
    found = rows(student, rng, best=False)
    expect.true(all(asked.calls for _, _, asked in found), "The coder that was given should be asked.")
    _columns(found, "weight_bits_huffman", "index_bits_huffman", "rate_pct_huffman")


LIMIT = 2.0
"""Percentage points of accuracy that the network in the challenge's file may lose on images never seen."""
FULL = 3 / 4
"""The part of the first file's bytes that earns full points."""
CENTROIDS = 15
KEEP = {"conv1.weight": 0.7, "conv2.weight": 0.18, "fc1.weight": 0.07, "fc2.weight": 0.5}
ROUNDS = 4


def _largest(weight: torch.Tensor, kept: int) -> torch.Tensor:
    order = np.argsort(-np.abs(weight.numpy().ravel()), kind="stable")
    mask = np.zeros(order.size, bool)
    mask[order[:kept]] = True
    return torch.from_numpy(mask.reshape(tuple(weight.shape)))


def _shared(weight: torch.Tensor) -> torch.Tensor:
    """The weight with at most `CENTROIDS` non-zero values, by Lloyd's algorithm from evenly spaced ones."""
    flat = weight.numpy().ravel().astype(np.float64)
    left = flat[flat != 0]
    centres = np.linspace(left.min(), left.max(), CENTROIDS)
    for _ in range(40):
        nearest = np.abs(left[:, None] - centres).argmin(axis=1)
        sums, sizes = np.bincount(nearest, left, CENTROIDS), np.bincount(nearest, minlength=CENTROIDS)
        centres = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres)
    flat[flat != 0] = centres[nearest]
    return torch.from_numpy(flat.astype(np.float32).reshape(tuple(weight.shape)))


@functools.lru_cache(maxsize=4)
def compressed_network(seed: int) -> tuple[dict[str, torch.Tensor], Any, Any]:
    """A pruned and quantised network's state, its training images, and images that it has not seen, drawn by the seed."""
    from efflab import models, training  # noqa: PLC0415 - this check alone needs them

    state, train, held_out = trained_network(seed)
    network = models.passport()
    network.load_state_dict(state)
    for number in range(1, ROUNDS + 1):
        masks = {
            name: _largest(network.get_parameter(name).detach(), round(state[name].numel() * share ** (number / ROUNDS)))
            for name, share in KEEP.items()
        }  # fmt: skip

        def erase(masks: Mapping[str, torch.Tensor] = masks) -> None:
            with torch.no_grad():
                for name, mask in masks.items():
                    network.get_parameter(name).mul_(mask)

        erase()
        training.fit(
            network,
            train,
            epochs=6,
            lr=0.1,
            weight_decay=1e-3,
            seed=seed,
            after_step=erase,
            progress=False,
        )
    final = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return {n: _shared(value) if n in KEEP else value for n, value in final.items()}, train, held_out


def _accuracy(network: torch.nn.Module, parameters: Mapping[str, torch.Tensor], images: Any) -> float:
    from efflab import training  # noqa: PLC0415 - this check alone needs it

    network.load_state_dict(parameters)
    return 100 * training.evaluate(network, images).accuracy


@task("huffman-challenge", points=4)
def few_bytes(student: Student, rng: Rng, shared: Rng) -> float:
    """A file that the grader reads, whose network is at most two points less accurate on images it has never seen; three quarters of the first file's bytes earn all points. Hint: another index in each layer, 16-bit numbers, fewer centroids."""
    from efflab import models  # noqa: PLC0415 - this check alone needs it

    # Training takes seconds, so the course's secret draws one network for all; the order of the images is each one's own.
    state, train, held_out = compressed_network(int(shared.integers(2**31)))
    given = {name: value.clone() for name, value in state.items()}
    order = torch.from_numpy(rng.permutation(len(train)))
    got = student.call("smallest_file", given, train.x[order], train.y[order])
    expect.true(type(got) is bytes, f"The answer should be bytes, but is a {type(got).__name__}.")
    found = read(got, {name: tuple(value.shape) for name, value in state.items()})
    network = models.passport()
    before, after = (_accuracy(network, parameters, held_out) for parameters in (state, found))
    expect.true(
        after >= before - LIMIT,
        f"On new images the given network is right in {before:.1f} % and that of your file in {after:.1f} %; it may lose {LIMIT:g} points.",
    )
    first = largest_size({name: value.numpy() for name, value in state.items()})
    return expect.scale(np.log(first / max(len(got), 1)), 0.0, -np.log(FULL), "the reduction")
