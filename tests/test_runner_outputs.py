"""What all outputs and messages of one submission may take together."""

import json

import pytest
from sandboxed import job, printed, shared

from autograder.sandbox import outputs
from autograder.sandbox.runner import grade

PNG = "iVBORw0KGgo="


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\x00b\x01\x08\x7f\x9b\n\tc", "ab\n\tc"),
        ("\x1b[31mred\x1b[0m \x1b[38;5;1mtoo\x1b[m", "red too"),
        ("\x1b" * 5 + "[" * 3, "["),
        ("10 %\r50 %\rdone\r\nnext\r", "done\nnext"),
        ("half of \ud800 a pair", "half of ? a pair"),
        ("α – 漢 ∑ \U0001f600", "α – 漢 ∑ \U0001f600"),
    ],
)
def test_control_characters_are_no_part_of_what_is_kept(text, kept):
    assert outputs.plain(text) == kept
    error = {"output_type": "error", "ename": text, "evalue": text, "traceback": [text]}
    result = {"output_type": "execute_result", "data": {"text/plain": text}, "execution_count": 1}
    cleaned = outputs.clean([stream(text), error, result], 10_000)
    assert cleaned[0]["text"] == cleaned[2]["data"]["text/plain"] == kept
    assert cleaned[1] | {"output_type": ""} == {
        "output_type": "", "ename": kept, "evalue": kept, "traceback": [kept],
    }  # fmt: skip


def test_the_outputs_of_a_whole_submission_are_bounded_as_json():
    room = outputs.Room(text=10_000)
    kept = [one for _ in range(100) for one in room.keep((stream('"\n' * 500), stream("")))]
    assert 0 < len(json.dumps(kept, indent=1)) < 20_000
    assert [one for one in kept if one["text"] == outputs.FULL] == [stream(outputs.FULL) | {"name": "stderr"}]
    assert any(one["text"] == '"\n' * 500 for one in kept)


def test_images_have_a_bound_of_their_own():
    room = outputs.Room(text=10_000, images=3 * len(PNG))
    image = {"output_type": "display_data", "data": {"image/png": PNG}, "metadata": {}}
    kept = room.keep((image,) * 5 + (stream("a"),))
    assert [one["output_type"] for one in kept] == ["display_data"] * 3 + ["stream"] * 2


def test_only_so_many_cells_have_a_message_and_none_a_long_one():
    room = outputs.Room(messages=2)
    said = [room.message(text) for text in ("x" * 10**6, "", "second\x01", "third", "")]
    assert said == ["x" * outputs.MESSAGE, "", "second", "This cell did not come to its end.", ""]


def test_a_submission_that_prints_too_much_keeps_the_first_and_is_told_once(bwrap, monkeypatch):
    monkeypatch.setattr(outputs.Room.__init__, "__defaults__", (20_000, 1000, 3))
    loud = "print('\\x01' * 5_000, end='')\nprint('x' * 9_000)\nraise ValueError('\\x01' * 100 + 'why')"
    outcome = grade(job(*[loud] * 6, "import os\nos._exit(1)", "print('last')"), (), shared())
    assert printed(outcome) == "x" * 9_000 + "\n"
    assert sum(outputs.FULL in printed(outcome, number) for number in range(8)) == 1
    assert len(outcome.to_json()) < 30_000 and "\\u0001" not in outcome.to_json()
    assert [bool(cell.message) for cell in outcome.cells] == [True] * 7 + [False]
    assert outcome.cells[0].message == "This cell raised ValueError: why."
    assert outcome.cells[5].message == "This cell did not come to its end."
    # The replay of the cells before the lost one takes no room a second time.
    assert outcome.processes == 2
