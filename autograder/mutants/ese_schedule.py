"""Mutants and honest variants of lab 09, task 5; `ese` collects them."""

# Variants have the signatures of the notebook's functions, without their annotations.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc, var-annotated"

import functools

from autograder.mutating import honest, mutant


def laid_out(
    tasks,
    buffers=2,
    overlap=True,
    *,
    ordered=True,
    waits=True,
    every=True,
    given_back="users",
):
    """The plan with other rules.

    `ordered`: a resource has one task at a time; `waits`: for what is needed, `every` of it; `given_back`: when a buffer is
    free.
    """
    plan, free, held, users = {}, {}, [], {}
    for name, resource, cycles, needs in tasks:
        begin = free.get(resource, 0) if ordered else 0
        if waits and needs:
            begin = max(begin, max(plan[need][1] for need in needs) if every else plan[needs[0]][1])
        if resource == "memory":
            if len(held) >= buffers:
                old = held[-buffers]
                ends = [plan[old][1]] + [plan[user][1] for user in users.get(old, ())]
                starts = [plan[old][1]] + [plan[user][0] for user in users.get(old, ())]
                first = [plan[old][1]] + [plan[user][1] for user in users.get(old, ())[:1]]
                begin = max(
                    begin, {"users": max(ends), "start": max(starts), "first": max(first)}[given_back]
                )
            held.append(name)
        if not overlap:
            begin = max((end for _, end in plan.values()), default=0)
        plan[name] = (begin, begin + cycles)
        free[resource] = begin + cycles
        for need in needs:
            users.setdefault(need, []).append(name)
    return plan


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="Two tasks ran on one resource at the same time.",
    named=True,
)
def no_order(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers, overlap, ordered=False)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="A task began before what it needs was there.",
    named=True,
)
def needs_ignored(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers, overlap, waits=False)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="A task began when the first of what it needs was there; it needs all of it.",
    named=True,
)
def first_need_only(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers, overlap, every=False)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="Transfers ran ahead without end: there are only so many buffers.",
    named=True,
)
def endless_buffers(tasks, buffers=2, overlap=True):
    return laid_out(tasks, len(tasks) + 1, overlap)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="A buffer was given back when the product began; it is read until the product ends.",
    named=True,
)
def free_when_read(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers, overlap, given_back="start")


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="There is one buffer more than `buffers`.",
    named=True,
)
def one_buffer_more(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers + 1, overlap)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="There is only one buffer: with two, a transfer and a product go on at the same time.",
    named=True,
)
def one_buffer_only(tasks, buffers=2, overlap=True):
    return laid_out(tasks, 1, overlap)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="Nothing overlapped: different resources work at the same time.",
    named=True,
)
def never_overlaps(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers, overlap=False)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="Without overlap each task begins when the task before it in the list ends.",
    named=True,
)
def always_overlaps(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers, overlap=True)


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="You gave starts and durations; asked for are starts and ends.",
    named=True,
)
def durations_for_ends(tasks, buffers=2, overlap=True):
    plan = laid_out(tasks, buffers, overlap)
    return {name: (begin, end - begin) for name, (begin, end) in plan.items()}


@mutant(
    "ese-5",
    replaces="schedule",
    misconception="A buffer is given back by the first task that needs it, though another still reads it.",
)
def free_after_the_first(tasks, buffers=2, overlap=True):
    return laid_out(tasks, buffers, overlap, given_back="first")


@honest("ese-5", replaces="schedule", differs="asks for each end by recursion, from the last task backwards")
def by_recursion(tasks, buffers=2, overlap=True):
    if not overlap:
        plan, clock = {}, 0
        for name, _, cycles, _ in tasks:
            plan[name] = (clock, clock + cycles)
            clock += cycles
        return plan
    table = {name: (resource, cycles, needs) for name, resource, cycles, needs in tasks}
    names = list(table)
    loads = [name for name in names if table[name][0] == "memory"]

    @functools.cache
    def start(name):
        resource, _, needs = table[name]
        before = [other for other in names[: names.index(name)] if table[other][0] == resource][-1:]
        wait = [*before, *needs]
        if resource == "memory" and loads.index(name) >= buffers:
            old = loads[loads.index(name) - buffers]
            wait += [old, *(other for other in names if old in table[other][2])]
        return max((start(other) + table[other][1] for other in wait), default=0)

    return {name: [start(name), start(name) + table[name][1]] for name in names}


@honest("ese-5", replaces="schedule", differs="moves starts back again and again until nothing changes")
def by_relaxation(tasks, buffers=2, overlap=True):
    start = {name: 0.0 for name, *_ in tasks}
    cycles = {name: time for name, _, time, _ in tasks}
    edges, last, loads = [], {}, []
    for position, (name, resource, _, needs) in enumerate(tasks):
        edges += [(need, name) for need in needs]
        before = tasks[position - 1][0] if position and not overlap else last.get(resource)
        edges += [(before, name)] if before is not None else []
        last[resource] = name
        loads += [name] if resource == "memory" else []
    for old, new in zip(loads, loads[buffers:], strict=False) if overlap else ():
        edges += [(old, new)] + [(user, new) for user, *_, needs in tasks if old in needs]
    for _ in tasks:
        for one, other in edges:
            start[other] = max(start[other], start[one] + cycles[one])
    return {name: (begin, begin + cycles[name]) for name, begin in start.items()}
