"""Splits, batches, validation, and the real data sets against the numbers that their authors give."""

import io
import itertools
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from efflab import data
from efflab.data import decode
from efflab.data.split import lengths_of
from efflab.errors import DataError, EfflabError


@pytest.fixture
def split():
    return data.Split(torch.arange(20.0).reshape(10, 2), torch.arange(10))


def test_digits_equal_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    digits = data.load()
    ours = torch.cat([digits.train.x, digits.test.x]).flatten(1)
    labels = torch.cat([digits.train.y, digits.test.y])
    order, reference = (
        np.lexsort(np.column_stack([a, b]).T) for a, b in ((ours * 16, labels), (theirs.data, theirs.target))
    )
    assert np.array_equal(ours[order] * 16, theirs.data[reference])
    assert np.array_equal(labels[order], theirs.target[reference])


def test_digits_are_split_by_class_and_lie_in_the_unit_interval():
    digits = data.load("digits")
    assert digits.train.x.shape == (1437, 1, 8, 8)
    assert digits.test.x.shape == (360, 1, 8, 8)
    assert (digits.train.x.dtype, digits.train.y.dtype) == (torch.float32, torch.int64)
    assert (digits.train.x.min(), digits.train.x.max()) == (0, 1)
    everything = torch.bincount(torch.cat([digits.train.y, digits.test.y]))
    assert everything.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert ((torch.bincount(digits.test.y) - everything / 5).abs() <= 1).all()


