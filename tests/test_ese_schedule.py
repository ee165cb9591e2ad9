"""Schedules: dependencies, resources, bounds, overlaps; against a simulation that goes cycle by cycle."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efflab import ese
from efflab.errors import EfflabError
from efflab.ese.schedule import period

MATRICES = ("Wix", "Wfx", "Wcx", "Wox", "Wir", "Wfr", "Wcr", "Wor", "Wym")
SIZES = {"hidden": 64, "inputs": 20, "outputs": 32}


@st.composite
def graphs(draw):
    """Tasks in random order on few resources, with waits that some overlap can spare."""
    tasks = []
    for number in range(draw(st.integers(1, 14))):
        names = [task.name for task in tasks]
        some = st.lists(st.sampled_from(names), max_size=3, unique=True) if names else st.just([])
        spared = {overlap: tuple(draw(some)) for overlap in draw(st.sets(st.sampled_from("ab")))}
        resource = draw(st.sampled_from(["memory", "products", "passes"]))
        tasks.append(ese.Task(f"t{number}", resource, draw(st.integers(0, 9)), tuple(draw(some)), spared))
    return tasks


def lstm(draw):
    work = {
        name: ese.Work(draw(st.integers(0, 400)), draw(st.integers(0, 400)), draw(st.integers(0, 99)))
        for name in MATRICES
    }
    if draw(st.booleans()):
        del work["Wym"]
    return work


works = st.composite(lstm)()


def holds(schedule):
    """Every task after those it waits for, and one at a time on every resource, in order."""
    ends = {slot.name: slot.end for slot in schedule.slots}
    for task, slot in zip(schedule.tasks, schedule.slots, strict=True):
        assert slot.end - slot.start == task.cycles
        assert slot.after == task.waits_for(schedule.overlaps)
        assert all(slot.start >= ends[name] for name in slot.after)
    for resource in schedule.resources:
        own = [slot for slot in schedule.slots if slot.resource == resource]
        assert all(one.end <= other.start for one, other in itertools.pairwise(own))
        assert schedule.makespan >= schedule.busy(resource)
        assert 0 <= schedule.utilisation(resource) <= 1


def longest_chain(schedule):
    """Length of the longest path of waits alone."""
    length = {}
    for task, slot in zip(schedule.tasks, schedule.slots, strict=True):
        length[task.name] = task.cycles + max((length[name] for name in slot.after), default=0)
    return max(length.values())


def by_cycle(schedule):
    """Start of every task by going through time: in each cycle a free resource starts its next task if that may start."""
    waiting = {
        resource: [t for t in schedule.tasks if t.resource == resource] for resource in schedule.resources
    }
    free = dict.fromkeys(schedule.resources, 0)
    ends, starts, now = {}, {}, 0
    while any(waiting.values()):
        started = True
        while started:
            started = False
            for resource, queue in waiting.items():
                if not queue or free[resource] > now:
                    continue
                if all(ends.get(name, now + 1) <= now for name in queue[0].waits_for(schedule.overlaps)):
                    task = queue.pop(0)
                    starts[task.name], ends[task.name] = now, now + task.cycles
                    free[resource], started = ends[task.name], True
        now += 1
    return starts


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_any_graph_is_placed_as_going_through_time_places_it(tasks):
    for on in ([], ["a"], ["b"], ["a", "b"]):
        known = {overlap for task in tasks for overlap in task.unless}
        schedule = ese.Schedule.of(tasks, [name for name in on if name in known])
        holds(schedule)
        assert schedule.makespan >= longest_chain(schedule)
        assert {slot.name: slot.start for slot in schedule.slots} == by_cycle(schedule)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_switching_an_overlap_off_never_makes_it_faster(tasks):
    schedule = ese.Schedule.of(tasks)
    for name in schedule.known:
        slower = schedule.without(name)
        for before, after in zip(schedule.slots, slower.slots, strict=True):
            assert after.start >= before.start


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_the_deciding_chain_has_no_hole(tasks):
    schedule = ese.Schedule.of(tasks)
    chain = schedule.critical()
    assert chain[0].start == 0
    assert chain[-1].end == schedule.makespan
    assert all(one.end == other.start for one, other in itertools.pairwise(chain))
    assert sum(slot.end - slot.start for slot in chain) == schedule.makespan


@settings(max_examples=60, deadline=None)
@given(works, st.integers(1, 3), st.sets(st.sampled_from(sorted(ese.OVERLAPS))))
def test_a_step_of_an_lstm_keeps_every_rule(work, steps, on):
    schedule = ese.lstm_schedule(work, **SIZES, steps=steps, overlaps=on)
    holds(schedule)
    for name in on:
        assert schedule.without(name).makespan >= schedule.makespan
    slots = {slot.name: slot for slot in schedule.slots}
    marks = ["", *(f" ({n})" for n in range(2, steps + 1))]
    output = "y" if "Wym" in work else "m"
    for at, mark in enumerate(marks):
        for name in work:
            fetched = max(slots[f"{port} {name}{mark}"].end for port in ("weights", "pointers"))
            assert slots[f"{name}{mark}"].start >= fetched
        assert slots[f"o{mark}"].start >= max(slots[f"c{mark}"].end, slots[f"Wor{mark}"].end)
        assert slots[f"store y{mark}"].start >= slots[f"{output}{mark}"].end
        if at:
            recurrent = [slots[f"{name}{mark}"].start for name in work if name.endswith("r")]
            assert min(recurrent) >= slots[f"{output}{marks[at - 1]}"].end


@settings(max_examples=40, deadline=None)
@given(works)
def test_two_buffers_are_enough(work):
    """No matrix is fetched into a buffer that a product still reads."""
    schedule = ese.lstm_schedule(work, **SIZES, steps=2, overlaps=None)
    products = [slot for slot in schedule.slots if slot.resource == "products"]
    for at, slot in enumerate(products):
        if at >= 2:
            assert schedule.slot(f"weights {slot.name}").start >= products[at - 2].end


@settings(max_examples=40, deadline=None)
@given(works)
def test_every_step_among_many_takes_the_same(work):
    made = [ese.lstm_schedule(work, **SIZES, steps=n) for n in (1, 2, 3)]
    assert period(*made[:2]) == period(*made[1:])


def test_states_follow_each_other():
    work = {name: ese.Work(100, 90, 10) for name in MATRICES}
    schedule = ese.lstm_schedule(work, **SIZES)
    ends = {}
    for slot in schedule.slots:
        others = [end for state, end in ends.items() if state != slot.state]
        assert slot.start >= max(others, default=0)
        ends[slot.state] = max(ends.get(slot.state, 0), slot.end)


def test_with_nothing_overlapped_all_work_is_done_one_after_the_other():
    work = {name: ese.Work(100, 90, 10) for name in MATRICES}
    schedule = ese.lstm_schedule(work, **SIZES).with_only()
    memory = schedule.busy("weights") + schedule.busy("pointers")
    # Only the store of y and passes may run beside a fetch.
    assert schedule.makespan <= schedule.busy("products") + schedule.busy("element-wise") + memory
    assert (
        schedule.makespan
        >= schedule.busy("products") + memory - schedule.slot("store y").end + schedule.slot("y").end
    )


def test_what_a_chart_needs_is_plain_data():
    work = {name: ese.Work(100, 90, 10) for name in MATRICES}
    schedule = ese.lstm_schedule(work, **SIZES)
    made = json.loads(json.dumps(schedule.to_json()))
    assert made["overlaps"] == {
        "buffers": True,
        "ports": True,
        "passes": True,
        "steps": True,
        "states": False,
    }
    assert made["resources"] == ["pointers", "weights", "products", "element-wise"]
    first = next(task for task in made["tasks"] if task["name"] == "Wfx")
    assert first["end"] - first["start"] == first["cycles"] == 100
    assert {"weights Wfx", "pointers Wfx"} <= set(first["always"]) <= set(first["after"])
    assert "ix" not in first["after"]
    # A reader that knows only this can place the tasks again.
    tasks = [
        ese.Task(
            t["name"],
            t["resource"],
            t["cycles"],
            tuple(t["always"]),
            {k: tuple(v) for k, v in t["unless"].items()},
        )
        for t in made["tasks"]
    ]
    again = ese.Schedule.of(
        tasks,
        [
            name
            for name, on in made["overlaps"].items()
            if on and name in schedule.overlaps and name != "steps"
        ],
    )
    assert [slot.start for slot in again.slots] == [task["start"] for task in made["tasks"]]


def test_it_shows_itself():
    schedule = ese.lstm_schedule({name: ese.Work(100, 90, 10) for name in MATRICES}, **SIZES)
    assert "Wor" in str(schedule)
    assert "without the overlap of states" in str(schedule)
    assert schedule._repr_html_().count("<tr>") == len(schedule.tasks) + 1
    (axes,) = schedule.plot().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(schedule.resources)
    assert len(axes.patches) == len(schedule.tasks)
    assert {patch.get_hatch() for patch in axes.patches} == {"", "////"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ese.Schedule.of([ese.Task("a", "x", 1), ese.Task("a", "y", 1)]), "two tasks are called 'a'"),
        (lambda: ese.Schedule.of([ese.Task("a", "x", 1, after=("b",)), ese.Task("b", "x", 1)]), "waits for 'b'"),
        (lambda: ese.Schedule.of([ese.Task("a", "x", -1)]), "whole number of cycles from 0, got -1"),
        (lambda: ese.Schedule.of([ese.Task("a", "x", 1.5)]), "got 1.5"),
        (lambda: ese.Schedule.of([ese.Task("a", "x", 1)], ["z"]), "there is no overlap 'z'; the overlaps are none"),
        (lambda: ese.Schedule.of([], clock_mhz=0), "clock_mhz must be above 0"),
        (lambda: ese.Schedule.of([]).without("z"), "there is no overlap 'z'"),
        (lambda: ese.Schedule.of([]).slot("z"), "there is no task 'z'"),
        (lambda: ese.lstm_schedule({}, **SIZES), "Wix is missing"),
        (lambda: ese.lstm_schedule({n: ese.Work(1) for n in (*MATRICES, "Wz")}, **SIZES), "no matrix 'Wz'"),
        (lambda: ese.lstm_schedule({n: ese.Work(1) for n in MATRICES}, **SIZES, steps=0), "steps must be"),
        (lambda: ese.lstm_schedule({n: ese.Work(1) for n in MATRICES}, hidden=0, inputs=1, outputs=1), "hidden must"),
        (lambda: ese.lstm_schedule({n: ese.Work(1) for n in MATRICES}, **SIZES, overlaps=["all"]), "no overlap 'all'"),
        (lambda: ese.lstm_schedule({n: ese.Work(1) for n in MATRICES}, **SIZES, overlaps="buffers"), "overlaps must be a collection"),
        (lambda: ese.Schedule.of([], [1]), "overlaps must be a collection of names"),
    ],
)  # fmt: skip
def test_says_what_is_wrong(call, words):
    with pytest.raises(EfflabError, match=words):
        call()
