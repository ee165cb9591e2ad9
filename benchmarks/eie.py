"""EIE's engines in simulated PE-cycles a second, beside plain Python, NumPy, and SCALE-Sim.

The layer is Alex-6 on 64 PEs: 4,096 x 9,216 weights, 9 % of them and 35.1 % of the inputs not zero. The floor of an engine
is a copy of the entry counts that it reads. SCALE-Sim simulates a dense layer on as many PEs, in an environment of its own
below ``build/``: with --write one of Alex-8's size, a minute; otherwise a sixteenth of it. Beside the engines stand the
package's sweep over 1,000 machines, ``reproduce eie`` from start to end, memory by non-zero weights, and the player's pictures.
Run it with ``python -m benchmarks.eie [--write]``.
"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import eie_player, eie_whole
from benchmarks._bench import Timings, arguments, race
from benchmarks.peers.eie_plain import cycles_numpy, cycles_python, event_numpy, event_python
from efflab import eie, paper, results
from efflab.eie import cycle, engine, movement
from efflab.results import Result

ROOT = Path(__file__).resolve().parents[1]
PES, COMMAND = 64, "python -m benchmarks.eie --write"
DENSE, DENSE_SMALL = (1000, 4096), (250, 1024)
SCALESIM = "3.0.0"

FLOOR = "copy of the counts"
EVENT, EVENT_NUMPY, EVENT_PYTHON = "run_counts", "recurrence in NumPy", "recurrence in Python"
CYCLE, CYCLE_NUMPY, CYCLE_PYTHON = "count_cycles", "cycles in NumPy", "cycles in Python"
MOVED, TRACED = "data moved", "data and trace"


def engines(rounds: int = 9) -> tuple[Timings, int, list[Result]]:
    """Race the engines on Alex-6, and time what comes before them."""
    row = {column: figure.value for column, figure in paper.table("eie", "table3").row("alex-6").items()}
    rows, columns = int(row["outputs"]), int(row["inputs"])
    machine = eie.Machine()
    pattern = eie.draw(rows, columns, row["weights_pct"] / 100, seed=0)
    inputs = eie.draw_active(columns, row["act_pct"] / 100, seed=1) * 1.0
    active = np.flatnonzero(inputs)
    counts, gaps, depth = (
        pattern.counts(PES, machine.index_bits)[active],
        eie.gaps(active, PES),
        machine.depth,
    )
    codes = np.random.default_rng(0).integers(1, 16, pattern.nonzeros).astype(np.uint8)
    layer = eie.Layer(pattern, codes, np.append(0, np.random.default_rng(1).normal(size=15)), machine)
    # A batch of the registers' 4,096 inputs would drain three times; here all is one, for engines and versions alike.
    batch = eie.run_counts(counts, gaps, depth)
    whole = eie.simulate(layer, inputs)
    formats = engine.formats_for(layer, inputs)
    held = engine.hold(inputs, formats)
    versions = (event_numpy, event_python, cycles_numpy, cycles_python)
    assert all(version(counts, gaps, depth) == batch.cycles for version in versions)
    assert cycle.count_cycles(counts, gaps, depth) == batch
    assert movement.move(layer, held, formats).counters == whole.counters
    contestants: dict[str, Callable[[], object]] = {
        FLOOR: counts.copy,
        EVENT: lambda: [eie.run_counts(counts, gaps, depth) for _ in range(20)],
        EVENT_NUMPY: lambda: event_numpy(counts, gaps, depth),
        EVENT_PYTHON: lambda: event_python(counts, gaps, depth),
        CYCLE: lambda: cycle.count_cycles(counts, gaps, depth),
        CYCLE_NUMPY: lambda: cycles_numpy(counts, gaps, depth),
        CYCLE_PYTHON: lambda: cycles_python(counts, gaps, depth),
        MOVED: lambda: movement.move(layer, held, formats),
        TRACED: lambda: movement.move(layer, held, formats, whole.cycles),
    }
    seldom = {EVENT_NUMPY: 3, EVENT_PYTHON: 3, CYCLE_NUMPY: 3, CYCLE_PYTHON: 3}
    timings = race(contestants, rounds=rounds, seldom=seldom)
    timings.seconds[EVENT] = [seconds / 20 for seconds in timings.seconds[EVENT]]
    return timings, batch.cycles * PES, [*before(pattern, layer, inputs)]


def before(pattern: eie.Pattern, layer: eie.Layer, inputs: NDArray[np.float64]) -> Iterable[Result]:
    """Time what an engine's run does not contain: drawing, counting, encoding, and the rest of ``simulate``."""
    matrix = layer.dense().astype(np.float32)

    def encoded() -> object:
        return eie.encode(matrix, layer.machine, layer.codebook).csc

    def counted() -> object:
        pattern.forget()
        return pattern.counts(PES, layer.machine.index_bits)

    contestants: dict[str, Callable[[], object]] = {
        "copy of the dense matrix": matrix.copy,
        "draw": lambda: eie.draw(*pattern.shape, pattern.density, seed=2),
        "counts by PE": counted,
        "encode": encoded,
        "simulate, with outputs": lambda: eie.simulate(layer, inputs),
    }
    timings = race(contestants, rounds=5)
    print(timings.table("Before and around an engine's run, Alex-6"))
    for name, key in (
        ("draw", "draw"),
        ("counts by PE", "counts"),
        ("encode", "encode"),
        ("simulate, with outputs", "simulate"),
    ):
        times = [1e3 * seconds for seconds in timings.seconds[name]]
        yield record(f"speed/{key}-ms", timings.median(name) * 1e3, "ms", (min(times), max(times)))


