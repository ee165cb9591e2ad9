"""Energy of one inference by the 45 nm table (Han et al., NIPS 2015, Figure 1)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from efflab.errors import EfflabError
from efflab.measure._profile import LayerCount, Profile
from efflab.paper import (
    DRAM_READ_PJ_PER_WORD,
    FP32_ADD_PJ,
    FP32_MULTIPLY_PJ,
    SRAM_READ_PJ_PER_WORD,
)
from efflab.tables import TextTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Memory = Literal["dram", "sram"]
_PJ_PER_WORD = {"dram": DRAM_READ_PJ_PER_WORD, "sram": SRAM_READ_PJ_PER_WORD}


@dataclass(frozen=True)
class LayerEnergy:
    """Energy of one layer, in picojoule.

    Attributes:
        name: the layer's path in the model.
        arithmetic_pj: multiplications and additions.
        weights_pj: reading the weights.
        activations_pj: reading the inputs and writing the outputs.
    """

    name: str
    arithmetic_pj: float
    weights_pj: float
    activations_pj: float

    @property
    def total_pj(self) -> float:
        """All of it."""
        return self.arithmetic_pj + self.weights_pj + self.activations_pj


@dataclass(frozen=True)
class Energy:
    """Energy of one inference, layer by layer.

    Attributes:
        layers: the layers that multiply or hold parameters.
        assumptions: what was taken for granted, in one sentence.
    """

    layers: tuple[LayerEnergy, ...]
    assumptions: str

    @property
    def arithmetic_pj(self) -> float:
        """Multiplications and additions."""
        return sum(layer.arithmetic_pj for layer in self.layers)

    @property
    def weights_pj(self) -> float:
        """Reading the weights."""
        return sum(layer.weights_pj for layer in self.layers)

    @property
    def activations_pj(self) -> float:
        """Reading inputs and writing outputs."""
        return sum(layer.activations_pj for layer in self.layers)

    @property
    def total_pj(self) -> float:
        """All of it, in picojoule."""
        return sum(layer.total_pj for layer in self.layers)

    @property
    def total_uj(self) -> float:
        """All of it, in microjoule."""
        return self.total_pj / 1e6

    def table(self) -> TextTable:
        """Layers and totals in microjoule, for terminal and notebook."""
        columns = ("layer", "arithmetic µJ", "weights µJ", "activations µJ", "total µJ")
        total = LayerEnergy("total", self.arithmetic_pj, self.weights_pj, self.activations_pj)
        rows: list[list[str | float]] = []
        for one in (*self.layers, total):
            parts = (one.arithmetic_pj, one.weights_pj, one.activations_pj, one.total_pj)
            rows.append([one.name, *(pj / 1e6 for pj in parts)])
        return TextTable.of(columns, rows, "Energy of one inference", self.assumptions)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def plot(self) -> "Figure":
        """Energy by layer and by what it is spent on, as bars."""
        from efflab import viz  # noqa: PLC0415 - matplotlib is loaded by those who draw

        columns: dict[str, list[float | None]] = {
            "arithmetic (µJ)": [one.arithmetic_pj / 1e6 for one in self.layers],
            "weights (µJ)": [one.weights_pj / 1e6 for one in self.layers],
            "activations (µJ)": [one.activations_pj / 1e6 for one in self.layers],
        }
        return viz.layers([one.name for one in self.layers], columns, title="Energy of one inference")


def energy(
    profile: Profile,
    *,
    weights_from: Memory = "dram",
    activations_from: Memory = "sram",
    skip_zeros: bool = False,
    weight_bits: float = 32,
    index_bits: float = 0,
) -> Energy:
    """Energy of the forward pass that was profiled, by the 45 nm table.

    Each MAC is an fp32 multiplication and an fp32 addition. Each parameter is read once from ``weights_from``, whatever the
    batch; each input is read and each output written once, at the cost of a read. Control, registers and index
    decoding are free.

    Args:
        profile: the counts.
        weights_from: ``"dram"``, or ``"sram"`` for a network that fits on the chip.
        activations_from: the same for inputs and outputs.
        skip_zeros: whether zero weights are neither stored nor multiplied and zero activations neither stored nor
            multiplied, as on EIE; otherwise zeros cost what any number costs.
        weight_bits: bits of a stored weight; 32-bit words are fetched, so half the bits are half the energy.
        index_bits: bits that say where a non-zero weight stands, with ``skip_zeros``.

    Returns:
        The energy by layer.

    Raises:
        EfflabError: a memory is not known, or a number of bits is negative.
    """
    for name, memory in (("weights_from", weights_from), ("activations_from", activations_from)):
        if memory not in get_args(Memory):
            raise EfflabError(f"{name} must be 'dram' or 'sram', got {memory!r}")
    if weight_bits <= 0 or index_bits < 0:
        raise EfflabError(
            f"weight_bits must be above 0 and index_bits at least 0, got {weight_bits} and {index_bits}"
        )
    words = (weight_bits + (index_bits if skip_zeros else 0)) / 32
    layers = tuple(
        _layer(layer, words * _PJ_PER_WORD[weights_from], _PJ_PER_WORD[activations_from], skip_zeros)
        for layer in profile.layers
    )
    zeros = "zeros skipped" if skip_zeros else "zeros treated as any number"
    return Energy(
        layers,
        f"45 nm, fp32; weights once from {weights_from.upper()}, activations once from {activations_from.upper()}; {zeros}",
    )


def _layer(
    layer: LayerCount, pj_per_weight: float, pj_per_activation: float, skip_zeros: bool
) -> LayerEnergy:
    """One layer; biases are kept and read whole."""
    biases = layer.parameters - layer.weights
    if skip_zeros:
        macs, weights = layer.nonzero_macs, layer.nonzeros
        moved = layer.inputs * layer.input_density + layer.activations * layer.activation_density
    else:
        macs, weights = layer.macs, layer.weights
        moved = float(layer.inputs + layer.activations)
    return LayerEnergy(
        layer.name or layer.kind,
        macs * (FP32_MULTIPLY_PJ + FP32_ADD_PJ),
        (weights + max(0, biases)) * pj_per_weight,
        moved * pj_per_activation,
    )
