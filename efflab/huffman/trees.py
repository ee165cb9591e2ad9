"""Huffman's tree itself, for looking at: the two rarest nodes become one, until one is left."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from efflab.huffman._errors import HuffmanError
from efflab.huffman.lengths import _checked


@dataclass(frozen=True)
class Node:
    """A leaf with a symbol, or an inner node with two children."""

    weight: float
    symbol: int | None = None
    left: "Node | None" = None
    right: "Node | None" = None

    def leaves(self, word: str = "") -> Iterator[tuple[int, str]]:
        """Symbols and their words (left is 0), from left to right."""
        waiting = [(self, word)]
        while waiting:
            node, path = waiting.pop()
            if node.left is None or node.right is None:
                if node.symbol is not None:
                    yield node.symbol, path
            else:
                waiting += [(node.right, path + "1"), (node.left, path + "0")]

    def lengths(self, size: int | None = None) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Depth of each symbol's leaf, (size,); a tree that is one leaf gives it depth 1."""
        depths = {symbol: max(len(word), 1) for symbol, word in self.leaves()}
        lengths = np.zeros(max(depths, default=-1) + 1 if size is None else size, np.uint8)
        for symbol, depth in depths.items():
            lengths[symbol] = depth
        return lengths


def tree(counts: ArrayLike) -> Node:
    """Build Huffman's tree as he describes it.

    Args:
        counts: (size,) how often each symbol occurs; symbols that do not are left out.

    Returns:
        The root. Of two nodes that are merged, the lighter is on the left; among equal weights leaves come before inner
        nodes, leaves in order of symbol, inner nodes in order of making, so that the tree does not depend on chance.

    Raises:
        HuffmanError: where no symbol occurs.
    """
    weights = _checked(counts)
    waiting = [(weights[s].item(), int(s), Node(weights[s].item(), int(s))) for s in np.flatnonzero(weights)]
    if not waiting:
        raise HuffmanError("a tree needs a symbol that occurs, and all counts are 0")
    heapq.heapify(waiting)
    for made in range(len(waiting) - 1):
        light, _, left = heapq.heappop(waiting)
        heavy, _, right = heapq.heappop(waiting)
        parent = Node(light + heavy, None, left, right)
        heapq.heappush(waiting, (parent.weight, weights.size + made, parent))
    return waiting[0][2]
