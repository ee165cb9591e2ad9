"""A run worked out by hand: sixteen outputs and eight inputs on four PEs."""

import numpy as np
import pytest

from efflab import eie
from efflab.eie import datapath
from efflab.errors import EfflabError

# One PE a line: what it keeps of the columns 1 and 4 to 7 (the others are empty), as rows of the matrix.
ROWS = {
    0: {1: [0], 4: [0, 4, 8], 5: [12], 6: [0]},
    1: {5: [5], 6: [1, 5], 7: [5]},
    2: {4: [14], 5: [2], 7: [10]},
    3: {4: [3], 6: [11], 7: [3, 7]},
}
INPUTS = [0, 0, 0, 0, 5, 3, 1, 2]
# Runs of at most one zero, so that 14 (the fourth row of PE 2) takes a padding zero; one input can wait in a queue; two
# entries of 4 + 1 bits make a row of the matrix SRAM.
MACHINE = eie.Machine(pes=4, fifo=2, index_bits=1, sram_width=10)

# Cycle 0 passes the first four inputs, all zero. Input 4 is sent in cycle 1, taken by all PEs in cycle 2, while 5 is sent.
# PE 0 has three entries of column 4: until it takes input 5, in cycle 5, nothing can be sent, and PEs 1 and 3 run dry.
# "4>8" is an entry of column 4 for row 8, "4>_" a padding zero, "4-" an empty column, "." no work, "+1" an input waiting.
BY_HAND = """
cycle  sent  PE 0     PE 1    PE 2    PE 3
─────  ────  ───────  ──────  ──────  ───────
0      .     .        .       .       .
1      4     . +1     . +1    . +1    . +1
2      5     4>0 +1   4- +1   4>_ +1  4>3 +1
3      full  4>4 +1   5>5     4>14 +1 5-
4      full  4>8 +1   .       5>2     .
5      6     5>_ +1   . +1    . +1    . +1
6      full  5>12 +1  6>1     6-      6>_
7      7     6>0 +1   6>5 +1  . +1    6>11 +1
8      .     7-       7>5     7>_     7>3
9      .     .        .       7>10    7>7
"""


def weights():
    """Values that are exact in fixed point: 1, 2 and -1 in turns."""
    matrix = np.zeros((16, 8))
    for element in ROWS.values():
        for column, rows in element.items():
            matrix[rows, column] = [(1, 2, -1)[(row + column) % 3] for row in rows]
    return matrix


@pytest.fixture(scope="module")
def layer():
    return eie.encode(weights(), MACHINE)


def cells(text):
    return [line.replace(" +", "+").split() for line in text.strip().splitlines()[2:]]


def test_what_each_pe_keeps(layer):
    expected = {0: [0, 0, 0, 0, 1, 1, 0], 1: [1, 0, 0, 1], 2: [1, 1, 0, 1, 0], 3: [0, 1, 0, 0, 0]}
    padded = {0: [4], 1: [], 2: [0, 3], 3: [1]}
    pointers = {
        0: [0, 0, 1, 1, 1, 4, 6, 7, 7],
        1: [0, 0, 0, 0, 0, 0, 1, 3, 4],
        2: [0, 0, 0, 0, 0, 2, 3, 3, 5],
        3: [0, 0, 0, 0, 0, 1, 1, 3, 5],
    }
    for k, element in enumerate(layer.csc.elements):
        assert element.z.tolist() == expected[k]
        assert np.flatnonzero(element.v == 0).tolist() == padded[k]
        assert element.p.tolist() == pointers[k]


def test_every_cycle(layer):
    trace = eie.trace(layer, INPUTS)
    assert cells(str(trace)) == cells(BY_HAND)
    assert trace.cycles == trace.run.cycles == 10


