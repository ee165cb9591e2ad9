"""Hidden checks of lab 00: counts against shapes that torch computes, sums against sums written differently."""

from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.tasks import Student, expect, task

Layer = dict[str, Any]
Row = dict[str, Any]


def placed(size: int, kernel: int, stride: int, padding: int) -> int:
    """By trying every place, from the first that lies in the padded image."""
    return len(range(-padding, size + padding - kernel + 1, stride))


def convolution(rng: np.random.Generator) -> dict[str, Any]:
    """A convolution whose every setting matters."""
    groups = int(rng.choice([2, 3, 4]))
    stride = int(rng.integers(2, 4))
    kernel = (int(rng.integers(2, 6)), int(rng.integers(6, 9)))
    return {
        "in_channels": groups * int(rng.integers(2, 7)),
        "out_channels": groups * int(rng.integers(2, 9)),
        "kernel": kernel,
        "size": (int(rng.integers(20, 40)), int(rng.integers(41, 70))),
        "stride": stride,
        "padding": int(rng.integers(1, 4)),
        "groups": groups,
    }


def counted(in_channels: int, out_channels: int, size: tuple[int, ...], **settings: Any) -> int:
    """MACs of a convolution that torch makes: its weights times the pixels it puts out."""
    settings["kernel_size"] = settings.pop("kernel")
    layer = nn.Conv2d(in_channels, out_channels, **settings, device="meta")
    out = layer(torch.empty(1, in_channels, *size, device="meta"))
    return int(layer.weight.numel() * out[0, 0].numel())


def built(layer: Layer, shape: torch.Size) -> nn.Module:
    """A layer of a description as torch has it, without memory."""
    if layer["kind"] == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[1:].numel(), layer["out"], device="meta"))
    window = {key: layer[key] for key in ("stride", "padding")}
    if layer["kind"] == "pool":
        return nn.MaxPool2d(layer["kernel"], **window)
    return nn.Conv2d(shape[1], layer["out"], layer["kernel"], groups=layer["groups"], **window, device="meta")


def walked(layers: list[Layer], shape: tuple[int, ...]) -> list[Row]:
    """The rows of a network, by sending a batch of one through torch's layers."""
    x, rows = torch.empty(1, *shape, device="meta"), []
    for layer in layers:
        module = built(layer, x.shape)
        y = module(x)
        sizes = {name.split(".")[-1]: one.numel() for name, one in module.named_parameters()}
        if sizes:
            row = {"name": layer["name"], "inputs": x.numel(), "weights": sizes["weight"]}
            row |= {"biases": sizes["bias"], "outputs": y.numel()}
            rows.append(row | {"macs": sizes["weight"] * y[0, 0].numel()})
        x = y
    return rows


def network(rng: np.random.Generator) -> tuple[list[Layer], tuple[int, ...]]:
    """Convolutions and poolings, then matrices, with sizes that leave a rest."""
    shape = (2 * int(rng.integers(1, 4)), int(rng.integers(38, 48)), int(rng.integers(49, 60)))
    layers: list[Layer] = []
    for number in range(3):
        layers.append(
            {
                "name": f"conv{number}",
                "kind": "conv",
                "out": 2 * int(rng.integers(4, 12)),
                "kernel": (int(rng.integers(2, 4)), int(rng.integers(4, 6))),
                "stride": 1 + number % 2,
                "padding": int(rng.integers(0, 3)),
                "groups": 1 + (number + 1) % 2,
            }
        )
        if number < 2:
            kernel = (int(rng.integers(2, 4)),) * 2
            layers.append(
                {"name": f"pool{number}", "kind": "pool", "kernel": kernel, "stride": 2, "padding": number}
            )
    layers += [
        {"name": f"fc{number}", "kind": "linear", "out": int(rng.integers(5, 60))} for number in range(2)
    ]
    return layers, shape


def a_row(rng: np.random.Generator) -> Row:
    """A layer's counts, no two of them alike."""
    low = {"inputs": 100, "weights": 1000, "biases": 10, "outputs": 500, "macs": 20000}
    return {"name": "layer"} | {key: int(rng.integers(least, 2 * least)) for key, least in low.items()}


def prices(rng: np.random.Generator) -> dict[str, float]:
    """Made-up prices, so that nobody's constants fit."""
    low = {"multiply": 2.0, "add": 0.5, "sram": 4.0, "dram": 300.0}
    return {key: float(rng.uniform(least, 2 * least)) for key, least in low.items()}


