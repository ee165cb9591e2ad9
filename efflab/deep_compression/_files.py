"""A compressed network, its real file, and its figures beside those of the paper's tables 1 to 3."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from efflab import paper, results
from efflab.deep_compression import published
from efflab.deep_compression._study import Method, Outcome
from efflab.deep_compression.sizes import StageSizes, measured_sizes, together
from efflab.errors import EfflabError

JUDGED_SEEDS = 3  # with fewer, a bar would judge chance
RATE_BARS = {"lenet-300-100": 40, "lenet-5": 39}
RATE_GOAL = 60
INDEX_BITS = 5  # of the relative index, as in tables 2 and 3


@dataclass(frozen=True)
class Compressed:
    """A compressed network and its file.

    Attributes:
        outcome: its errors and weights.
        method: how it was made.
        file_bytes: of its ``.efz``.
        bound_bytes: entropy of mask and codes by layer, four bytes a bias and a centroid; trained masks are not random, and
            shared biases take less, so that a file may lie below it.
        stored: bytes in the file by parameter.
    """

    outcome: Outcome
    method: Method
    file_bytes: int
    bound_bytes: float
    stored: dict[str, int]

    @property
    def rate(self) -> float:
        """How many times smaller the file is than the dense parameters."""
        return 4 * sum(p.numel() for p in self.outcome.network.parameters()) / self.file_bytes

    @property
    def excess_pct(self) -> float:
        """By how much the file exceeds the bound."""
        return 100 * (self.file_bytes / self.bound_bytes - 1)

    @cached_property
    def layers(self) -> tuple[StageSizes, ...]:
        """The layers' sizes by stage, as the paper counts."""
        weights = dict(self.outcome.network.named_parameters())
        return tuple(
            measured_sizes(name, weights[f"{name}.weight"], bits, INDEX_BITS)
            for name, bits in self.method.bits.items()
        )


def encode(outcome: Outcome, method: Method) -> Compressed:
    """Write a network to a file, and read it back bit for bit.

    Raises:
        EfflabError: the file gives back another network.
    """
    from efflab import efz  # noqa: PLC0415 - numba's cost, where it is needed

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.efz"
        summary = efz.save(outcome.network, path)
        back = efz.load(path)
    if not same(outcome.network.state_dict(), back):
        raise EfflabError("the file gives back another network than the one written")
    stored = {name: entry.bytes.total for entry in summary.entries for name in entry.names}
    return Compressed(outcome, method, summary.file_bytes, efz.entropy_bound(outcome.network).bytes, stored)


def same(one: dict[str, Tensor], other: Any) -> bool:
    """Whether two state dicts hold the same bits."""
    return one.keys() == other.keys() and all(
        torch.equal(tensor.contiguous().view(torch.int32), other[name].contiguous().view(torch.int32))
        for name, tensor in one.items()
    )


class Figures:
    """Makes records of one network: means over the seeds, with every seed's value as the spread."""

    def __init__(self, prefix: str, made: Sequence[Compressed], common: dict[str, Any]) -> None:
        self.prefix, self.common = prefix, {"data": "mnist", **common}
        self.date = max(one.outcome.date for one in made)
        self.judges = common["scale"] != "smoke" and len(made) >= JUDGED_SEEDS

    def __call__(
        self, name: str, values: Iterable[float], unit: str, published: str = "", **judged: Any
    ) -> results.Result:
        spread = tuple(float(value) for value in values)
        return results.record(
            "deep_compression",
            f"{self.prefix}/{name}",
            fmean(spread),
            unit,
            paper=paper.get(f"deep_compression/{published}") if published else None,
            spread=spread,
            date=self.date,
            **{**self.common, **judged},
        )

    def bar(self, text: str, holds: bool, goal: str | None = None) -> dict[str, Any]:
        """Nothing where the run is too short or its seeds too few to judge by."""
        return {"bar": text, "holds": bool(holds), "goal": goal} if self.judges else {}


def _prefix(network: str, title: str) -> str:
    return network if title == "paper" else f"{network}/{title}"


