"""The ``autograder`` console script: grading is part of the course's repository, not of the installed package.

The package is what students install, and it holds nothing of `autograder`; nor does anything in `efflab` import it. So
the script looks for it by name when it is run, and says where it is to be had where it is not.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

MISSING = (
    "autograder: grading is part of the course's repository and not of the installed package; "
    "in a clone of it run `pip install -e .[instructor]`\n"
)


def main() -> None:
    """Run the ``autograder`` command, or say where it is."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "autograder" / "cli").is_dir() and str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
    if importlib.util.find_spec("autograder") is None:
        sys.stderr.write(MISSING)
        sys.exit(1)
    importlib.import_module("autograder.cli").main()
