"""An interactive figure: the EIE machine at work, cycle by cycle (S. Han et al., "EIE", ISCA 2016, sections III and IV).

The page gets how many entries, real and padding, each PE has for each non-zero input; its JavaScript replays the machine
from them. Weights stay where they are.
"""

from collections.abc import Sequence
from typing import Any, Self

import anywidget
import traitlets
from numpy.typing import ArrayLike

from efflab.viz.played import PlayedCounts, embedded, given, of_layer
from efflab.viz.timeline import MachineState
from efflab.viz.widgets import css, module, whole

TITLE = "The EIE machine, cycle by cycle"


class EiePlayer(anywidget.AnyWidget):
    """Play a run of the EIE machine: queues fill, broadcasts stall, padding zeros pass, outputs grow.

    Args:
        layer: a layer of :func:`efflab.eie.encode`; or a pattern of :func:`efflab.eie.draw`, whose outputs nobody knows; or a
            trace of :func:`efflab.eie.trace`, which has its own input and machine.
        activations: (columns,) the layer's input.
        machine: the machine that runs it, of at most 256 PEs; by default the layer's own, or the published one.
        cycle: where the figure starts.
        title: a heading; also the figure's name for a screen reader.

    The trait ``cycle`` follows the controls and moves them; ``state`` is the machine in that cycle.

    Within a slice the page knows only how many entries are padding; it draws them first.

    Raises:
        EfflabError: there are more than 256 PEs, the counts take more than 200 kB in the page, or the layer does not run.

    >>> from efflab import eie
    >>> layer = eie.draw(rows=512, columns=256, density=0.1)
    >>> EiePlayer(layer, eie.draw_active(256, density=0.3), eie.Machine(pes=16))
    EiePlayer: 16 PEs, queues of 7, 67 broadcasts, 262 cycles, load balance 89.9 %
    >>> player = EiePlayer.of_counts(real=[[2, 0], [1, 3]], padding=[[0, 0], [1, 0]], gaps=[0, 0], depth=8)
    >>> player.cycle = 2
    >>> player.state.states, player.state.queues, player.state.entries
    (('busy', 'busy'), (1, 0), (2, 1))
    >>> player
    EiePlayer: 2 PEs, queues of 8, 2 broadcasts, 5 cycles, load balance 70.0 %
    """

    _esm = module("canvas", "eie_machine", "eie_words", "eie_pictures", "eie_controls", "eie_player")
    _css = css("machines")

    cycle = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    pes = traitlets.Int(1).tag(sync=True)
    depth = traitlets.Int(1).tag(sync=True)
    columns = traitlets.Int(0).tag(sync=True)
    batches = traitlets.List(traitlets.Int()).tag(sync=True)
    kinds = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    lengths = traitlets.List(traitlets.Int()).tag(sync=True)
    counts = traitlets.Unicode("").tag(sync=True)
    gaps = traitlets.Unicode("").tag(sync=True)
    skips = traitlets.Unicode("").tag(sync=True)
    values = traitlets.Unicode("").tag(sync=True)
    largest = traitlets.Float(0.0).tag(sync=True)
    outputs = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        layer: Any,
        activations: ArrayLike = (),
        machine: Any = None,
        *,
        cycle: int = 0,
        title: str = TITLE,
    ) -> None:
        played = layer if isinstance(layer, PlayedCounts) else of_layer(layer, activations, machine)
        super().__init__(title=title, **embedded(played))
        self._timeline = played.timeline
        self.cycle = cycle

    @classmethod
    def of_counts(
        cls,
        real: ArrayLike,
        padding: ArrayLike,
        gaps: ArrayLike,
        depth: int,
        outputs: ArrayLike | None = None,
        *,
        batches: Sequence[int] | None = None,
        indices: ArrayLike | None = None,
        values: ArrayLike | None = None,
        clashes: ArrayLike | None = None,
        cycle: int = 0,
        title: str = TITLE,
    ) -> Self:
        """Play a machine that is told by its entry counts alone.

        Args:
            real: (columns, pes) entries with a weight, by non-zero input and PE.
            padding: (columns, pes) padding zeros.
            gaps: (columns,) rows of zeros that the scan skips before each non-zero input.
            depth: places of a queue, 0 for none.
            outputs: (rows,) the output vector, if it shall be drawn.
            batches: non-zero inputs of each batch; one batch by default.
            indices: (columns,) places of the non-zero inputs, increasing.
            values: (columns,) the non-zero inputs.
            clashes: (columns, pes) 1 where a slice's first entry needs the sum that the slice before wrote last, so that
                a machine without bypass waits a cycle; none by default.
            cycle: where the figure starts.
            title: a heading; also the figure's name for a screen reader.

        Raises:
            EfflabError: shapes differ, or a number is out of range.
        """
        played = given(
            real,
            padding,
            gaps,
            depth,
            outputs=outputs,
            batches=batches,
            indices=indices,
            values=values,
            clashes=clashes,
        )
        return cls(played, cycle=cycle, title=title)

    @traitlets.validate("cycle")
    def _in_range(self, proposal: Any) -> int:
        return whole("cycle", proposal["value"], 0, self._timeline.cycles)

    @property
    def state(self) -> MachineState:
        """The machine in the cycle that is shown."""
        return self._timeline.at(self.cycle)

    def __repr__(self) -> str:
        last = self._timeline.at(self._timeline.cycles)
        return (
            f"{type(self).__name__}: {self.pes} PEs, queues of {self.depth}, {self.columns:,} broadcasts, "
            f"{last.cycle:,} cycles, load balance {100 * last.balance:.1f} %"
        )
