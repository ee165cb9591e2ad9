"""Run the solved labs in order in an empty student's folder, and ship what they leave as the reference passport.

Run it after a change to a lab: ``python tools/reference_passport.py``.
"""

import os
import tempfile
from pathlib import Path

from nbclient import NotebookClient

from autograder import notebook
from efflab.lab import network, passport

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """All labs, then the reference files."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EFFLAB_STUDENT"] = folder
        for lab in notebook.find(ROOT):
            solved = notebook.read(lab.source.read_text(encoding="utf-8"))
            NotebookClient(solved, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
            print(f"{lab.name}: done")
        print(passport.make_reference())
        for lab in notebook.find(ROOT):
            if network.network_path(lab.name).exists():
                print(network.make_reference_network(lab.name))


if __name__ == "__main__":
    main()
