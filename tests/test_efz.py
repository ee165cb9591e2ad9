"""What goes into an .efz file comes out bit for bit."""

import copy
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from efflab import efz, huffman, models
from efflab.efz.dtypes import DTYPES
from efflab.efz.sections import Section
from efflab.errors import CheckpointError, EfflabError

KINDS = [dtype for dtype in DTYPES.values() if dtype != torch.complex32]


def same(one: Tensor, other: Tensor) -> bool:
    """Equal in shape, dtype and every bit."""
    form = (one.shape, one.dtype) == (other.shape, other.dtype)
    return form and plain_bytes(one) == plain_bytes(other)


def plain_bytes(tensor: Tensor) -> bytes:
    """Row by row."""
    flat = torch.empty(tensor.numel() * tensor.dtype.itemsize, dtype=torch.uint8)
    flat.view(tensor.dtype).copy_(tensor.reshape(-1))
    return flat.numpy().tobytes()


def assert_round_trip(state: dict[str, Tensor], path: Path, **choices: object) -> efz.Summary:
    before = {name: tensor.clone() for name, tensor in state.items()}
    summary = efz.save(state, path, **choices)
    assert summary.file_bytes == path.stat().st_size
    assert all(same(state[name], before[name]) for name in state), "saving changed a value"
    back = efz.load(path)
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert same(back[name], tensor), name
    with efz.open(path) as file:
        file.verify()
        for entry in file.entries:
            if entry.coding != "raw":
                assert same(file.codes(entry.name).dense(), state[entry.name]), entry.name
    return summary