def rates(timings: Timings, pe_cycles: int) -> Iterable[Result]:
    """Simulated PE-cycles a second, and ratios of one run."""
    bars = {
        EVENT: ("speed/event-engine", 10_000, 20_000),
        CYCLE: ("speed/cycle-engine", 200, 400),
        TRACED: ("speed/cycle-engine-with-data-and-trace", 20, None),
        MOVED: ("speed/cycle-engine-with-data", None, None),
        EVENT_NUMPY: ("speed/event-numpy", None, None),
        EVENT_PYTHON: ("speed/event-python", None, None),
        CYCLE_NUMPY: ("speed/cycle-numpy", None, None),
        CYCLE_PYTHON: ("speed/cycle-python", None, None),
    }
    for name, (key, bar, goal) in bars.items():
        million = [pe_cycles / seconds / 1e6 for seconds in timings.seconds[name]]
        yield record(
            key, float(np.median(million)), "M PE-cycles/s", (min(million), max(million)), bar=bar, goal=goal
        )
    ratios = {
        "event-vs-python": (EVENT_PYTHON, EVENT),
        "event-vs-numpy": (EVENT_NUMPY, EVENT),
        "event-vs-copy": (EVENT, FLOOR),
        "event-vs-cycle": (CYCLE, EVENT),
        "cycle-vs-python": (CYCLE_PYTHON, CYCLE),
        "cycle-vs-numpy": (CYCLE_NUMPY, CYCLE),
        "data-and-trace-vs-counting": (TRACED, CYCLE),
    }
    for key, (slow, fast) in ratios.items():
        yield record(f"speed/{key}", timings.ratio(slow, fast), "x", timings.spread(slow, fast))


