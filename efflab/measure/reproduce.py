"""Topic ``measuring``: the published networks counted, LeNet on this machine's roofline, energy of one inference.

Counts are held against Tables 2 to 5 of "Learning both Weights and Connections" (Han et al., NIPS 2015), whose FLOP are
twice the MACs; times are recorded as shares of what this machine reaches.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn
from tqdm import tqdm

from efflab import models, paper, results
from efflab.measure._energy import energy
from efflab.measure._latency import latency
from efflab.measure._profile import LayerCount, Profile
from efflab.measure._profiling import profile
from efflab.measure._roofline import Roofline, arithmetic_intensity, roofline
from efflab.results import Result

# Each network's table in the paper.
_TABLES = {"lenet-300-100": "table2", "lenet5": "table3", "alexnet": "table4", "vgg16": "table5"}
_BATCHES = (1, 8, 64)
_SECONDS = {"smoke": 0.3, "cpu": 9.0, "full": 9.0}
_REPEATS = {"smoke": 5, "cpu": 200, "full": 200}
_AS_PRINTED = "within one unit of the last printed digit"


def run(scale: str, seeds: Sequence[int], progress: bool) -> results.Measured:
    """Count, time and add up.

    Args:
        scale: ``"smoke"`` times a few calls, ``"cpu"`` and ``"full"`` enough for a median.
        seeds: the first seeds the weights and inputs of what is timed; counts depend on none.
        progress: whether a progress bar is shown.

    Returns:
        The records, and the series of the roofline figure.
    """
    with _quiet_bar(len(_TABLES) + 2, progress) as bar:
        counts: dict[str, Profile] = {}
        for name in _TABLES:
            counts[name] = _published(name)
            bar.update()
        counted = [one for name in _TABLES for one in _count_records(name, counts[name], scale)]
        energies = [one for name in _TABLES for one in _energy_records(name, counts[name], scale)]
        bar.update()
        timed, points = _roofline_records(scale, seeds[0])
        bar.update()
    return results.Measured((*counted, *energies, *timed), {"roofline": points})


@contextlib.contextmanager
def _quiet_bar(total: int, shown: bool) -> Iterator["tqdm[None]"]:
    with tqdm(total=total, desc="measuring", disable=not shown) as bar:
        yield bar


def _model(name: str, seed: int, batch: int = 1) -> tuple[nn.Module, torch.Tensor]:
    """A network with random weights and inputs, without a trace in the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return models.get(name), torch.rand(batch, *models.input_shape(name))


def _published(name: str) -> Profile:
    """Count a published network; initialising 138 million weights would take longer than all the rest."""
    with torch.device("meta"):
        model = models.get(name)
    model = model.to_empty(device="cpu")
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1e-3)
    return profile(model, torch.ones(1, *models.input_shape(name)))


def _record(scale: str, id: str, measured: float, unit: str, **others: object) -> Result:  # noqa: A002 - the key's name
    command = f"efflab reproduce measuring --scale {scale}"
    return results.record("measuring", id, measured, unit, scale=scale, command=command, **others)  # type: ignore[arg-type]  # the fields of a record


def _against(scale: str, id: str, measured: float, figure: paper.Figure) -> Result:  # noqa: A002 - the key's name
    """A count beside the figure that the paper prints."""
    source = figure.reference + (f" ({figure.note})" if figure.note else "")
    holds = figure.agrees(measured)
    return _record(
        scale, id, measured, figure.unit, paper=figure, source=source, bar=_AS_PRINTED, holds=holds
    )


def _rows(counted: Profile, table: paper.Table) -> list[tuple[str, LayerCount | Profile]]:
    """The paper's rows beside what was counted for them."""
    layers: list[LayerCount | Profile] = [*counted.layers, counted]
    return list(zip(table.labels, layers, strict=True))


def _count_records(name: str, counted: Profile, scale: str) -> Iterator[Result]:
    """Weights and FLOP of each layer against the table, MACs and parameters of the whole."""
    table = paper.table("pruning", _TABLES[name])
    for label, layer in _rows(counted, table):
        for column, measured in (("weights", layer.weights), ("flop", layer.flop)):
            figure = table.row(label)[column]
            yield _against(scale, f"{name}/{label}/{column}", measured, figure)
    yield _record(scale, f"{name}/total/macs", counted.macs, "MAC")
    row = {"lenet5": "lenet-5", "vgg16": "vgg-16"}.get(name, name)
    figure = paper.get(f"pruning/table1/{row}/parameters")
    yield _against(scale, f"{name}/total/parameters", counted.parameters, figure)


