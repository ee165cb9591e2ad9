"""The published figures: names, numbers, and the papers' own arithmetic, which a slip of the pen would break."""

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efflab import paper
from efflab.errors import EfflabError
from efflab.paper import energy


def near(got: float, printed: paper.Figure, slack: float = 0.0) -> bool:
    """Within one unit of the last printed digit, and `slack` more for factors that are rounded themselves."""
    return abs(got - printed.value) < printed.step + slack


def column(topic: str, table: str, name: str) -> dict[str, float]:
    return {label: figure.value for label, figure in paper.table(topic, table).column(name).items()}


EVERY = [figure for name in paper.papers() for figure in paper.find(name)]
LAYER_TABLES = ("table2", "table3", "table4", "table5")


def test_twelve_papers_with_unique_well_formed_records():
    assert len(paper.papers()) == 12
    assert len({figure.id for figure in EVERY}) == len(EVERY) > 2500
    for figure in EVERY:
        assert re.fullmatch(r"[a-z_]+(/[a-z0-9._+-]+)+", figure.id), figure.id
        assert math.isfinite(figure.value), figure.id
        assert figure.where, figure.id
        assert figure.id.startswith(f"{figure.paper}/")


def test_sources_are_the_papers_and_not_copies_of_them():
    for name in paper.papers():
        source = paper.info(name)
        assert source.venue
        assert source.title
        assert re.fullmatch(r"(\d{4}\.\d{5}(v\d)?)?", source.arxiv)
        assert re.fullmatch(r"[a-z]+\d{4}[a-z]+", source.cite)
    assert not [f.id for f in EVERY if "github" in (f.note + f.where).lower()]


def test_every_digitised_figure_states_its_error_or_that_none_is_known():
    for figure in EVERY:
        if figure.status == "digitised" and figure.error is None:
            assert "no error stated" in figure.note or "clipped" in figure.note, figure.id


@given(st.sampled_from(EVERY))
def test_every_id_and_its_beginnings_are_found(figure):
    assert paper.get(figure.id) is figure
    parts = figure.id.split("/")
    assert figure in paper.find("/".join(parts[:2]))
    assert figure.reference.startswith(paper.info(figure.paper).short)


def test_every_table_is_whole_and_shows_itself():
    for name in paper.papers():
        for table in paper.tables(name):
            shown = paper.table(name, table)
            assert shown.labels, (name, table)
            assert any(cell for row in shown.rows for cell in row)
            assert str(shown).startswith(shown.title)
            assert shown._repr_html_().count("<tr>") == len(shown.labels) + 1


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("pruning/table2/fc1/weight_pct", "pruning/table2/fc1/weights_pct"),
        ("pruning/tabel1/lenet-5/error", "pruning/table1/lenet-5/error"),
        ("prunning/table1", "pruning"),
    ],
)
def test_unknown_ids_are_answered_with_close_ones(asked, offered):
    with pytest.raises(EfflabError, match=offered):
        paper.get(asked)


def test_unknown_tables_rows_and_columns_say_what_there_is():
    with pytest.raises(EfflabError, match="table2"):
        paper.table("pruning", "table22")
    table = paper.table("pruning", "table2")
    with pytest.raises(EfflabError, match="fc1, fc2, fc3, total"):
        table.row("conv1")
    with pytest.raises(EfflabError, match="act_pct"):
        table.column("activations")
    with pytest.raises(EfflabError, match="nothing"):
        paper.find("pruning/nothing")


def test_topics_that_share_a_paper():
    assert paper.get("huffman/table1/lenet-5-ref/rate").id == "deep_compression/table1/lenet-5-ref/rate"
    assert paper.cite("quantization") == paper.cite("huffman") == "han2016deep"


def test_printed_forms_are_kept_and_parsed():
    assert (paper.get("pruning/table2/fc1/weights").value, paper.get("pruning/table2/fc1/weights").step) == (
        235_000,
        1000,
    )
    assert paper.get("pruning/table4/total/flop").value == 1_500_000_000
    assert paper.get("pruning/table5/conv1_1/flop").step == pytest.approx(1e8)
    assert paper.get("pruning/table1/lenet-300-100/error").step == pytest.approx(0.01)
    assert paper.get("bandwidth/table1/squeezenet/parameters_pruned").value == 380_000
    assert paper.get("deep_compression/table1/alexnet-ref/size").value == 240_000


@given(st.sampled_from([f for f in EVERY if f.value]), st.floats(-3, 3))
def test_agreement_is_within_one_unit_of_the_last_digit(figure, units):
    if abs(abs(units) - 1) > 1e-6:
        assert figure.agrees(figure.value + units * figure.step) == (abs(units) < 1)