def test_every_counter(layer):
    for engine in ("event", "cycle"):
        run = eie.simulate(layer, INPUTS, engine=engine)
        assert run.counters.to_dict() == {
            "pes": 4,
            "cycles": 10,
            "broadcasts": 4,
            "entries": 20,
            "padding": 4,
            "empty": 4,
            "hazards": 0,
            "starved": 16,
            "blocked": 3,
            "scan_cycles": 5,
            "busy": [6, 4, 5, 5],
            "pointer_reads": 32,
            "spmat_reads": 4 + 2 + 3 + 3,
            "codebook_reads": 20,
            "act_reads": 20 + 8,
            "act_writes": 20,
            "act_sram_reads": 0,
            "act_sram_writes": 0,
            "queue_pushes": 16,
            "queue_pops": 16,
            "writebacks": 16,
            "batches": 1,
            "fill": 5,
        }
        assert run.balance == 0.5
        assert run.time_us == 15 / 800
        assert run.theoretical_us == 5 / 800


def test_the_output_grows(layer):
    trace = eie.trace(layer, INPUTS)
    product = weights() @ INPUTS
    assert trace.run.output.tolist() == product.tolist()
    assert trace.sums(0).tolist() == [0] * 16
    assert trace.sums(10).tolist() == product.tolist()
    # Until cycle 4, rows 0 and 4 of column 4 were added, row 3 of it, row 5 of column 5, and row 14.
    after = trace.sums(4)
    assert np.flatnonzero(after).tolist() == [0, 3, 4, 5, 14]
    assert after[4] == weights()[4, 4] * 5
    with pytest.raises(EfflabError, match="cycle is 11, and must be from 0 to 10"):
        trace.sums(11)


def test_without_a_bypass_one_entry_waits(layer):
    """Inputs 6 and 7 both end and begin with row 5 in PE 1, in cycles 7 and 8."""
    trace = eie.trace(layer, INPUTS, MACHINE.with_(bypass=False))
    column = [row[3].removesuffix("+1") for row in cells(str(trace))]
    assert column == [".", ".", "4-", "5>5", ".", ".", "6>1", "6>5", "7!", "7>5"]
    assert trace.run.counters.hazards == (trace.state == datapath.WAIT).sum() == 1
    assert trace.cycles == 10
    assert trace.run.output.tolist() == (weights() @ INPUTS).tolist()


def test_without_a_queue_all_begin_together(layer):
    """FIFO 1 has no usable place: an input is sent in the last cycle of the slowest PE."""
    trace = eie.trace(layer, INPUTS, MACHINE.with_(fifo=1))
    sent = {int(j): t for t, j in enumerate(trace.sent.tolist()) if j >= 0}
    # Column 4 takes 3 cycles of PE 0, column 5 takes 2 of it, column 6 takes 2 of PEs 1 and 3, column 7 takes 2.
    assert sent == {4: 1, 5: 4, 6: 6, 7: 8}
    assert trace.cycles == 11
    for j, t in sent.items():
        assert (trace.column[t + 1] == j).all()


def test_with_a_deep_queue_nobody_waits_for_others(layer):
    run = eie.simulate(layer, INPUTS, MACHINE.with_(fifo=8))
    assert run.counters.blocked == 0
    # PE 0 works from cycle 2 for 3 + 2 + 1 + 1 cycles, the others for 5, 5 and 6.
    assert run.cycles == 9


def test_a_long_trace_is_refused():
    layer = eie.encode(np.ones((40, 40)), eie.Machine(pes=2))
    with pytest.raises(EfflabError, match="the trace has 801 cycles of 2 PEs, and most_cycles is 100"):
        eie.trace(layer, np.ones(40), most_cycles=100)
    with pytest.raises(EfflabError, match=r"layer must be encoded by .*, and is a Pattern"):
        eie.trace(layer.pattern, np.ones(40))


def test_it_shows_itself(layer):
    trace = eie.trace(layer, INPUTS)
    assert "<table>" in trace._repr_html_()
    assert repr(trace) == "Trace(10 cycles of 4 PEs)"
    assert len(cells(str(trace.table(2, 5)))) == 3