def _energy_records(name: str, counted: Profile, scale: str) -> Iterator[Result]:
    """Energy of one inference: dense from DRAM, dense from SRAM, and pruned as the paper's table prints it."""
    table = paper.table("pruning", _TABLES[name])
    pruned = energy(_as_published(counted, table), skip_zeros=True)
    dense = energy(counted)
    source = f"45 nm table: {paper.get('pruning/figure1/dram_32b').reference}"
    printed = table.row("total")["weights_pct"]
    densities = f"{source}; densities: {printed.reference}"
    on_chip = energy(counted, weights_from="sram")
    for kind, spent, said in (
        ("dense_dram", dense, source),
        ("dense_sram", on_chip, source),
        ("pruned_dram", pruned, densities),
    ):
        yield _record(scale, f"{name}/energy/{kind}", float(f"{spent.total_uj:.6g}"), "µJ", source=said)
    share = 100 * dense.weights_pj / dense.total_pj
    yield _record(scale, f"{name}/energy/weights_share", float(f"{share:.4g}"), "%", source=source)
    saved = float(f"{dense.total_pj / pruned.total_pj:.4g}")
    yield _record(scale, f"{name}/energy/pruning_saves", saved, "x", source=densities)


def _as_published(counted: Profile, table: paper.Table) -> Profile:
    """The same network with the densities of weights and activations that the paper's table prints."""
    layers, density = [], 1.0
    for layer, label in zip(counted.layers, table.labels, strict=False):
        row = table.row(label)
        kept, active = row["weights_pct"].value / 100, row["act_pct"].value / 100
        layers.append(
            dataclasses.replace(
                layer,
                nonzeros=round(kept * layer.weights),
                kept_macs=round(kept * layer.macs),
                nonzero_macs=round(kept * density * layer.macs),
                input_density=density,
                activation_density=active,
            )
        )
        density = active
    return dataclasses.replace(counted, layers=tuple(layers))


def _roofline_records(scale: str, seed: int) -> tuple[list[Result], Mapping[str, list[float | str]]]:
    """This machine's roofline with one thread, and where the LeNets stand on it at several batch sizes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        roof = roofline(seconds=_SECONDS[scale])
        places = [
            _place(name, batch, roof, scale, seed)
            for name in ("lenet-300-100", "lenet5")
            for batch in _BATCHES
        ]
    finally:
        torch.set_num_threads(threads)
    machine = [
        _record(
            scale,
            "machine/peak",
            roof.peak_gflops,
            "GFLOP/s",
            data="fp32 matrix product 512 x 512, one thread",
        ),
        _record(scale, "machine/bandwidth", roof.bandwidth_gb_s, "GB/s", data="triad, one thread"),
        _record(
            scale,
            "machine/cache_bandwidth",
            roof.cache_gb_s,
            "GB/s",
            data="triad within the cache, one thread",
        ),
        _record(scale, "machine/ridge", float(f"{roof.ridge:.4g}"), "FLOP/byte"),
    ]
    points = {column: [point[column] for _, point in places] for column in places[0][1]}
    for column, value in (
        ("peak_gflops", roof.peak_gflops),
        ("bandwidth_gb_s", roof.bandwidth_gb_s),
        ("cache_gb_s", roof.cache_gb_s),
    ):
        points[column] = [_four(value)]
    return [*machine, *(one for records, _ in places for one in records)], points


def _four(value: float) -> float:
    return float(f"{value:.4g}")


def _place(
    name: str, batch: int, roof: Roofline, scale: str, seed: int
) -> tuple[list[Result], dict[str, float | str]]:
    """Arithmetic intensity and achieved GFLOP/s of one network at one batch size."""
    model, x = _model(name, seed, batch)
    counted = profile(model, x)
    timed = latency(model, x, warmup=10, repeats=_REPEATS[scale])
    # One thread's processor time, at its least as the roof is the machine's best: other programs do not stretch it.
    achieved = counted.flop / ((timed.processor_ms or timed.floor_ms) * 1e6)
    intensity = arithmetic_intensity(counted)
    in_memory, in_cache = roof.attainable(intensity), roof.attainable(intensity, cached=True)
    start = f"{name}/batch{batch}"
    source = "Williams et al., CACM 2009"
    records = [
        _record(scale, f"{start}/intensity", _four(intensity), "FLOP/byte", source=source),
        _record(
            scale,
            f"{start}/latency",
            timed.median_ms,
            "ms",
            spread=(timed.lower_ms, timed.upper_ms),
            data="one thread",
        ),
        _record(scale, f"{start}/of_peak", _four(100 * achieved / roof.peak_gflops), "%", source=source),
        _record(scale, f"{start}/of_memory_roof", _four(100 * achieved / in_memory), "%", source=source),
        _record(scale, f"{start}/of_cache_roof", _four(100 * achieved / in_cache), "%", source=source),
    ]
    point: dict[str, float | str] = {
        "network": name,
        "batch": batch,
        "flop_per_byte": _four(intensity),
        "gflops": _four(achieved),
        "memory_roof_gflops": _four(in_memory),
        "cache_roof_gflops": _four(in_cache),
    }
    return records, point
