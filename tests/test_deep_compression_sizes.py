"""The arithmetic of sizes, against the paper's tables and against files written by hand."""

import math

import numpy as np
import pytest
import torch

from efflab import deep_compression, paper
from efflab.errors import EfflabError

NETWORKS = {"table2": "lenet-300-100", "table3": "lenet-5", "table4": "alexnet", "table5": "vgg-16"}


def published(table: str) -> list[str]:
    """The layers of a table."""
    ids = (figure.id.split("/")[2] for figure in paper.find(f"deep_compression/{table}"))
    return [layer for layer in dict.fromkeys(ids) if layer != "total"]


def of(table: str, layer: str, quantity: str) -> float:
    return float(paper.get(f"deep_compression/{table}/{layer}/{quantity}").value)


def sizes_of(table: str, layer: str, *, fillers: bool) -> deep_compression.StageSizes:
    # The table rounds to thousands, and this layer's codebook is a seventh of its bytes.
    weights = 1728 if layer == "conv1_1" else int(of(table, layer, "weights"))
    kept = round(weights * of(table, layer, "weights_pct") / 100)
    index_bits = int(of(table, layer, "index_bits"))
    return deep_compression.stage_sizes(
        layer,
        weights,
        kept,
        bits=int(of(table, layer, "weight_bits")),
        index_bits=index_bits,
        weight_bits_huffman=of(table, layer, "weight_bits_huffman"),
        index_bits_huffman=of(table, layer, "index_bits_huffman"),
        fillers=deep_compression.expected_fillers(weights, kept, index_bits) if fillers else 0,
    )


LAYERS = [(table, layer) for table in NETWORKS for layer in published(table)]


@pytest.mark.parametrize(("table", "layer"), LAYERS)
def test_published_layers_recompute(table, layer):
    """The record's own recomputation: without fillers, with a random mask's, and Huffman-coded."""
    known = f"deep_compression/recomputed/{NETWORKS[table]}/{layer}"
    bare, filled = (sizes_of(table, layer, fillers=fillers) for fillers in (False, True))
    assert bare.rate_percent == pytest.approx(float(paper.get(f"{known}/no_filler").value), abs=0.01)
    assert filled.rate_percent == pytest.approx(float(paper.get(f"{known}/random_filler").value), abs=0.01)
    assert bare.rate_percent_huffman == pytest.approx(
        float(paper.get(f"{known}/huffman_no_filler").value), abs=0.01
    )


@pytest.mark.parametrize(("table", "layer"), LAYERS)
def test_published_layers_are_near_what_is_printed(table, layer):
    printed = of(table, layer, "rate_pct")
    bare, filled = (sizes_of(table, layer, fillers=fillers).rate_percent for fillers in (False, True))
    if table in {"table4", "table5"} and layer in {"fc6", "fc7"}:
        assert bare <= printed <= filled + 0.005
    else:
        # VGG's first layer has 2,000 weights and a density rounded to a percent.
        assert filled == pytest.approx(printed, abs=1.7 if layer == "conv1_1" else 0.5)


def test_totals_are_sums():
    parts = [sizes_of("table4", layer, fillers=True) for layer in published("table4")]
    total = deep_compression.together("total", parts)
    assert total.weights == sum(part.weights for part in parts)
    assert total.quantized_bytes == pytest.approx(sum(part.quantized_bytes for part in parts))
    assert total.huffman_bytes == pytest.approx(sum(part.huffman_bytes for part in parts))
    # The printed totals lie between those without fillers and those of a random mask.
    bare = deep_compression.together(
        "bare", [sizes_of("table4", layer, fillers=False) for layer in published("table4")]
    )
    assert bare.rate_percent <= of("table4", "total", "rate_pct") <= total.rate_percent
    assert (
        bare.rate_percent_huffman <= of("table4", "total", "rate_pct_huffman") <= total.rate_percent_huffman
    )
    assert total.weights_percent == pytest.approx(of("table4", "total", "weights_pct"), abs=0.5)


