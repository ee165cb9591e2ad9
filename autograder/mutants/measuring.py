"""Mutants and honest variants of lab 00.

Most mutants are the right answer with one thing changed; a maker for each function takes the change. Those of tasks 1
and 2 stand here, the others in `measuring_costs`.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from autograder.mutants.measuring_costs import *  # noqa: F403 - the topic's other variants, collected from here
from autograder.mutants.measuring_costs import Row, changed
from autograder.mutating import Variant, honest

Size = tuple[int, int]


def _places(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def _output(
    name: str, words: str, wrong: Callable[[int, int, int, int], float], *, named: bool = True
) -> Variant:
    def output_size(size: int, kernel: int, stride: int, padding: int) -> float:
        return wrong(size, kernel, stride, padding)

    return changed(output_size, "measuring-1", "output_size", name, words, named=named)


def _macs(a: Row) -> int:
    sides = zip(a["size"], a["kernel"], strict=True)
    pixels = math.prod(_places(h, k, a["stride"], a["padding"]) for h, k in sides)
    return int(a["out_channels"] * a["in_channels"] // a["groups"] * math.prod(a["kernel"]) * pixels)


def _conv(name: str, words: str, wrong: Callable[[Row], int], *, named: bool = True) -> Variant:
    def conv_macs(
        in_channels: int,
        out_channels: int,
        kernel: Size,
        size: Size,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> int:
        return wrong(dict(locals()))

    return changed(conv_macs, "measuring-1", "conv_macs", name, words, named=named)


no_stride = _output("no_stride", "The stride is ignored.", lambda h, k, _, p: h + 2 * p - k + 1)
no_padding = _output("no_padding", "The padding is ignored.", lambda h, k, s, _: (h - k) // s + 1)
pads_once = _output(
    "pads_once", "Padding stands at both ends; you added it once.", lambda h, k, s, p: (h + p - k) // s + 1
)
one_short = _output(
    "one_short",
    "One place is missing: the kernel also stands where it starts.",
    lambda h, k, s, p: (h + 2 * p - k) // s,
)
rounds_up = _output(
    "rounds_up",
    "You rounded up; where the last step does not fit, there is no place.",
    lambda h, k, s, p: -(-(h + 2 * p - k) // s) + 1,
)
no_floor = _output(
    "no_floor",
    "A part of a place is no place: round down to a whole number.",
    lambda h, k, s, p: (h + 2 * p - k) / s + 1,
)
no_groups = _conv(
    "no_groups",
    "You forgot the groups: an output channel sees only its group's input channels.",
    lambda a: _macs(a | {"groups": 1}),
)
groups_twice = _conv(
    "groups_twice",
    "You divided by the groups twice: all output channels are still computed.",
    lambda a: _macs(a) // a["groups"],
)
flop = _conv(
    "flop",
    "You counted FLOP: a MAC is a multiplication and its addition together.",
    lambda a: 2 * _macs(a),
)
input_pixels = _conv(
    "input_pixels",
    "You multiplied by the input's pixels; each weight is used once for each OUTPUT pixel.",
    lambda a: a["out_channels"] * a["in_channels"] // a["groups"] * math.prod((*a["kernel"], *a["size"])),
)
with_bias = _conv(
    "with_bias",
    "You counted the bias, which is an addition without a multiplication.",
    lambda a: _macs(a) + _macs(a) // (a["in_channels"] // a["groups"] * math.prod(a["kernel"])),
)
one_side = _conv(
    "one_side",
    "The kernel has two sides: its height and its width both count.",
    lambda a: _macs(a) // a["kernel"][1],
)
side_squared = _conv(
    "side_squared",
    "A kernel need not be square: multiply its height by its width.",
    lambda a: _macs(a) // a["kernel"][1] * a["kernel"][0],
)
divides_to_float = _conv(
    "divides_to_float",
    "`/` gives a float even where nothing is left over: divide whole numbers with `//`.",
    lambda a: float(_macs(a)),  # type: ignore[arg-type,return-value]  # the mistake itself
)
turned = _conv(
    "turned",
    "Height and width are exchanged between kernel and image.",
    lambda a: _macs(a | {"kernel": a["kernel"][::-1]}),
)
square = _conv(
    "square",
    "Only the height was walked; the image was taken as square.",
    lambda a: _macs(a | {"size": (a["size"][0],) * 2}),
    named=False,
)


@honest("measuring-1", replaces="output_size", differs="counts the places one by one")
def by_walking(size: int, kernel: int, stride: int, padding: int) -> int:
    start, places = -padding, 0
    while start + kernel <= size + padding:
        start, places = start + stride, places + 1
    return places


@honest("measuring-1", replaces="conv_macs", differs="group by group, output pixels first")
def by_groups(
    in_channels: int,
    out_channels: int,
    kernel: Size,
    size: Size,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> int:
    pixels = 1
    for axis in range(2):
        pixels *= math.ceil((size[axis] + 2 * padding - kernel[axis] + 1) / stride)
    each = (in_channels // groups) * (out_channels // groups) * kernel[0] * kernel[1]
    return sum(each * pixels for _ in range(groups))


@honest("measuring-1", replaces="conv_macs", differs="a NumPy integer")
def by_numpy(
    in_channels: int,
    out_channels: int,
    kernel: Size,
    size: Size,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Any:
    places = (np.array(size) + 2 * padding - np.array(kernel)) // stride + 1
    return np.prod([*places, *kernel, in_channels, out_channels]) // groups


def _steps(layers: list[Row], shape: tuple[int, ...], wrong: dict[str, Any]) -> Iterator[Row]:
    """The walk with one step done otherwise: ``wrong`` names the step and what replaces its value."""
    first = shape
    for layer in layers:
        if wrong.get("restart") and layer["kind"] == "conv":
            shape = first
        before = shape
        if layer["kind"] == "linear":
            if wrong.get("maps_only"):
                _channels, _height, _width = before
            if wrong.get("channels_only"):
                before = before[:1]
            weights = macs = math.prod(before) * layer["out"]
            shape = before if wrong.get("linear_keeps") else (layer["out"],)
            macs += layer["out"] if wrong.get("bias_macs") else 0
        else:
            image = before[1:2] * 2 if wrong.get("square") else before[1:]
            sides = [
                _places(h, k, layer["stride"], layer["padding"])
                for h, k in zip(image, layer["kernel"], strict=True)
            ]
            channels = first[0] if wrong.get("first_channels") else before[0]
            shape = (layer.get("out", before[0]), *sides)
            if layer["kind"] == "pool":
                shape = wrong["pool"](layer, before) if "pool" in wrong else shape
                if not wrong.get("keep_pools"):
                    continue
            groups = 1 if wrong.get("no_groups") else layer.get("groups", 1)
            weights = shape[0] * channels // groups * math.prod(layer["kernel"])
            macs = weights * math.prod(shape[1:])
        out = layer.get("out", 0)
        outputs = out if layer["kind"] == "linear" else math.prod(shape)
        yield {
            "name": layer["name"],
            "inputs": outputs if wrong.get("same") else math.prod(before),
            "weights": weights + (out if wrong.get("bias_weights") else 0),
            "biases": outputs if wrong.get("bias_outputs") else out,
            "outputs": outputs,
            "macs": macs * wrong.get("factor", 1),
        }


def _walk(name: str, words: str, *, named: bool = True, **wrong: Any) -> Variant:
    def walk(layers: list[Row], shape: tuple[int, ...]) -> list[Row]:
        return list(_steps(layers, shape, wrong))[: wrong.get("rows")]

    return changed(walk, "measuring-2", "walk", name, words, named=named)


def _slid(layer: Row, before: tuple[int, ...], stride: int, *, up: bool = False) -> tuple[int, ...]:
    """The shape behind a pooling that moves by ``stride`` and rounds up or down."""
    room = [h + 2 * layer["padding"] - layer["kernel"][0] for h in before[1:]]
    return (before[0], *((-(-one // stride) if up else one // stride) + 1 for one in room))


reads_channels = _walk(
    "reads_channels",
    "A linear layer reads every number of every map, not one number a channel.",
    channels_only=True,
)
no_pooling = _walk(
    "no_pooling", "The pooling before it did not shrink the maps.", pool=lambda _, before: before
)
apart = _walk(
    "apart",
    "The pooling moved by its kernel's size instead of its stride.",
    pool=lambda layer, before: _slid(layer, before, layer["kernel"][0]),
)
pools_up = _walk(
    "pools_up",
    "The pooling rounded up its output.",
    pool=lambda layer, before: _slid(layer, before, layer["stride"], up=True),
)
no_margin = _walk(
    "no_margin",
    "The pooling ignored its padding.",
    pool=lambda layer, before: _slid(layer | {"padding": 0}, before, layer["stride"]),
)
returns_early = _walk(
    "returns_early",
    "The `return` stands inside the loop: it ends the walk after the first layer.",
    rows=1,
)
linear_keeps = _walk(
    "linear_keeps",
    "A linear layer changes the shape too: the next layer reads what it put out.",
    linear_keeps=True,
)
square_maps = _walk(
    "square_maps", "The maps were taken as square; height and width go their own ways.", square=True
)
maps_only = _walk(
    "maps_only",
    "A linear layer is taken to read maps, and fails behind another.",
    named=False,
    maps_only=True,
)
restarts = _walk(
    "restarts",
    "Every layer was given the network's input; carry the shape on.",
    restart=True,
)
first_channels = _walk(
    "first_channels", "The channels were not carried on from the convolution before.", first_channels=True
)
ungrouped = _walk("ungrouped", "You forgot the groups in the weights.", no_groups=True)
biased = _walk(
    "biased", "You counted biases among the weights; the papers' tables do not.", bias_weights=True
)
rows_for_pools = _walk("rows_for_pools", "A pooling holds no weights and gets no row.", keep_pools=True)
outputs_twice = _walk(
    "outputs_twice", "Inputs and outputs are exchanged, or one stands in both places.", same=True
)
bias_for_each_pixel = _walk(
    "bias_for_each_pixel",
    "There is one bias for each output channel, not for each output number.",
    bias_outputs=True,
)
bias_multiplies = _walk("bias_multiplies", "You counted the bias as a multiplication.", bias_macs=True)
walks_flop = _walk(
    "walks_flop", "You counted FLOP: a MAC is a multiplication and its addition together.", factor=2
)


@honest("measuring-2", replaces="walk", differs="sends an empty tensor through torch's layers")
def by_running(layers: list[Row], shape: tuple[int, ...]) -> list[Row]:
    x, rows = torch.zeros(1, *shape), []
    for layer in layers:
        seen = x.numel()
        if layer["kind"] == "pool":
            x = torch.nn.functional.max_pool2d(x, layer["kernel"], layer["stride"], layer["padding"])
            continue
        if layer["kind"] == "linear":
            weight = torch.zeros(layer["out"], seen)
            x = x.reshape(1, -1) @ weight.T
        else:
            weight = torch.zeros(layer["out"], x.shape[1] // layer["groups"], *layer["kernel"])
            x = torch.nn.functional.conv2d(
                x, weight, None, layer["stride"], layer["padding"], 1, layer["groups"]
            )
        uses = x.numel() // layer["out"]
        rows.append({"macs": weight.numel() * uses, "outputs": x.numel(), "biases": layer["out"]})
        rows[-1] |= {"weights": weight.numel(), "inputs": seen, "name": layer["name"]}
    return rows


@honest(
    "measuring-2", replaces="walk", differs="a tuple-free loop over NumPy integers, whole numbers as floats"
)
def by_arrays(layers: list[Row], shape: tuple[int, ...]) -> list[Row]:
    channels, image = shape[0], np.array(shape[1:])
    rows = []
    for layer in layers:
        inputs = channels * np.prod(image)
        if layer["kind"] == "linear":
            weights, image, channels = inputs * layer["out"], np.array([]), layer["out"]
        else:
            image = (image + 2 * layer["padding"] - np.array(layer["kernel"])) // layer["stride"] + 1
            if layer["kind"] == "pool":
                continue
            weights = np.prod(layer["kernel"]) * channels / layer["groups"] * layer["out"]
            channels = layer["out"]
        pixels = np.prod(image)
        names = ("name", "inputs", "weights", "biases", "outputs", "macs")
        values = (layer["name"], inputs, weights, channels, channels * pixels, weights * pixels)
        rows.append(dict(zip(names, values, strict=True)))
    return rows