def test_energy_constants_carry_the_paper_s_ratios():
    assert energy.WORD_BYTES * 8 == 32
    relative = column("pruning", "figure1_relative", "value")
    for name, factor in relative.items():
        assert paper.get(f"pruning/figure1/{name}").value == pytest.approx(factor * energy.INT32_ADD_PJ)
    assert energy.DRAM_READ_PJ_PER_WORD == 128 * energy.SRAM_READ_PJ_PER_WORD
    # EIE, section I: a billion connections at 20 Hz from DRAM take 12.8 W.
    assert pytest.approx(12.8) == 1e9 * 20 * energy.DRAM_READ_PJ_PER_WORD * 1e-12


def test_energy_of_two_papers_is_one_table():
    eie = column("eie", "table1", "value")
    names = dict.fromkeys(eie) | {"sram_32b_32kb": "sram_cache_32b"}
    for name, other in names.items():
        assert eie[name] == paper.get(f"pruning/figure1/{other or name}").value


# Learning both weights and connections -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYER_TABLES)
def test_flop_kept_is_weights_kept_times_activations_of_the_layer_before(name):
    table = paper.table("pruning", name)
    layers = [label for label in table.labels if label != "total"]
    before = {layers[0]: 100.0} | {b: table.row(a)["act_pct"].value for a, b in itertools.pairwise(layers)}
    for layer in layers:
        row = table.row(layer)
        # Both factors are rounded to a percent: half a percent of each, and the product's own rounding or cut.
        slack = (0.5 * row["weights_pct"].value + 0.5 * before[layer]) / 100
        assert near(row["weights_pct"].value * before[layer] / 100, row["flop_pct"], slack), layer


@pytest.mark.parametrize("name", LAYER_TABLES)
def test_totals_are_the_sums_of_the_layers(name):
    table = paper.table("pruning", name)
    rows = [table.row(label) for label in table.labels if label != "total"]
    total = table.row("total")
    for key in ("weights", "flop"):
        slack = sum(row[key].step for row in rows) / 2
        assert near(sum(row[key].value for row in rows), total[key], slack), key
    kept = sum(row["weights"].value * row["weights_pct"].value for row in rows) / total["weights"].value
    assert near(kept, total["weights_pct"], 0.5)
    kept = sum(row["flop"].value * row["flop_pct"].value for row in rows) / total["flop"].value
    assert near(kept, total["flop_pct"], 1.0)


@pytest.mark.parametrize("name", LAYER_TABLES)
def test_fully_connected_layers_take_two_flop_a_weight(name):
    table = paper.table("pruning", name)
    for label in table.labels:
        row = table.row(label)
        if label.startswith("fc"):
            assert near(2 * row["weights"].value, row["flop"], row["weights"].step)


def test_rates_follow_from_the_parameters():
    table = paper.table("pruning", "table1")
    for label in table.labels:
        row = table.row(label)
        assert near(row["parameters"].value / row["parameters_pruned"].value, row["rate"]), label
    methods = paper.table("pruning", "table6")
    base = methods.row("baseline")["parameters"].value
    for label in methods.labels:
        row = methods.row(label)
        assert near(base / row["parameters"].value, row["rate"], 0.1), label


def test_layer_tables_and_summary_agree():
    for name, network in zip(LAYER_TABLES, ("lenet-300-100", "lenet-5", "alexnet", "vgg-16"), strict=True):
        total = paper.get(f"pruning/{name}/total/weights")
        assert near(total.value, paper.get(f"pruning/table1/{network}/parameters"), total.step)
        kept = paper.get(f"pruning/{name}/total/weights_pct").value / 100
        pruned = paper.get(f"pruning/table1/{network}/parameters_pruned").value
        assert kept * total.value == pytest.approx(pruned, rel=0.07)


# Deep Compression ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYER_TABLES)
def test_two_papers_print_the_same_densities(name):
    first = column("pruning", name, "weights_pct")
    second = column("deep_compression", name, "weights_pct")
    assert list(first.values()) == list(second.values())


@pytest.mark.parametrize("name", LAYER_TABLES)
def test_rates_before_huffman_are_density_times_bits(name):
    table = paper.table("deep_compression", name)
    for label in table.labels:
        row = table.row(label)
        if (
            label in {"total", "conv1_1"} or row["weights"].value > 1e7
        ):  # fillers, or a density rounded too far
            continue
        bits = row["weight_bits"].value + row["index_bits"].value
        codebook = 2 ** row["weight_bits"].value * 32
        size = row["weights_pct"].value * bits / 32 + 100 * codebook / (32 * row["weights"].value)
        assert size == pytest.approx(row["rate_pct"].value, abs=0.5), label


