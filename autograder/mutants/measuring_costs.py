"""Mutants and honest variants of lab 00, tasks 3 and 4 and the challenge; `measuring` collects them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.mutating import Variant, honest, mutant

Row = dict[str, Any]
Counts = dict[str, int]
Energy = dict[str, float]
Tile = tuple[int, int, int]


def changed(
    function: Callable[..., Any], task: str, replaces: str, name: str, words: str, *, named: bool
) -> Variant:
    """A mutant out of a maker's function, under a name of its own."""
    function.__name__ = name
    return mutant(task, replaces=replaces, misconception=words, named=named)(function)


def _moved(row: Counts, batch: int) -> int:
    return row["weights"] + row["biases"] + batch * (row["inputs"] + row["outputs"])


def _intensity(
    name: str, words: str, wrong: Callable[[Counts, int, int], float], *, named: bool = True
) -> Variant:
    def arithmetic_intensity(row: Counts, batch: int = 1, bytes_per_number: int = 4) -> float:
        return wrong(row, batch, bytes_per_number)

    return changed(arithmetic_intensity, "measuring-3", "arithmetic_intensity", name, words, named=named)


def _roof(
    name: str, words: str, wrong: Callable[[Tensor, float, float], Tensor], *, named: bool = True
) -> Variant:
    def attainable(intensity: Tensor, peak_gflops: float, bandwidth_gb_s: float) -> Tensor:
        return wrong(intensity, peak_gflops, bandwidth_gb_s)

    return changed(attainable, "measuring-3", "attainable", name, words, named=named)


macs_for_each_byte = _intensity(
    "macs_for_each_byte",
    "You counted MACs; a MAC is two FLOP.",
    lambda row, n, b: n * row["macs"] / (b * _moved(row, n)),
)
flop_for_each_number = _intensity(
    "flop_for_each_number",
    "You divided by numbers; a number takes 4 bytes.",
    lambda row, n, _: 2 * n * row["macs"] / _moved(row, n),
)
rereads = _intensity(
    "rereads",
    "You read the weights again for each image; a batch reads them once.",
    lambda row, _, b: 2 * row["macs"] / (b * _moved(row, 1)),
)
weights_alone = _intensity(
    "weights_alone",
    "You counted only the weights; inputs and outputs move too.",
    lambda row, n, b: 2 * n * row["macs"] / (b * _moved(row, 0)),
)
no_outputs = _intensity(
    "no_outputs",
    "You forgot the outputs, which have to be written.",
    lambda row, n, b: 2 * n * row["macs"] / (b * _moved(row | {"outputs": 0}, n)),
)
no_biases = _intensity(
    "no_biases",
    "You forgot the biases.",
    lambda row, n, b: 2 * n * row["macs"] / (b * _moved(row | {"biases": 0}, n)),
)
upside_down = _intensity(
    "upside_down",
    "It is upside down: FLOP for each byte, not bytes for each FLOP.",
    lambda row, n, b: b * _moved(row, n) / (2 * n * row["macs"]),
)
one_images_activations = _intensity(
    "one_images_activations",
    "Each image brings its own inputs and outputs; you moved only one image's.",
    lambda row, n, b: 2 * n * row["macs"] / (b * _moved(row, 1)),
)
four_bytes = _intensity(
    "four_bytes",
    "Numbers of 4 bytes are assumed.",
    lambda row, n, _: n * row["macs"] / (2 * _moved(row, n)),
    named=False,
)
compares_with_min = _roof(
    "compares_with_min",
    "Python's min cannot compare a tensor of several numbers.",
    lambda x, peak, rate: min(x * rate, peak),  # type: ignore[arg-type,return-value]  # the mistake itself
    named=False,
)
larger = _roof(
    "larger",
    "You took the larger of the two limits; the smaller one holds.",
    lambda x, peak, rate: (x * rate).clamp(min=peak),
)
no_peak = _roof("no_peak", "The roof has no flat part: the peak limits too.", lambda x, _, rate: x * rate)
no_slope = _roof(
    "no_slope", "The roof has no slope: the memory limits too.", lambda x, peak, _: torch.full_like(x, peak)
)
divides = _roof(
    "divides",
    "Intensity times bandwidth gives FLOP/s; you divided.",
    lambda x, peak, rate: (x / rate).clamp(max=peak),
)
clamps_at_ridge = _roof(
    "clamps_at_ridge",
    "The ridge is an intensity; the flat part lies at the peak.",
    lambda x, peak, rate: (x * rate).clamp(max=peak / rate),
)