def fewest_words(M: int, K: int, N: int, buffer: int) -> int:
    """By trying every m and n that leave room for k = 1; a longer k moves no word less."""
    m, n = np.arange(1, M + 1)[:, None], np.arange(1, N + 1)[None, :]
    words = M * K * -(-N // n) + K * N * -(-M // m) + M * N
    return int(words[m + n + m * n <= buffer].min())


def tile_words(M: int, K: int, N: int, buffer: int, got: Any) -> int:
    """The words that a student's tile moves."""
    m, k, n = (expect.number(side, "a side of the tile") for side in expect.shape(got, (3,), "the tile"))
    for side in (m, k, n):
        expect.true(
            side >= 1 and side == int(side), f"sides are whole numbers from 1 up, but one is {side:g}."
        )
    expect.true(
        m * k + k * n + m * n <= buffer,
        f"tiles of {m:g} x {k:g}, {k:g} x {n:g} and {m:g} x {n:g} do not fit into {buffer} words together.",
    )
    return M * K * -(-N // int(n)) + K * N * -(-M // int(m)) + M * N


@task("measuring-1", points=1)
def finds_the_places(student: Student, rng: np.random.Generator) -> None:
    """The number of places of a kernel, with stride and padding. Hint: floor((h + 2 p - k) / s) + 1."""
    for _ in range(12):
        kernel, stride = int(rng.integers(1, 8)), int(rng.integers(1, 5))
        size, padding = int(rng.integers(kernel, 60)), int(rng.integers(0, kernel))
        got = student.call("output_size", size, kernel, stride, padding)
        what = f"the output size for size {size}, kernel {kernel}, stride {stride}, padding {padding}"
        expect.dtype(got, "int", what)
        expect.equal(got, placed(size, kernel, stride, padding), what)


@task("measuring-1", points=1)
def counts_plain_convolutions(student: Student, rng: np.random.Generator) -> None:
    """MACs with stride 1, no padding, one group. Hint: every weight is used once for each pixel of the output."""
    for _ in range(4):
        c_in, c_out, side = (int(rng.integers(low, 2 * low)) for low in (3, 8, 20))
        k = int(rng.integers(2, 6))
        got = student.call("conv_macs", c_in, c_out, (k, k), (side, side))
        expect.equal(
            got, counted(c_in, c_out, (side, side), kernel=(k, k)), "the MACs of a plain convolution"
        )


@task("measuring-1", points=2)
def counts_any_convolution(student: Student, rng: np.random.Generator) -> None:
    """MACs with oblong kernels and images, stride, padding and groups. Hint: treat each axis by itself, divide the input channels by the groups, and use // so that whole numbers stay whole."""
    for _ in range(6):
        settings = convolution(rng)
        got = student.call("conv_macs", **settings)
        what = "the number of MACs of a convolution with stride, padding and groups"
        expect.equal(got, counted(**settings), what)
        expect.dtype(got, "int", what)


def _shown(got: Any, names: list[str]) -> list[Row]:
    """A student's rows, if they are rows of these layers."""
    expect.true(
        isinstance(got, list) and all(isinstance(row, dict) for row in got),
        "walk returns a list of dictionaries.",
    )
    expect.equal([row.get("name") for row in got], names, "the names of the rows")
    rows: list[Row] = got
    return rows


def _same(student: Student, rng: np.random.Generator, keys: tuple[str, ...]) -> None:
    """Some figures of each row, on three random networks."""
    for _ in range(3):
        layers, shape = network(rng)
        expected = walked(layers, shape)
        got = _shown(student.call("walk", layers, shape), [row["name"] for row in expected])
        for mine, row in zip(got, expected, strict=True):
            for key in keys:
                expect.equal(mine.get(key), row[key], f"{key!r} of {row['name']}")


@task("measuring-2", points=1)
def carries_the_shape(student: Student, rng: np.random.Generator) -> None:
    """What each layer reads and writes. Hint: the output's shape of one layer is the input's of the next, poolings included."""
    _same(student, rng, ("inputs", "outputs"))


@task("measuring-2", points=1)
def counts_the_weights(student: Student, rng: np.random.Generator) -> None:
    """Weights and biases of each layer. Hint: weights leave out the biases, and groups divide a kernel's channels."""
    _same(student, rng, ("weights", "biases"))


@task("measuring-2", points=2)
def counts_the_multiplications(student: Student, rng: np.random.Generator) -> None:
    """MACs of each layer of a network. Hint: hand conv_macs the shape that arrives at the layer."""
    _same(student, rng, ("macs",))
    layers, shape = network(rng)
    matrices = [
        layer for layer in layers if layer["kind"] == "linear"
    ]  # one behind the other, without a map between
    expect.equal(student.call("walk", matrices, shape), walked(matrices, shape), "the rows of matrices alone")


@task("measuring-3", points=1)
def weighs_one_image(student: Student, rng: np.random.Generator) -> None:
    """FLOP for each byte with one image. Hint: a MAC is two FLOP; weights, biases, inputs and outputs all move."""
    for width in (4, 2, 1):
        row = a_row(rng)
        moved = sum(width * row[key] for key in ("weights", "biases", "inputs", "outputs"))
        got = student.call("arithmetic_intensity", row, bytes_per_number=width)
        expect.close(got, (row["macs"] + row["macs"]) / moved, f"the intensity with {width} bytes a number")


@task("measuring-3", points=1)
def shares_the_weights(student: Student, rng: np.random.Generator) -> None:
    """FLOP for each byte with a batch. Hint: a batch reads the weights once, and inputs and outputs once for each image."""
    for _ in range(3):
        row, batch = a_row(rng), int(rng.integers(3, 200))
        flop = moved = 0
        for image in range(batch):
            flop += 2 * row["macs"]
            moved += row["inputs"] + row["outputs"] + (row["weights"] + row["biases"] if image == 0 else 0)
        got = student.call("arithmetic_intensity", row, batch)
        expect.close(got, flop / moved / 4, f"the intensity with {batch} images")


@task("measuring-3", points=2)
def draws_the_roof(student: Student, rng: np.random.Generator) -> None:
    """The rate under the roofline. Hint: the slower of the two, memory and arithmetic, sets the time."""
    peak, bandwidth = float(rng.uniform(50, 500)), float(rng.uniform(5, 40))
    intensity = peak / bandwidth * np.exp(rng.uniform(-4, 4, size=20)).astype(np.float32)
    intensity[:2] *= np.float32(1e-3), np.float32(1e3)
    seconds = np.maximum(intensity / peak, 1 / bandwidth)
    got = student.call("attainable", torch.from_numpy(intensity), peak, bandwidth)
    expect.shape(got, (20,), "the roof at 20 intensities")
    expect.close(got, intensity / seconds, "the roof", rtol=1e-4)


def _energy(
    student: Student, rng: np.random.Generator, kind: str, batch: int, bits: int
) -> tuple[float, Row, Row]:
    """A student's energy of one kind, with the row and the prices that it was asked for."""
    row, pj = a_row(rng), prices(rng)
    got = student.call("inference_energy", row, pj, batch, bits)
    expect.true(isinstance(got, dict), "inference_energy returns a dictionary.")
    expect.equal(sorted(got), ["activations", "arithmetic", "weights"], "the entries of the energy")
    return expect.number(got[kind], f"the energy of {kind}"), row, pj


@task("measuring-4", points=1)
def pays_for_arithmetic(student: Student, rng: np.random.Generator) -> None:
    """The energy of the MACs, for one image whatever the batch. Hint: one multiplication and one addition each."""
    for batch, bits in ((1, 32), (16, 8)):
        got, row, pj = _energy(student, rng, "arithmetic", batch, bits)
        expected = row["macs"] * pj["multiply"] + row["macs"] * pj["add"]
        expect.close(got, expected, "the energy of arithmetic")


@task("measuring-4", points=2)
def pays_for_weights(student: Student, rng: np.random.Generator) -> None:
    """The energy of the weights from DRAM, alone, in a batch and with fewer bits. Hint: words of 32 bits and parts of words, shared by the batch."""
    some = int(rng.integers(2, 64))
    for batch, bits in ((1, 32), (some, 32), (1, 4), (some, 8), (1, 5), (some, 3)):
        got, row, pj = _energy(student, rng, "weights", batch, bits)
        fetched = (row["weights"] + row["biases"]) * bits  # in bits
        expect.close(
            got * batch, fetched * (pj["dram"] / 32), f"the energy of weights of {bits} bits, {batch} images"
        )


@task("measuring-4", points=1)
def pays_for_activations(student: Student, rng: np.random.Generator) -> None:
    """The energy of inputs and outputs in SRAM, for one image whatever the batch. Hint: read once, written once."""
    for batch, bits in ((1, 32), (16, 8)):
        got, row, pj = _energy(student, rng, "activations", batch, bits)
        expect.close(
            got, row["inputs"] * pj["sram"] + row["outputs"] * pj["sram"], "the energy of activations"
        )


@task("measuring-challenge", points=1)
def fits_the_buffer(student: Student, rng: np.random.Generator) -> None:
    """Whole tiles that fit into the buffer, in each of many layers. Hint: W, X and the partial sums share it."""
    for buffer in (3, 4, 7, 50, int(rng.integers(100, 4000))):
        M, K, N = (int(rng.integers(1, 400)) for _ in range(3))
        words = tile_words(M, K, N, buffer, student.call("choose_tile", M, K, N, buffer))
        expect.true(buffer < 50 or words < M * K * N, "tiles of a single number reuse nothing.")


@task("measuring-challenge", points=3)
def moves_little(student: Student, rng: np.random.Generator) -> float:
    """The fewest possible words divided by yours, over layers of all proportions. Hint: try every m, with the largest n that fits."""
    shares = []
    for low in ((300, 300, 300), (600, 200, 12), (12, 200, 600), (150, 40, 150), (40, 900, 40)):
        M, K, N = (int(rng.integers(side, 2 * side)) for side in low)
        for buffer in (int(rng.integers(40, 90)), int(rng.integers(300, 900))):
            words = tile_words(M, K, N, buffer, student.call("choose_tile", M, K, N, buffer))
            shares.append(min(1.0, fewest_words(M, K, N, buffer) / words / 0.98))
    return float(np.mean(shares))
