"""Interrupted runs: whatever stops one, the resumed run ends exactly as the undisturbed one."""

import os
import signal

import pytest
import torch
from torch import nn

from efflab import training
from efflab.data import Split
from efflab.errors import CheckpointError, EfflabError
from efflab.training.interrupt import Interrupt


def toy(n: int = 90, seed: int = 0) -> Split:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator)
    y = (x[:, :3] + torch.randn(n, 3, generator=generator)).argmax(1)
    return Split(x, y)


def net(seed: int = 0, hidden: int = 12) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(6, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 3)
    )


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def same(a, b) -> bool:
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


def without_seconds(history: training.History) -> dict:
    return {key: value for key, value in history.state_dict().items() if key != "seconds"}


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def raise_it() -> None:
    raise KeyboardInterrupt


class Counter:
    """Calls something after its nth call."""

    def __init__(self, at: int, action=raise_it) -> None:
        self.at, self.action, self.calls = at, action, 0

    def __call__(self, *_: object) -> None:
        self.calls += 1
        if self.calls == self.at:
            self.action()


PLANS = {
    "momentum and cosine": {},
    "adam": {"optimizer": "adam", "lr": 0.01},
    "penalties and steps": {"l1": 1e-3, "weight_decay": 1e-3, "clip": 0.5, "schedule": "step"},
    "early stop": {"patience": 2, "lr": 0.3, "epochs": 40},
    "bfloat16": {"autocast": True},
}
EPOCHS = 5
BATCHES = 6  # of 16, the last of 10


def run(model, path=None, **settings):
    settings = {"epochs": EPOCHS, "batch_size": 16, "seed": 3, "validation": toy(40, seed=1), **settings}
    return training.fit(model, settings.pop("train", toy()), checkpoint=path, progress=False, **settings)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "run.checkpoint"


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize(
    "where",
    [
        {"after_step": Counter(1, press_ctrl_c)},
        {"after_step": Counter(BATCHES + 2, press_ctrl_c)},
        {"after_step": Counter(2 * BATCHES, press_ctrl_c)},
        {"after_step": Counter(2 * BATCHES + 3)},
        {"after_epoch": Counter(2)},
        {"after_epoch": Counter(1, press_ctrl_c)},
    ],
    ids=["first step", "second epoch", "last step of an epoch", "raised in a step", "raised after an epoch", "pressed after an epoch"],
)  # fmt: skip
def test_resumed_run_equals_the_undisturbed_one_bit_for_bit(path, plan, where):
    undisturbed = net()
    expected = run(undisturbed, **plan)

    for counter in where.values():
        counter.calls = 0
    with pytest.raises(KeyboardInterrupt):
        run(net(), path, **plan, **where)
    # A new process would start from other weights and another generator.
    resumed = net(seed=99)
    torch.manual_seed(1234)
    history = run(resumed, path, **plan)

    assert same(state(resumed), state(undisturbed))
    assert without_seconds(history) == without_seconds(expected)
    assert len(history.seconds) == len(history.loss)


