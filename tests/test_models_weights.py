"""Weights into and out of models: every honest format loads, everything else is refused in one sentence."""

import collections
import io
import os
import pickle
import resource
import zipfile

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune

from efflab import models, training
from efflab.errors import CheckpointError


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def filled(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    model = small()
    model(torch.randn(4, 1, 4, 4))
    return model


def equal(a: nn.Module, b: nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return list(left) == list(right) and all(torch.equal(left[k], right[k]) for k in left)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights"


def test_saved_weights_come_back_and_safetensors_itself_reads_them(path):
    model = filled(1)
    assert models.save_weights(model, path) == path
    assert equal(models.load_weights(filled(2), path), model)
    plain = safetensors.torch.load_file(path)
    assert set(plain) == set(model.state_dict())
    assert torch.equal(plain["3.weight"], model[3].weight)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda s: {"model": s},
        lambda s: {"model_state_dict": {f"module.{k}": v for k, v in s.items()}},
        lambda s: collections.OrderedDict((f"module.{k}", v) for k, v in s.items()),
        lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
        lambda s: {f"module._orig_mod.{k}": v for k, v in s.items()},
        lambda s: {k: v for k, v in s.items() if not k.endswith("num_batches_tracked")},
    ],
)
@pytest.mark.parametrize("modern", [True, False])
def test_torch_files_load_however_they_are_wrapped(path, wrap, modern):
    model = filled(1)
    torch.save(wrap(model.state_dict()), path, _use_new_zipfile_serialization=modern)
    target = models.load_weights(filled(2), path)
    assert all(torch.equal(p, q) for p, q in zip(target.parameters(), model.parameters(), strict=True))
    assert torch.equal(target[1].running_var, model[1].running_var)


def test_half_precision_weights_load_into_a_float_model(path):
    model = filled(1)
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}, path)
    target = models.load_weights(filled(2), path)
    assert target[3].weight.dtype == torch.float32
    assert torch.equal(target[3].weight, model[3].weight.half().float())


def test_tied_weights_are_written_once_and_stay_tied(path):
    torch.manual_seed(0)
    model = models.lstm_language_model(11, embedding=6, hidden=6, tied=True)
    models.save_weights(model, path)
    assert sum(t.numel() for t in safetensors.torch.load_file(path).values()) == sum(
        p.numel() for p in model.parameters()
    )
    target = models.load_weights(models.lstm_language_model(11, embedding=6, hidden=6, tied=True), path)
    assert equal(target, model)
    assert target.decoder.weight is target.embedding.weight


def test_views_of_one_storage_are_written_whole(path):
    model = nn.ParameterList([nn.Parameter(torch.arange(6.0))])
    model.register_buffer("tail", model[0].data[2:])
    models.save_weights(model, path)
    written = safetensors.torch.load_file(path)
    assert written["tail"].tolist() == [2, 3, 4, 5]
    assert written["0"].tolist() == [0, 1, 2, 3, 4, 5]


def test_torchs_pruned_checkpoint_loads_with_its_zeros(path):
    model = filled(1)
    prune.l1_unstructured(model[3], "weight", 0.5)
    torch.save(model.state_dict(), path)
    target = models.load_weights(filled(2), path)
    assert torch.equal(target[3].weight, model[3].weight)
    assert (target[3].weight == 0).sum() == 12
    assert torch.equal(target[0].weight, model[0].weight)


def test_pruned_checkpoint_of_another_model_is_refused(path):
    model = nn.Sequential(nn.Linear(4, 3))
    prune.l1_unstructured(model[0], "weight", 0.5)
    torch.save(model.state_dict(), path)
    target, before = filled(2), filled(2)
    with pytest.raises(CheckpointError, match=r"missing: .*1\.weight"):
        models.load_weights(target, path)
    assert equal(target, before)


def test_training_checkpoint_gives_its_best_weights(path):
    x, y = torch.randn(32, 1, 4, 4), torch.arange(32) % 3
    model = filled(1)
    batches = [(x, y)]
    training.fit(model, batches, epochs=4, validation=batches, patience=4, checkpoint=path, progress=False)
    assert equal(models.load_weights(filled(2), path), model)


def other_models():
    wider = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 4))
    fewer = nn.Sequential(nn.Conv2d(1, 2, 3))
    more = nn.Sequential(*small(), nn.Linear(3, 3))
    return [
        (wider, r"different: 3\.weight 4x8 instead of 3x8, 3\.bias 4 instead of 3"),
        (fewer, r"missing: 1\.weight, 1\.bias, 1\.running_mean and 3 more"),
        (more, r"another model: unexpected: 4\.(weight|bias), 4\.(weight|bias)$"),
    ]


