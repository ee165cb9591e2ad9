"""What every lab notebook uses: predictions kept and compared, checks that explain, layered hints, the passport.

>>> from efflab.lab import check
>>> with check("demo-1") as c:
...     c.equal([1, 0, 1], [1, 0, 1], what="the mask")
✓ demo-1: the check holds.
"""

from efflab.lab import passport
from efflab.lab.budgets import BUDGETS, Budget, budget
from efflab.lab.checks import Checker, CheckFailed, check
from efflab.lab.copies import Copy, my_labs
from efflab.lab.folder import student_folder
from efflab.lab.handin import Report, inspect, submit
from efflab.lab.hints import hint
from efflab.lab.measured import challenge, recorded, scale_score
from efflab.lab.network import keep_network, load_network
from efflab.lab.notebooks import CarriedOver, carry_over
from efflab.lab.session import Lab, start

__all__ = [
    "BUDGETS",
    "Budget",
    "CarriedOver",
    "CheckFailed",
    "Checker",
    "Copy",
    "Lab",
    "Report",
    "budget",
    "carry_over",
    "challenge",
    "check",
    "hint",
    "inspect",
    "keep_network",
    "load_network",
    "my_labs",
    "passport",
    "recorded",
    "scale_score",
    "start",
    "student_folder",
    "submit",
]
