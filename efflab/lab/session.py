"""A lab as its notebook sees it: started once at the top, asked for predictions and comparisons below."""

import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efflab import topics
from efflab.errors import EfflabError
from efflab.lab import hints, predictions, slider, stubs
from efflab.lab.budgets import Budget, budget
from efflab.lab.cards import card
from efflab.lab.folder import read_state, student_folder, write_state
from efflab.viz.output import Output

FORMAT = 1


@dataclass(frozen=True)
class Lab:
    """A lab in progress; :func:`start` makes it.

    Attributes:
        name: the lab's name, ``"01-pruning"``.
        title: its topic's title.
    """

    name: str
    title: str

    @property
    def budget(self) -> Budget:
        """What the lab may cost."""
        return budget(self.name)

    @property
    def folder(self) -> Path:
        """The student's folder."""
        return student_folder()

    def _entries(self) -> dict[str, Any]:
        entries = read_state(self.name).get("predictions", {})
        return entries if isinstance(entries, dict) else {}

    def _entry(self, task: str) -> predictions.Entry:
        entry = self._entries().get(task, {})
        return entry if predictions.sound(entry) else {}

    def _keep(self, task: str, entry: predictions.Entry) -> None:
        state = read_state(self.name) | {"format": FORMAT, "lab": self.name}
        if self._entries().get(task) != entry:
            write_state(self.name, state | {"predictions": self._entries() | {task: entry}})

    def predict(
        self,
        task: str,
        question: str,
        *,
        unit: str = "",
        low: float | None = None,
        high: float | None = None,
        value: Any = None,
        log: bool = False,
    ) -> None:
        """Ask for a prediction and keep it.

        In a notebook a slider with a button to commit appears; everywhere, ``value=37`` commits too. A value changed
        before measuring replaces the earlier one; after measuring the first stays, and the new one is noted as later.

        Args:
            task: the task's id.
            question: what to predict, as a question.
            unit: the number's unit.
            low: smallest sensible number.
            high: largest sensible number.
            value: the prediction; None asks for it.
            log: orders of magnitude matter: a logarithmic slider, and a gap told as a factor. Needs ``low`` above 0.

        Raises:
            EfflabError: the value is no number or out of range, or the range itself is wrong.
        """
        if low is not None and high is not None and low >= high:
            raise EfflabError(f"low must be below high, got low={low} and high={high}")
        if log and (low is None or low <= 0):
            raise EfflabError(f"log=True needs a low above 0, got low={low}")
        asked = {"question": question, "unit": unit, "low": low, "high": high, "log": log}
        entry = self._entry(task) | asked
        if value is not None:
            number = predictions.check_range(value, low, high, unit)
            entry = predictions.commit(entry, number, predictions.now())
        self._keep(task, entry)
        shown = predictions.told(task, entry)
        if value is not None and shown is not None:
            shown.show()
        elif slider.available():
            self._ask(task, entry, shown or predictions.asking(task, entry))
        else:
            (shown or predictions.asking(task, entry)).show()

    def _ask(self, task: str, entry: predictions.Entry, shown: Output) -> None:
        from IPython.display import display  # noqa: PLC0415 - only where there is a notebook

        def commit(number: float) -> Output | None:
            checked = predictions.check_range(number, entry["low"], entry["high"], entry["unit"])
            new = predictions.commit(self._entry(task), checked, predictions.now())
            self._keep(task, new)
            return predictions.told(task, new)

        display(slider.ask(entry, shown, commit))  # type: ignore[no-untyped-call]  # IPython's is untyped

    def compare(self, task: str, measured: Any, *, unit: str | None = None) -> None:
        """Show the gap between the prediction and what was measured.

        Args:
            task: the task's id.
            measured: one number of any kind.
            unit: only where the task had no prediction cell.

        Raises:
            EfflabError: ``measured`` is no finite number.
        """
        number = predictions.as_number(measured, "measured")
        entry = self._entry(task) | ({"unit": unit} if unit is not None else {})
        entry = predictions.measure(entry, number, predictions.now())
        self._keep(task, entry)
        predictions.gap(task, entry).show()

    def hints(self, layers: Mapping[str, hints.Layers]) -> None:
        """Register the lab's hints: by task, (picture, words, shape of the code); see :func:`efflab.lab.hint`."""
        hints.register(layers)


def start(name: str) -> Lab:
    """Begin a lab: say what it costs, fix the random seeds, keep warnings and long tracebacks out of the notebook.

    Args:
        name: the lab's name, ``"01-pruning"``.

    Returns:
        The lab.

    Raises:
        EfflabError: there is no such lab.
    """
    cost = budget(name)
    topic = topics.get(name)
    _seed(0)
    warnings.simplefilter("ignore")
    stubs.shorten()
    lab = Lab(name, topic.title)
    card("note", f"Lab {topic.number:02d}: {topic.title}", (), [f"Budget: {cost}."]).show()
    return lab


def _seed(seed: int) -> None:
    """Fix Python's, NumPy's and torch's global generators, which a student may use without thinking of them."""
    import numpy as np  # noqa: PLC0415 - a notebook needs it, `import efflab.lab` does not
    import torch  # noqa: PLC0415 - the same

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is the one to fix
    torch.manual_seed(seed)
