"""The Huffman explorer: its tree against Huffman's rule, its stream against the symbols, its JavaScript."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from widgets import data_of, run_module

from efflab import huffman, viz
from efflab.errors import EfflabError

SKEWED = {"a": 45, "b": 13, "c": 12, "d": 16, "e": 9, "f": 5}


@given(st.lists(st.integers(1, 12), min_size=2, max_size=16))
@settings(max_examples=40, deadline=None)
def test_every_merge_takes_the_two_lightest_and_the_code_is_optimal(counts: list[int]) -> None:
    figure = viz.HuffmanExplorer(dict(enumerate(counts)))
    forest, weights = set(range(len(counts))), list(map(float, counts))
    for left, right in figure.merges:
        lightest = sorted(weights[one] for one in forest)[:2]
        assert sorted([weights[left], weights[right]]) == lightest
        forest -= {left, right}
        forest.add(len(weights))
        weights.append(weights[left] + weights[right])
    assert len(forest) == 1
    lengths = [len(code) for code in figure.codes]
    assert np.dot(counts, lengths) == np.dot(counts, huffman.code_lengths(counts))
    assert not any(b.startswith(a) for a, b in itertools.permutations(figure.codes, 2))
    assert sum(2.0**-length for length in lengths) == 1
    by_length = sorted(range(len(counts)), key=lambda i: (lengths[i], i))
    assert [figure.codes[i] for i in by_length] == sorted(figure.codes)


def test_a_text_is_counted_and_its_beginning_is_the_stream() -> None:
    figure = viz.HuffmanExplorer("abracadabra abracadabra")
    assert dict(zip(figure.symbols, figure.counts, strict=True)) == {
        "\N{OPEN BOX}": 1, "a": 10, "b": 4, "c": 2, "d": 2, "r": 4,
    }  # fmt: skip
    assert figure.decoded == []
    figure.step = len(figure.merges) + 1 + len(figure.stream)
    assert figure.decoded == ["a", "b", "r", "a", "c", "a", "d", "a", "b", "r", "a", "\N{OPEN BOX}"]
    assert figure.entropy <= figure.mean < figure.entropy + 1


@pytest.mark.parametrize(
    "symbols", [[2, 0, 1, 0, 0], np.array([[2, 0, 1], [0, 0, 2]]), torch.tensor([2, 0, 1, 0])]
)
def test_labels_of_weights_may_be_the_symbols(symbols) -> None:
    figure = viz.HuffmanExplorer(symbols)
    assert figure.symbols == ["0", "1", "2"]
    assert figure.codes[0] == "0"


def test_a_stream_may_be_given_or_drawn() -> None:
    figure = viz.HuffmanExplorer(SKEWED, stream="face")
    figure.step = len(figure.merges) + 1 + len(figure.stream)
    assert figure.decoded == list("face")
    drawn = [viz.HuffmanExplorer(SKEWED, seed=seed).stream for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_steps_are_checked() -> None:
    figure = viz.HuffmanExplorer(SKEWED, stream="a", step=6)
    assert figure.stream == "0"
    with pytest.raises(EfflabError, match="step must be a whole number from 0 to 7, got 8"):
        figure.step = 8
    assert figure.step == 6


@pytest.mark.parametrize(
    ("symbols", "settings", "words"),
    [
        ("aaaa", {}, "symbols must hold 2 to 16 different ones, got 1"),
        ("", {}, "symbols must hold 2 to 16 different ones, got 0"),
        (range(17), {}, "symbols must hold 2 to 16 different ones, got 17"),
        (5, {}, "symbols must be a text, a sequence or a mapping"),
        ({"a": -1, "b": 2}, {}, "finite counts of at least 0"),
        ({"a": float("nan"), "b": 2}, {}, "finite counts of at least 0"),
        (["lengthy", "x"], {}, "written in 1 to 6 characters, got 'lengthy'"),
        ([1, "1", 2], {}, "must differ as they are written"),
        (SKEWED, {"stream": "axe"}, "'x', which has no code"),
        (SKEWED, {"stream": ""}, "stream must be 1 to 40 symbols that occur, got 0 symbols"),
        (SKEWED, {"stream": "a" * 41}, "got 41 symbols"),
        (SKEWED, {"step": -1}, "step must be a whole number from 0 to"),
    ],
)
def test_bad_arguments_are_refused(symbols, settings: dict[str, object], words: str) -> None:
    with pytest.raises(EfflabError, match=words):
        viz.HuffmanExplorer(symbols, **settings)


def test_the_page_gets_little() -> None:
    assert len(json.dumps(data_of(viz.HuffmanExplorer(list(range(16)) * 1000)))) < 2000


def test_the_javascript_builds_and_decodes_without_a_kernel(tmp_path: Path) -> None:
    figure = viz.HuffmanExplorer(SKEWED, stream="face", title="Six letters")
    found = run_module(figure, "huffman.mjs", tmp_path)
    merges = len(figure.merges)

    assert found["last"] == merges + 1 + len(figure.stream)
    assert found["first"]["text"].startswith("6 symbols with their counts")
    assert found["first"]["hidden"]
    assert found["first"]["nodes"] == 0
    assert "Merge 1 of 5: f (5) and e (9) become one node of 14" in found["merged"]["text"]
    assert found["merged"]["nodes"] == 1
    table = {row[0]: row[1:] for row in found["merged"]["table"]}
    assert table["f"] == ["5", "1", "–"]
    assert table["a"] == ["45", "–", "–"]

    coded = {row[0]: row[3] for row in found["coded"]["table"]}
    assert coded == dict(zip(figure.symbols, figure.codes, strict=True))
    codes = [row[3] for row in found["coded"]["table"]]
    assert codes == sorted(codes)  # canonical: the table's order is that of the codes
    assert not found["coded"]["hidden"]
    assert f"{figure.mean:.3f} bits; entropy {figure.entropy:.3f}" in found["coded"]["text"]
    assert found["coded"]["pointer"][2] == "inline"
    assert found["bit"]["pointer"][1] > found["coded"]["pointer"][1]  # one row down

    for step in range(found["last"] + 1):
        figure.step = step
        state = found["steps"][step]
        words = [one for one in state["stream"] if isinstance(one, list) and one[1] != "?"]
        assert [word[1] for word in words] == figure.decoded
        assert "".join(one if isinstance(one, str) else one[0] for one in state["stream"]) == figure.stream
    assert "So far: f a c e. The stream is at its end." in found["steps"][-1]["text"]
    depths = {row[0]: int(row[2]) for row in found["steps"][merges]["table"]}
    assert depths == {name: len(code) for name, code in zip(figure.symbols, figure.codes, strict=True)}

    assert found["playing"] == {"step": 1, "timers": 1}
    assert found["followed"]["slider"] == 2
    assert found["followed"]["valuetext"] == f"step 2 of {found['last']}"
    assert found["left"] == 0
    assert found["named"]["unnamed"] == 0
    assert found["named"]["groups"][0] == "Six letters"
    assert set(found["scopes"]) == {"col", "row"}
    assert found["lengths"] == [1, 1, 0]
    assert found["decoded"] == {"symbols": [0, 1], "path": "1"}
    assert found["order"] == [1, 0, 2]
    place = {path: (x, y) for path, x, y in found["places"]}
    assert place["0"][0] < place["10"][0] < place["11"][0]
    assert place["1"][0] == pytest.approx((place["10"][0] + place["11"][0]) / 2)
    assert place[""][1] < place["0"][1] == place["1"][1] < place["11"][1]
