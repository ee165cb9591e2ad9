"""Make or complete the environment of this checkout: ``python tools/setup.py --extra student``.

Needs Python alone. Extras add up in ``.venv``; versions come from ``requirements.lock``; a second call finds the stamp
of the first and returns at once; an interrupted or damaged environment is repaired.

PyTorch: on Linux without an NVIDIA GPU the CPU build is taken, from pip's own configuration where that offers one, else
from PyTorch's CPU index; with a GPU, and on macOS and Windows, pip's default build. ``EFFLAB_TORCH=cpu`` or
``EFFLAB_TORCH=default`` chooses by hand.
"""

import shutil
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must read this file far enough to say so
    better = [name for name in ("python3.13", "python3.12", "python3.11", "python3.14") if shutil.which(name)]
    raise SystemExit(
        "efflab needs Python 3.11 or newer, and this is Python %d.%d; " % sys.version_info[:2]  # noqa: UP031 - old too
        + (
            "use `make lab PYTHON=" + better[0] + "` or `" + better[0] + " tools/setup.py`."
            if better
            else "install a newer one from https://www.python.org/downloads/."
        )
    )

import argparse
import contextlib
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pip_run import Progress, run_pip
from place import EXTRAS, Place, Plan, fingerprint, forget_broken, listing, make_plan, read_stamp
from torch_build import (
    SetupError,
    choose_torch,
    has_nvidia_gpu,
    has_torch,
    is_cpu_build,
    is_cuda_download,
    torch_requirement,
)

# jsonschema compiles this optional package's grammars at each start of JupyterLab and nbgrader, which delays them.
SLOW_OPTIONAL = "rfc3987-syntax"


@contextlib.contextmanager
def locked(place: Place, progress: Progress) -> Iterator[None]:
    """Hold the environment alone; a second set-up waits for the first."""
    place.venv.mkdir(parents=True, exist_ok=True)
    with (place.venv / "setup.lock").open("a+") as handle:
        while not _try_lock(handle.fileno()):
            progress.say("another set-up is at work on this environment; waiting for it")
            time.sleep(0.3)
            progress.draw()
        yield


def _try_lock(handle: int) -> bool:
    """Take the lock if it is free; it is released when the file is closed or the process dies."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - Windows alone has it

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - Windows lacks it

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def make_venv(place: Place) -> None:
    """A new virtual environment with its own pip, in place of what was there.

    Raises:
        SetupError: this Python cannot make one.
    """
    for entry in place.venv.iterdir():
        if entry.name == "setup.lock":
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    command = [sys.executable, "-m", "venv", str(place.venv)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        if "ensurepip" in made.stdout + made.stderr:
            version = ".".join(platform.python_version_tuple()[:2])
            raise SetupError(
                f"This Python lacks its venv module: on Debian or Ubuntu, apt-get install python{version}-venv."
            )
        lines = (made.stderr or made.stdout).strip().splitlines() or ["no reason given"]
        raise SetupError(f"The virtual environment {place.venv} could not be made: {lines[-1]}")


def offers_cpu_build(place: Place, progress: Progress) -> bool:
    """Ask pip, as it is configured on this machine, which wheel of torch it would take; a CUDA wheel is not fetched."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        question = ["install", "--dry-run", "--no-deps", "--ignore-installed", "--report", str(report)]
        try:
            ended = run_pip(
                place, [*question, torch_requirement(place.root)], progress, give_up=is_cuda_download
            )
        except SetupError:
            return False
        return ended and is_cpu_build(json.loads(report.read_text(encoding="utf-8")))