@pytest.mark.parametrize(("other", "sentence"), other_models())
@pytest.mark.parametrize("safe", [True, False])
def test_weights_of_another_model_are_refused_and_nothing_is_changed(path, other, sentence, safe):
    models.save_weights(other, path) if safe else torch.save(other.state_dict(), path)
    target, before = filled(2), filled(2)
    with pytest.raises(CheckpointError, match=sentence) as caught:
        models.load_weights(target, path)
    assert "belongs to another model" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert equal(target, before)


def test_whole_numbers_are_no_weights(path):
    state = {k: v.long() for k, v in filled(1).state_dict().items()}
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"0\.weight 2x1x3x3 int64 instead of 2x1x3x3"):
        models.load_weights(filled(2), path)


def test_missing_file(path):
    with pytest.raises(CheckpointError, match=r"there is no file of weights at .*weights"):
        models.load_weights(filled(2), path)


@pytest.mark.parametrize("kind", ["safetensors", "torch", "legacy"])
@pytest.mark.parametrize("keep", [0, 1, 7, 9, 100, 0.5, 0.98])
def test_file_cut_short_is_refused(path, kind, keep):
    write(filled(1), path, kind)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(CheckpointError) as caught:
        models.load_weights(filled(2), path)
    assert "\n" not in str(caught.value)


def write(model: nn.Module, path, kind: str) -> None:
    if kind == "safetensors":
        models.save_weights(model, path)
    else:
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=kind == "torch")


@pytest.mark.parametrize("kind", ["safetensors", "torch", "legacy"])
def test_damaged_bytes_never_get_past_as_anything_else_than_an_error(path, kind):
    write(filled(1), path, kind)
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        content = bytearray(whole)
        place = int(torch.randint(len(content), (1,), generator=generator))
        content[place] ^= 1 + int(torch.randint(255, (1,), generator=generator))
        path.write_bytes(content)
        target = filled(2)
        try:
            models.load_weights(target, path)
        except CheckpointError as error:
            assert "\n" not in str(error)  # noqa: PT017 - some damage lies where the format does not look
            assert equal(target, filled(2))


def test_a_flipped_weight_in_a_torch_file_is_noticed(path):
    model = filled(1)
    torch.save(model.state_dict(), path)
    content = path.read_bytes()
    weight = model[3].weight.detach().numpy().tobytes()
    assert content.count(weight) == 1
    place = content.index(weight) + 5
    path.write_bytes(content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :])
    with pytest.raises(CheckpointError, match="does not match its checksum"):
        models.load_weights(filled(2), path)


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("kind", ["torch", "legacy", "pickle"])
def test_code_in_a_file_is_not_run(path, tmp_path, kind):
    mark = tmp_path / "was-here"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Evil(mark)))
    else:
        torch.save({"0.weight": Evil(mark)}, path, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(CheckpointError, match="more than tensors"):
        models.load_weights(filled(2), path)
    assert not mark.exists()


def test_zip_bomb_is_not_unpacked(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    path.write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="compressed archive"):
        models.load_weights(filled(2), path)


def test_safetensors_header_larger_than_the_file_is_refused(path):
    path.write_bytes((2**62).to_bytes(8, "little") + b'{"a":1}')
    with pytest.raises(CheckpointError, match="damaged safetensors file"):
        models.load_weights(filled(2), path)


@pytest.mark.parametrize(
    "content", [[1, 2], {}, {"epoch": 3}, {"state_dict": {"a": [1]}}, torch.zeros(2), {1: torch.zeros(2)}]
)
def test_what_is_no_state_dict_is_refused(path, content):
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="holds no state dict"):
        models.load_weights(filled(2), path)


def train(model: nn.Module, path) -> None:
    batch = (torch.zeros(1, 300), torch.zeros(1, dtype=torch.int64))
    training.fit(model, [batch], epochs=1, checkpoint=path, resume=False, progress=False)


@pytest.mark.parametrize("write_it", [models.save_weights, train])
def test_full_disk_is_an_os_error_and_leaves_the_old_file(path, tmp_path, write_it):
    model = nn.Linear(300, 300)
    models.save_weights(model, path)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="could not be written"):
            write_it(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]