@pytest.mark.parametrize("name", LAYER_TABLES)
def test_huffman_never_makes_a_layer_larger(name):
    table = paper.table("deep_compression", name)
    for label in table.labels:
        row = table.row(label)
        assert row["rate_pct_huffman"].value < row["rate_pct"].value, label


def test_network_rates_follow_from_the_last_column():
    for name in LAYER_TABLES:
        for stage, key in (("quantization_rate", "rate_pct"), ("huffman_rate", "rate_pct_huffman")):
            share = paper.get(f"deep_compression/{name}/total/{key}")
            rate = paper.get(f"deep_compression/{name}_total/{stage}")
            assert near(100 / share.value, rate, rate.value * share.step / share.value), (name, stage)


def test_sizes_give_the_rates():
    sizes = column("deep_compression", "table1", "size")
    for network in ("lenet-300-100", "lenet-5", "alexnet", "vgg-16"):
        rate = paper.get(f"deep_compression/table1/{network}-compressed/rate")
        assert near(sizes[f"{network}-ref"] / sizes[f"{network}-compressed"], rate, 0.5)


def test_released_file_adds_up():
    part = {f.id.rsplit("/", 1)[1]: f.value for f in paper.find("deep_compression/released")}
    entries = part["squeezenet_entries"]
    assert entries - part["squeezenet_padding_entries"] == part["squeezenet_nonzero_weights"]
    header, codebooks, biases = 26 * 4, 26 * 256 * 4, part["squeezenet_biases"] * 4
    indices = part["squeezenet_bytes"] - header - codebooks - biases - entries
    assert indices == pytest.approx(entries / 2, abs=26)


# The others: one identity each ---------------------------------------------------------------------------------------


def test_eie_tables_add_up():
    power, area = column("eie", "table2", "power"), column("eie", "table2", "area")
    parts = ("memory", "clock-network", "register", "combinational")
    modules = ("act-queue", "ptrread", "spmatread", "arithmunit", "actrw")
    assert sum(power[p] for p in parts) == pytest.approx(power["total"], abs=0.002)
    assert sum(power[m] for m in modules) == pytest.approx(power["total"], abs=0.002)
    assert sum(area[p] for p in (*parts, "filler-cell")) == pytest.approx(area["total"], abs=2)
    assert sum(area[m] for m in (*modules, "filler-cell-module-view")) == pytest.approx(area["total"], abs=2)
    fps = paper.table("eie", "table5").row("eie-64pe")
    fc7 = paper.get("eie/table4/eie-64pe-actual-batch-1/alex-7").value
    assert fps["frames_per_s"].value == pytest.approx(1e6 / fc7, abs=1)
    assert fps["frames_per_j"].value == pytest.approx(
        fps["frames_per_s"].value / fps["power"].value, rel=1e-3
    )
    dense = paper.table("eie", "table4").row("cpu-i7-5930k-dense-batch-1")
    eie = paper.table("eie", "table4").row("eie-64pe-actual-batch-1")
    for layer, figure in paper.table("eie", "figure6").row("eie").items():
        if layer not in {"geomean", "nt-we"}:  # the record of nt-we notes what Table IV gives
            assert dense[layer].value / eie[layer].value == pytest.approx(figure.value, rel=0.05), layer


def test_eie_curves_go_the_way_they_must():
    for figure, rising in (("figure8", True), ("figure12", True), ("figure13", False), ("figure11", True)):
        table = paper.table("eie", figure)
        for label in table.labels:
            values = [f.value for f in table.row(label).values()]
            assert values == sorted(values, reverse=not rising), (figure, label)


def test_ese_rows_are_consistent():
    table = paper.table("ese", "matrices")
    assert {f.status for label in table.labels for f in table.row(label).values()} == {"unverified"}
    rows = [table.row(label) for label in table.labels if label != "total"]
    assert sum(r["compressed"].value for r in rows) == table.row("total")["compressed"].value
    for row in rows:
        entries = row["compressed"].value / 2
        assert near(entries / (32 * 200), row["theoretical_time"], 0.05)
        assert near(2 * entries * 32 / 1e9, row["operations"], 1e-4)
        assert row["operations"].value / row["real_time"].value * 1e6 == pytest.approx(
            row["performance"].value, rel=0.05
        )


