"""What a training run did, epoch by epoch."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from efflab.tables import TextTable


@dataclass
class History:
    """One entry an epoch in each list.

    Args:
        loss: mean training loss, without penalties.
        accuracy: fraction of right predictions while training, in [0, 1]; NaN where the targets are no classes.
        validation_loss: mean loss on the validation split; empty without one.
        validation_error: error on the validation split, in percent; empty without one.
        lr: learning rate at the epoch's first step.
        seconds: duration, validation included.
        best_epoch: index of the epoch whose validation is best, and whose weights the model has where ``patience`` was
            given; None without validation.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_error: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def error(self) -> list[float]:
        """Error while training, in percent."""
        return [100 * (1 - accuracy) for accuracy in self.accuracy]

    def state_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> "History":
        """The history that ``state_dict`` described.

        Raises:
            KeyError: an entry is missing.
        """
        return cls(**{entry.name: state[entry.name] for entry in fields(cls)})

    def improved(self, monitor: str) -> bool:
        """Whether the last validation is better than that of ``best_epoch``; no number is worse than any number."""

        def badness(epoch: int) -> tuple[float, ...]:
            values = (self.validation_error[epoch], self.validation_loss[epoch])
            chosen = values[1:] if monitor == "loss" or math.isnan(values[0]) else values
            return tuple(math.inf if math.isnan(value) else value for value in chosen)

        return self.best_epoch is None or badness(-1) < badness(self.best_epoch)

    def _table(self) -> TextTable:
        columns = [
            ("loss", self.loss, "{:.4f}"),
            ("error %", self.error, "{:.2f}"),
            ("validation loss", self.validation_loss, "{:.4f}"),
            ("validation error %", self.validation_error, "{:.2f}"),
            ("lr", self.lr, "{:.4g}"),
            ("seconds", self.seconds, "{:.1f}"),
        ]
        used = [column for column in columns if not all(map(math.isnan, column[1]))]
        rows = (
            (f"{epoch + 1}", *(form.format(values[epoch]) for _, values, form in used))
            for epoch in range(len(self))
        )
        note = "" if self.best_epoch is None else f"Best on validation: epoch {self.best_epoch + 1}."
        return TextTable(("epoch", *(title for title, _, _ in used)), tuple(rows), note=note)

    def __str__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def plot(self) -> Any:
        """Draw loss and error by epoch.

        Returns:
            A matplotlib figure.
        """
        from efflab import viz  # noqa: PLC0415 - drawing is rare, importing matplotlib slow

        with viz.style():
            figure, axes = viz.new_figure(7.2, 3.0, columns=2)
            epochs = range(1, len(self) + 1)
            pairs = ((self.loss, self.validation_loss), (self.error, self.validation_error))
            for axis, (train, validation), name in zip(axes, pairs, ("loss", "error (%)"), strict=True):
                axis.plot(epochs, train, label="training")
                if validation:
                    axis.plot(epochs, validation, label="validation")
                axis.set(xlabel="epoch", ylabel=name)
                axis.xaxis.get_major_locator().set_params(integer=True)
                axis.legend()
        return figure
