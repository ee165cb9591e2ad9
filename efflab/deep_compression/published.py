"""Every cell of the paper's tables 2 to 5 computed again from densities and bit widths, and why some differ.

Source: ICLR 2016, tables 2 to 5. Weights are the networks' real ones; densities, bit widths and the mean Huffman bits of a weight
are the printed ones. What they determine is computed: counts, the relative index of a random mask with its padding zeros
and its Huffman code, sizes, and the last line of each table. The sizes a table must lie between follow from what it rounds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, NamedTuple

import torch
from torch import nn

from efflab import models, paper
from efflab.deep_compression.sizes import StageSizes, expected_fillers, stage_sizes, together
from efflab.paper import Figure

NETWORKS = {"lenet-300-100": "table2", "lenet-5": "table3", "alexnet": "table4", "vgg-16": "table5"}
TOTAL = "total"
# Half of the last digit that densities and Huffman bits are printed with.
HALF_PERCENT, HALF_TENTH = 0.005, 0.05
FIRE8_E3X3_PCT = 30

Kind = Literal["agrees", "rounding", "fillers", "mask", "density", "clusters", "inconsistent"]
KINDS: dict[Kind, str] = {
    "agrees": "less than one unit of the last printed digit away",
    "rounding": "what the printed densities and bits were rounded from spans the printed figure",
    "fillers": "between no padding zeros and those of a random mask: a trained mask is not random and needs fewer",
    "mask": "the gaps of a trained mask are less even than a random one's, so their Huffman code differs",
    "density": "the printed size takes a density that the printed one cannot have been rounded from",
    "clusters": "a codebook that holds only the clusters in use: 256 are many for a few hundred weights",
    "inconsistent": "contradicts other cells of its own table, whatever they were rounded from",
}


class Row(NamedTuple):
    """A layer as its table describes it.

    Attributes:
        name: its row in the table.
        parameter: its weight in the model.
        shape: of the weight.
        density: fraction of weights kept, as printed.
        bits: of a code.
        index_bits: of a relative index.
        huffman_bits: mean bits of a Huffman-coded weight, as printed.
        gap_bits: mean bits of a Huffman-coded relative index, as printed.
    """

    name: str
    parameter: str
    shape: tuple[int, ...]
    density: float
    bits: int
    index_bits: int
    huffman_bits: float
    gap_bits: float

    @property
    def weights(self) -> int:
        """Weights of the dense layer."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Cell:
    """A printed figure beside the one computed.

    Attributes:
        figure: as printed.
        computed: with a random mask.
        kind: why the two differ, of ``KINDS``.
    """

    figure: Figure
    computed: float
    kind: Kind


def skeleton(network: str) -> nn.Module:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return models.get(network)


def rows(network: str) -> tuple[Row, ...]:
    """The layers of a network of ``NETWORKS`` as its table describes them, in the model's order."""
    printed = paper.table("deep_compression", NETWORKS[network])
    weights = {name: tuple(p.shape) for name, p in skeleton(network).named_parameters() if p.dim() > 1}
    found = []
    for (name, shape), label in zip(weights.items(), _layers(printed), strict=True):
        row = {column: figure.value for column, figure in printed.row(label).items()}
        found.append(
            Row(
                label,
                name,
                shape,
                row["weights_pct"] / 100,
                int(row["weight_bits"]),
                int(row["index_bits"]),
                row["weight_bits_huffman"],
                row["index_bits_huffman"],
            )
        )
    return tuple(found)


def _layers(printed: paper.Table) -> list[str]:
    return [label for label in printed.labels if label != TOTAL]