@honest("measuring-3", replaces="arithmetic_intensity", differs="intensity of each image's share, in NumPy")
def by_image(row: Counts, batch: int = 1, bytes_per_number: int = 4) -> Any:
    shared = np.float64(row["weights"] + row["biases"]) / batch
    return 2 * row["macs"] / (shared + row["inputs"] + row["outputs"]) / bytes_per_number


@honest("measuring-3", replaces="attainable", differs="by comparison with the ridge")
def by_ridge(intensity: Tensor, peak_gflops: float, bandwidth_gb_s: float) -> Tensor:
    left = intensity < peak_gflops / bandwidth_gb_s
    return torch.where(left, bandwidth_gb_s * intensity, torch.full_like(intensity, peak_gflops))


@honest("measuring-3", replaces="attainable", differs="by the slower time, in float64")
def by_time(intensity: Tensor, peak_gflops: float, bandwidth_gb_s: float) -> Tensor:
    wide = intensity.double()
    return wide / torch.maximum(wide / peak_gflops, torch.full_like(wide, 1 / bandwidth_gb_s))


def _energy(
    name: str, words: str, wrong: Callable[[Row, Energy, int, int], Energy], *, named: bool = True
) -> Variant:
    def inference_energy(row: Row, pj: Energy, batch: int = 1, weight_bits: int = 32) -> Energy:
        return wrong(row, pj, batch, weight_bits)

    return changed(inference_energy, "measuring-4", "inference_energy", name, words, named=named)


def _spent(row: Row, pj: Energy, batch: int, bits: int) -> Energy:
    return {
        "arithmetic": row["macs"] * (pj["multiply"] + pj["add"]),
        "weights": (row["weights"] + row["biases"]) * bits / 32 * pj["dram"] / batch,
        "activations": (row["inputs"] + row["outputs"]) * pj["sram"],
    }


