"""An interactive figure: a Huffman tree grows merge by merge, then a stream is decoded bit by bit.

The tree, the lengths and the canonical code are those of :mod:`efflab.huffman`; the page gets them as a few short lists.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from efflab import huffman
from efflab.errors import EfflabError
from efflab.viz.widgets import css, module, whole

MOST_SYMBOLS, MOST_DECODED, DECODED = 16, 40, 12


class HuffmanExplorer(anywidget.AnyWidget):
    """Step through the merges of a Huffman tree, see lengths and canonical codes appear, then decode a stream.

    Args:
        symbols: a text, or a sequence, array or tensor of symbols, or a mapping from symbol to count. At least 2 and at
            most 16 different ones, each written in at most 6 characters.
        stream: the symbols that are coded and decoded again, at most 40. By default the first 12 of a sequence, or 12
            drawn by their counts.
        seed: of that drawing.
        step: where the figure starts: 0 is before the first merge.
        title: a heading; also the figure's name for a screen reader.

    The trait ``step`` follows the controls and moves them; ``codes`` has the code words, ``stream`` the bits, and
    ``decoded`` the symbols read up to the step that is shown.

    Raises:
        EfflabError: there are too few or too many symbols, or ``stream`` holds one without a code.
    """

    _esm = module("huffman_explorer")
    _css = css()

    step = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    symbols = traitlets.List(traitlets.Unicode()).tag(sync=True)
    counts = traitlets.List(traitlets.Float()).tag(sync=True)
    merges = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    codes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    stream = traitlets.Unicode("").tag(sync=True)
    mean = traitlets.Float(0.0).tag(sync=True)
    entropy = traitlets.Float(0.0).tag(sync=True)

    def __init__(
        self,
        symbols: Any,
        *,
        stream: Iterable[Any] | None = None,
        seed: int = 0,
        step: int = 0,
        title: str = "A Huffman code, built and read",
    ) -> None:
        counts = _counted(symbols)
        names = [_written(symbol) for symbol in counts]
        if len(set(names)) < len(names):
            raise EfflabError(f"symbols must differ as they are written, got {names}")
        weights = np.array(list(counts.values()), np.float64)
        lengths = huffman.tree(weights).lengths(weights.size)
        codes = [
            f"{code:0{length}b}"
            for code, length in zip(huffman.canonical_codes(lengths).tolist(), lengths.tolist(), strict=True)
        ]
        message = _message(symbols, stream, list(counts), weights, seed)
        super().__init__(
            title=title,
            symbols=names,
            counts=weights.tolist(),
            merges=_merges(huffman.tree(weights), weights.size),
            codes=codes,
            stream="".join(codes[place] for place in message),
            mean=huffman.mean_length(weights, lengths),
            entropy=huffman.entropy(weights),
        )
        self.step = step

    @traitlets.validate("step")
    def _in_range(self, proposal: Any) -> int:
        return whole("step", proposal["value"], 0, len(self.merges) + 1 + len(self.stream))

    @property
    def decoded(self) -> list[str]:
        """The symbols that the bits read so far give."""
        found, path = [], ""
        for bit in self.stream[: max(0, self.step - len(self.merges) - 1)]:
            path += bit
            if path in self.codes:
                found.append(self.symbols[self.codes.index(path)])
                path = ""
        return found


def _flat(symbols: Any) -> list[Any]:
    """A sequence of symbols as a list of plain Python values."""
    if hasattr(symbols, "detach"):
        symbols = symbols.detach().cpu().numpy()
    if isinstance(symbols, np.ndarray):
        return list(symbols.ravel().tolist())
    if not isinstance(symbols, Iterable):
        raise EfflabError(f"symbols must be a text, a sequence or a mapping to counts, got {symbols!r}")
    return [one.item() if hasattr(one, "item") else one for one in symbols]


def _counted(symbols: Any) -> dict[Any, float]:
    """Symbols that occur, with their counts: in their own order if they have one, a mapping's in its order."""
    if isinstance(symbols, Mapping):
        counts = {symbol: float(count) for symbol, count in symbols.items() if count != 0}
    else:
        found = Counter(_flat(symbols))
        try:
            order = sorted(found)
        except TypeError:
            order = sorted(found, key=str)
        counts = {symbol: float(found[symbol]) for symbol in order}
    if not all(np.isfinite(count) and count > 0 for count in counts.values()):
        raise EfflabError(f"symbols must have finite counts of at least 0, got {counts}")
    if not 2 <= len(counts) <= MOST_SYMBOLS:
        raise EfflabError(f"symbols must hold 2 to {MOST_SYMBOLS} different ones, got {len(counts)}")
    return counts


def _written(symbol: Any) -> str:
    """A symbol as the figure writes it."""
    text = f"{symbol:g}" if isinstance(symbol, float) else str(symbol)
    text = text.replace(" ", "\N{OPEN BOX}").replace("\n", "\N{RETURN SYMBOL}")
    if not 1 <= len(text) <= 6:
        raise EfflabError(f"symbols must be written in 1 to 6 characters, got {text!r}")
    return text


def _message(symbols: Any, stream: Any, alphabet: list[Any], weights: Any, seed: int) -> list[int]:
    """The symbols to decode, as places in the alphabet."""
    if stream is None and isinstance(symbols, Mapping):
        rng = np.random.default_rng(seed)
        return [int(place) for place in rng.choice(len(alphabet), DECODED, p=weights / weights.sum())]
    message = _flat(symbols)[:DECODED] if stream is None else _flat(stream)
    unknown = [symbol for symbol in message if symbol not in alphabet]
    if unknown or not 1 <= len(message) <= MOST_DECODED:
        what = f"{unknown[0]!r}, which has no code" if unknown else f"{len(message)} symbols"
        raise EfflabError(f"stream must be 1 to {MOST_DECODED} symbols that occur, got {what}")
    return [alphabet.index(symbol) for symbol in message]


def _merges(root: huffman.Node, size: int) -> list[Sequence[int]]:
    """The pairs that were joined, in order: symbols are 0 to size - 1, the i-th pair made the node size + i."""
    waiting, inner = [root], []
    for node in waiting:
        if node.left is not None and node.right is not None:
            inner.append((node, node.left, node.right))
            waiting += [node.left, node.right]
    # Sums never fall from one merge to the next; of equal sums the one with the lighter part came first.
    inner.sort(key=lambda one: (one[0].weight, one[1].weight))
    names = {id(node): size + place for place, (node, _, _) in enumerate(inner)}
    names |= {id(node): node.symbol for node in waiting if node.symbol is not None}
    return [[names[id(left)], names[id(right)]] for _, left, right in inner]
