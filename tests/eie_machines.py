"""Random machines, matrices and inputs for the tests of EIE."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from efflab import eie

VALUES = np.array([-2.5, -1.0, -0.3, 0.25, 0.5, 1.7, 3.0])


@dataclass(frozen=True)
class Case:
    """A layer encoded for a machine, the matrix that it holds, and inputs."""

    layer: eie.Layer
    matrix: np.ndarray
    inputs: np.ndarray

    @property
    def machine(self):
        return self.layer.machine


@st.composite
def machines(draw, precisions=("int8", "int16", "int32", "float32"), bypass=None):
    """Any machine, small; without limits of its memories."""
    return eie.Machine(
        pes=draw(st.sampled_from([1, 2, 3, 4, 8, 50, 65])),
        fifo=draw(st.integers(1, 10)),
        index_bits=draw(st.integers(1, 5)),
        precision=draw(st.sampled_from(precisions)),
        sram_width=draw(st.sampled_from([9, 16, 32, 64, 128])),
        bypass=draw(st.booleans()) if bypass is None else bypass,
        regs=draw(st.sampled_from([1, 2, 5, 64])),
    )


@st.composite
def cases(draw, machine=machines()):  # noqa: B008 - a strategy
    """Any layer and inputs, from 1x1 on: empty, full, and without a single input."""
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    density = draw(st.sampled_from([0.0, 0.03, 0.1, 0.3, 0.7, 1.0]))
    matrix = np.where(rng.random((rows, columns)) < density, rng.choice(VALUES, (rows, columns)), 0)
    active = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0]))
    inputs = np.where(rng.random(columns) < active, rng.normal(size=columns), 0)
    bias = rng.normal(size=rows) if draw(st.booleans()) else None
    layer = eie.encode(matrix, draw(machine), VALUES, bias=bias, relu=draw(st.booleans()))
    return Case(layer, matrix, inputs)
