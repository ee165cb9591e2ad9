"""Mutants and honest variants of lab 03, task 1; `huffman` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import heapq
import math

import numpy as np

from autograder.mutating import honest, mutant


def merged(counts, take=heapq.heappop, weigh=lambda one, other: one + other):
    """Huffman's algorithm with other ways to take a group and to weigh a union."""
    lengths = [0] * len(counts)
    groups = [(int(count), symbol, (symbol,)) for symbol, count in enumerate(counts) if count > 0]
    heapq.heapify(groups)
    if len(groups) == 1:
        lengths[groups[0][1]] = 1
    while len(groups) > 1:
        one, other = take(groups), take(groups)
        for symbol in one[2] + other[2]:
            lengths[symbol] += 1
        heapq.heappush(groups, (weigh(one[0], other[0]), one[1], one[2] + other[2]))
    return lengths


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="You merged the two heaviest groups: the lightest go first, since they end up deepest.",
    named=True,
)
def heaviest_first(counts):
    return merged(counts, take=lambda groups: groups.pop(groups.index(max(groups))))


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="All codes have the same length: merge until one group is left, and only the symbols in the two merged groups move down.",
    named=True,
)
def fixed_length(counts):
    used = sum(1 for count in counts if count > 0)
    width = max(1, math.ceil(math.log2(max(used, 1))))
    return [width if count > 0 else 0 for count in counts]


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="You rounded the information of each symbol up: that is Shannon's code, which is not the shortest.",
    named=True,
)
def shannon(counts):
    total = sum(int(count) for count in counts)
    return [max(1, math.ceil(-math.log2(count / total))) if count > 0 else 0 for count in counts]


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="Every length is one too large: count the merges, not the nodes on the way.",
    named=True,
)
def one_too_long(counts):
    return [length + 1 if length else 0 for length in merged(counts)]


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="The lengths stand in the order of the counts; symbol i comes i-th.",
    named=True,
)
def by_rank(counts):
    return sorted(merged(counts))


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="The groups were sorted only once: a merged group must be found at its new weight.",
    named=True,
)
def sorted_once(counts):
    lengths = [0] * len(counts)
    queue = [[symbol] for symbol in np.argsort(counts, kind="stable").tolist() if counts[symbol] > 0]
    if len(queue) == 1:
        lengths[queue[0][0]] = 1
    while len(queue) > 1:
        union = queue.pop(0) + queue.pop(0)
        for symbol in union:
            lengths[symbol] += 1
        queue.append(union)
    return lengths


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="A merged group weighs as much as its two parts together.",
    named=True,
)
def union_weighs_the_heavier(counts):
    return merged(counts, weigh=max)


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="You split the sorted symbols into halves from the top: that is Shannon's and Fano's code, which is not the shortest.",
    named=True,
)
def shannon_fano(counts):
    lengths = [0] * len(counts)

    def split(symbols):
        if len(symbols) < 2:
            return
        sums = np.cumsum([int(counts[symbol]) for symbol in symbols])
        cut = 1 + int(np.abs(2 * sums[:-1] - sums[-1]).argmin())
        for symbol in symbols:
            lengths[symbol] += 1
        split(symbols[:cut])
        split(symbols[cut:])

    used = [symbol for symbol in np.argsort(-np.asarray(counts), kind="stable").tolist() if counts[symbol]]
    split(used)
    if len(used) == 1:
        lengths[used[0]] = 1
    return lengths


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="A symbol that does not occur got a code: it has length 0 and takes no part in a merge.",
    named=True,
)
def unused_take_part(counts):
    ones = merged([int(count) + 1 if count == 0 else int(count) for count in counts])
    return ones if any(counts) else [0] * len(counts)


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="Symbols of equal count got lost: use more than the weight to tell groups apart.",
    named=True,
)
def equal_counts_lost(counts):
    groups = {int(count): [symbol] for symbol, count in enumerate(counts) if count > 0}
    lengths = [0] * len(counts)
    if len(groups) == 1:
        lengths[next(iter(groups.values()))[0]] = 1
    while len(groups) > 1:
        light, heavy = sorted(groups)[:2]
        union = groups.pop(light) + groups.pop(heavy)
        for symbol in union:
            lengths[symbol] += 1
        groups[light + heavy] = union + groups.get(light + heavy, [])
    return lengths


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="A symbol alone got length 0, since it was never merged: it needs one bit, or a decoder could not count it.",
    named=True,
)
def alone_without_a_bit(counts):
    lengths = merged(counts)
    return lengths if sum(1 for count in counts if count > 0) > 1 else [0] * len(counts)


@mutant(
    "huffman-1",
    replaces="code_lengths",
    misconception="Groups of equal weight are merged by the number of their symbols, largest first, and before lighter ones.",
)
def larger_groups_first(counts):
    def take(groups):
        return groups.pop(
            min(range(len(groups)), key=lambda place: (groups[place][0] // 4, -len(groups[place][2])))
        )

    return merged(counts, take=take)  # fmt: skip


@honest("huffman-1", replaces="code_lengths", differs="two queues, and depths read off a tree of parents")
def two_queues(counts):
    order = [symbol for symbol in np.argsort(counts, kind="stable").tolist() if counts[symbol] > 0]
    weights, parents = [int(counts[symbol]) for symbol in order], {}
    leaves, unions = list(range(len(order))), []
    while len(leaves) + len(unions) > 1:
        pair = []
        for _ in range(2):
            from_leaves = leaves and (not unions or weights[leaves[0]] <= weights[unions[0]])
            pair.append((leaves if from_leaves else unions).pop(0))
        parents |= dict.fromkeys(pair, len(weights))
        unions.append(len(weights))
        weights.append(weights[pair[0]] + weights[pair[1]])
    result = np.zeros(len(counts), dtype=np.uint8)
    for place, symbol in enumerate(order):
        node, depth = place, 0
        while node in parents:
            node, depth = parents[node], depth + 1
        result[symbol] = max(depth, 1)
    return result


@honest("huffman-1", replaces="code_lengths", differs="package-merge: coins of every size, no tree at all")
def package_merge(counts):
    used = sorted((int(count), (symbol,)) for symbol, count in enumerate(counts) if count > 0)
    lengths = [0] * len(counts)
    if len(used) == 1:
        lengths[used[0][1][0]] = 1
        return lengths
    coins = []
    for _ in range(max(len(used) - 1, 0)):
        pairs = zip(coins[::2], coins[1::2], strict=False)
        packages = [(one[0] + other[0], one[1] + other[1]) for one, other in pairs]
        coins = sorted([*used, *packages], key=lambda coin: coin[0])
    for _, symbols in coins[: 2 * len(used) - 2]:
        for symbol in symbols:
            lengths[symbol] += 1
    return lengths