def pruned(shape: tuple[int, ...], density: float, k: int = 31, seed: int = 0) -> Tensor:
    """Weights of which a fraction is one of k values, and the rest zero."""
    rng = np.random.default_rng(seed)
    values = np.sort(rng.standard_normal(k)).astype(np.float32)
    labels = np.clip(rng.normal(k / 2, k / 6, shape), 0, k - 1).astype(int)
    return torch.from_numpy(np.where(rng.random(shape) < density, values[labels], np.float32(0)))


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Few or many distinct bit patterns, of any kind, some of them zero."""
    dtype = draw(st.sampled_from(KINDS))
    shape = tuple(draw(st.lists(st.integers(0, 12), max_size=4)))
    count = int(np.prod(shape))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    k = draw(st.sampled_from([1, 2, 5, 256, 100_000]))
    high = 2 if dtype == torch.bool else 256
    patterns = rng.integers(0, high, (k, dtype.itemsize), dtype=np.uint8)
    chosen = patterns[rng.integers(0, k, count)]
    chosen[rng.random(count) < draw(st.sampled_from([0.0, 0.5, 0.95]))] = 0
    return torch.from_numpy(np.append(chosen, np.uint8(0)))[:-1].clone().view(dtype).reshape(shape)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    tensor=tensors(),
    index_bits=st.sampled_from(["auto", 1, 3, 8, 16]),
    order=st.sampled_from(["auto", "rows", "columns"]),
)
def test_any_tensor_comes_back(tensor: Tensor, index_bits: int | str, order: str, tmp_path: Path) -> None:
    assert_round_trip({"weight": tensor}, tmp_path / "x.efz", index_bits=index_bits, order=order)


@pytest.mark.parametrize("bits", [2, 3, 5, 9, 16])
@pytest.mark.parametrize("order", ["rows", "columns"])
def test_a_sparse_matrix_comes_back_for_every_index(bits: int, order: str, tmp_path: Path) -> None:
    weight = pruned((70, 400), 0.03)
    weight[:, 100:180] = 0
    summary = assert_round_trip({"w": weight}, tmp_path / "w.efz", index_bits=bits, order=order)
    (entry,) = summary.entries
    assert (entry.coding, entry.index_bits, entry.order) == ("sparse", bits, order)
    flat = (weight if order == "rows" else weight.T).reshape(-1).numpy()
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=-1) - 1
    assert entry.nonzeros == places.size
    assert entry.fillers == int((gaps >> bits).sum())
    with efz.open(tmp_path / "w.efz") as file:
        codes = file.codes("w")
    assert codes.gaps is not None and codes.labels.size == codes.gaps.size == entry.nonzeros + entry.fillers
    assert int(codes.gaps.max()) < 1 << bits
    reached = np.cumsum(codes.gaps.astype(int) + 1) - 1
    values = codes.codebook.numpy()[codes.labels]
    assert np.array_equal(reached[values != 0], places)
    assert np.array_equal(values[values != 0], flat[places])
    assert int((values == 0).sum()) == entry.fillers and (codes.gaps[values == 0] == (1 << bits) - 1).all()


def test_the_chosen_index_is_the_cheapest(tmp_path: Path) -> None:
    weight = pruned((64, 300), 0.05)
    weight[:, ::3] = 0
    sizes = {
        (bits, order): efz.save({"w": weight}, tmp_path / "w.efz", index_bits=bits, order=order).file_bytes
        for bits in range(1, 17)
        for order in ("rows", "columns")
    }
    chosen = efz.save({"w": weight}, tmp_path / "w.efz")
    # Going down the columns has to pay for its slower reading, by two thousandths.
    assert chosen.file_bytes <= 1.002 * min(sizes.values()) + 2
    assert chosen.entries[0].order == "columns"


def test_zero_is_all_bits_zero_and_nothing_else(tmp_path: Path) -> None:
    weight = torch.zeros(40, 50)
    weight[3, 4:10] = torch.tensor([-0.0, float("inf"), -float("inf"), float("nan"), 1e-45, 1.0])
    weight.view(torch.int32)[7, 7] = 0x7F800123  # a NaN with a payload
    weight.view(torch.int32)[7, 8] = -0x12345  # a negative NaN with another
    (entry,) = assert_round_trip({"w": weight}, tmp_path / "w.efz").entries
    assert entry.coding == "sparse" and entry.nonzeros == 8 and entry.k == 8


@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_every_kind_of_number(dtype: torch.dtype, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    high = 2 if dtype == torch.bool else 256
    patterns = rng.integers(0, high, (7, dtype.itemsize), dtype=np.uint8)
    flat = patterns[rng.integers(0, 7, 3000)]
    flat[rng.random(3000) < 0.8] = 0
    weight = torch.from_numpy(flat.reshape(-1)).view(dtype).reshape(30, 100)
    (entry,) = assert_round_trip({"w": weight}, tmp_path / "w.efz").entries
    assert entry.coding == ("raw" if dtype.itemsize > 8 else "sparse") and entry.dtype == dtype


def test_odd_shapes_and_strides(tmp_path: Path) -> None:
    base = pruned((40, 60), 0.1)
    state = {
        "scalar": torch.tensor(1.5), "one": torch.tensor([2.0]), "empty": torch.zeros(0, 7), "nothing": torch.zeros(0),
        "transposed": base.T, "strided": base[::2, ::3], "expanded": torch.ones(1).expand(500), "zero": torch.zeros(300, 20),
        "constant": torch.full((100, 3), 0.1), "images": pruned((8, 4, 3, 3), 0.4).contiguous(memory_format=torch.channels_last),
        "counter": torch.tensor(7), "conjugate": torch.tensor([1 + 2j, 0j]).conj(), "negative": torch.tensor([1 + 2j]).conj().imag,
    }  # fmt: skip
    summary = assert_round_trip(state, tmp_path / "odd.efz")
    coded = {entry.name: entry for entry in summary.entries}
    assert coded["zero"].bytes.total == coded["zero"].bytes.header
    assert coded["constant"].bytes.codes == 0 and coded["constant"].k == 1


def test_alphabets_from_one_value_to_the_most_that_a_codebook_holds(tmp_path: Path) -> None:
    every = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int32).to(torch.int16).repeat(2)
    more = torch.arange(1, (1 << 16) + 2, dtype=torch.int32).repeat_interleave(3)
    state = {
        "one": torch.full((999,), 3.0),
        "most": every,
        "most_wide": every.long(),
        "too_many": more,
        "half": every.view(torch.float16),
    }
    summary = assert_round_trip(state, tmp_path / "k.efz", limit=1)
    sizes = {entry.name: (entry.coding, entry.k) for entry in summary.entries}
    assert sizes["one"] == ("codebook", 1)
    assert sizes["most_wide"] == ("codebook", 1 << 16)
    assert sizes["most"] == ("raw", 0) and sizes["too_many"][0] == "raw"


def test_more_than_one_block(tmp_path: Path) -> None:
    sparse = pruned((1200, 1200), 0.2, k=255)
    dense = pruned((600, 900), 1.0, k=300)
    for order in ("rows", "columns"):
        summary = assert_round_trip(
            {"s": sparse, "d": dense, "t": sparse[:-1, 1:].half()}, tmp_path / "b.efz", order=order
        )
        assert {entry.coding for entry in summary.entries} == {"sparse", "codebook"}


def test_long_gaps(tmp_path: Path) -> None:
    weight = torch.zeros(5, 300_000)
    weight[1, 17] = weight[4, 299_999] = 2.0
    for bits in (1, 8, 16, "auto"):
        for order in ("rows", "columns"):
            assert_round_trip(
                {"w": weight, "t": weight.T.contiguous()}, tmp_path / "w.efz", index_bits=bits, order=order
            )


def test_tied_tensors_are_written_once(tmp_path: Path) -> None:
    weight = torch.randn(50, 50)
    summary = assert_round_trip(
        {"in": weight, "out": weight, "view": weight[:10], "bits": weight.view(torch.int32)},
        tmp_path / "t.efz",
    )
    assert [entry.names for entry in summary.entries] == [("in", "out"), ("view",), ("bits",)]
    back = efz.load(tmp_path / "t.efz")
    assert back["in"] is back["out"]


def test_a_model_that_ties_what_differs_in_the_file_is_refused(tmp_path: Path) -> None:
    apart = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    tied = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    tied[1].weight = tied[0].weight
    before = tied[0].weight.detach().clone()
    efz.save(apart, tmp_path / "apart.efz")
    with pytest.raises(CheckpointError, match=r"ties 0\.weight and 1\.weight, which differ"):
        efz.load(tmp_path / "apart.efz", tied)
    assert torch.equal(tied[0].weight, before)
    apart[1].weight.data.copy_(apart[0].weight)
    efz.save(apart, tmp_path / "equal.efz")
    efz.load(tmp_path / "equal.efz", tied)
    assert torch.equal(tied[1].weight, apart[0].weight)


def test_thousands_of_tensors_and_long_names(tmp_path: Path) -> None:
    state = {f"layer.{i}.weight": torch.full((3,), float(i)) for i in range(2000)} | {
        "n" * 60_000: torch.ones(2),
        "größe.重み": torch.ones(1),
    }
    assert_round_trip(state, tmp_path / "many.efz")
    with efz.open(tmp_path / "many.efz") as file:
        assert same(file.read("layer.1234.weight"), state["layer.1234.weight"])
        assert same(file.read("größe.重み"), state["größe.重み"])


class Tied(nn.Module):
    """An embedding whose weight is the decoder's too, a norm with a counter, and a pruned convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.norm = nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(4, 6, 3)
        self.decoder = nn.Linear(8, 30)
        self.decoder.weight = self.embedding.weight
        with torch.no_grad():
            self.conv.weight.copy_(pruned((6, 4, 3, 3), 0.3))
            self.norm.running_mean.add_(0.5)
            self.norm.num_batches_tracked.add_(3)


