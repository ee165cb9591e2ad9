"""Sweeps over machines: each machine's own figures, files that can be taken up again, fronts and their picture."""

import dataclasses
import itertools
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from efflab import efz
from efflab.eie import (
    Machine,
    area,
    draw,
    draw_active,
    energy,
    networks,
    simulate,
    sweep_figure,
    sweep_points,
    sweep_works,
)
from efflab.eie import inputs as vectors
from efflab.eie import sweep as sweeping
from efflab.eie.network_run import run_network
from efflab.errors import EfflabError


@pytest.fixture(scope="module")
def works():
    return [
        sweeping.Work(f"layer {seed}", draw(60, 90, 0.2, seed), draw_active(90, 0.4, seed))
        for seed in range(3)
    ]


MACHINES = sweeping.grid(pes=(1, 4, 16), fifo=(2, 8), sram_width=(32, 64))


def one_by_one(works, machine):
    runs = [simulate(work.pattern, work.active, machine) for work in works]
    spent = sum(energy(run).total_uj for run in runs)
    return (
        sum(run.counters.cycles + run.counters.fill for run in runs),
        sum(run.time_us for run in runs),
        spent,
    )


def test_a_sweep_is_its_machines_one_by_one(works):
    bypass = sweeping.grid(pes=(2, 4), fifo=(1, 4), bypass=(True, False), regs=(3, 64), index_bits=(2, 4))
    for machines in (
        MACHINES,
        bypass,
        sweeping.grid(precision=("int8", "float32"), clock_mhz=(400.0, 800.0)),
    ):
        points = sweeping.sweep(works, machines, workers=2, progress=False)
        for machine, point in zip(machines, points, strict=True):
            cycles, time_us, energy_uj = one_by_one(works, machine)
            assert point.cycles == cycles
            assert point.time_us == pytest.approx(time_us)
            assert point.energy_uj == pytest.approx(energy_uj)
            assert point.area_mm2 == area(machine).total_mm2
            assert all(getattr(point, name) == getattr(machine, name) for name in sweeping.PARAMETERS)


@pytest.mark.parametrize(
    ("name", "values", "figure"),
    [
        ("technology_nm", (45, 28), "area_mm2"),
        ("spmat_kb", (128, 64.0), "area_mm2"),
        ("ptr_kb", (32, 16.0), "area_mm2"),
        ("code_bits", (4, 8), "energy_uj"),
    ],
)
def test_machines_that_differ_in_anything_are_told_apart(works, tmp_path, name, values, figure):
    machines = [Machine(pes=4, **{name: value}) for value in values]
    both = sweeping.sweep(works, machines, progress=False)
    alone = [sweeping.sweep(works, [machine], progress=False)[0] for machine in machines]
    assert both == alone
    assert getattr(both[0], figure) != getattr(both[1], figure)
    sweeping.sweep(works, machines[:1], path=tmp_path / "s.csv", progress=False)
    assert name in (tmp_path / "s.csv").read_text().splitlines()[0].split(",")
    with pytest.raises(EfflabError, match=f"holds a sweep with {name} {values[0]}, and this one has"):
        sweeping.sweep(works, machines[1:], path=tmp_path / "s.csv", progress=False)
    # A sweep over both goes on with the file of its first.
    assert sweeping.sweep(works, machines, path=tmp_path / "s.csv", progress=False) == both


