"""The grader's reader of lab 03's challenge: it reads what the lab writes, and refuses the rest in a sentence."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import build
from autograder import notebook as nb
from autograder.case import load
from autograder.checks import huffman_codes, huffman_file
from autograder.tasks import Failed
from efflab import models

SHAPES = {name: tuple(value.shape) for name, value in models.passport().state_dict().items()}


@pytest.fixture(scope="module")
def lab():
    case = load(nb.find(build.ROOT, ["03-huffman"])[0])
    with case.namespace(case.source) as namespace:
        assert not namespace.errors
        yield namespace.names


def network(seed, density=0.1):
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in SHAPES.items():
        values = rng.integers(-7, 8, size=shape) / 8 * (rng.random(shape) < density if len(shape) > 1 else 1)
        found[name] = torch.from_numpy(values.astype(np.float32)) + 0.0
    return found


@pytest.mark.parametrize("width", range(9))
def test_what_the_lab_writes_is_read_by_both(lab, width):
    tensors = network(width)
    choices = {
        name: {"index_bits": width, "half": bool(width % 2), "columns": width % 3 == 0}
        for name, value in tensors.items()
        if value.dim() > 1
    }
    written = lab["write_file"](tensors, choices)
    for found in (huffman_file.read(written, SHAPES), lab["read_file"](written)):
        assert list(found) == list(tensors)
        assert all(torch.equal(found[name], value) for name, value in tensors.items())


def test_the_size_of_the_first_file_is_known_without_writing_it(lab):
    for seed, density in ((0, 0.1), (1, 0.01), (2, 0.9)):
        tensors = network(seed, density)
        size = huffman_file.largest_size({name: value.numpy() for name, value in tensors.items()})
        assert size == len(lab["first_file"](tensors))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused(lab, data):
    whole = bytearray(lab["first_file"](network(3)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    told, found = "", {}
    try:
        found = huffman_file.read(content, SHAPES)
    except Failed as error:
        told = str(error)
    whole_network = {name: tuple(value.shape) for name, value in found.items()} == SHAPES
    assert told.startswith("Your file cannot be read, at ") != whole_network


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "ends within a tensor"),
        (b"\x08", "flags"),
        (b"\x02\x09\x01\x00\x00", "at most 8 bits"),
        (b"\x02\x04\x01\xff\xff", "at most 20000 entries"),
        (b"\x02\x00\x00\x01\x00\x01\x00", "every weight has an entry"),
        (b"\x02\x01\x00\x00\x00\x00", "ends within a tensor"),
        (b"\x02\x01\x02\x01\x00" + bytes(8) + b"\x11\x01", "No prefix code"),
        (b"\x02\x01\x00\x01\x00\x00", "no code"),
        (b"\x02\x01\x00\x64\x00\x01" + bytes(13) + b"\x01" + bytes(13), "beyond the end"),
        (b"\x00" + np.float32(np.inf).tobytes() * 72, "finite"),
    ],
)
def test_each_lie_has_its_sentence(head, words):
    with pytest.raises(Failed, match=words):
        huffman_file.read(head, SHAPES)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 5]), max_size=120), st.integers(1, 6))
def test_the_index_oracle_says_where_everything_is(codes, bits):
    gaps, values = huffman_file.index_oracle(np.array(codes, dtype=int), bits)
    found = np.zeros(len(codes), dtype=int)
    places = np.cumsum(np.array(gaps, dtype=int) + 1) - 1
    found[places] = values
    assert found.tolist() == codes
    assert all(0 <= gap < 2**bits for gap in gaps)
    fillers = [place for place, value in enumerate(values) if value == 0]
    assert all(gaps[place] == 2**bits - 1 for place in fillers)
    assert not values or values[-1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(any))
def test_both_oracles_of_the_best_code_agree(counts):
    counts = np.array(counts)
    assert huffman_codes.best_cost(counts) == huffman_codes.exhaustive_cost(counts)