def test_dsd_improvements_are_differences():
    table = paper.table("dsd", "table1")
    for label in table.labels:
        row = table.row(label)
        assert near(abs(row["baseline"].value - row["dsd"].value), row["improvement"])
        # The paper took the relative gain from more digits than the table prints: VGG-16's 4.31 points of 31.50.
        assert near(
            100 * row["improvement"].value / row["baseline"].value,
            row["improvement_relative"],
            10 / row["baseline"].value,
        ), label


def test_ttq_densities_weighted_by_layer_size():
    sizes = {"conv2": 307_200, "conv3": 884_736, "conv4": 663_552, "conv5": 442_368}
    fc = {"fc1": 37_748_736, "fc2": 16_777_216, "fc3": 4_096_000}
    ttq = column("ttq", "table4", "ttq")
    conv_total = sum(n * ttq[layer] for layer, n in sizes.items()) / sum(sizes.values())
    fc_total = sum(n * ttq[layer] for layer, n in fc.items()) / sum(fc.values())
    assert conv_total == pytest.approx(ttq["conv-total"], abs=1)
    assert fc_total == pytest.approx(ttq["fc-total"], abs=1)


def test_squeezenet_counts_from_shapes():
    table = paper.table("squeezenet", "table1")
    channels = 96
    counts = [96 * 3 * 49 + 96]
    for label in table.labels[1:9]:
        row = table.row(label)
        s, e1, e3 = (row[name].value for name in ("s1x1", "e1x1", "e3x3"))
        counts.append(channels * s + s + s * e1 + e1 + 9 * s * e3 + e3)
        channels = e1 + e3
    counts.append(channels * 1000 + 1000)
    assert [f.value for f in table.column("parameters").values()] == [*counts, sum(counts)]
    pruned = list(table.column("parameters_pruned").values())
    assert sum(f.value for f in pruned[:-1]) == pruned[-1].value


@pytest.mark.parametrize("name", ["table1", "table2", "table3"])
def test_winograd_loads_are_products(name):
    table = paper.table("winograd", name)
    for label in table.labels:
        if label == "conv0":
            continue
        row = table.row(label)
        for variant, saved in (("spatial", 1), ("winograd", 2.25), ("winograd_relu", 2.25)):
            w, a = row[f"{variant}_weights_pct"].value, row[f"{variant}_act_pct"].value
            slack = 0.5 * w / 100 / saved
            assert near(w * a / 100 / saved, row[f"{variant}_load_pct"], slack), (label, variant)


def test_dgc_ratios_follow_from_the_sizes():
    parameters = {
        "AlexNet": (60_954_656, 10_568),
        "ResNet-50": (25_502_912, 54_120),
        "PTB LSTM": (51_000_000, 34_000),
    }
    for network, (many, few) in parameters.items():
        ratio = (many + few) * 32 / (many * 0.001 * 48 + few * 32)
        key = network.lower().replace(" ", "-")
        assert near(ratio, paper.get(f"dgc/recomputed/{key}"))
        printed = {
            "alexnet": "table3/alexnet-dgc",
            "resnet-50": "table3/resnet-50-dgc",
            "ptb-lstm": "table4/ptb_lstm-dgc",
        }
        assert near(ratio, paper.get(f"dgc/{printed[key].replace('ptb_lstm', 'ptb-lstm')}/rate"))


def test_amc_macs_from_the_channel_list():
    channels = [f.value for f in paper.find("amc/mobilenet_channels")]
    sides = [112, 56, 56, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7]
    layers = zip(sides, channels[1:-1], channels[2:], strict=True)
    blocks = sum(side * side * (9 * c + c * n) for side, c, n in layers)  # depthwise 3x3, then pointwise
    assert blocks == paper.get("amc/mobilenet_macs/amc_50/blocks").value
    assert 112 * 112 * 27 * channels[1] == paper.get("amc/mobilenet_macs/amc_50/first_conv").value
    assert channels[-1] * 1000 == paper.get("amc/mobilenet_macs/amc_50/classifier").value


def test_dac18_repeats_the_papers_it_surveys():
    for network in ("alexnet", "vgg-16"):
        for name in (
            "error",
            "top5_error",
            "error_pruned",
            "top5_error_pruned",
            "parameters",
            "parameters_pruned",
        ):
            assert (
                paper.get(f"bandwidth/table1/{network}/{name}").value
                == paper.get(f"pruning/table1/{network}/{name}").value
            )
    table = paper.table("bandwidth", "table2")
    for label in table.labels:
        row = table.row(label)
        assert near(row["size"].value / row["size_compressed"].value, row["rate"]), label