def test_the_tool_that_made_the_digits_makes_them_again(root, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(root / "tools")
    import make_digits

    with np.load(io.BytesIO(make_digits.packed())) as new, np.load(make_digits.TARGET) as kept:
        assert sorted(new.files) == sorted(kept.files)
        assert all(np.array_equal(new[name], kept[name]) for name in new.files)


def test_embedded_digits_need_no_network_and_no_file():
    assert data.available("digits")
    assert data.fetch("digits") == []


def test_an_unknown_name_lists_the_known_ones():
    for call in (data.load, data.describe, data.available, data.fetch):
        with pytest.raises(DataError, match=r"named 'minst'; the names are digits, mnist, "):
            call("minst")


def test_the_catalogue_is_read_without_torch():
    program = "import sys, efflab.data as d; d.describe('mnist'), d.available('mnist'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_public_name_is_there():
    assert set(data.__all__) == set(dir(data))
    assert all(getattr(data, name) is not None for name in data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = data.lod


@pytest.mark.parametrize("seed", [0, 7])
def test_validation_is_the_end_of_a_seeded_permutation(seed):
    whole, parts = data.load("digits"), data.load("digits", validation=137, seed=seed)
    assert (len(parts.train), len(parts.validation)) == (1300, 137)
    order = torch.randperm(1437, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(parts.validation.x, whole.train.x[order[-137:].sort().values])
    assert torch.equal(parts.train.y, whole.train.y[order[:-137].sort().values])
    assert torch.equal(parts.test.x, whole.test.x)
    again = data.load("digits", validation=137, seed=seed)
    assert torch.equal(again.validation.x, parts.validation.x)
    assert whole.validation is None


def test_validation_examples_depend_on_the_seed():
    one, two = (data.load(validation=100, seed=seed).validation for seed in (0, 1))
    assert not torch.equal(one.x, two.x)


@pytest.mark.parametrize("count", [-1, 1437, 10**9])
def test_validation_must_leave_a_training_set(count):
    with pytest.raises(EfflabError, match=f"below the 1437 training examples of digits, came {count}"):
        data.load(validation=count)


def test_batches_cover_each_example_once_and_start_again(split):
    batches = split.batches(4)
    assert len(batches) == 3
    for _ in range(2):
        assert [len(y) for _, y in batches] == [4, 4, 2]
        assert torch.equal(torch.cat([x for x, _ in batches]), split.x)
    assert [len(y) for _, y in split.batches(4, drop_last=True)] == [4, 4]
    assert len(split.batches(4, drop_last=True)) == 2
    assert len(split.batches(5)) == len(split.batches(5, drop_last=True)) == 2


def test_shuffled_batches_are_a_permutation_given_by_the_generator(split):
    def labels(seed: int) -> list[list[int]]:
        batches = split.batches(3, shuffle=True, generator=torch.Generator().manual_seed(seed))
        return [torch.cat([y for _, y in batches]).tolist() for _ in range(2)]

    first, second = labels(0)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert labels(0) == [first, second]
    assert labels(1) != [first, second]


def test_pairs_stay_together_when_shuffled(split):
    for x, y in split.batches(4, shuffle=True):
        assert torch.equal(x[:, 0], 2.0 * y)


def test_shuffling_without_a_generator_follows_the_global_seed(split):
    def order() -> list[int]:
        torch.manual_seed(3)
        return torch.cat([y for _, y in split.batches(4, shuffle=True)]).tolist()

    assert order() == order()


def test_a_split_is_indexed_by_slice_mask_and_tensor(split):
    for index in (slice(2, 5), torch.tensor([2, 3, 4]), (split.y >= 2) & (split.y < 5)):
        part = split[index]
        assert isinstance(part, data.Split)
        assert part.y.tolist() == [2, 3, 4]
        assert torch.equal(part.x, split.x[2:5])
    assert split.take(3).y.tolist() == [0, 1, 2]
    assert split.to("cpu").x.device == torch.device("cpu")
    assert repr(split) == "Split(10 x 2)"


def test_torch_data_loader_takes_a_split(split):
    loader = torch.utils.data.DataLoader(split, batch_size=4)
    assert [y.tolist() for _, y in loader] == [y.tolist() for _, y in split.batches(4)]
    assert len(list(split)) == 10


def test_a_split_cannot_be_changed_or_made_of_unequal_halves(split):
    with pytest.raises(AttributeError):
        split.x = split.y
    with pytest.raises(EfflabError, match="equally long; came 2 and 3"):
        data.Split(torch.zeros(2), torch.zeros(3))


def test_impossible_batches_and_parts_are_refused(split):
    with pytest.raises(EfflabError, match="batch_size must be at least 1, came 0"):
        split.batches(0)
    for n in (-1, 11):
        with pytest.raises(EfflabError, match=f"the 10 examples of the split, came {n}"):
            split.take(n)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar-10"])
def test_images_are_complete_and_normalised(needs_data, name):
    needs_data(name)
    images = data.load(name)
    info = data.describe(name)
    assert {"train": len(images.train), "test": len(images.test)} == info.splits
    assert images.classes == info.classes
    if name != "mnist":  # whose classes are not equally large
        assert torch.bincount(images.train.y).tolist() == [len(images.train) // 10] * 10
        assert torch.bincount(images.test.y).tolist() == [1000] * 10
    # Each image's own moments first: a float32 sum over 150 million pixels is too coarse to check six digits.
    moments = [torch.stack([x.mean((2, 3)), x.square().mean((2, 3))]) for x, _ in images.train.batches(1000)]
    mean, square = torch.cat(moments, dim=1).double().mean(1)
    assert mean.abs().max() < 1e-5
    assert (square - 1).abs().max() < 1e-5


def test_mnist_has_the_digits_of_its_first_images(needs_data):
    needs_data("mnist")
    mnist = data.load("mnist", validation=5000)
    assert (len(mnist.train), len(mnist.validation), len(mnist.test)) == (55000, 5000, 10000)
    # The best-known images of all: 7, 2, 1, 0, 4 open the test set.
    assert mnist.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    pixels = mnist.test.x[0] * data.describe("mnist").std[0] + data.describe("mnist").mean[0]
    assert torch.allclose(pixels.min(), torch.tensor(0.0), atol=1e-6)
    assert torch.allclose(pixels.max(), torch.tensor(1.0), atol=1e-6)


@pytest.mark.parametrize(("name", "seconds"), [("mnist", 1), ("cifar-10", 3)])
def test_loading_is_quick(needs_data, name, seconds):
    needs_data(name)

    def once() -> float:
        # Of this process alone: the machine may be busy with something else.
        start = time.process_time()
        data.load(name)
        return time.process_time() - start

    assert any(once() < seconds for _ in range(3))


def test_cifar_classes_are_those_of_its_meta_file(needs_data):
    needs_data("cifar-10")
    from efflab.data import store

    (batch, *_) = data.describe("cifar-10").files
    meta = store.search(batch).path.with_name("batches.meta")
    if not meta.exists():
        pytest.skip("a download keeps only the batches")
    named = decode._NumpyOnly(io.BytesIO(meta.read_bytes()), encoding="bytes").load()[b"label_names"]
    assert tuple(name.decode() for name in named) == data.describe("cifar-10").classes


def test_spoken_digits_follow_the_official_rule(needs_data):
    needs_data("spoken-digits")
    computed = data.load("spoken-digits", validation=300)
    speech = data.load("spoken-digits", validation=300)
    assert torch.equal(computed.train.x, speech.train.x), "the cached features differ from the computed ones"
    assert [len(s) for s in (speech.train, speech.validation, speech.test)] == [2400, 300, 300]
    assert torch.bincount(speech.test.y).tolist() == [30] * 10
    # Lengths of the shortest and longest recordings, 1,148 and 18,262 samples: 1 + (samples - 200) // 80 windows.
    lengths = torch.cat([s.lengths for s in (speech.train, speech.validation, speech.test)])
    assert (lengths.min(), lengths.max(), speech.train.x.shape[2]) == (12, 226, 40)
    assert torch.equal(lengths_of(speech.train.x), speech.train.lengths)


def test_speech_features_are_standardised_over_the_training_frames(needs_data):
    needs_data("spoken-digits")
    train = data.load("spoken-digits").train
    frames = train.x[torch.arange(train.x.shape[1]) < train.lengths[:, None]].double()
    assert frames.mean(0).abs().max() < 1e-5
    assert (frames.std(0, correction=0) - 1).abs().max() < 1e-5


def test_speech_batches_are_cut_to_their_longest_recording(needs_data):
    needs_data("spoken-digits")
    train = data.load("spoken-digits").train
    generator = torch.Generator().manual_seed(0)
    for x, y in itertools.islice(train.batches(32, shuffle=True, generator=generator), 3):
        assert x.shape == (32, int(lengths_of(x).max()), 40)
        assert y.shape == (32,)
    assert torch.equal(train[5:9].lengths, train.lengths[5:9])


def test_shakespeare_has_65_characters(needs_data):
    needs_data("tiny-shakespeare")
    text = data.load("tiny-shakespeare")
    assert len(text.vocabulary) == 65
    assert len(text.train) + len(text.validation) + len(text.test) == 1_115_394
    assert text.decode(text.train[:14]) == "First Citizen:"
    assert (text.train.dtype, text.train.unique().numel()) == (torch.int64, 65)


def test_wikitext_has_the_counts_of_its_authors(needs_data):
    needs_data("wikitext-2")
    text = data.load("wikitext-2")
    assert len(text.vocabulary) == 33_278
    assert [len(text.train), len(text.validation), len(text.test)] == [2_088_628, 217_646, 245_569]
    assert text.decode(text.train[:6]) == "<eos> = Valkyria Chronicles III ="
    assert text.train.max() == 33_277, "every word is in the training text"


def test_text_takes_no_validation_count():
    with pytest.raises(EfflabError, match="validation part of its own, came validation=5"):
        data.load("wikitext-2", validation=5)
