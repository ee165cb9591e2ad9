"""``efflab doctor``: is this machine fit for the course, and what to do where it is not."""

import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from efflab.cli import machine
from efflab.cli.output import Json, print_json, size

Status = Literal["ok", "note", "warning", "problem"]
SIGNS: dict[Status, str] = {"ok": "✓", "note": "·", "warning": "!", "problem": "✗"}

LEAST_PYTHON = (3, 11)
LAB_MEMORY_BYTES = 4e9  # what a lab may use
LEAST_MEMORY_BYTES = 1e9
ROOMY_DISK_BYTES = 1e9  # all data sets together are below this
LEAST_DISK_BYTES = 50e6


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at.
        status: ``problem`` blocks the course, ``warning`` hampers it, ``note`` is good to know.
        found: what is there.
        remedy: what to do; empty where all is well.
    """

    check: str
    status: Status
    found: str
    remedy: str = ""


def set_up(extra: str) -> str:
    """The command that installs an extra where efflab lives."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "tools" / "setup.py").exists():
        return (
            f"run `{'python' if os.name == 'nt' else 'python3'} tools/setup.py --extra {extra}` in {checkout}"
        )
    return f"run `pip install 'efflab[{extra}]'`"


def check_python() -> Finding:
    """The interpreter's version; an environment may have been made by other means than pip, which refuses an old one."""
    found = f"{platform.python_version()} ({sys.executable})"
    if tuple(map(int, platform.python_version_tuple()[:2])) >= LEAST_PYTHON:
        return Finding("Python", "ok", found)
    return Finding("Python", "problem", found, "install Python 3.11 or newer")


def check_packages(extra: str, status: Status) -> Finding:
    """The installed packages against the requirements; ``status`` is how bad it is where one is not met."""
    unmet = machine.unmet(extra)
    name = f"packages for {extra}s" if extra else "packages"
    if not unmet:
        return Finding(name, "ok", "as required")
    return Finding(name, status, ", ".join(unmet), set_up(extra or "student"))


def check_torch() -> Finding:
    """Whether PyTorch can be imported, and which build it is."""
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - a damaged installation fails in any way
        return Finding(
            "PyTorch", "problem", f"cannot be imported: {error}", f"{set_up('student')} with --repair"
        )
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    return Finding("PyTorch", "ok", f"{torch.__version__} ({build}), {torch.get_num_threads()} threads")


def check_accelerator() -> Finding:
    """A GPU that PyTorch can use."""
    try:
        import torch

        if torch.cuda.is_available():
            return Finding("accelerator", "ok", torch.cuda.get_device_name(0))
        if torch.backends.mps.is_available():
            return Finding("accelerator", "ok", "Apple GPU (mps)")
    except Exception as error:  # noqa: BLE001 - a driver that does not match fails in any way
        return Finding("accelerator", "warning", str(error), "set EFFLAB_TORCH=cpu and set up again")
    return Finding("accelerator", "note", "none; every lab runs on the CPU")


def check_memory() -> Finding:
    """Memory against what a lab may use."""
    found = machine.memory()
    if found is None:
        return Finding("memory", "note", "the system does not say")
    total, free = found
    text = f"{size(total)}, {size(free)} free"
    if total < LEAST_MEMORY_BYTES:
        return Finding("memory", "problem", text, "use a machine or a container with 4 GB")
    if free < LEAST_MEMORY_BYTES or total < 0.9 * LAB_MEMORY_BYTES:
        return Finding("memory", "warning", text, "close other programs; the labs may use up to 4 GB")
    return Finding("memory", "ok", text)


def check_disk(name: str, folder: Path) -> Finding:
    """Free space at a folder."""
    free = machine.disk_free(folder)
    text = f"{size(free)} free at {folder.absolute()}"
    if free < LEAST_DISK_BYTES:
        return Finding(name, "problem", text, "free some space there")
    if free < ROOMY_DISK_BYTES:
        return Finding(name, "warning", text, "free 1 GB there if you want all data sets")
    return Finding(name, "ok", text)


