"""Runs the JavaScript of an interactive figure in Node, on the data that Python gave the figure."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from conftest import ROOT, skip_or_fail

PARTS = {"layout", "tabbable", "tooltip", "comm"}


def data_of(figure: Any) -> dict[str, Any]:
    """The traits that the page gets, module and style sheet excepted."""
    names = [name for name in figure.trait_names(sync=True) if not name.startswith("_")]
    return {name: getattr(figure, name) for name in names if name not in PARTS}


def run_module(figure: Any, script: str, folder: Path) -> dict[str, Any]:
    """Render the figure's module in the page of ``tests/js`` and return what the script found there.

    Args:
        figure: the widget.
        script: a file of ``tests/js``.
        folder: takes the module and the data.
    """
    node = shutil.which("node")
    if node is None:
        skip_or_fail("node is not installed; the browser tests run the same module")
    (folder / "module.mjs").write_text(figure._esm)
    (folder / "state.json").write_text(json.dumps(data_of(figure)))
    command = [str(node), ROOT / "tests/js" / script, folder / "module.mjs", folder / "state.json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))