def whole() -> Iterable[Result]:
    """Time and memory of a sweep, of ``reproduce eie`` and of layers of several sizes."""
    seconds, points = eie_whole.sweep_seconds()
    eie_whole.check(points)
    yield record("speed/sweep-of-1000", seconds, "s", None, bar=60, most=True)
    yield record("speed/reproduce", eie_whole.reproduce_seconds(), "s", None, bar=60, most=True)
    peaks = {millions: eie_whole.peak_mb(millions) for millions in eie_whole.NONZEROS}
    for millions, peak in peaks.items():
        yield record(f"memory/peak-of-{millions}m-nonzeros", peak, "MB", None)
    few, many = min(peaks), max(peaks)
    # Memory that is linear grows no faster than the non-zeros.
    growth = peaks[many] / peaks[few]
    yield record("memory/growth-for-8-times-the-nonzeros", growth, "x", None, bar=many // few, most=True)


def player() -> tuple[list[Result], str]:
    """Time the player's pictures in Chromium; a sentence where there is none."""
    path = eie_player.chromium()
    if path is None:
        return [], "the player was not timed: no Chromium is installed"
    median, spread = eie_player.frame_ms(path)
    return [record("speed/player-frame", median, "ms", spread, bar=16.7, most=True)], ""


def peer(shape: tuple[int, int]) -> tuple[list[Result], str]:
    """Hold SCALE-Sim beside the cycle engine on a dense layer; a sentence where it cannot run."""
    rows, columns = shape
    try:
        theirs = scalesim(rows, columns)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return [], f"SCALE-Sim {SCALESIM} was not run: {str(error).splitlines()[0]}"
    machine, inputs = eie.Machine(), np.ones(columns)
    layer = eie.encode(np.ones(shape, np.float32), machine)
    formats = engine.formats_for(layer, inputs)
    held = engine.hold(inputs, formats)
    runs = {
        "counting": lambda: eie.simulate(layer.pattern, inputs, machine, "cycle"),
        "data": lambda: movement.move(layer, held, formats),
        "event": lambda: eie.simulate(layer.pattern, inputs, machine),
    }
    timings = race(runs, rounds=5)
    cycles = eie.simulate(layer, inputs).cycles
    theirs_a_second = theirs["cycles"] / theirs["seconds"]
    print(
        f"Dense {rows:,} x {columns:,} on {PES} PEs: SCALE-Sim {theirs['cycles']:,} cycles in {theirs['seconds']:.1f} s, "
        f"EIE {cycles:,} cycles"
    )
    found = []
    for name, seconds in timings.seconds.items():
        ratios = [cycles / second / theirs_a_second for second in seconds]
        found.append(
            record(f"speed/{name}-vs-scalesim", float(np.median(ratios)), "x", (min(ratios), max(ratios)))
        )
    return [*found, record("speed/scalesim", theirs_a_second * PES / 1e6, "M PE-cycles/s", None)], ""


def scalesim(rows: int, columns: int) -> dict[str, Any]:
    """Cycles and seconds of SCALE-Sim on 8 x 8 PEs, in an environment made for it where there is none yet."""
    place = ROOT / "build" / "scalesim"
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (place / "installed").exists():
        venv.create(place, clear=True, with_pip=True)
        # Its results are cast in a way that NumPy 2.4 refuses.
        command = [python, "-m", "pip", "install", "--quiet", "numpy<2.4", f"scalesim=={SCALESIM}"]
        subprocess.run(command, check=True, capture_output=True, timeout=900)
        (place / "installed").touch()
    with tempfile.TemporaryDirectory() as folder:
        driver = Path(__file__).with_name("peers") / "scalesim_layer.py"
        command = [python, driver, folder, str(rows), str(columns), "8"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1200)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def record(
    key: str,
    measured: float,
    unit: str,
    spread: tuple[float, float] | None,
    *,
    bar: float | None = None,
    goal: float | None = None,
    most: bool = False,
) -> Result:
    """One measured figure; a bar is what it must at least reach, or at most with ``most``."""
    word = "at most" if most else "at least"
    holds = None if bar is None else bool(measured <= bar if most else measured >= bar)
    written = "" if bar is None else f"  bar: {word} {bar:,}" + (f", goal {goal:,}" if goal else "")
    print(f"{key:42} {measured:12.3f} {unit}{written}")
    return results.record(
        "eie", key, measured=measured, unit=unit, bar=None if bar is None else f"{word} {bar:,} {unit}",
        goal=f"{goal:,} {unit}" if goal else None, holds=holds, source="benchmarks/eie.py", command=COMMAND, spread=spread,
        scale="cpu", data="synthetic", packages=("numba",),
    )  # fmt: skip


def main() -> None:
    options = arguments(__doc__ or "")
    timings, pe_cycles, found = engines()
    print(timings.table(f"Alex-6 on {PES} PEs: {pe_cycles:,} PE-cycles, one thread"))
    found += [*rates(timings, pe_cycles), *whole()]
    frames, no_player = player()
    if no_player:
        print(no_player)
    found += frames
    peers, missing = peer(DENSE if options.write else DENSE_SMALL)
    if missing:
        print(missing)
    if options.write:
        results.write("eie", [*found, *peers], {"scalesim": missing or f"SCALE-Sim {SCALESIM} was run"})


if __name__ == "__main__":
    main()