def install_torch(place: Place, progress: Progress, override: str, built: str) -> str:
    """Choose PyTorch's build, and install it where pip would not choose it by itself.

    Args:
        place: the environment.
        progress: shows the steps.
        override: ``EFFLAB_TORCH``.
        built: the build that an earlier set-up installed, or an empty string.

    Returns:
        The build.
    """
    requirement = torch_requirement(place.root)
    there = has_torch(place.packages, requirement)
    if built and there and override in {"", built}:
        return built
    progress.say("choosing the build of PyTorch")
    choice = choose_torch(
        platform.system(), has_nvidia_gpu, lambda: offers_cpu_build(place, progress), override
    )
    progress.say(f"PyTorch: {choice.build} build, since {choice.why}")
    other = bool(built) and there and built != choice.build
    if choice.pip or other:
        replace = ["--force-reinstall"] if other else []
        run_pip(place, ["install", "--no-deps", *replace, *choice.pip, requirement], progress)
    return choice.build


def install(place: Place, plan: Plan, progress: Progress, override: str) -> None:
    """Carry a plan out."""
    stamp = read_stamp(place)
    if plan.action == "remake":
        progress.say(f"making {place.venv}: {plan.reason}")
        make_venv(place)
        stamp = {}
    else:
        progress.say(f"completing {place.venv}: {plan.reason}")
        place.stamp.unlink(missing_ok=True)
        broken = forget_broken(place.packages)
        if broken:
            progress.say(f"laying down again: {', '.join(broken)}")
        if "pip" in broken or not any(place.packages.glob("pip-*.dist-info")):
            subprocess.run(
                [str(place.python), "-m", "ensurepip", "--upgrade"], capture_output=True, check=False
            )
    torch = install_torch(place, progress, override, str(stamp.get("torch", "")))
    lock = place.root / "requirements.lock"
    constraints = ["-c", str(lock)] if lock.exists() else []
    run_pip(place, ["install", "-e", f"{place.root}[{','.join(plan.extras)}]", *constraints], progress)
    run_pip(place, ["uninstall", "-y", SLOW_OPTIONAL], progress)
    record = {
        "extras": plan.extras,
        "fingerprint": fingerprint(place.root),
        "packages": listing(place.packages),
        "torch": torch,
        "venv": str(place.venv),
    }
    temporary = place.stamp.with_suffix(".part")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(place.stamp)


def setup(place: Place, extras: list[str], progress: Progress, *, check: bool, repair: bool) -> str:
    """Make the environment what it should be.

    Returns:
        A sentence on what was done, or with ``check`` on what would be.
    """
    override = os.environ.get("EFFLAB_TORCH", "")
    choose_torch("", bool, bool, override)  # a wrong value is told before anything is made
    plan = make_plan(place, extras, override)
    if plan.action == "ready" and repair:
        plan = Plan("complete", "a repair was asked for", plan.extras)
    if check:
        return f"{place.venv}: {plan.action} ({plan.reason}); extras: {', '.join(plan.extras)}."
    if plan.action != "ready":
        with locked(place, progress):
            if not repair:
                plan = make_plan(place, extras, override)  # another set-up may have done it meanwhile
            if plan.action != "ready":
                install(place, plan, progress, override)
    return f"The environment is ready ({place.venv}: {', '.join(plan.extras)})."


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extra", action="append", choices=EXTRAS, help="may be repeated (default: student)")
    parser.add_argument("--venv", type=Path, help="the environment (default: .venv in the checkout)")
    parser.add_argument("--check", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--repair", action="store_true", help="look for missing files in every package")
    parser.add_argument("--quiet", action="store_true", help="print errors alone")
    options = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[1]
    place = Place(root, Path(os.path.abspath(options.venv or root / ".venv")))  # noqa: PTH100 - keep a linked .venv
    progress = Progress(quiet=options.quiet)
    try:
        done = setup(
            place, options.extra or ["student"], progress, check=options.check, repair=options.repair
        )
    except (SetupError, OSError) as error:
        progress.end()
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.end()
        print("setup: interrupted; run the same command again, it goes on from here.", file=sys.stderr)
        return 130
    progress.end()
    if not options.quiet or options.check:
        print(done, file=sys.stderr if not options.check else sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
