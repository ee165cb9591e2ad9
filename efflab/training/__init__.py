"""Training and evaluation: deterministic, resumable, and as fast as a loop written by hand.

>>> from efflab import data, models
>>> digits = data.load("digits")
>>> model = models.passport()
>>> history = fit(model, digits.train, epochs=3, lr=0.1, batch_size=32, progress=False)
>>> evaluate(model, digits.test).error_percent < 50
True
"""

from efflab.training.batches import cross_entropy
from efflab.training.evaluation import Evaluation, evaluate
from efflab.training.history import History
from efflab.training.loop import fit
from efflab.training.schedules import SCHEDULES, Schedule
from efflab.training.seeds import seed_everything

__all__ = [
    "SCHEDULES",
    "Evaluation",
    "History",
    "Schedule",
    "cross_entropy",
    "evaluate",
    "fit",
    "seed_everything",
]
