"""Mutants and honest variants of lab 03, tasks 1 and 2; `huffman` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import heapq
import itertools
import math

import numpy as np

from autograder.mutating import honest, mutant

# Task 1


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


# Task 2


def numbered(order, lengths):
    """Codes by the rule, in a given order of the symbols."""
    codes, code, before = [0] * len(lengths), 0, None
    for symbol in order:
        length = int(lengths[symbol])
        before = length if before is None else before
        code = code << (length - before) if length >= before else code >> (before - length)
        codes[symbol], before = code, length
        code += 1
    return codes


def in_order(lengths, key):
    return sorted((s for s, length in enumerate(lengths) if length > 0), key=key)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="You numbered the symbols as they come: shorter codes are numbered first.",
    named=True,
)
def as_they_come(lengths):
    return numbered(in_order(lengths, lambda symbol: symbol), lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="Of equally long codes the smaller symbol comes first.",
    named=True,
)
def larger_symbol_first(lengths):
    return numbered(in_order(lengths, lambda symbol: (lengths[symbol], -symbol)), lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="You began with the longest codes.",
    named=True,
)
def longest_first(lengths):
    return numbered(in_order(lengths, lambda symbol: (-lengths[symbol], symbol)), lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="No zeros are appended where the codes get longer: one code is then the beginning of another.",
    named=True,
)
def never_longer(lengths):
    codes = [0] * len(lengths)
    for number, symbol in enumerate(in_order(lengths, lambda symbol: (lengths[symbol], symbol))):
        codes[symbol] = number
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="The first code is 0, not 1.",
    named=True,
)
def begins_at_one(lengths):
    codes, code, before = [0] * len(lengths), 0, 0
    for symbol in in_order(lengths, lambda symbol: (lengths[symbol], symbol)):
        code = (code + 1) << int(lengths[symbol] - before) if before else 1
        codes[symbol], before = code, lengths[symbol]
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="You appended the zeros first and added one afterwards.",
    named=True,
)
def zeros_before_one(lengths):
    codes, code, before = [0] * len(lengths), -1, 0
    for symbol in in_order(lengths, lambda symbol: (lengths[symbol], symbol)):
        grown = int(lengths[symbol] - before) if before else 0
        code = (code << grown) + 1
        codes[symbol], before = code, lengths[symbol]
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="These are the digits read from the last to the first: the first bit of a code is the highest.",
    named=True,
)
def backwards(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    pairs = zip(codes, lengths, strict=True)
    return [int(format(code, f"0{length}b")[::-1], 2) if length else 0 for code, length in pairs]


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="These are the codes as text; asked for are whole numbers.",
    named=True,
)
def as_text(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    return [format(code, f"0{n}b") if n else "" for code, n in zip(codes, lengths, strict=True)]


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="Ones and zeros are exchanged: the first code is zeros only.",
    named=True,
)
def from_the_top(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    pairs = zip(codes, lengths, strict=True)
    return [2 ** int(length) - 1 - code if length else 0 for code, length in pairs]


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="The lengths grow by two here: append as many zeros as the code gets longer.",
    named=True,
)
def one_zero_at_most(lengths):
    codes, code, before = [0] * len(lengths), 0, 0
    for symbol in in_order(lengths, lambda symbol: (lengths[symbol], symbol)):
        code = code << 1 if lengths[symbol] > before else code
        codes[symbol], before = code, lengths[symbol]
        code += 1
    return codes


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="A symbol of length 0 has no code, but it was counted among those that have one.",
    named=True,
)
def unused_are_numbered(lengths):
    order = sorted(range(len(lengths)), key=lambda symbol: (lengths[symbol], symbol))
    return numbered(order, lengths)


@mutant(
    "huffman-2",
    replaces="canonical_codes",
    misconception="The codes are kept in numbers of 32 bits, which a long code does not fit.",
)
def too_narrow(lengths):
    codes = numbered(in_order(lengths, lambda symbol: (lengths[symbol], symbol)), lengths)
    return [code % 2**32 for code in codes]


@honest("huffman-2", replaces="canonical_codes", differs="first code of each length from a count of lengths")
def by_counting(lengths):
    lengths = np.asarray(lengths)
    following = {0: 0}
    for length in range(1, int(lengths.max()) + 1):
        shorter = int((lengths == length - 1).sum()) if length > 1 else 0
        following[length] = (following[length - 1] + shorter) * 2
    codes = np.zeros(len(lengths), dtype=np.int64)
    for symbol, length in enumerate(lengths.tolist()):
        if length:
            codes[symbol] = following[length]
            following[length] += 1
    return codes


@honest("huffman-2", replaces="canonical_codes", differs="in texts of digits, from one code to the next")
def by_text(lengths):
    order = in_order(lengths, lambda symbol: (lengths[symbol], symbol))
    codes = dict.fromkeys(range(len(lengths)), 0)
    text = "0" * int(lengths[order[0]]) if order else ""
    for symbol, later in itertools.zip_longest(order, order[1:]):
        codes[symbol] = int(text, 2)
        if later is not None:
            text = format(int(text, 2) + 1, f"0{len(text)}b").ljust(int(lengths[later]), "0")
    return list(codes.values())
