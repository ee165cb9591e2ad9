"""The package as it is installed: its extras, its import cost, its wheel."""

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml


def requirements(root: Path) -> dict[str, list[str]]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def test_environment_yml_asks_for_the_student_extra(root: Path) -> None:
    conda = yaml.safe_load((root / "environment.yml").read_text())
    pip_section = next(item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
    assert sorted(pip_section) == sorted([*requirements(root)["student"], "-e ."])
    assert any(line.startswith("nbgrader") for line in pip_section)


def test_the_lock_pins_every_requirement(root: Path) -> None:
    lines = (root / "requirements.lock").read_text().split()
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    assert all("==" in line for line in lines)
    assert "torch==2.13.0" in lines
    for extra, wanted in requirements(root).items():
        names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=]", line)[0]).lower() for line in wanted}
        assert names - {"efflab"} <= pinned, f"extra {extra!r}"


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, efflab; print(sorted({'torch', 'numba', 'matplotlib', 'typer', 'IPython'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_openmp_waits_passively_once_efflab_is_imported() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    code = "import os, efflab; print(os.environ.get('OMP_WAIT_POLICY'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "passive"


def test_unknown_names_and_topics_are_refused() -> None:
    import efflab

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = efflab.nothing
    assert efflab.topics.get("01-pruning") is efflab.topics.get("pruning") is efflab.topics.get("1")
    with pytest.raises(efflab.errors.EfflabError, match="no topic is called 'prunning'"):
        efflab.topics.get("prunning")


def test_every_ready_topic_stands_on_every_floor(root: Path) -> None:
    from efflab.topics import TOPICS

    for topic in filter(lambda topic: topic.ready, TOPICS):
        for place in (
            f"book/{topic.name}.md",
            f"solutions/{topic.lab}/{topic.name}.md",
            f"labs/{topic.lab}/{topic.name}.ipynb",
            f"autograder/checks/{topic.name}.py",
            f"autograder/mutants/{topic.name}.py",
            f"benchmarks/{topic.name}.py",
            f"results/{topic.name}.json",
        ):
            assert (root / place).is_file(), place


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_wheel_installs_in_an_empty_environment_and_works_from_elsewhere(
    root: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, root], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    packages = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in packages if not name.endswith(".dist-info")} == {"efflab"}
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", root / "requirements.lock", wheel], check=True
    )
    code = (
        "import efflab; from efflab import data, models, measure, pruning, results, training;"
        "print(efflab.__file__); print(len(data.load().train)); print(results.get('pruning', 'lenet-5/rate').measured);"
        "pruning.prune_(models.get('passport'), pruning.Magnitude(0.5))"
    )
    clean = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "EFFLAB_RESULTS"}}
    done = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=clean
    )
    assert str(tmp_path) in done.stdout.splitlines()[0]
    helped = subprocess.run(
        [python, "-m", "efflab.cli", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "reproduce" in helped.stdout