def squeezenet_rows() -> tuple[Row, ...]:
    """SqueezeNet's layers with the densities and bits of its own table 1 (arXiv:1602.07360v4).

    No Huffman lengths are published for it: every code takes its full width, as where all clusters are equally frequent.
    fire8 is taken at 30 %: the 33 % printed for its 3x3 kernels do not give the count printed beside them.
    """
    printed = paper.table("squeezenet", "table1")
    found = []
    for name, parameter in skeleton("squeezenet1-0").named_parameters():
        if parameter.dim() > 1:
            module, column = _place(name)
            line = printed.row(module)
            density = (
                FIRE8_E3X3_PCT if (module, column) == ("fire8", "e3x3") else line[f"{column}_kept_pct"].value
            )
            bits = int(line["bits"].value)
            found.append(
                Row(f"{module}/{column}", name, tuple(parameter.shape), density / 100, bits, 4, bits, 0.0)
            )
    return tuple(found)


def _place(name: str) -> tuple[str, str]:
    """Row and kind of kernel in SqueezeNet's table of a parameter in the model.

    >>> _place("features.3.expand3x3.weight"), _place("classifier.1.weight")
    (('fire2', 'e3x3'), ('conv10', 's1x1'))
    """
    parts = name.split(".")
    if parts[0] == "classifier" or parts[1] == "0":
        return ("conv10" if parts[0] == "classifier" else "conv1"), "s1x1"
    fires = (3, 4, 5, 7, 8, 9, 10, 12)
    return f"fire{2 + fires.index(int(parts[1]))}", {
        "squeeze": "s1x1",
        "expand1x1": "e1x1",
        "expand3x3": "e3x3",
    }[parts[2]]


def squeezenet_cells() -> tuple[Cell, ...]:
    """Parameters of SqueezeNet's modules, dense and pruned (columns of its table 1), biases included."""
    printed = paper.table("squeezenet", "table1")
    members: dict[str, list[Row]] = {}
    for row in squeezenet_rows():
        members.setdefault(row.name.partition("/")[0], []).append(row)
    members[TOTAL] = [row for own in tuple(members.values()) for row in own]
    made = []
    for label, own in members.items():
        line, biases = printed.row(label), sum(row.shape[0] for row in own)
        dense = biases + sum(row.weights for row in own)
        low, here, high = (
            biases + sum(row.weights * min(1.0, row.density + shift * (row.density < 1)) for row in own)
            for shift in (-HALF_PERCENT, 0.0, HALF_PERCENT)
        )
        pruned = line["parameters_pruned"]
        kind: Kind = (
            "agrees"
            if pruned.agrees(here)
            else "rounding"
            if _within(pruned, (low, high))
            else "inconsistent"
        )
        made += [Cell(line["parameters"], dense, "agrees"), Cell(pruned, here, kind)]
    return tuple(made)


def gap_bits(density: float, index_bits: int) -> float:
    """Mean Huffman bits of the relative index of a random mask, padding zeros included.

    Each weight follows g zeros with probability d (1 - d)^g; what reaches 2^b - 1 zeros is the largest index, of a weight or
    of a padding zero.

    >>> gap_bits(0.5, 1), round(gap_bits(0.08, 5), 2)
    (1.0, 4.67)
    """
    from efflab.huffman import code_lengths, mean_length  # noqa: PLC0415 - numba's cost, where it is needed

    probabilities = [density * (1 - density) ** gap for gap in range(2**index_bits - 1)]
    counts = [*probabilities, (1 - density) ** (2**index_bits - 1)]
    return float(mean_length(counts, code_lengths(counts)))


def sizes(row: Row, *, density: float | None = None, fillers: bool = True, slack: float = 0.0) -> StageSizes:
    """Count a layer with its printed Huffman bits.

    Args:
        row: the layer.
        density: another than the printed one.
        fillers: whether to count the padding zeros of a random mask.
        slack: added to both printed Huffman widths.
    """
    kept = round(row.weights * min(1.0, row.density if density is None else density))
    return stage_sizes(
        row.name,
        row.weights,
        kept,
        bits=row.bits,
        index_bits=row.index_bits,
        weight_bits_huffman=min(row.bits, row.huffman_bits + slack),
        index_bits_huffman=row.gap_bits + slack,
        fillers=expected_fillers(row.weights, kept, row.index_bits) if fillers else 0,
    )


