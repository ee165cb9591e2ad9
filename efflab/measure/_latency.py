"""Time of one call, with warm-up, median and spread."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from efflab.errors import EfflabError
from efflab.measure._watching import arguments, tensors
from efflab.tables import TextTable


@dataclass(frozen=True)
class Latency:
    """Times of repeated calls, in milliseconds.

    Attributes:
        median_ms: the middle of all calls: what to report.
        lower_ms: first quartile.
        upper_ms: third quartile; far from the median where the machine is busy.
        floor_ms: the quickest call: what the code takes when nothing interferes.
        processor_ms: processor time of the quickest call, over all threads: with one thread what the floor would be on an
            idle machine; 0 where the system's clock is too coarse.
        repeats: calls timed.
        warmup: calls before them that were not.
        threads: threads torch computed with.
    """

    median_ms: float
    lower_ms: float
    upper_ms: float
    floor_ms: float
    processor_ms: float
    repeats: int
    warmup: int
    threads: int

    def gflops(self, macs: int) -> float:
        """Achieved GFLOP/s of a call with ``macs`` multiplications, at the median."""
        return 2 * macs / (self.median_ms * 1e6)

    def __str__(self) -> str:
        return f"{self.median_ms:.3g} ms (quartiles {self.lower_ms:.3g} to {self.upper_ms:.3g}, floor {self.floor_ms:.3g})"

    def table(self) -> TextTable:
        """The times, for terminal and notebook."""
        columns = ("median", "first quartile", "third quartile", "floor", "calls", "threads")
        times = (self.median_ms, self.lower_ms, self.upper_ms, self.floor_ms)
        row: list[str | int] = [*(f"{one:.3g} ms" for one in times), self.repeats, self.threads]
        return TextTable.of(columns, [row], "Latency", f"after {self.warmup} calls of warm-up")

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def latency(
    call: nn.Module | Callable[..., Any], example_inputs: Any = (), *, warmup: int = 10, repeats: int = 50
) -> Latency:
    """Time a model or function.

    Args:
        call: a module, which runs in evaluation mode and without gradients, or any function.
        example_inputs: a tensor, a tuple of arguments, or a mapping of arguments by name.
        warmup: calls before the first timed one, at least 0: they fill caches and let libraries choose their kernels.
        repeats: timed calls, at least 1.

    Returns:
        Median, quartiles and floor.

    Raises:
        EfflabError: a number of calls is too small, or ``call`` cannot be called.
    """
    if not callable(call):
        raise EfflabError(f"call must be a module or a function, got {type(call).__name__}")
    if warmup < 0 or repeats < 1:
        raise EfflabError(f"warmup must be at least 0 and repeats at least 1, got {warmup} and {repeats}")
    with contextlib.ExitStack() as stack:
        if isinstance(call, nn.Module):
            for module in call.modules():
                stack.callback(setattr, module, "training", module.training)
            call.eval()
        stack.enter_context(torch.no_grad())
        times, processor = np.asarray(_times(call, example_inputs, warmup, repeats)).T / 1e6
    lower, median, upper = np.percentile(times, (25, 50, 75))
    return Latency(
        median_ms=float(median),
        lower_ms=float(lower),
        upper_ms=float(upper),
        floor_ms=float(times.min()),
        processor_ms=float(processor.min()),
        repeats=repeats,
        warmup=warmup,
        threads=torch.get_num_threads(),
    )


def _times(call: Callable[..., Any], example_inputs: Any, warmup: int, repeats: int) -> list[tuple[int, int]]:
    """Nanoseconds of each timed call, by the wall's clock and the processor's."""
    args, kwargs = arguments(example_inputs)
    finish = _synchronise(args, kwargs)
    found = []
    for index in range(warmup + repeats):
        start, spent = time.perf_counter_ns(), time.process_time_ns()
        call(*args, **kwargs)
        finish()
        end, done = time.perf_counter_ns(), time.process_time_ns()
        if index >= warmup:
            found.append((end - start, done - spent))
    return found


def _synchronise(args: Any, kwargs: Any) -> Callable[[], object]:
    """What waits until the inputs' device has finished."""
    device = next((one.device.type for one in tensors((args, kwargs))), "cpu")
    return {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device, lambda: None)