multiplies_only = _energy(
    "multiplies_only",
    "A MAC is one multiplication AND one addition.",
    lambda row, pj, n, bits: _spent(row, pj | {"add": 0.0}, n, bits),
)
pays_flop = _energy(
    "pays_flop",
    "You counted two of each: a MAC is one multiplication and one addition.",
    lambda row, pj, n, bits: _spent(row | {"macs": 2 * row["macs"]}, pj, n, bits),
)
fetches_each_time = _energy(
    "fetches_each_time",
    "A weight is fetched once and then kept, not once for each MAC.",
    lambda row, pj, n, bits: _spent(row, pj, n, bits) | {"weights": row["macs"] * pj["dram"] * bits / 32},
)
pays_bytes = _energy(
    "pays_bytes",
    "The price is for a word of 32 bits, which is one number, not for a byte.",
    lambda row, pj, n, bits: _spent(row, pj, n, 4 * bits),
)
weights_on_chip = _energy(
    "weights_on_chip",
    "The weights come from DRAM, not from SRAM.",
    lambda row, pj, n, bits: _spent(row, pj | {"dram": pj["sram"]}, n, bits),
)
activations_off_chip = _energy(
    "activations_off_chip",
    "The activations stay in SRAM.",
    lambda row, pj, n, bits: _spent(row, pj | {"sram": pj["dram"]}, n, bits),
)
free_biases = _energy(
    "free_biases",
    "Biases are fetched too.",
    lambda row, pj, n, bits: _spent(row | {"biases": 0}, pj, n, bits),
)
free_outputs = _energy(
    "free_outputs",
    "Inputs are read and outputs are written: both count.",
    lambda row, pj, n, bits: _spent(row | {"outputs": 0}, pj, n, bits),
)
no_batch = _energy(
    "no_batch",
    "A batch fetches the weights once: each image pays its share.",
    lambda row, pj, _, bits: _spent(row, pj, 1, bits),
)
whole_batch = _energy(
    "whole_batch",
    "You added up the whole batch; one image is asked for.",
    lambda row, pj, n, bits: {kind: n * pj_ for kind, pj_ in _spent(row, pj, n, bits).items()},
)
shares_everything = _energy(
    "shares_everything",
    "Every image has its own activations and its own arithmetic; only the weights are shared.",
    lambda row, pj, n, bits: {kind: pj_ / n for kind, pj_ in _spent(row, pj, 1, bits).items()},
)
ignores_bits = _energy(
    "ignores_bits",
    "A word holds four weights of 8 bits: fewer words are fetched.",
    lambda row, pj, n, _: _spent(row, pj, n, 32),
)
rounds_words_up = _energy(
    "rounds_words_up",
    "Do not round: a part of a word costs that part of its price.",
    lambda row, pj, n, bits: (
        _spent(row, pj, n, bits)
        | {"weights": math.ceil((row["weights"] + row["biases"]) * bits / 32) * pj["dram"] / n}
    ),
)
whole_weights_in_a_word = _energy(
    "whole_weights_in_a_word",
    "Do not round: a part of a word costs that part of its price.",
    lambda row, pj, n, bits: (
        _spent(row, pj, n, 32) | {"weights": (row["weights"] + row["biases"]) / (32 // bits) * pj["dram"] / n}
    ),
)
fixed_arithmetic = _energy(
    "fixed_arithmetic",
    "The chart's prices are written into the function; they come as its argument.",
    lambda row, pj, n, bits: _spent(row, pj | {"multiply": 3.7, "add": 0.9}, n, bits),
)
fixed_sram = _energy(
    "fixed_sram",
    "The chart's prices are written into the function; they come as its argument.",
    lambda row, pj, n, bits: _spent(row, pj | {"sram": 5.0}, n, bits),
)
fixed_prices = _energy(
    "fixed_prices",
    "The chart's prices are written into the function; they come as its argument.",
    lambda row, _, n, bits: _spent(row, {"multiply": 3.7, "add": 0.9, "sram": 5.0, "dram": 640.0}, n, bits),
)


@honest(
    "measuring-4", replaces="inference_energy", differs="image by image, in NumPy, entries in another order"
)
def by_words(row: Row, pj: Energy, batch: int = 1, weight_bits: int = 32) -> dict[str, Any]:
    for_each_word = 32 / weight_bits
    fetched = np.float64(row["weights"]) / for_each_word + np.float64(row["biases"]) / for_each_word
    return {
        "activations": np.float64(row["inputs"]) * pj["sram"] + np.float64(row["outputs"]) * pj["sram"],
        "weights": pj["dram"] * fetched / batch,
        "arithmetic": np.float64(row["macs"]) * pj["multiply"] + np.float64(row["macs"]) * pj["add"],
    }


@honest("measuring-4", replaces="inference_energy", differs="tensors of double precision")
def by_tensors(row: Row, pj: Energy, batch: int = 1, weight_bits: int = 32) -> dict[str, Any]:
    counts = torch.tensor([row["macs"], row["macs"], row["inputs"], row["outputs"]], dtype=torch.float64)
    parts = counts * torch.tensor([pj["multiply"], pj["add"], pj["sram"], pj["sram"]], dtype=torch.float64)
    words = torch.tensor(row["weights"] + row["biases"], dtype=torch.float64) * weight_bits / 32
    return {
        "arithmetic": parts[:2].sum(),
        "weights": words * pj["dram"] / batch,
        "activations": parts[2:].sum(),
    }


def _tile(
    name: str, words: str, wrong: Callable[[int, int, int, int], Any], *, named: bool = True
) -> Variant:
    def choose_tile(M: int, K: int, N: int, buffer: int) -> Any:
        return wrong(M, K, N, buffer)

    return changed(choose_tile, "measuring-challenge", "choose_tile", name, words, named=named)


def _words(M: int, K: int, N: int, m: int, n: int) -> int:
    return M * K * math.ceil(N / n) + K * N * math.ceil(M / m) + M * N


def _beside(n: int, buffer: int) -> int:
    """The most rows that fit beside n columns, with k = 1."""
    return max(1, (buffer - n) // (n + 1))


no_sums = _tile(
    "no_sums",
    "You left no room for the partial sums, the m x n tile of the result.",
    lambda M, _, N, buffer: (min(M, buffer // 2), 1, min(N, buffer // 2)),
)
sums_alone = _tile(
    "sums_alone",
    "You left room for the partial sums alone: tiles of W and X need some too.",
    lambda _m, _k, _n, buffer: (math.isqrt(buffer), 1, math.isqrt(buffer)),
)
single_numbers = _tile(
    "single_numbers", "Tiles of a single number reuse nothing.", lambda _m, _k, _n, _s: (1, 1, 1)
)
long_k_without_sums = _tile(
    "long_k_without_sums",
    "You left no room for the partial sums, the m x n tile of the result.",
    lambda M, K, N, buffer: (min(M, 10, max(1, buffer // 2)), max(1, min(K, buffer // 20)), min(N, 10)),
)
long_k = _tile(
    "long_k",
    "The tile is long where it saves nothing: k does not stand in dram_words.",
    lambda _m, K, _n, buffer: (1, min(K, (buffer - 1) // 2), 1),
)
fractions = _tile(
    "fractions",
    "The sides are not rounded down to whole numbers.",
    lambda _m, _k, _n, buffer: (math.sqrt(buffer + 1) - 1, 1, math.sqrt(buffer + 1) - 1),
)
cubes = _tile(
    "cubes",
    "The three tiles are made equal, although k saves nothing.",
    lambda _m, _k, _n, buffer: (max(1, math.isqrt(buffer // 3)),) * 3,
    named=False,
)
squares = _tile(
    "squares",
    "The tile is square, whatever the matrix's proportions.",
    lambda _m, _k, _n, buffer: (math.isqrt(buffer + 1) - 1, 1, math.isqrt(buffer + 1) - 1),
    named=False,
)
whole_batch_in_a_tile = _tile(
    "whole_batch_in_a_tile",
    "The whole batch always fits into a tile.",
    lambda _m, _k, N, buffer: (_beside(min(N, (buffer - 1) // 2), buffer), 1, min(N, (buffer - 1) // 2)),
    named=False,
)


@honest("measuring-challenge", replaces="choose_tile", differs="runs over the columns, from the largest")
def by_columns(M: int, K: int, N: int, buffer: int) -> Tile:
    sizes = range(min(N, (buffer - 1) // 2), 0, -1)
    n = min(sizes, key=lambda n: _words(M, K, N, min(M, (buffer - n) // (n + 1)), n))
    return min(M, (buffer - n) // (n + 1)), 1, n


@honest(
    "measuring-challenge",
    replaces="choose_tile",
    differs="all tiles at once in NumPy, a list, the smallest of equals",
)
def by_table(M: int, K: int, N: int, buffer: int) -> list[int]:
    m, n = np.mgrid[1 : M + 1, 1 : N + 1]
    words = M * K * np.ceil(N / n) + K * N * np.ceil(M / m) + 1e-6 * m * n
    words[m + n + m * n > buffer] = np.inf
    best = np.unravel_index(words.argmin(), words.shape)
    return [int(best[0]) + 1, 1, int(best[1]) + 1]
