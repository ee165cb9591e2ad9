"""tools/setup.py: what it decides, from which signs; that it is quick the second time, and clear when it fails."""

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"


@pytest.fixture(scope="module", autouse=True)
def _tools_on_the_path():
    sys.path.insert(0, str(TOOLS))
    yield
    sys.path.remove(str(TOOLS))


@pytest.fixture
def place() -> ModuleType:
    return importlib.import_module("place")


@pytest.fixture
def torch_build() -> ModuleType:
    return importlib.import_module("torch_build")


@pytest.fixture
def pip_run() -> ModuleType:
    return importlib.import_module("pip_run")


@pytest.fixture
def checkout(tmp_path, place):
    """A checkout with a finished environment for students."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text('dependencies = ["torch>=2.6,<2.14"]')
    (root / "requirements.lock").write_text("numpy==2.4.6\ntorch==2.13.0\n")
    found = place.Place(root, root / ".venv")
    packages = found.venv / "lib" / "python3.11" / "site-packages"
    if os.name == "nt":
        packages = found.venv / "Lib" / "site-packages"
    (packages / "numpy").mkdir(parents=True)
    (packages / "numpy-2.4.6.dist-info").mkdir()
    (packages / "numpy" / "core.py").write_text("")
    (packages / "numpy-2.4.6.dist-info" / "METADATA").write_text("")
    (packages / "numpy-2.4.6.dist-info" / "RECORD").write_text("numpy/core.py,,\nnumpy/core.pyc,,\n")
    found.python.parent.mkdir(parents=True)
    found.python.write_text("")
    (found.venv / "pyvenv.cfg").write_text("")
    stamp = {
        "extras": ["student"],
        "fingerprint": place.fingerprint(root),
        "packages": place.listing(packages),
        "torch": "cpu",
        "venv": str(found.venv),
    }
    found.stamp.write_text(json.dumps(stamp))
    return found


# What has to be done.


def test_a_finished_environment_is_ready(checkout, place):
    assert place.make_plan(checkout, ["student"]).action == "ready"


def test_extras_add_up(checkout, place):
    plan = place.make_plan(checkout, ["dev"])
    assert (plan.action, plan.extras) == ("complete", ("student", "dev"))


def test_each_kind_of_damage_is_seen(checkout, place):
    def plan() -> tuple[str, str]:
        found = place.make_plan(checkout, ["student"])
        return found.action, found.reason

    stamp = checkout.stamp.read_text()
    checkout.stamp.unlink()
    assert plan() == ("complete", "an earlier set-up did not come to its end")
    checkout.stamp.write_text("{half")
    assert plan()[0] == "complete"
    checkout.stamp.write_text(stamp)
    shutil.rmtree(checkout.packages / "numpy")
    assert plan() == ("complete", "numpy is missing from it")
    checkout.python.unlink()
    assert plan() == ("remake", "its Python is missing")
    shutil.rmtree(checkout.venv)
    assert plan() == ("remake", "there is no environment yet")


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_changed_requirements_are_seen(name, checkout, place):
    (checkout.root / name).write_text("torch==2.12.0\n")
    assert place.make_plan(checkout, ["student"]).reason == "the requirements changed"


def test_a_moved_checkout_is_made_anew(checkout, place):
    moved = checkout.root.with_name("elsewhere")
    checkout.root.rename(moved)
    assert place.make_plan(place.Place(moved, moved / ".venv"), ["student"]).action == "remake"


def test_another_build_of_torch_is_a_reason(checkout, place):
    assert place.make_plan(checkout, ["student"], "cpu").action == "ready"
    assert place.make_plan(checkout, ["student"], "default").action == "complete"


def test_half_installed_packages_are_forgotten_and_whole_ones_kept(checkout, place):
    packages = checkout.packages
    assert place.forget_broken(packages) == []
    (packages / "~umpy").mkdir()
    (packages / "halfway-1.0.dist-info").mkdir()
    (packages / "numpy" / "core.py").unlink()
    assert sorted(place.forget_broken(packages)) == ["halfway", "numpy"]
    assert place.listing(packages) == ["numpy"]


def test_the_lock_is_held_by_one_and_free_after_it(tmp_path):
    setup = importlib.import_module("setup")
    with (tmp_path / "lock").open("a+") as first, (tmp_path / "lock").open("a+") as second:
        assert setup._try_lock(first.fileno())
        assert not setup._try_lock(second.fileno())
        first.close()
        assert setup._try_lock(second.fileno())


# Which PyTorch.


@pytest.mark.parametrize(
    ("system", "gpu", "offers", "override", "build", "index"),
    [
        ("Linux", False, True, "", "cpu", False),
        ("Linux", False, False, "", "cpu", True),
        ("Linux", True, None, "", "default", False),
        ("Linux", True, False, "cpu", "cpu", True),
        ("Linux", False, None, "default", "default", False),
        ("Darwin", None, None, "", "default", False),
        ("Windows", None, None, "", "default", False),
    ],
)
def test_the_build_for_a_machine(system, gpu, offers, override, build, index, torch_build):
    def answer(value):
        def ask():
            assert value is not None, "asked where it does not matter"
            return value

        return ask

    choice = torch_build.choose_torch(system, answer(gpu), answer(offers), override)
    assert choice.build == build
    assert choice.pip == (("--index-url", torch_build.CPU_INDEX) if index else ())


def test_a_wrong_override_is_refused(torch_build):
    with pytest.raises(torch_build.SetupError, match="cpu` or `default"):
        torch_build.choose_torch("Linux", bool, bool, "gpu")


@pytest.mark.parametrize(
    ("version", "requires", "expected"),
    [
        ("2.13.0+cpu", ["filelock"], True),
        ("2.13.0+cu130", ["filelock"], False),
        ("2.13.0", ["filelock", "sympy>=1.13.3", 'optree; extra == "optree"'], True),
        ("2.13.0", ["filelock", "nvidia-cublas==13.0; platform_system == 'Linux'"], False),
        ("2.13.0", ["cuda-bindings<14", "triton==3.7.0"], False),
        ("2.13.0", None, True),
    ],
)
def test_a_cpu_build_is_known_by_its_tag_or_its_requirements(version, requires, expected, torch_build):
    metadata = {"name": "torch", "version": version, "requires_dist": requires}
    assert torch_build.is_cpu_build({"install": [{"metadata": metadata}]}) is expected


def test_a_report_without_torch_offers_nothing(torch_build):
    assert not torch_build.is_cpu_build({"install": []})
    assert not torch_build.is_cpu_build(
        {"install": [{"metadata": {"name": "numpy", "version": "2.4.6+cpu"}}]}
    )


def test_a_cuda_wheel_is_known_before_it_is_fetched(torch_build):
    line = "  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert torch_build.is_cuda_download(f"{line} (539.0 MB)")
    assert torch_build.is_cuda_download(f"{line} (1.1 GB)")
    assert not torch_build.is_cuda_download(f"{line} (190.2 MB)")
    assert not torch_build.is_cuda_download(f"{line}.metadata (31 kB)")
    assert not torch_build.is_cuda_download(
        "  Downloading nvidia_cublas-13.0-py3-none-manylinux.whl (405.0 MB)"
    )


def test_the_lock_decides_the_version_of_torch(checkout, torch_build):
    assert torch_build.torch_requirement(checkout.root) == "torch==2.13.0"
    (checkout.root / "requirements.lock").unlink()
    assert torch_build.torch_requirement(checkout.root) == "torch>=2.6,<2.14"


def test_an_installed_torch_counts_in_any_build_of_its_version(tmp_path, torch_build):
    assert not torch_build.has_torch(tmp_path, "torch==2.13.0")
    (tmp_path / "torch-2.13.0+cpu.dist-info").mkdir()
    assert torch_build.has_torch(tmp_path, "torch==2.13.0")
    assert not torch_build.has_torch(tmp_path, "torch==2.12.0")


# What is said.


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "The disk is full"),
        (
            "WARNING: Retrying after NewConnectionError('Connection refused')",
            "No package index could be reached",
        ),
        ("ERROR: No matching distribution found for torch==2.13.0", "There is no torch==2.13.0 for Python"),
        ("      FileNotFoundError: no such file: results", "FileNotFoundError: no such file: results"),
        ("", "no reason given"),
    ],
)
def test_a_failure_of_pip_is_one_sentence_with_a_remedy(line, expected, pip_run):
    said = pip_run.explain(
        ["Collecting torch\n", line + "\n", "ERROR: exit\n"] if line.startswith("W") else [line + "\n"]
    )
    assert expected in said
    assert "\n" not in said
    assert "again" in said or "another Python" in said


def test_steps_are_read_from_pips_output(pip_run):
    wheel = "  Downloading torch-2.13.0-cp311-cp311-manylinux.whl (190.1 MB)\n"
    assert pip_run.describe(wheel) == "downloading torch 2.13.0 (190.1 MB)"
    assert pip_run.describe("Installing collected packages: a, b, c\n") == "installing 3 packages"
    large = [
        step for step in map(pip_run.describe, (wheel, "Collecting numpy<3\n")) if not pip_run.is_minor(step)
    ]
    assert large == ["downloading torch 2.13.0 (190.1 MB)"]
    assert not pip_run.describe("Requirement already satisfied: a\n")


def test_an_old_python_is_told_in_one_sentence():
    source = (TOOLS / "setup.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))  # it reads the file before it can refuse
    script = (
        "import runpy, sys; sys.version_info = (3, 9, 1, 'final', 0); sys.path.insert(0, sys.argv[1]);"
        "runpy.run_path(sys.argv[1] + '/setup.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(TOOLS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("efflab needs Python 3.11 or newer, and this is Python 3.9")
    assert done.stderr.count("\n") == 1


def run_setup(venv: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(TOOLS / "setup.py"), "--venv", str(venv), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=120,
    )


def test_check_says_what_would_be_done_and_does_nothing(tmp_path):
    done = run_setup(tmp_path / "venv", "--check", "--extra", "dev")
    assert done.returncode == 0
    assert "remake (there is no environment yet); extras: dev" in done.stdout
    assert not (tmp_path / "venv").exists()


def test_a_second_start_runs_no_pip(checkout, place):
    stamp = place.read_stamp(checkout) | {"fingerprint": place.fingerprint(TOOLS.parent)}
    checkout.stamp.write_text(json.dumps(stamp))
    done = run_setup(checkout.venv, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not checkout.log.exists()


def test_no_network_is_one_sentence_and_the_next_start_goes_on(tmp_path, place):
    offline = {
        "EFFLAB_TORCH": "default",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "1",
    }
    venv = tmp_path / "venv"
    done = run_setup(venv, "--extra", "student", **offline)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert re.match(r"setup: No package index could be reached: .*PIP_INDEX_URL.*pip's log: ", last)
    assert (venv / "setup.log").stat().st_size > 0
    assert "Traceback" not in done.stderr
    assert place.make_plan(place.Place(TOOLS.parent, venv), ["student"]).action == "complete"


def test_every_target_of_make_is_explained():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    makefile = (TOOLS.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets
    shown = subprocess.run(
        ["make", "-s", "-C", str(TOOLS.parent)], capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("make ")} == set(
        targets[1].split()
    )