def test_an_interrupted_sweep_goes_on(works, tmp_path, monkeypatch):
    path, calls = tmp_path / "sweep.csv", []
    right = sweeping.sweep(works, MACHINES, path=path, progress=False)
    lines = path.read_text().splitlines(keepends=True)
    # The last line was cut off within its last number.
    path.write_text("".join(lines[:6]) + lines[6][:-3])
    evaluate = sweeping.evaluate
    monkeypatch.setattr(
        sweeping, "evaluate", lambda machines, **k: calls.extend(machines) or evaluate(machines, **k)
    )
    assert sweeping.sweep(works, MACHINES, path=path, progress=False) == right
    assert len(calls) == len(MACHINES) - 5
    assert sorted(path.read_text().splitlines()) == sorted(line.rstrip() for line in lines)
    calls.clear()
    assert sweeping.sweep(works, MACHINES[:4], path=path, progress=False) == right[:4] and not calls
    path.write_text(sweep_points.HEADER[:20])
    assert sweeping.sweep(works, MACHINES, path=path, progress=False) == right


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n", "its columns are a, b"),
        (b"\x89PNG\r\n\x1a\n\x00\x00" * 9, "it holds no table"),
        (b"\xff" * 4000, "it holds no table"),
        (b"\x1b[31mred\n", "it holds no table"),
        (b"no end of line", "its columns are no end of line"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_stays(works, tmp_path, content, sentence):
    path = tmp_path / "sweep.csv"
    path.write_bytes(content)
    with pytest.raises(EfflabError, match=sentence) as refused:
        sweeping.sweep(works, MACHINES[:2], path=path, progress=False)
    assert str(refused.value).isprintable() and path.read_bytes() == content


def test_a_sweep_over_other_layers_or_inputs_is_refused(works, tmp_path):
    path, machines = tmp_path / "sweep.csv", MACHINES[:2]
    many = [sweeping.Work("x", works[0].pattern, works[0].active, total=5)]
    sweeping.sweep(many, machines, path=path, progress=False)
    for other in (
        works[:1],
        [dataclasses.replace(many[0], total=6)],
        [dataclasses.replace(many[0], active=np.ones(90))],
    ):
        with pytest.raises(EfflabError, match="other layers"):
            sweeping.sweep(other, machines, path=path, progress=False)


def test_machines_that_are_too_small_are_told(works):
    small, large = sweeping.sweep(works, sweeping.grid(Machine(spmat_kb=0.5), pes=(1, 64)), progress=False)
    assert not small.fits and large.fits
    assert sweeping.pareto([small, large]) == [large]
    with pytest.raises(EfflabError, match="nothing to draw"):
        sweeping.plot([small])


def test_machines_without_published_energy_are_refused_before_any_runs(works, tmp_path):
    for machine, sentence in (
        (Machine(sram_width=1024), "1024 bits"),
        (Machine(spmat_kb=None), "spmat_kb is None"),
    ):
        with pytest.raises(EfflabError, match=sentence):
            sweeping.sweep(works, [Machine(), machine], path=tmp_path / "s.csv", progress=False)
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize("values", [{"pes": (2, 4)}, {"fifo": (2, 8)}])
def test_machines_run_at_the_same_time_whatever_they_differ_in(works, monkeypatch, values):
    meeting, evaluate = threading.Barrier(2, timeout=60), sweeping.evaluate
    monkeypatch.setattr(
        sweeping, "evaluate", lambda machines, **k: (meeting.wait() and None) or evaluate(machines, **k)
    )
    assert len(sweeping.sweep(works, sweeping.grid(**values), workers=2, progress=False)) == 2


# Several vectors, and vectors that stand for others.


def test_a_vector_that_stands_for_several_counts_so_often(works):
    pattern = works[0].pattern
    three = np.stack([draw_active(90, share, 7) for share in (0.1, 0.4, 0.9)])
    whole = sweeping.Work("x", pattern, three, total=12)
    point = sweeping.evaluate([Machine(pes=4)], [whole])[0]
    runs = [simulate(pattern, one, Machine(pes=4)) for one in three]
    assert point.cycles == 4 * sum(run.counters.cycles + run.counters.fill for run in runs)
    assert point.time_us == pytest.approx(4 * sum(run.time_us for run in runs))
    assert point.energy_uj == pytest.approx(4 * sum(energy(run).total_uj for run in runs))
    with pytest.raises(EfflabError, match="total is 2, and 3 vectors are given"):
        sweeping.Work("x", pattern, three, total=2)
    with pytest.raises(EfflabError, match="active must have shape"):
        sweeping.Work("x", pattern, np.zeros((0, 90)))


class Small(nn.Module):
    """A convolution and two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding="same")
        self.fc1 = nn.Linear(6 * 64, 20)
        self.fc2 = nn.Linear(20, 5)

    def forward(self, x):
        x = torch.relu(self.conv(x)).flatten(1)
        return self.fc2(torch.relu(self.fc1(x)))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = Small()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            kept = torch.rand(parameter.shape) < 0.4
            parameter.data = (parameter * 60).round().clamp(-7, 7) / 60 * kept
    return model.eval()


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "net.efz"
    efz.save(model, path)
    return path


@pytest.mark.parametrize("precision", ["int8", "int16", "float32"])
def test_a_network_with_its_model_takes_what_simulate_says(file, model, precision):
    machine = Machine(pes=4, precision=precision)
    network, x = (
        networks.load(file, machine),
        torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(1)),
    )
    run = run_network(network, vectors.watched(network, model, x, most=9))
    bare = sweep_works.positions(file)
    point = sweeping.evaluate(
        [machine], sweep_works.of_network(bare, vectors.watched(bare, model, x, most=9))
    )[0]
    assert run.layers[0].total == 64 and run.layers[0].simulated == 9
    assert point.cycles == pytest.approx(run.cycles)
    assert (point.time_us, point.energy_uj) == pytest.approx((run.time_us, run.energy_uj))


def test_a_chain_gives_each_layer_what_the_one_before_made(file):
    only = ["fc1", "fc2"]
    x = np.random.default_rng(0).random(384) * (np.arange(384) % 3 > 0)
    network = networks.load(file, Machine(pes=4, precision="float32"), only=only)
    bare = sweep_works.positions(file, only)
    found = sweep_works.of_network(bare, vectors.chained(bare, x))
    run = run_network(network, vectors.chained(network, x))
    assert [int((work.active != 0).sum()) for work in found] == [
        one.run.counters.broadcasts for one in run.layers
    ]


def test_positions_are_read_without_clustering(file, monkeypatch):
    from efflab import quantization

    many = nn.Linear(40, 30)
    efz.save(many, file.with_name("many.efz"))
    monkeypatch.setattr(quantization, "kmeans", None)
    network = sweep_works.positions(file.with_name("many.efz"))
    assert network.layers[0].layer.pattern.nonzeros == np.unique(many.weight.detach()).size == 1200
    many.weight.data[0, 0] = float("inf")
    efz.save(many, file.with_name("many.efz"))
    with pytest.raises(EfflabError, match="must be finite numbers"):
        sweep_works.positions(file.with_name("many.efz"))


# Fronts and their picture.


def point(time_us, energy_uj, **own):
    parameters = {name: getattr(Machine(), name) for name in sweeping.PARAMETERS} | own
    return sweeping.Point(layers="", **parameters, fits=True, time_us=time_us, energy_uj=energy_uj)


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=12), st.integers(1, 3))
def test_the_front_holds_what_no_other_beats(triples, count):
    names = ("time_us", "energy_uj", "area_mm2")[:count]
    points = [dataclasses.replace(point(a, b), area_mm2=c) for a, b, c in triples]
    front = [tuple(getattr(one, name) for name in names) for one in sweeping.pareto(points, *names)]
    cut = {triple[:count] for triple in triples}
    right = {
        p for p in cut if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in cut)
    }
    assert sorted(front) == sorted(right)  # and each of them once


def test_energies_that_differ_by_rounding_alone_are_one():
    assert len(sweeping.pareto([point(1, 0.1 + 0.2), point(2, 0.3)])) == 1


def test_names_say_what_the_machines_differ_in():
    points = [point(1, 2, pes=64, fifo=8), point(2, 1, pes=32, fifo=16, sram_width=128)]
    parameters = sweep_figure.varied(points)
    assert [sweep_figure.label(one, parameters) for one in points] == [
        "64 PEs, FIFO 8, 64 bit",
        "32 PEs, FIFO 16, 128 bit",
    ]
    assert set(sweep_figure.WORDS) == set(sweeping.PARAMETERS)
    assert sweep_figure.varied(points[:1]) == ("pes",)


def front_of(count, narrow):
    """A convex front, and machines above it."""
    steps = np.linspace(0, 1, count)
    front = [point(3 + narrow * s, 3 + narrow * (1 - s) ** 2, pes=int(1 + 255 * s)) for s in steps]
    return [*front, *(point(one.time_us * 1.1, one.energy_uj * 1.2, pes=one.pes, fifo=4) for one in front)]


@pytest.mark.parametrize(("count", "narrow"), [(1, 0), (2, 0.01), (3, 20), (12, 0.5), (60, 2), (60, 900)])
def test_names_lie_on_no_other_name_and_on_no_dot(count, narrow):
    points = front_of(count, narrow)
    figure = sweeping.plot(points)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    # The extents of the words alone, without the line to their point.
    boxes = [super(type(text), text).get_window_extent() for text in axes.texts]
    assert 1 <= len(boxes) <= sweep_figure.MOST_LABELS
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    dots = axes.transData.transform([(one.time_us, one.energy_uj) for one in points])
    assert not any(box.contains(*dot) for box in boxes for dot in dots)
    for box in boxes:
        assert axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
    ticks = [text.get_text() for axis in (axes.xaxis, axes.yaxis) for text in axis.get_ticklabels()]
    assert len(ticks) >= 4 and all(float(text.replace(",", "")) > 0 for text in ticks)


@given(st.floats(1e-3, 1e5), st.floats(1.05, 1e6))
def test_ticks_are_round_numbers_within_the_axis(low, ratio):
    found = sweep_figure.ticks(low, low * ratio)
    assert len(found) >= 2 and len(found) < 20
    assert low <= min(found) and max(found) <= low * ratio
    assert all(float(f"{one:.4g}") == pytest.approx(one) for one in found)


def test_the_ends_and_the_knee_are_named_first():
    places = np.array([[0, 300.0], [10, 200], [20, 10], [150, 5], [300, 0]])
    assert sweep_figure.named(places)[:3] == [0, 4, 2]
    assert sweep_figure.named(np.array([[0, 5.0], [1, 4], [3, 0]])) == [0]


def test_bad_grids(works):
    with pytest.raises(EfflabError, match="no parameter that a sweep varies"):
        sweeping.grid(colour=(1,))
    with pytest.raises(EfflabError, match="pes has no values"):
        sweeping.grid(pes=())
    with pytest.raises(EfflabError, match="a sweep takes layers and machines"):
        sweeping.sweep([], MACHINES)
    with pytest.raises(EfflabError, match="at most"):
        sweeping.grid(pes=range(1, 2000), fifo=range(1, 2000))


# Schedulers.


@pytest.mark.slow
def test_a_scheduler_runs_the_machines(works):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        points = sweeping.sweep(works, MACHINES, scheduler=cluster.scheduler_address, progress=False)
    assert points == sweeping.sweep(works, MACHINES, progress=False)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_a_scheduler_that_does_not_answer_is_one_sentence(works, tmp_path, monkeypatch, address):
    pytest.importorskip("distributed", reason="it comes with efflab[instructor]")
    monkeypatch.setattr(sweeping, "SCHEDULER_SECONDS", 0.5)
    with pytest.raises(EfflabError, match="no dask scheduler answers at"):
        sweeping.sweep(works, MACHINES, path=tmp_path / "s.csv", scheduler=address, progress=False)
    assert not (tmp_path / "s.csv").exists()


def test_without_dask_a_scheduler_is_refused(works, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(EfflabError, match=r"efflab\[instructor\]"):
        sweeping.sweep(works, MACHINES, scheduler="tcp://127.0.0.1:9", progress=False)
