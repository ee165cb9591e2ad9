"""A class of lab 01: this autograder against one bulk ``nbgrader autograde`` over the same notebooks, on the same cores.

Both start cold and grade what the other grades: 80 % right answers written in many ways, 15 % partial, 5 % broken.
nbgrader gets the notebooks without the cells that grading does not run, its tests are the visible checks; it runs no
hidden check, which this autograder does in addition. Memory is the proportional set size of all processes of a run.
Run it with ``python -m benchmarks.grading [--class 200] [--write]``; a class of 200 takes about 20 minutes on 2 cores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode
from nbgrader.api import Gradebook

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from autograder import gradebook, kernel
from autograder import notebook as nb
from autograder.bank import classes
from autograder.case import Case, load
from efflab import results
from efflab.tables import TextTable

ROOT = Path(__file__).resolve().parents[1]
LAB, CORES = "01-pruning", 2
GROWTH = (20, 50, 100, 200)
VENV = str(Path(sys.executable).parent)


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds of wall time, and the peak memory of its processes in megabytes."""

    seconds: float
    peak_mb: float


def measured(command: list[str], folder: Path) -> Cost:
    """Run a command to its end on the chosen cores."""
    environment = os.environ | {
        "PATH": os.pathsep.join([VENV, os.environ.get("PATH", "")]),
        "OMP_WAIT_POLICY": "passive",
    }
    environment |= {"JUPYTER_CONFIG_DIR": str(folder / ".jupyter"), "OMP_NUM_THREADS": "1"}
    log = folder / "log"
    start = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
        peak = _Peak(process.pid)
        peak.start()
        process.wait()
    seconds = time.perf_counter() - start
    if process.returncode not in {0, 1}:
        raise RuntimeError(
            f"{command[:6]} ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}"
        )
    return Cost(seconds, peak.finish())


class _Peak(threading.Thread):
    """Looks at a tree of processes twice a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._done, self._peak = pid, threading.Event(), 0

    def run(self) -> None:
        while not self._done.wait(0.5):
            self._peak = max(self._peak, sum(map(_share, _tree(self._pid))))

    def finish(self) -> float:
        self._done.set()
        self.join()
        return self._peak / 1e6


def _tree(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


def _share(pid: int) -> int:
    """Memory of a process, what it shares with others divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def ours(handed: list[classes.Handed], folder: Path) -> Cost:
    """``autograder grade`` from nothing: a new course, an empty cache."""
    source = folder / "handed-in"
    for one in handed:
        _write(source / one.student / LAB / "pruning.ipynb", one.notebook)
    course = folder / "course"
    cost = measured(
        [sys.executable, "-m", "autograder", "grade", str(source), "--lab", LAB, "--course", str(course), "--workers", str(CORES)],
        _in(folder, ROOT),
    )  # fmt: skip
    _hold_ours(course, handed)
    return cost