def test_ctrl_c_finishes_the_step_saves_it_and_loses_nothing(path):
    model = net()
    counter = Counter(BATCHES + 3, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run(model, path, after_step=counter)
    assert counter.calls == BATCHES + 3
    again = Counter(0)
    run(net(), path, after_step=again)
    assert counter.calls + again.calls == EPOCHS * BATCHES
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_run_interrupted_at_every_step_still_ends_the_same(path):
    undisturbed = net()
    run(undisturbed, epochs=2)
    model, stops = net(), 0
    while True:
        try:
            run(model, path, epochs=2, after_step=Counter(1, press_ctrl_c))
        except KeyboardInterrupt:
            stops += 1
            model = net(seed=stops)
        else:
            break
    assert stops == 2 * BATCHES
    assert same(state(model), state(undisturbed))


def test_data_loader_with_its_own_order_resumes_too(path):
    split = toy()
    pairs = torch.utils.data.TensorDataset(split.x, split.y)

    def loader():
        return torch.utils.data.DataLoader(pairs, batch_size=16, shuffle=True)

    undisturbed, resumed = net(), net()
    run(undisturbed, train=loader())
    with pytest.raises(KeyboardInterrupt):
        run(net(), path, train=loader(), after_step=Counter(BATCHES + 4, press_ctrl_c))
    run(resumed, path, train=loader())
    assert same(state(resumed), state(undisturbed))


def test_second_ctrl_c_does_not_wait():
    pending = []

    def press_twice():
        with Interrupt(enabled=True) as interrupt:
            press_ctrl_c()
            pending.append(interrupt.pending)
            press_ctrl_c()
            pending.append("the second one did nothing")

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert pending == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_at_the_very_end_is_not_swallowed():
    reached = []

    def press_at_the_end():
        with Interrupt(enabled=True):
            press_ctrl_c()
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        press_at_the_end()
    assert reached


def test_another_program_s_handler_is_left_alone():
    def theirs(*_: object) -> None:
        raise SystemExit

    before = signal.signal(signal.SIGINT, theirs)
    try:
        with pytest.raises(SystemExit), Interrupt(enabled=True):
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_a_checkpoint_ctrl_c_is_as_always():
    counter = Counter(2, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        run(net(), after_step=counter)
    assert counter.calls == 2


def test_crash_in_user_code_keeps_the_last_epoch(path):
    def crash():
        raise OSError("disk on fire")

    with pytest.raises(OSError, match="on fire"):
        run(net(), path, after_step=Counter(2 * BATCHES + 1, crash))
    counter, undisturbed, resumed = Counter(0), net(), net(seed=5)
    run(undisturbed)
    run(resumed, path, after_step=counter)
    assert counter.calls == (EPOCHS - 2) * BATCHES
    assert same(state(resumed), state(undisturbed))


@pytest.mark.parametrize("plan", [{}, PLANS["early stop"]], ids=["all epochs", "early stop"])
def test_finished_run_is_not_repeated(path, plan):
    model, again = net(), net(seed=9)
    history = run(model, path, **plan)
    counter = Counter(0)
    assert run(again, path, after_step=counter, **plan).state_dict() == history.state_dict()
    assert counter.calls == 0
    assert same(state(again), state(model))


def test_resume_false_starts_afresh(path):
    run(net(seed=1), path)
    fresh, undisturbed = net(), net()
    run(fresh, path, resume=False)
    run(undisturbed)
    assert same(state(fresh), state(undisturbed))


def test_more_epochs_go_on_from_the_end(path):
    long, short = net(), net()
    run(long, schedule="constant", epochs=6)
    run(short, path, schedule="constant", epochs=2)
    counter = Counter(0)
    history = run(short, path, schedule="constant", epochs=6, after_step=counter)
    assert counter.calls == 4 * BATCHES
    assert len(history) == 6
    assert same(state(short), state(long))


def test_checkpoint_is_read_without_unpickling_code(path):
    run(net(), path)
    content = torch.load(path, weights_only=True)
    assert set(content) >= {"model", "optimizer", "history", "best", "settings"}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


# ---------------------------------------------------------------------------------------------- what is refused


def refused(path, sentence, model=None, **settings):
    model = net(seed=7) if model is None else model
    before, content = state(model), path.read_bytes() if path.is_file() else None
    with pytest.raises(CheckpointError, match=sentence) as caught:
        run(model, path, **settings)
    assert "\n" not in str(caught.value)
    assert same(state(model), before)
    assert content is None or path.read_bytes() == content


def test_checkpoint_of_another_model_is_refused(path):
    run(net(), path)
    refused(
        path,
        r"another model: different: 0\.weight 12x6 instead of 8x6, 0\.bias 12 instead of 8",
        net(hidden=8),
    )
    refused(path, r"another model: missing: weight, bias; unexpected: 0\.weight", nn.Linear(6, 3))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lr": 0.01}, r"other settings \(lr=0\.05 there and 0\.01 here\)"),
        ({"seed": 4, "l1": 0.5}, r"\(seed=3 there and 4 here, l1=0\.0 there and 0\.5 here\)"),
        ({"train": toy(50)}, r"examples=90 there and 50 here"),
        ({"optimizer": "adam"}, r"optimizer='sgd' there and 'adam' here"),
        ({"epochs": 2}, r"5 epochs behind it, more than epochs=2"),
    ],
)
def test_checkpoint_of_another_run_is_refused(path, change, sentence):
    run(net(), path)
    refused(path, sentence, **change)


def test_ready_optimizer_that_does_not_fit_is_refused(path):
    def grouped(model, parts):
        return torch.optim.SGD([{"params": part.parameters()} for part in parts(model)], lr=0.1)

    first, second = net(), net(seed=7)
    run(first, path, optimizer=grouped(first, lambda m: [m]))
    refused(
        path,
        "does not fit this run: .*parameter group",
        second,
        optimizer=grouped(second, lambda m: [m[0], m[4]]),
    )


@pytest.mark.parametrize("keep", [0, 3, 0.3, 0.9, 0.999])
def test_checkpoint_cut_short_is_refused(path, keep):
    run(net(), path)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    refused(path, str(path))


def test_flipped_byte_in_a_weight_is_noticed(path):
    model = net()
    run(model, path, epochs=1)
    weight = model[0].weight.detach().numpy().tobytes()
    content = path.read_bytes()
    place = content.index(weight) + 9
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    refused(path, "does not match its checksum")


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {}},
        [1, 2],
        {"kind": "efflab.training", "format": 99},
        {"kind": "efflab.training", "format": 1},
        {"kind": "efflab.training", "format": 1, "model": 3},
    ],
)
def test_other_files_are_no_checkpoints(path, content):
    path.parent.mkdir()
    torch.save(content, path)
    refused(path, str(path))


@pytest.mark.parametrize("part", ["optimizer", "history", "sums", "best", "steps_per_epoch", "generators"])
def test_checkpoint_that_lacks_a_part_is_refused(path, part):
    run(net(), path)
    content = torch.load(path, weights_only=True)
    del content[part]
    torch.save(content, path)
    refused(path, "does not fit this run")


def test_folder_that_cannot_be_written_shows_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("in the way")
    counter = Counter(0)
    with pytest.raises(OSError, match="file"):
        run(net(), tmp_path / "file" / "run", after_step=counter)
    assert counter.calls == 0


def test_diverged_run_leaves_the_last_good_checkpoint(path):
    split = toy()
    bad = Split(split.x.clone(), split.y)

    def poison(epoch, _history):
        if epoch == 1:
            bad.x[:] = float("nan")

    with pytest.raises(EfflabError, match="the loss became nan in epoch 3"):
        run(net(), path, train=bad, after_epoch=poison)
    saved = torch.load(path, weights_only=True)
    assert len(saved["history"]["loss"]) == 2
    assert all(v.isfinite().all() for v in saved["model"].values())