def test_expected_fillers_are_what_a_random_mask_needs():
    rng = np.random.default_rng(0)
    weights, bits = 400_000, 4
    mask = rng.random(weights) < 0.05
    gaps = np.diff(np.flatnonzero(mask), prepend=-1) - 1
    counted = (gaps // 2**bits).sum()
    assert deep_compression.expected_fillers(weights, int(mask.sum()), bits) == pytest.approx(
        counted, rel=0.02
    )
    assert deep_compression.expected_fillers(100, 0, 4) == 0
    assert deep_compression.expected_fillers(100, 100, 4) == 0


def by_hand(weight: torch.Tensor, index_bits: int) -> tuple[int, list[int], list[float]]:
    """Fillers, gaps and values, one weight after another."""
    gaps, values, run = [], [], 0
    for value in weight.flatten().tolist():
        if value == 0:
            run += 1
            continue
        while run >= 2**index_bits:
            gaps.append(2**index_bits - 1)
            values.append(0.0)
            run -= 2**index_bits
        gaps.append(run)
        values.append(value)
        run = 0
    return sum(value == 0 for value in values), gaps, values


def huffman_bits(symbols: list[float]) -> int:
    """The sum of a Huffman tree's inner weights, which is its cost."""
    counts = sorted(symbols.count(one) for one in set(symbols))
    total = counts[0] if len(counts) == 1 else 0
    while len(counts) > 1:
        pair = counts[0] + counts[1]
        total += pair
        counts = sorted([*counts[2:], pair])
    return total


@pytest.mark.parametrize("index_bits", [1, 3, 5, 8])
def test_a_real_layer_is_counted_as_by_hand(index_bits):
    generator = torch.Generator().manual_seed(index_bits)
    weight = torch.randint(-7, 8, (40, 30), generator=generator).float()
    weight[torch.rand(40, 30, generator=generator) < 0.85] = 0
    sizes = deep_compression.measured_sizes("layer", weight, 4, index_bits)
    fillers, gaps, values = by_hand(weight, index_bits)
    assert (sizes.fillers, sizes.entries, sizes.kept) == (fillers, len(gaps), int(weight.count_nonzero()))
    assert sizes.clusters == 14
    assert sizes.quantized_bytes == len(gaps) * (4 + index_bits) / 8 + 14 * 4
    assert sizes.huffman_bytes == pytest.approx((huffman_bits(values) + huffman_bits(gaps)) / 8 + 14 * 4)
    assert sizes.pruned_bytes == len(gaps) * (32 + index_bits) / 8


def test_the_width_of_the_index_is_the_best_one():
    weight = torch.zeros(100, 100)
    weight[torch.rand(100, 100, generator=torch.Generator().manual_seed(0)) < 0.07] = 1.0
    sizes = [deep_compression.measured_sizes("w", weight, 5, bits).quantized_bytes for bits in range(1, 17)]
    assert deep_compression.measured_sizes("w", weight, 5).quantized_bytes == min(sizes)


def test_layers_that_have_nothing_to_code():
    dense = deep_compression.measured_sizes("dense", torch.ones(4, 4), 5)
    assert (dense.index_bits, dense.fillers, dense.clusters, dense.weight_bits_huffman) == (0, 0, 1, 1)
    zero = deep_compression.measured_sizes("zero", torch.zeros(4, 4), 5)
    assert (zero.kept, zero.huffman_bytes, zero.rate_percent, zero.weight_bits) == (0, 0, 0, 0)
    unshared = deep_compression.measured_sizes("unshared", torch.eye(4), 32)
    assert unshared.clusters == 0
    assert unshared.huffman_code_bits == unshared.code_bits == 32 * unshared.entries


def test_what_no_layer_can_have_is_refused():
    with pytest.raises(EfflabError, match="kept must be between 0 and the 10 weights of layer 'fc'"):
        deep_compression.stage_sizes("fc", 10, 11, bits=4)
    with pytest.raises(EfflabError, match="bits and index_bits of layer 'fc'"):
        deep_compression.stage_sizes("fc", 10, 1, bits=33)
    assert math.isclose(deep_compression.stage_sizes("fc", 100, 100, bits=2, clusters=4).rate_percent, 10.25)
