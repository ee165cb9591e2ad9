"""Which sandbox is chosen, and what its command line and its template are made of."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from sandboxed import job, shared

from autograder.sandbox import SandboxError, bwrap_command, choose, imports, staging
from autograder.sandbox import bwrap as bwrap_module
from autograder.sandbox.conversation import Conversation
from autograder.sandbox.deadline import Deadline
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


def test_nobody_else_can_plant_files_while_the_folder_is_made(monkeypatch):
    seen = []

    def looks(folder):
        seen.append(folder.parent.stat().st_mode & 0o777)
        staging_etc(folder)

    staging_etc = staging._etc
    monkeypatch.setattr(staging, "_etc", looks)
    before = os.umask(0)
    try:
        folder = staging.stage(())
    finally:
        os.umask(before)
    try:
        assert seen == [0o700]
        assert not [path for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o022]
        assert folder.stat().st_mode & 0o777 == 0o755
    finally:
        staging.remove(folder)


def test_what_killed_graders_left_is_swept_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(staging.tempfile, "gettempdir", lambda: str(tmp_path))
    kept = tmp_path / "mine"
    left, held, young = (tmp_path / f"efflab-sandbox-{name}" for name in ("left", "held", "young"))
    for folder in (kept, left, held, young):
        folder.mkdir()
        (folder / "file").write_text("x")
        os.utime(folder, (1, 1))
    os.utime(young)
    link = tmp_path / "efflab-sandbox-link"
    link.symlink_to(kept)
    os.utime(link, (1, 1), follow_symlinks=False)
    lock = staging._lock(held)
    staging._sweep()
    os.close(lock)
    assert not left.exists()
    assert all((folder / "file").exists() for folder in (kept, held, young, link))


@pytest.mark.slow
def test_a_template_is_kept_while_a_submission_runs_below_it(bwrap, monkeypatch):
    monkeypatch.setattr(bwrap_module, "TEMPLATES", 1)
    with bwrap_module.BwrapSandbox() as made:
        session = made.start(job())
        other = made.start(replace(job(), lab="01-other"))
        try:
            assert len(made._templates) == 2
            assert Conversation(session.channel).ask("cell", "1", 100, deadline=Deadline(30))[1] == "ok"
        finally:
            other.close()
            session.close()
        made.start(replace(job(), lab="02-third")).close()
        assert [key[0] for key in made._templates] == ["02-third"]


def test_a_process_that_ends_at_once_leaves_no_descriptor(bwrap, monkeypatch):
    made = shared()
    made.start(job()).close()
    before = len(list(Path("/proc/self/fd").iterdir()))

    def gone(pid):
        raise ProcessLookupError(3, "No such process")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", gone)
        with pytest.raises(SandboxError, match="as soon as it had started"):
            made.start(job())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    made.start(job()).close()