def test_a_model_comes_back_into_itself_and_into_a_fresh_one(tmp_path: Path) -> None:
    model = Tied()
    before = copy.deepcopy(model.state_dict())
    efz.save(model, tmp_path / "m.efz")
    fresh = Tied()
    parameter = fresh.conv.weight
    assert efz.load(tmp_path / "m.efz", fresh) is fresh
    assert fresh.conv.weight is parameter and fresh.decoder.weight is fresh.embedding.weight
    with torch.no_grad():
        model.conv.weight.normal_()
    efz.load(tmp_path / "m.efz", model)
    for loaded in (fresh, model):
        assert all(same(loaded.state_dict()[name], before[name]) for name in before)


def test_a_model_that_loads_in_its_own_way_is_asked_to(tmp_path: Path) -> None:
    class Doubling(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            state_dict[prefix + "weight"] = 2 * state_dict[prefix + "weight"]
            super()._load_from_state_dict(state_dict, prefix, *rest)

    source = nn.Linear(3, 2)
    efz.save(source, tmp_path / "l.efz")
    assert torch.equal(efz.load(tmp_path / "l.efz", Doubling(3, 2)).weight, 2 * source.weight)
    hooked, called = nn.Linear(3, 2), []
    hooked.register_load_state_dict_post_hook(lambda *_: called.append(1))
    assert torch.equal(efz.load(tmp_path / "l.efz", hooked).weight, source.weight) and called


def test_a_model_in_another_memory_format_keeps_it(tmp_path: Path) -> None:
    source, model = (nn.Conv2d(4, 6, 3) for _ in range(2))
    efz.save(source, tmp_path / "c.efz")
    model = model.to(memory_format=torch.channels_last)
    efz.load(tmp_path / "c.efz", model)
    assert torch.equal(model.weight, source.weight) and model.weight.is_contiguous(
        memory_format=torch.channels_last
    )


def test_ctrl_c_waits_until_the_model_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, model = (nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)) for _ in range(2))
    efz.save(source, tmp_path / "m.efz")
    decode = Section.decode

    def interrupted(section: Section, out: np.ndarray) -> None:
        if section.entry.name == "0.bias":
            signal.raise_signal(signal.SIGINT)
        decode(section, out)

    monkeypatch.setattr(Section, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        efz.load(tmp_path / "m.efz", model)
    assert all(
        torch.equal(one, two) for one, two in zip(source.parameters(), model.parameters(), strict=True)
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    shapes=st.dictionaries(texts, st.lists(st.integers(0, 3), max_size=6), max_size=8),
    metadata=st.dictionaries(texts, texts, max_size=4),
    dtype=st.sampled_from(KINDS),
)
def test_every_field_of_the_directory_comes_back(
    shapes: dict[str, list[int]], metadata: dict[str, str], dtype: torch.dtype, tmp_path: Path
) -> None:
    state = {name: torch.zeros(shape, dtype=dtype) for name, shape in shapes.items()}
    summary = efz.save(state, tmp_path / "x.efz", metadata=metadata)
    with efz.open(tmp_path / "x.efz") as file:
        assert file.metadata == metadata and file.names == tuple(shapes) and file.entries == summary.entries
        for entry, (name, shape) in zip(file.entries, shapes.items(), strict=True):
            assert (entry.name, list(entry.shape), entry.dtype) == (name, shape, dtype)
            assert entry.dense_bytes == state[name].numel() * dtype.itemsize
            assert same(file.read(name), state[name])


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (nn.Linear(4, 3, bias=False), "holds bias, which the model lacks"),
        (nn.Linear(5, 3), "weight is 3x4 float32 there, and 3x5 float32 in the model"),
        (nn.Linear(4, 3).half(), "weight is 3x4 float32 there, and 3x4 float16 in the model"),
        (nn.Sequential(nn.Linear(4, 3)), "it holds no 0.weight"),
        (nn.LazyLinear(3), "weight of the model has no shape yet"),
    ],
)
def test_a_file_of_another_model_is_refused(other: nn.Module, sentence: str, tmp_path: Path) -> None:
    efz.save(nn.Linear(4, 3), tmp_path / "l.efz")
    before = {
        name: value.clone()
        for name, value in other.state_dict().items()
        if "Lazy" not in type(other).__name__
    }
    with pytest.raises(CheckpointError, match=sentence):
        efz.load(tmp_path / "l.efz", other)
    assert all(torch.equal(other.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"extra": {"a": 1}}, "extra is no tensor but dict"),
        ({"s": torch.eye(3).to_sparse()}, "s is stored as torch.sparse_coo"),
        ({"m": torch.zeros(3, device="meta")}, "m is on the meta device"),
        ({3: torch.zeros(3)}, "the key 3"),
        ({"n" * 70_000: torch.zeros(3)}, "70,000 bytes"),
        ({"\ud800": torch.zeros(3)}, "UTF-8"),
        (nn.LazyLinear(3), "weight has no values yet"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(state: dict[str, Tensor], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(EfflabError, match=sentence):
        efz.save(state, tmp_path / "x.efz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "choice",
    [
        {"index_bits": 0},
        {"index_bits": 17},
        {"index_bits": True},
        {"order": "diagonal"},
        {"limit": 25},
        {"limit": 0},
    ],
)
def test_settings_are_checked(choice: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(EfflabError, match=next(iter(choice))):
        efz.save({}, tmp_path / "x.efz", **choice)


def test_metadata_paths_and_names(tmp_path: Path) -> None:
    with pytest.raises(EfflabError, match="is a folder"):
        efz.save({}, tmp_path)
    path = tmp_path / "new folder" / "x.efz"
    efz.save({"w": torch.ones(3)}, path, metadata={"model": "lenet-5", "größe": ""}, progress=True)
    link = tmp_path / "link.efz"
    link.symlink_to(path)
    with efz.open(link) as file:
        assert file.metadata == {"model": "lenet-5", "größe": ""} and file.names == ("w",)
        with pytest.raises(EfflabError, match="no tensor 'v'; it holds w"):
            file.read("v")
        with pytest.raises(EfflabError, match="stored as it is"):
            file.codes("w")


def test_a_failing_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.efz"
    efz.save({"w": torch.ones(3)}, path)
    before = path.read_bytes()
    with pytest.raises(EfflabError, match="no tensor"):
        efz.save({"w": torch.zeros(100), "x": "text"}, path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    state = {"w": pruned((50, 60), 0.1), "b": torch.randn(50)}
    for name in ("a", "b"):
        efz.save(state, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_table_and_parts(tmp_path: Path) -> None:
    summary = efz.save({"w": pruned((80, 90), 0.1), "b": torch.randn(80)}, tmp_path / "x.efz")
    assert summary.bytes.total == summary.file_bytes and summary.bytes.raw == 320
    assert (
        summary.dense_bytes == 4 * (80 * 90 + 80) and summary.rate == summary.dense_bytes / summary.file_bytes
    )
    assert "80x90" in str(summary) and "<table>" in summary._repr_html_()
    with efz.open(tmp_path / "x.efz") as file:
        assert str(file.table()) == str(summary) and file.entries == summary.entries


def lenet(density: tuple[float, ...], k: int = 31) -> nn.Module:
    model = models.get("lenet-300-100")
    with torch.no_grad():
        layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        for seed, (layer, d) in enumerate(zip(layers, density, strict=True)):
            layer.weight.copy_(pruned(tuple(layer.weight.shape), d, k, seed))
            layer.bias.copy_(torch.randn(layer.bias.shape))
    return model


def test_the_bound_is_entropy_by_layer(tmp_path: Path) -> None:
    model = lenet((0.08, 0.09, 0.26))
    bound = efz.entropy_bound(model)
    for layer, weight in zip(bound.layers[::2], list(model.state_dict().values())[::2], strict=True):
        values, counts = np.unique(weight.numpy()[weight.numpy() != 0], return_counts=True)
        d = counts.sum() / weight.numel()
        mask = -weight.numel() * (d * np.log2(d) + (1 - d) * np.log2(1 - d)) / 8
        codes = counts.sum() * huffman.entropy(counts) / 8
        assert (layer.k, layer.nonzeros, layer.weights) == (values.size, counts.sum(), weight.numel())
        assert layer.bytes == pytest.approx(mask + codes + 4 * values.size)
    assert bound.bytes == pytest.approx(sum(layer.bytes for layer in bound.layers))
    assert [layer.raw_bytes for layer in bound.layers[1::2]] == [1200, 400, 40]


@pytest.mark.parametrize("seed", range(3))
def test_a_pruned_lenet_is_within_two_percent_of_the_bound(seed: int, tmp_path: Path) -> None:
    torch.manual_seed(seed)
    model = lenet((0.08, 0.09, 0.26))
    size = efz.save(model, tmp_path / "lenet.efz").file_bytes
    assert size <= 1.02 * efz.entropy_bound(model).bytes
