"""What compression did, layer by layer and stage by stage, as the paper's tables 2 to 5 show it."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from efflab.deep_compression.sizes import StageSizes, together
from efflab.tables import TextTable

STAGE_TITLES = ("dense", "pruned", "shared", "Huffman", "file")


@dataclass(frozen=True)
class StageError:
    """How well the model does after a stage.

    Args:
        stage: ``"dense"``, ``"pruned and retrained"``, ``"shared"`` or ``"fine-tuned"``.
        iteration: of the whole chain, from 1; 0 for the dense model.
        error_percent: on the test set.
        validation_error_percent: on the validation split, None without one.
        seconds: that the stage took.
    """

    stage: str
    iteration: int
    error_percent: float
    validation_error_percent: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class LayerReport:
    """One layer.

    Args:
        sizes: at every stage, as the paper counts.
        file_bytes: of the layer in the file, with its share of header and tables.
        drift: ||W' - W|| / ||W||, of the compressed weights W' against the dense ones W; None where they were retrained.
    """

    sizes: StageSizes
    file_bytes: int
    drift: float | None = None

    @property
    def name(self) -> str:
        """Full name of the parameter."""
        return self.sizes.name


@dataclass(frozen=True)
class CompressionReport:
    """What ``compress_`` returns.

    Args:
        layers: the compressed ones.
        stages: errors after each stage; empty without data.
        dense_bytes: of all tensors of the dense model, biases and buffers included.
        file_bytes: the real size of the ``.efz`` file.
        path: of the file; None where none was asked for.
        left_dense: parameters of two or more dimensions that were not compressed, such as embeddings.
        output_drift: ||y' - y|| / ||y|| of the model's outputs on ``example_inputs``; None without them.
    """

    layers: tuple[LayerReport, ...]
    stages: tuple[StageError, ...]
    dense_bytes: int
    file_bytes: int
    path: Path | None = None
    left_dense: tuple[str, ...] = ()
    output_drift: float | None = None

    @property
    def rate(self) -> float:
        """How many times smaller the file is than the dense tensors."""
        return self.dense_bytes / self.file_bytes

    @property
    def total(self) -> StageSizes:
        """All compressed layers together."""
        return together("total", (layer.sizes for layer in self.layers))

    @property
    def sparsity(self) -> float:
        """Fraction of zeros among the weights of the compressed layers."""
        total = self.total
        return 1 - total.kept / total.weights

    @property
    def dense_error_percent(self) -> float | None:
        """On the test set, before all; None without data."""
        return self.stages[0].error_percent if self.stages else None

    @property
    def error_percent(self) -> float | None:
        """On the test set, of what the file holds; None without data."""
        return self.stages[-1].error_percent if self.stages else None

    def table(self) -> TextTable:
        """The paper's columns: weights kept, bits of a weight and of an index before and after Huffman coding, rates."""
        drifts = any(layer.drift is not None for layer in self.layers)
        columns = (
            "layer", "weights", "weights %", "weight bits P+Q", "P+Q+H", "index bits P+Q", "P+Q+H", "rate % P+Q",
            "P+Q+H", "file bytes", *(("drift %",) if drifts else ()),
        )  # fmt: skip
        rows = [(*_row(layer.sizes), layer.file_bytes, *_drift(layer, shown=drifts)) for layer in self.layers]
        layers_bytes = sum(layer.file_bytes for layer in self.layers)
        rows.append((*_row(self.total), layers_bytes, *(("",) if drifts else ())))
        return TextTable.of(columns, rows, caption=self._caption(), note=self._note())

    def _caption(self) -> str:
        title = f"{self.dense_bytes:,} bytes dense, {self.file_bytes:,} in the file: {self.rate:.1f}x smaller"
        if self.stages:
            title += (
                f"; test error {self.dense_error_percent:.2f} % dense, {self.error_percent:.2f} % compressed"
            )
        if self.output_drift is not None:
            title += f"; outputs drift by {100 * self.output_drift:.2g} %"
        return title

    def _note(self) -> str:
        return f"Left dense: {', '.join(self.left_dense)}." if self.left_dense else ""

    def stage_table(self) -> TextTable:
        """Bytes by layer and stage."""
        rows = [(layer.name, *_bytes(layer.sizes), layer.file_bytes) for layer in self.layers]
        rest = self.file_bytes - sum(layer.file_bytes for layer in self.layers)
        dense_rest = self.dense_bytes - round(self.total.dense_bytes)
        rows.append(("everything else", *(dense_rest,) * 4, rest))
        totals = (*(one + dense_rest for one in _bytes(self.total)), self.file_bytes)
        return TextTable.of(("bytes", *STAGE_TITLES), [*rows, ("total", *totals)])

    def error_table(self) -> TextTable:
        """Errors after each stage."""
        columns = ("stage", "iteration", "test error %", "validation error %", "seconds")
        rows = [
            (one.stage, one.iteration, one.error_percent, one.validation_error_percent, one.seconds)
            for one in self.stages
        ]
        return TextTable.of(columns, rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return {
            "path": None if self.path is None else str(self.path),
            "dense_bytes": self.dense_bytes,
            "file_bytes": self.file_bytes,
            "rate": self.rate,
            "sparsity": self.sparsity,
            "error_percent_dense": _finite(self.dense_error_percent),
            "error_percent": _finite(self.error_percent),
            "output_drift": _finite(self.output_drift),
            "left_dense": list(self.left_dense),
            "stages": [
                {
                    key: _finite(value) if isinstance(value, float) else value
                    for key, value in asdict(stage).items()
                }
                for stage in self.stages
            ],
            "layers": [
                _plain(layer.sizes) | {"file_bytes": layer.file_bytes, "drift": _finite(layer.drift)}
                for layer in self.layers
            ],
            "total": _plain(self.total),
        }

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        parts = [self.table(), self.error_table()] if self.stages else [self.table()]
        return "".join(part._repr_html_() for part in parts)

    def plot(self) -> Any:
        """Draw the bytes of every layer at every stage.

        Returns:
            The matplotlib figure.
        """
        from efflab import viz  # noqa: PLC0415 - drawing is rare, importing matplotlib slow

        rows = [(*_bytes(layer.sizes), layer.file_bytes) for layer in self.layers]
        columns = {f"{title} (kB)": [row[at] / 1000 for row in rows] for at, title in enumerate(STAGE_TITLES)}
        title = f"{self.rate:.1f}x smaller, by layer and stage"
        return viz.layers([layer.name for layer in self.layers], columns, title=title, width=9.0)


def _finite(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is None or math.isfinite(value) else None


def _row(sizes: StageSizes) -> tuple[str | float, ...]:
    return (
        sizes.name, sizes.weights, f"{sizes.weights_percent:.1f}", f"{sizes.weight_bits:.1f}",
        f"{sizes.weight_bits_huffman:.1f}", f"{sizes.index_bits:.1f}", f"{sizes.index_bits_huffman:.1f}",
        f"{sizes.rate_percent:.2f}", f"{sizes.rate_percent_huffman:.2f}",
    )  # fmt: skip


def _drift(layer: LayerReport, *, shown: bool) -> tuple[str, ...]:
    if not shown:
        return ()
    return ("–",) if layer.drift is None else (f"{100 * layer.drift:.1f}",)


def _bytes(sizes: StageSizes) -> tuple[int, int, int, int]:
    stages = (sizes.dense_bytes, sizes.pruned_bytes, sizes.quantized_bytes, sizes.huffman_bytes)
    dense, pruned, quantized, huffman = (round(one) for one in stages)
    return dense, pruned, quantized, huffman


def _plain(sizes: StageSizes) -> dict[str, Any]:
    dense, pruned, quantized, huffman = _bytes(sizes)
    return {
        "layer": sizes.name,
        "weights": sizes.weights,
        "kept": sizes.kept,
        "fillers": sizes.fillers,
        "clusters": sizes.clusters,
        "weights_percent": sizes.weights_percent,
        "weight_bits": sizes.weight_bits,
        "weight_bits_huffman": sizes.weight_bits_huffman,
        "index_bits": sizes.index_bits,
        "index_bits_huffman": sizes.index_bits_huffman,
        "rate_percent": sizes.rate_percent,
        "rate_percent_huffman": sizes.rate_percent_huffman,
        "bytes_dense": dense,
        "bytes_pruned": pruned,
        "bytes_shared": quantized,
        "bytes_huffman": huffman,
    }
