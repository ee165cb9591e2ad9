"""Mutants and honest variants of lab 09, tasks 1 and 2; `ese` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import numpy as np
import torch

from autograder.mutating import honest, mutant


def kept(sizes, sparsity, count=None):
    """A mask of the largest of some sizes."""
    mask = torch.ones(sizes.numel(), dtype=torch.bool)
    count = round(sparsity * sizes.numel()) if count is None else count
    mask[sizes.flatten().argsort(stable=True)[:count]] = False
    return mask.reshape(sizes.shape)


def by_part(weight, parts, rule):
    """A mask made by a rule in each part of a matrix."""
    mask = torch.ones(weight.shape, dtype=torch.bool)
    for part in parts:
        if weight[part].numel():
            mask[part] = rule(weight[part])
    return mask


def dealt(pes):
    """The rows of each PE."""
    return [slice(pe, None, pes) for pe in range(pes)]


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You ranked the whole matrix: each PE's rows are judged by themselves.",
    named=True,
)
def whole_matrix(weight, sparsity, pes):
    return kept(weight.abs(), sparsity)


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You gave each PE a block of neighbouring rows: row i belongs to PE i % pes.",
    named=True,
)
def blocks_of_rows(weight, sparsity, pes):
    size = -(-len(weight) // pes)
    parts = [slice(pe * size, (pe + 1) * size) for pe in range(pes)]
    return by_part(weight, parts, lambda part: kept(part.abs(), sparsity))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You pruned each row by itself: only the sum over all rows of a PE has to be the same.",
    named=True,
)
def row_by_row(weight, sparsity, pes):
    return by_part(weight, range(len(weight)), lambda part: kept(part.abs(), sparsity))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You dealt out the columns: a PE owns rows, and sees every column.",
    named=True,
)
def columns_dealt(weight, sparsity, pes):
    parts = [(slice(None), part) for part in dealt(pes)]
    return by_part(weight, parts, lambda part: kept(part.abs(), sparsity))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="The mask is turned round: it should be True where a weight stays.",
    named=True,
)
def kept_and_removed_exchanged(weight, sparsity, pes):
    return ~by_part(weight, dealt(pes), lambda part: kept(part.abs(), sparsity))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You kept the fraction that should go: sparsity is the part of zeros.",
    named=True,
)
def keeps_the_fraction(weight, sparsity, pes):
    return by_part(weight, dealt(pes), lambda part: kept(part.abs(), 1 - sparsity))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You ranked signed values: a large negative weight matters as much as a large positive one.",
    named=True,
)
def signed_values(weight, sparsity, pes):
    return by_part(weight, dealt(pes), lambda part: kept(part, sparsity))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You returned the pruned weights; asked for is the mask.",
    named=True,
)
def pruned_weights(weight, sparsity, pes):
    return weight * by_part(weight, dealt(pes), lambda part: kept(part.abs(), sparsity))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="You cut the decimals off; the number that goes is round(sparsity * n).",
    named=True,
)
def decimals_cut(weight, sparsity, pes):
    return by_part(
        weight, dealt(pes), lambda part: kept(part.abs(), 0, count=int(sparsity * part.numel() + 1e-9))
    )


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="Every PE lost equally many; a PE with fewer rows has less to lose.",
    named=True,
)
def equally_many_removed(weight, sparsity, pes):
    used = min(pes, len(weight))
    most = round(sparsity * weight.numel() / max(used, 1))
    return by_part(weight, dealt(pes), lambda part: kept(part.abs(), 0, count=min(most, part.numel())))


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="Each PE's threshold is a quantile of its weights, and what equals it goes as well.",
)
def ties_all_go(weight, sparsity, pes):
    def below(part):
        count = round(sparsity * part.numel())
        if not count:
            return torch.ones(part.shape, dtype=torch.bool)
        return part.abs() > part.abs().flatten().sort().values[count - 1]

    return by_part(weight, dealt(pes), below)


@mutant(
    "ese-1",
    replaces="balanced_mask",
    misconception="Of equal magnitudes the last goes first.",
)
def last_of_equals(weight, sparsity, pes):
    def from_the_end(part):
        return kept(part.abs().flatten().flip(0), sparsity).flip(0).reshape(part.shape)

    return by_part(weight, dealt(pes), from_the_end)


@honest("ese-1", replaces="balanced_mask", differs="a loop over single weights in NumPy")
def weight_by_weight(weight, sparsity, pes):
    rows, columns = weight.shape
    size = np.abs(weight.numpy().astype(np.float64))
    mask = np.ones((rows, columns), dtype=bool)
    for pe in range(pes):
        places = [(i, j) for i in range(pe, rows, pes) for j in range(columns)]
        places.sort(key=lambda place: size[place])
        for place in places[: round(sparsity * len(places))]:
            mask[place] = False
    return mask


@honest("ese-1", replaces="balanced_mask", differs="one sort of the whole matrix, by PE and then by size")
def one_sort(weight, sparsity, pes):
    pe = torch.arange(len(weight))[:, None].expand(weight.shape).flatten() % pes
    order = weight.abs().flatten().argsort(stable=True)
    order = order[pe[order].argsort(stable=True)]
    counts = torch.bincount(pe, minlength=pes)
    rank = torch.arange(len(order)) - (counts.cumsum(0) - counts)[pe[order]]
    gone = torch.tensor([round(sparsity * int(count)) for count in counts])
    mask = torch.zeros(weight.numel(), dtype=torch.uint8)
    mask[order[rank >= gone[pe[order]]]] = 1
    return mask.reshape(weight.shape).bool()


def part_of(work, cycles, pes):
    """Work over PE-cycles; 1 where there is no cycle."""
    return work / (pes * cycles) if cycles else 1.0


@mutant(
    "ese-2",
    replaces="balance",
    misconception="This is upside down: the part of the time that is work is at most 1.",
    named=True,
)
def busiest_over_mean(entries):
    sums = entries.sum(0)
    return float(sums.max() / sums.mean()) if sums.any() else 1.0


@mutant(
    "ese-2",
    replaces="balance",
    misconception="You compared the laziest PE with the busiest; the mean PE counts.",
    named=True,
)
def least_over_most(entries):
    sums = entries.sum(0)
    return float(sums.min() / sums.max()) if sums.any() else 1.0


@mutant(
    "ese-2",
    replaces="balance",
    misconception="You summed over PEs instead of columns: a column is a row of `entries`.",
    named=True,
)
def sums_of_columns(entries):
    return part_of(entries.sum(), entries.sum(1).max(), len(entries))


@mutant(
    "ese-2",
    replaces="balance",
    misconception="This is the answer with the PEs in step: with deep queues a PE need not wait at each column.",
    named=True,
)
def in_step_too(entries):
    return part_of(entries.sum(), np.maximum(entries.max(1), 1).sum(), entries.shape[1])


@mutant(
    "ese-2",
    replaces="balance",
    misconception="These are percent; asked for is a fraction.",
    named=True,
)
def in_percent(entries):
    return 100 * part_of(entries.sum(), entries.sum(0).max(), entries.shape[1])


@mutant(
    "ese-2",
    replaces="balance",
    misconception="You left out PEs that have nothing to do: they wait all the time.",
    named=True,
)
def busy_ones_only(entries):
    sums = entries.sum(0)
    return float(sums[sums > 0].mean() / sums.max()) if sums.any() else 1.0


@mutant(
    "ese-2",
    replaces="balance",
    misconception="An empty matrix has no busiest PE: nobody waits, so the balance is 1.",
    named=True,
)
def empty_is_nothing(entries):
    return float(entries.sum() / (entries.shape[1] * max(entries.sum(0).max(), 1)))


@mutant(
    "ese-2",
    replaces="balance_in_step",
    misconception="A column without an entry takes a cycle too: its pointers have to be read.",
    named=True,
)
def columns_without_pointers(entries):
    return part_of(entries.sum(), entries.max(1).sum(), entries.shape[1])


@mutant(
    "ese-2",
    replaces="balance_in_step",
    misconception="You took the mean over columns; a column that takes longer counts more.",
    named=True,
)
def mean_of_columns(entries):
    most = np.maximum(entries.max(1), 1)
    return float((entries.mean(1) / most).mean())


@mutant(
    "ese-2",
    replaces="balance_in_step",
    misconception="This is the answer for deep queues: in step, every column waits for its own busiest PE.",
    named=True,
)
def deep_too(entries):
    return part_of(entries.sum(), entries.sum(0).max(), entries.shape[1])


@mutant(
    "ese-2",
    replaces="balance_in_step",
    misconception="Each PE's empty columns were counted as work: they take time, but no entry is processed in them.",
    named=True,
)
def empty_is_work(entries):
    filled = np.maximum(entries, 1)
    return part_of(filled.sum(), filled.max(1).sum(), entries.shape[1])


@mutant(
    "ese-2",
    replaces="balance_in_step",
    misconception="The column's time is that of its mean PE, rounded up.",
)
def mean_rounded_up(entries):
    cycles = np.maximum(np.ceil(entries.mean(1)), 1).sum()
    return min(1.0, part_of(entries.sum(), cycles, entries.shape[1]))


@honest("ese-2", replaces="balance", differs="whole numbers and lists, no NumPy")
def by_lists(entries):
    sums = [sum(int(n) for n in column) for column in zip(*entries.tolist(), strict=True)]
    return sum(sums) / max(sums) / len(sums) if any(sums) else 1


@honest("ese-2", replaces="balance", differs="mean of the shares of the busiest")
def mean_share(entries):
    sums = np.asarray(entries).sum(axis=0, dtype=np.float32)
    return np.float32(1) if sums.max() == 0 else np.mean(sums / sums.max())


@honest("ese-2", replaces="balance_in_step", differs="bubbles subtracted from the whole")
def bubbles_away(entries):
    cycles = [max(1, *column) for column in entries.tolist()]
    slots = sum(cycles) * entries.shape[1]
    bubbles = slots - int(entries.sum())
    return 1 - bubbles / slots
