"""Which sandbox is chosen, and what its command line and its template are made of."""

import sys
from types import ModuleType

import pytest
from sandboxed import job

from autograder.sandbox import SandboxError, bwrap_command, choose, imports, staging
from autograder.sandbox.inside import main


def test_kernels_are_compiled_where_a_package_says_how(monkeypatch):
    compiled = []
    kernels = ModuleType("efflab.some._kernels")
    kernels.precompile = lambda: compiled.append(1)
    monkeypatch.setitem(sys.modules, "efflab.some", ModuleType("efflab.some"))
    monkeypatch.setitem(sys.modules, "efflab.some._kernels", kernels)
    main.precompile("efflab.some")
    main.precompile("efflab.models")
    assert compiled == [1]


def test_an_installed_copy_is_covered_and_a_checkout_hidden(tmp_path, monkeypatch):
    site = tmp_path / "prefix" / "lib" / "site-packages"
    (site / "efflab").mkdir(parents=True)
    checkout = tmp_path / "prefix" / "work"
    (checkout / ".venv").mkdir(parents=True)
    monkeypatch.setattr(bwrap_command, "_sites", lambda: [str(site)])
    monkeypatch.setattr(
        bwrap_command, "_interpreter", lambda: [str(tmp_path / "prefix"), str(checkout / ".venv")]
    )
    monkeypatch.setattr(staging, "checkouts", lambda: [checkout])
    stage = tmp_path / "stage"
    words = bwrap_command.command(stage, root=False)
    text = " ".join(words)
    assert f"--ro-bind {stage}/library/efflab {site}/efflab" in text
    hidden = text.index(f"--tmpfs {checkout} ")
    assert text.index(f"--ro-bind {tmp_path}/prefix {tmp_path}/prefix ") < hidden
    assert hidden < text.rindex(f"--ro-bind {checkout}/.venv {checkout}/.venv")


def test_a_template_imports_what_given_cells_name_and_nothing_forbidden():
    given = job(
        "import numpy as np\nfrom efflab import models, pruning\ndef f():\n    import math",
        "not python(",
        origin="given",
    )
    assert imports.modules(given.cells, ("efflab.pruning",)) == ("efflab", "efflab.models", "math", "numpy")
    assert imports.modules(job("import os").cells, ()) == ()


def test_choosing(bwrap):
    with choose() as best:
        assert best.name == "bwrap"
    with pytest.raises(SandboxError, match="--i-trust-this-code"):
        choose("none")
    with pytest.raises(SandboxError, match="one of bwrap, container, none"):
        choose("chroot")
    with pytest.raises(SandboxError, match="one of efflab's"):
        staging.stage(("numpy",))