def _in(folder: Path, place: Path) -> Path:
    """The folder with a way to import the checkout, for a run that does not start in it."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = str(place)
    return folder


def _hold_ours(course: Path, handed: list[classes.Handed]) -> None:
    """A run counts only if everybody was graded, and the honest ones in full.

    Raises:
        RuntimeError: somebody was not.
    """
    scores = {row.student: row.tasks for row in gradebook.rows(gradebook.Course.open(course), LAB)}
    tasks = nb.tasks(load(nb.find(ROOT, [LAB])[0]).source)
    wrong = []
    for one in handed:
        earned = sum(scores.get(one.student, {}).get(task, (0.0, 0.0))[0] or 0.0 for task in tasks)
        if one.student not in scores or (one.kind == "honest" and earned < sum(tasks.values())):
            wrong.append(f"{one.student} ({one.kind}) {earned:g}")
    if wrong:
        raise RuntimeError(f"not graded as they should be: {wrong[:5]} of {len(wrong)}")


def plain(handed: list[classes.Handed], case: Case, folder: Path) -> Cost:
    """One bulk ``nbgrader autograde --force`` over the same graded cells."""
    folder.mkdir(parents=True)
    # On a busy machine nbgrader would give up what takes longer; no notebook of the class hangs.
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'plain'\n"
        "c.Execute.timeout = c.Execute.startup_timeout = c.Execute.iopub_timeout = 600\n"
    )
    _write(folder / "source" / LAB / "pruning.ipynb", _bytes(nb.graded(case.source)))
    nbgrader = [
        sys.executable,
        "-c",
        "import sys; from nbgrader.apps.nbgraderapp import main; sys.exit(main())",
    ]
    measured([*nbgrader, "generate_assignment", LAB, "--force"], folder)
    for one in handed:
        notebook: NotebookNode = nbformat.reads(one.notebook.decode(), 4)
        _write(folder / "submitted" / one.student / LAB / "pruning.ipynb", _bytes(nb.graded(notebook)))
    cost = measured([*nbgrader, "autograde", LAB, "--force"], folder)
    _hold_plain(folder, handed, sum(nb.tasks(case.source).values()))
    return cost


def _hold_plain(folder: Path, handed: list[classes.Handed], full: float) -> None:
    """The same of nbgrader's run, whose tests the honest ones pass, too; it stops at none of the broken ones.

    Raises:
        RuntimeError: somebody was not graded, or an honest one not in full.
    """
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        scores = {one.student.id: one.score for one in book.assignment_submissions(LAB)}
    there = {path.parts[-3] for path in (folder / "autograded").glob(f"*/{LAB}/pruning.ipynb")}
    wrong = [
        f"{one.student} ({one.kind}) {scores.get(one.student)}"
        for one in handed
        if one.student not in there or (one.kind == "honest" and scores.get(one.student) != full)
    ]
    if wrong:
        raise RuntimeError(f"not graded by nbgrader as they should be: {wrong[:5]} of {len(wrong)}")


def _bytes(notebook: NotebookNode) -> bytes:
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.writes(notebook).encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def records(size: int, mine: Cost, theirs: Cost, whole: float) -> list[results.Result]:
    ratio = theirs.seconds / mine.seconds
    command = f"python -m benchmarks.grading --class {size} --write"
    scale = "cpu" if size >= 200 else "smoke"

    def one(name: str, value: float, unit: str, **bar: object) -> results.Result:
        return results.record(
            "grading", f"class/{name}", value, unit, source="benchmarks/grading.py", command=command, scale=scale, data="digits",
            packages=("nbgrader", "distributed"), **bar,
        )  # fmt: skip

    return [
        one("size", float(size), "submissions"),
        one("ratio", ratio, "x", bar="at least 4", holds=bool(ratio >= 4), goal="10"),
        one("efflab_seconds", mine.seconds, "s"),
        one("nbgrader_seconds", theirs.seconds, "s"),
        one("efflab_per_submission", mine.seconds / size, "s"),
        one("nbgrader_per_submission", theirs.seconds / size, "s"),
        one("full_notebook_seconds", whole, "s"),
        one("efflab_peak", mine.peak_mb, "MB"),
        one("nbgrader_peak", theirs.peak_mb, "MB"),
    ]


def growth_records(costs: dict[int, Cost], template: results.Result) -> list[results.Result]:
    """How time and memory of a large class compare with those of a small one."""
    few, many = min(costs), max(costs)
    if few == many:
        return []
    slope = (costs[many].seconds - costs[few].seconds) / (many - few)
    per_few = costs[few].seconds / few
    memory = costs[many].peak_mb / costs[few].peak_mb
    common = {"source": template.source, "command": template.command, "scale": template.scale}
    return [
        results.record(
            "grading", "class/growth_time", slope / per_few, "x", bar="at most 1.1", holds=bool(slope <= 1.1 * per_few), **common
        ),
        results.record(
            "grading", "class/growth_memory", memory, "x", bar="at most 1.25", holds=bool(memory <= 1.25), **common
        ),
    ]  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--class", dest="size", type=int, default=12, help="how many submissions")
    parser.add_argument("--write", action="store_true", help="record the figures in results/grading.json")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    (lab,) = nb.find(ROOT, [LAB])
    case = load(lab)
    handed = list(classes.of(case, options.size))
    sizes = [size for size in GROWTH if size < options.size]
    with tempfile.TemporaryDirectory(prefix="class-") as name:
        folder = Path(name)
        costs = {size: ours(handed[:size], folder / f"ours-{size}") for size in [*sizes, options.size]}
        mine = costs[options.size]
        theirs = plain(handed, case, folder / "plain")
        (folder / "kernel").mkdir()
        whole = kernel.run(case.source, folder / "kernel").seconds
    lines = [
        (f"efflab, {size}", f"{cost.seconds:.1f}", f"{size / cost.seconds:.2f}", f"{cost.peak_mb:.0f}")
        for size, cost in costs.items()
    ]
    lines.append(
        (
            f"nbgrader, {options.size}",
            f"{theirs.seconds:.1f}",
            f"{options.size / theirs.seconds:.2f}",
            f"{theirs.peak_mb:.0f}",
        )
    )
    lines.append(("the full notebook, once", f"{whole:.1f}", "", ""))
    print(
        TextTable.of(
            ("", "seconds", "submissions/s", "peak MB"), lines, caption=f"A class of {LAB} on {CORES} cores"
        )
    )
    found = records(options.size, mine, theirs, whole)
    found += growth_records(costs, found[0])
    for one in found:
        print(f"{one.id:32} {one.measured:10.3f} {one.unit:12} {f'bar: {one.bar}' if one.bar else ''}")
    if options.write:
        rows = [
            [size, round(c.seconds, 1), round(c.seconds / size, 3), round(c.peak_mb)]
            for size, c in costs.items()
        ]
        curve = {
            "columns": ["submissions", "seconds", "seconds a submission", "peak memory (MB)"],
            "rows": rows,
        }
        results.write("grading", found, {"growth": curve})


if __name__ == "__main__":
    main()