def check_writing(name: str, folder: Path, remedy: str) -> Finding:
    """Whether a folder can be written."""
    problem = machine.write_problem(folder)
    if problem:
        return Finding(name, "problem", f"{folder} cannot be written ({problem})", remedy)
    return Finding(name, "ok", str(folder.absolute()))


def check_data() -> Iterator[Finding]:
    """Each data set: where it lies, every file read and its checksum compared, or how to get it."""
    from efflab import data
    from efflab.data import store

    named = os.environ.get("EFFLAB_DATA")
    if named and not Path(named).expanduser().is_dir():
        yield Finding(
            "EFFLAB_DATA", "warning", f"{named} is no folder", "name a folder that exists, or unset it"
        )
    for name in data.names():
        info = data.describe(name)
        check, fetch = f"data: {name}", f"run `efflab data fetch {name}` ({size(info.bytes)})"
        searched = [(found.path, found.complaints) for found in map(store.search, info.files)]
        there = [path for path, _ in searched if path]
        wrong = [complaint for path, complaints in searched if not path for complaint in complaints]
        if len(there) == len(info.files):
            yield Finding(check, "ok", str(there[0].parent) if there else "in the package")
        elif wrong:
            yield Finding(check, "warning", "; ".join(wrong), fetch)
        elif there:
            yield Finding(check, "warning", f"incomplete at {there[0].parent}", fetch)
        else:
            yield Finding(check, "note", "not on this machine", fetch)


def check_threads() -> Finding:
    """OMP_WAIT_POLICY: waiting threads that spin cost a factor of five on a busy machine."""
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    if policy.lower() == "active":
        return Finding(
            "OMP_WAIT_POLICY", "warning", policy, "unset it: waiting threads then leave the processor alone"
        )
    return Finding("OMP_WAIT_POLICY", "ok", policy or "not set")


def check_kernel() -> Finding:
    """The notebook kernel ``efflab`` in this environment."""
    path = Path(sys.prefix, "share", "jupyter", "kernels", "efflab", "kernel.json")
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Finding("kernel", "note", "not registered yet", "`efflab lab` registers it")
    if spec.get("argv", [""])[0] != sys.executable:
        return Finding("kernel", "warning", f"{path} starts another Python", "`efflab lab` puts it right")
    return Finding("kernel", "ok", str(path))


def quick(folder: Path) -> Iterator[Finding]:
    """What has to be right before JupyterLab starts; imports nothing large."""
    yield check_python()
    yield check_packages("", "problem")
    yield check_packages("student", "problem")
    yield check_memory()
    yield check_disk("disk", folder)
    yield check_writing("your folder", folder, "go to a folder of your own, or name one with --folder")


def everything(folder: Path) -> Iterator[Finding]:
    """All checks."""
    from efflab.data.store import cache_folder

    yield check_python()
    yield check_packages("", "problem")
    yield check_packages("student", "warning")
    yield check_torch()
    yield check_accelerator()
    yield check_memory()
    yield check_disk("disk", folder)
    yield check_disk("disk of the cache", cache_folder())
    yield check_writing("this folder", folder, "go to a folder of your own")
    yield check_writing("cache", cache_folder(), "name a folder that you may write in EFFLAB_CACHE")
    yield check_threads()
    yield check_kernel()
    yield from check_data()


def show(finding: Finding) -> None:
    """Print a finding, its remedy below it."""
    typer.echo(f"{SIGNS[finding.status]} {finding.check}: {finding.found}")
    if finding.remedy:
        typer.echo(f"    {finding.remedy}")


def doctor(
    as_json: Json = False,
    folder: Annotated[Path, typer.Option(help="Where your labs lie or will lie.")] = Path(),
) -> None:
    """Look whether this machine is fit for the course; each problem comes with its remedy. Exit 1 where something blocks."""
    findings = []
    for finding in everything(folder):
        findings.append(finding)
        if not as_json:
            show(finding)
    blocked = any(finding.status == "problem" for finding in findings)
    if as_json:
        print_json({"ready": not blocked, "findings": [asdict(finding) for finding in findings]})
    elif not blocked:
        typer.echo("This machine is ready.")
    if blocked:
        raise typer.Exit(1)
