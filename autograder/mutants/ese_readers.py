"""Mutants and honest variants of lab 09, the challenge; `ese` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import math

import torch

from autograder.mutants.ese_pruning import by_part, dealt, kept
from autograder.mutating import honest, mutant

PES = 8
NINE = [*(f"w{gate}x" for gate in "ifco"), *(f"w{gate}r" for gate in "ifco"), "wym"]


def digits_of(state, images):
    """What a reader with these parameters says of images."""
    wx, wr = (torch.cat([state[f"w{gate}{part}"] for gate in "ifco"]) for part in "xr")
    c, y = (
        images.new_zeros(len(images), state["bias"].shape[1]),
        images.new_zeros(len(images), len(state["wym"])),
    )
    for row in range(images.shape[2]):
        sums = torch.nn.functional.linear(images[:, 0, row], wx, state["bias"].flatten()) + y @ wr.T
        i, f, g, o = sums.chunk(4, 1)
        p = state["peephole"]
        c = c * (f + p[1] * c).sigmoid() + g.tanh() * (i + p[0] * c).sigmoid()
        y = ((o + p[2] * c).sigmoid() * c.tanh()) @ state["wym"].T
    return y @ state["name.weight"].T + state["name.bias"]


def learn(state, images, labels, epochs, *, hold=True, rate=0.3):
    """Parameters after more training, the zeros of the nine matrices held if asked."""
    state = {name: value.clone().requires_grad_() for name, value in state.items()}
    live = {name: (state[name] != 0).float() for name in NINE} if hold else {}
    order = torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(state.values(), lr=rate, momentum=0.9)
    steps = epochs * math.ceil(len(images) / 128)
    for step in range(steps):
        if step % math.ceil(len(images) / 128) == 0:
            batches = torch.randperm(len(images), generator=order).split(128)
        batch = batches[step % len(batches)]
        optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(digits_of(state, images[batch]), labels[batch]).backward()
        torch.nn.utils.clip_grad_norm_(state.values(), 1.0)
        optimiser.step()
        with torch.no_grad():
            for name, mask in live.items():
                state[name].mul_(mask)
    return {name: value.detach() for name, value in state.items()}


def pruned(state, sparsity, sizes=torch.abs):
    """The parameters with each PE's rows pruned, by name or all alike; no retraining."""
    found = {name: value.clone() for name, value in state.items()}
    for name in NINE:
        share = sparsity[name] if isinstance(sparsity, dict) else sparsity
        found[name] *= by_part(
            state[name], dealt(PES), lambda part, share=share: kept(sizes(part), share)
        )  # fmt: skip
    return found


def shares(x, r, m):
    """Sparsity by matrix, from those of the three kinds."""
    return {name: {"x": x, "r": r, "m": m}[name[-1]] for name in NINE}


def rounds(parameters, images, labels, final, count, epochs, sizes=torch.abs):
    """Prune a little, retrain, and again."""
    state = parameters
    for number in range(1, count + 1):
        now = {name: 1 - (1 - one) ** (number / count) for name, one in final.items()}
        state = learn(pruned(state, now, sizes), images, labels, epochs)
    return state


@mutant(
    "ese-challenge",
    replaces="fastest_reader",
    misconception="A step takes less than half of the dense network's cycles.",
    named=True,
)
def as_it_was(parameters, images, labels):
    return dict(parameters)


@mutant(
    "ese-challenge",
    replaces="fastest_reader",
    misconception="What you return are weights, not masks.",
    named=True,
)
def masks_for_weights(parameters, images, labels):
    found = pruned(parameters, 0.9)
    return {name: (value != 0).float() if name in NINE else value for name, value in found.items()}


@mutant(
    "ese-challenge",
    replaces="fastest_reader",
    misconception="the names of what you return",
    named=True,
)
def matrices_alone(parameters, images, labels):
    return {name: value for name, value in pruned(parameters, 0.9).items() if name in NINE}


@mutant(
    "ese-challenge",
    replaces="fastest_reader",
    misconception="A step takes less than half of the dense network's cycles.",
    named=True,
)
def grows_back(parameters, images, labels):
    return learn(pruned(parameters, 0.9), images, labels, 4, hold=False)


@mutant(
    "ese-challenge",
    replaces="fastest_reader",
    misconception="Pruned by 95 % and not retrained: the accuracy is lost.",
)
def not_retrained(parameters, images, labels):
    return pruned(parameters, 0.95)


@mutant(
    "ese-challenge",
    replaces="fastest_reader",
    misconception="Pruned in a single step until a column costs little more than a cycle: retraining does not bring the accuracy back.",
)
def too_far(parameters, images, labels):
    return learn(pruned(parameters, 0.99), images, labels, 2)


@mutant(
    "ese-challenge",
    replaces="fastest_reader",
    misconception="Pruned by 70 %: a part of what there is to save.",
)
def part_of_the_way(parameters, images, labels):
    return learn(pruned(parameters, 0.7), images, labels, 4)


@honest("ese-challenge", replaces="fastest_reader", differs="fewer and longer rounds, other shares")
def three_rounds(parameters, images, labels):
    return rounds(parameters, images, labels, shares(0.75, 0.94, 0.9), 3, 10)


@honest(
    "ese-challenge", replaces="fastest_reader", differs="a weight counts less in a column that keeps many"
)
def away_from_full_columns(parameters, images, labels):
    def sizes(part):
        size = part.abs()
        rank = size.argsort(0, descending=True).argsort(0)
        return size / (1 + 0.1 * rank)

    return rounds(parameters, images, labels, shares(0.75, 0.93, 0.9), 5, 6, sizes)