def errors(
    network: str,
    title: str,
    made: Sequence[Compressed],
    common: dict[str, Any],
    *,
    dense: Sequence[float],
    long: Sequence[float],
) -> list[results.Result]:
    """Errors on the test set by stage."""
    figure = Figures(_prefix(network, title), made, common)
    table = f"table1/{network}-compressed/error" if title == "paper" else ""
    reference = f"table1/{network}-ref/error" if title == "paper" else ""
    error = [one.outcome.error for one in made]
    change = [after - before for after, before in zip(error, dense, strict=True)]
    return [
        figure("error_dense", dense, "%", reference),
        figure("error_pruned", [one.outcome.pruned_error for one in made], "%"),
        figure("error_shared", [one.outcome.shared_error for one in made], "%"),
        figure("error_compressed", error, "%", table),
        figure(
            "error_change",
            change,
            "points",
            # Errors are whole images: what is left beyond nine digits is floating point's.
            **figure.bar("mean at most 0", round(fmean(change), 9) <= 0),
        ),
        *([figure("error_dense_long", long, "%")] if long else []),
        figure("error_held_out", [one.outcome.held_out_error for one in made], "%"),
    ]


def sizes(
    network: str, title: str, made: Sequence[Compressed], common: dict[str, Any]
) -> list[results.Result]:
    """The file, and what it could have been at best."""
    figure = Figures(_prefix(network, title), made, common)
    rates = [one.rate for one in made]
    low = RATE_BARS[network] if title == "paper" else RATE_GOAL
    at_least = figure.bar(
        f"at least {low}x", min(rates) >= low, f"{RATE_GOAL}x" if title == "paper" else None
    )
    published = f"table1/{network}-compressed" if title == "paper" else ""
    return [
        figure("file_kb", [one.file_bytes / 1000 for one in made], "KB", published and f"{published}/size"),
        figure("rate", rates, "x", published and f"{published}/rate", **at_least),
        figure("file_bytes", [one.file_bytes for one in made], "bytes"),
        figure("bound_bytes", [one.bound_bytes for one in made], "bytes"),
        figure("excess_pct", [one.excess_pct for one in made], "%"),
        figure(
            "weights_pct", [together("", one.layers).weights_percent for one in made], "%",
        ),
    ]  # fmt: skip


_COLUMNS = {
    "weights_pct": ("weights_percent", "%"),
    "weight_bits": ("weight_bits", "bits"),
    "weight_bits_huffman": ("weight_bits_huffman", "bits"),
    "index_bits": ("index_bits", "bits"),
    "index_bits_huffman": ("index_bits_huffman", "bits"),
    "rate_pct": ("rate_percent", "%"),
    "rate_pct_huffman": ("rate_percent_huffman", "%"),
}


def cells(network: str, made: Sequence[Compressed], common: dict[str, Any]) -> list[results.Result]:
    """Every column of table 2 or 3 by layer, and each layer's real bytes in the file."""
    figure = Figures(network, made, common)
    table = paper.table("deep_compression", published.NETWORKS[network])
    names = [layer.name for layer in made[0].layers]
    records = []
    for at, (name, label) in enumerate(zip([*names, published.TOTAL], table.labels, strict=True)):
        lines = [one.layers[at] if at < len(names) else together("", one.layers) for one in made]
        records += [
            figure(
                f"{name}/{column}",
                [getattr(line, attribute) for line in lines],
                unit,
                f"{published.NETWORKS[network]}/{label}/{column}",
            )
            for column, (attribute, unit) in _COLUMNS.items()
        ]
        if at < len(names):
            stored = [one.stored[f"{name}.weight"] for one in made]
            records.append(figure(f"{name}/file_bytes", stored, "bytes"))
    return records


def by_stage(made: Sequence[Compressed]) -> dict[str, Any]:
    """Bytes by layer at every stage, means over the seeds; biases and the file's own tables are its rest."""
    layers = [layer.name for layer in made[0].layers]
    stages = ("dense_bytes", "pruned_bytes", "quantized_bytes", "huffman_bytes")
    found: dict[str, Any] = {
        stage.removesuffix("_bytes"): [
            fmean(getattr(one.layers[at], stage) for one in made) for at in range(len(layers))
        ]
        for stage in stages
    }
    found["file"] = [fmean(one.stored[f"{name}.weight"] for one in made) for name in layers]
    total = fmean(one.file_bytes for one in made)
    return {"layers": layers, **found, "file_total": total, "file_rest": total - sum(found["file"])}