def cells(network: str) -> tuple[Cell, ...]:
    """All cells of a network's table, in the table's order.

    >>> [(str(cell.figure), round(cell.computed, 2), cell.kind) for cell in cells("alexnet")[46:48]]
    [('3 %', 3.25, 'agrees'), ('2.39 %', 2.56, 'fillers')]
    """
    layers = rows(network)
    printed = paper.table("deep_compression", NETWORKS[network])
    lines = [*((row.name, (row,)) for row in layers), (TOTAL, layers)]
    return tuple(cell for label, members in lines for cell in _line(printed.row(label), members))


class _Line(NamedTuple):
    """A line at its printed densities, and at the ends of what these were rounded from, with padding zeros and without."""

    here: StageSizes
    ends: tuple[StageSizes, StageSizes]
    bare: tuple[StageSizes, StageSizes]


def _line(printed: dict[str, Figure], members: tuple[Row, ...]) -> Iterator[Cell]:
    """The cells of one layer, or of all together."""

    def line(up: int, *, fillers: bool) -> StageSizes:
        shifted = ((row, row.density + up * HALF_PERCENT) for row in members)
        return together(
            "", [sizes(row, density=d, fillers=fillers, slack=up * HALF_TENTH) for row, d in shifted]
        )

    ends, bare = ((line(-1, fillers=some), line(1, fillers=some)) for some in (True, False))
    counted = _Line(line(0, fillers=True), ends, bare)
    for column, figure in printed.items():
        if column == "index_bits_huffman":
            yield _gap_cell(figure, members)
        else:
            yield _cell(figure, _FIELDS[column], counted, members)


_FIELDS = {
    "weights": "weights",
    "weights_pct": "weights_percent",
    "weight_bits": "weight_bits",
    "weight_bits_huffman": "weight_bits_huffman",
    "index_bits": "index_bits",
    "rate_pct": "rate_percent",
    "rate_pct_huffman": "rate_percent_huffman",
}


def _cell(figure: Figure, field: str, line: _Line, members: tuple[Row, ...]) -> Cell:
    here = float(getattr(line.here, field))
    ends, bare = ([float(getattr(one, field)) for one in pair] for pair in (line.ends, line.bare))
    if field == "weight_bits_huffman" and _impossible(figure, members):
        return Cell(figure, here, "inconsistent")
    if figure.agrees(here):
        return Cell(figure, here, "agrees")
    if _within(figure, ends):
        return Cell(figure, here, "rounding")
    if _within(figure, [*ends, *bare]):
        return Cell(figure, here, "fillers")
    if len(members) > 1:
        return Cell(figure, here, "inconsistent")
    return Cell(figure, here, "density" if figure.value > here else "clusters")


def _within(figure: Figure, ends: Sequence[float]) -> bool:
    half = figure.step / 2
    return min(ends) - half <= figure.value <= max(ends) + half


def _impossible(figure: Figure, members: tuple[Row, ...]) -> bool:
    """Whether a mean lies outside of what it is the mean of, or a Huffman code is longer than the codes it replaces."""
    printed = [row.huffman_bits for row in members]
    widest = max(row.bits for row in members)
    return not min(printed) - figure.step <= figure.value <= min(max(printed) + figure.step, widest)


def _gap_cell(figure: Figure, members: tuple[Row, ...]) -> Cell:
    """Mean bits of the relative index of a random mask, over the entries of all members."""

    def mean(shift: float) -> float:
        densities = [min(1.0, row.density + shift) for row in members]
        entries = [sizes(row, density=d).entries for row, d in zip(members, densities, strict=True)]
        return fmean(
            (gap_bits(d, row.index_bits) for row, d in zip(members, densities, strict=True)), entries
        )

    here, ends = mean(0.0), (mean(-HALF_PERCENT), mean(HALF_PERCENT))
    if figure.agrees(here):
        return Cell(figure, here, "agrees")
    return Cell(figure, here, "rounding" if _within(figure, ends) else "mask")
