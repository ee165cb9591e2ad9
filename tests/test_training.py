"""``fit`` and ``evaluate`` against loops written by hand, NumPy, and their own promises."""

import io
import math
import re
import sys

import numpy as np
import pytest
import torch
from torch import nn

from efflab import models, training
from efflab.data import Split
from efflab.errors import EfflabError


def toy(n: int = 96, seed: int = 0) -> Split:
    """Three classes that a plane separates, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator)
    y = (x[:, :3] + 0.5 * torch.randn(n, 3, generator=generator)).argmax(1)
    return Split(x, y)


def net(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 3))


def vector(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def fit(model, train, epochs=3, **settings):
    return training.fit(model, train, epochs=epochs, progress=False, **settings)


def batches_of(split: Split, size: int = 32) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(split.x[i : i + size], split.y[i : i + size]) for i in range(0, len(split), size)]


# ---------------------------------------------------------------------------------------------- the arithmetic


def by_hand(batches, epochs, lr, momentum, weight_decay, l1, factor, clip=None):
    """Training of one matrix and its biases in NumPy float64: softmax regression with momentum, L1 and L2."""
    model = nn.Linear(6, 3)
    with torch.no_grad():
        model.weight.copy_(torch.linspace(-1, 1, 18).view(3, 6))
        model.bias.copy_(torch.tensor([0.5, -0.5, 0.1]))
    w, b = model.weight.detach().double().numpy().copy(), model.bias.detach().double().numpy().copy()
    vw, vb = np.zeros_like(w), np.zeros_like(b)
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for k, (inputs, targets) in enumerate(batches):
            x, y = inputs.double().numpy(), targets.numpy()
            z = x @ w.T + b
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            total += -np.log(p[np.arange(len(y)), y]).sum()
            p[np.arange(len(y)), y] -= 1
            p /= len(y)
            gw, gb = p.T @ x + l1 * np.sign(w), p.sum(0)
            if clip is not None:
                norm = math.sqrt((gw**2).sum() + (gb**2).sum())
                scale = min(1.0, clip / (norm + 1e-6))
                gw, gb = gw * scale, gb * scale
            gw, gb = gw + weight_decay * w, gb + weight_decay * b
            vw, vb = momentum * vw + gw, momentum * vb + gb
            rate = lr * factor((epoch + k / len(batches)) / epochs)
            w, b = w - rate * vw, b - rate * vb
        losses.append(total / sum(len(y) for _, y in batches))
    return model, w, b, losses


SETTINGS = [
    {"momentum": 0.0, "weight_decay": 0.0, "l1": 0.0},
    {"momentum": 0.9, "weight_decay": 0.0, "l1": 0.0},
    {"momentum": 0.9, "weight_decay": 0.03, "l1": 0.0},
    {"momentum": 0.9, "weight_decay": 0.0, "l1": 0.02},
    {"momentum": 0.5, "weight_decay": 0.01, "l1": 0.01, "clip": 0.3},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_fit_equals_training_by_hand(settings):
    batches = batches_of(toy(70))
    model, w, b, losses = by_hand(
        batches, 4, 0.1, factor=lambda t: (1 + math.cos(math.pi * t)) / 2, **settings
    )
    history = fit(model, batches, epochs=4, lr=0.1, **settings)
    np.testing.assert_allclose(model.weight.detach().numpy(), w, atol=1e-5)
    np.testing.assert_allclose(model.bias.detach().numpy(), b, atol=1e-5)
    np.testing.assert_allclose(history.loss, losses, atol=1e-5)


def test_l1_leaves_biases_and_scales_of_normalisation_alone():
    def trained(l1: float) -> nn.Sequential:
        model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        with torch.no_grad():
            model[0].weight.copy_(torch.tensor([[1.0, -2.0], [0.0, 3.0]]))
            model[0].bias.fill_(1.0)
        # A loss without a gradient leaves the penalty alone at work.
        fit(
            model, [(torch.eye(2), torch.zeros(2))], epochs=1, lr=1.0, momentum=0.0, l1=l1, schedule="constant",
            loss=lambda output, _: 0.0 * output.sum(),
        )  # fmt: skip
        return model

    model = trained(0.25)
    assert model[0].weight.tolist() == [[0.75, -1.75], [0.0, 2.75]]
    assert model[0].bias.tolist() == [1.0, 1.0]
    assert model[1].weight.tolist() == [1.0, 1.0]


def test_l1_makes_weights_smaller_and_builds_no_graph():
    sizes = []
    for l1 in (0.0, 1e-2):
        model = net()
        fit(model, toy(), epochs=20, batch_size=16, l1=l1)
        sizes.append(sum(p.abs().sum().item() for p in model.parameters() if p.dim() > 1))
        assert all(p.grad is None or p.grad.grad_fn is None for p in model.parameters())
    assert sizes[1] < 0.8 * sizes[0]


def test_a_named_schedule_has_its_published_shape():
    rates: list[float] = []
    for name, expected in {
        "constant": [1, 1, 1, 1, 1, 1, 1, 1],
        "step": [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01],
        "cosine": [(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)],
    }.items():
        rates.clear()
        taken: list[torch.optim.Optimizer] = []
        fit(
            net(), toy(64), epochs=4, batch_size=32, lr=0.5, schedule=name, on_optimizer=taken.append,
            after_step=lambda taken=taken: rates.append(taken[0].param_groups[0]["lr"]),
        )  # fmt: skip
        assert rates == pytest.approx([0.5 * factor for factor in expected])


def test_schedule_may_be_a_function_and_the_history_has_each_epochs_first_rate():
    history = fit(net(), toy(64), epochs=4, batch_size=16, lr=0.4, schedule=lambda fraction: 1 - fraction)
    assert history.lr == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_batches_without_a_length_are_scheduled_too():
    class Endless:
        def __iter__(self):
            yield from batches_of(toy(64), 16)

    a, b = net(), net()
    fit(a, Endless(), epochs=2, schedule=lambda t: 1.0 if t < 0.5 else 0.5)
    fit(b, batches_of(toy(64), 16), epochs=2, schedule=lambda t: 1.0 if t < 0.5 else 0.5)
    assert torch.equal(vector(a), vector(b))


# ---------------------------------------------------------------------------------------------- determinism


def test_same_seed_same_weights_other_seed_others():
    ends = []
    for seed in (1, 1, 2):
        model = net(dropout=0.5)
        torch.rand(int(torch.randint(1, 50, (1,))))
        fit(model, toy(), seed=seed)
        ends.append(vector(model))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_global_generator_is_left_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(net_of(), toy(), validation=toy(20), seed=3)
    assert torch.equal(torch.get_rng_state(), before)


def net_of() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5), nn.Linear(4, 3))
    torch.manual_seed(5)
    return model


class Seen(nn.Module):
    """Notes the first number of every example."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 2)
        self.order: list[float] = []

    def forward(self, x):
        self.order += x[:, 0].tolist()
        return self.fc(x)


def test_each_epoch_sees_every_example_once_in_its_own_order():
    split = Split(torch.arange(50.0).view(50, 1), torch.zeros(50, dtype=torch.int64))
    model = Seen()
    fit(model, split, epochs=2, batch_size=16, lr=1e-9)
    first, second = model.order[:50], model.order[50:]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first != sorted(first)


def test_seed_everything_repeats_python_numpy_and_torch():
    import random

    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002 - the global state is meant

    training.seed_everything(7)
    first = draw()
    training.seed_everything(7)
    assert draw() == first
    training.seed_everything(8)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


# ---------------------------------------------------------------------------------------------- learning, stopping


def test_training_learns():
    model = net()
    before = training.evaluate(model, toy(300, seed=1)).error_percent
    history = fit(model, toy(600), epochs=15)
    after = training.evaluate(model, toy(300, seed=1)).error_percent
    assert after < 30 < before
    assert history.loss[-1] < history.loss[0]
    assert history.accuracy[-1] == pytest.approx(1 - history.error[-1] / 100)


@pytest.mark.parametrize("monitor", ["error", "loss"])
def test_early_stop_takes_the_best_epochs_weights(monitor):
    states = []
    model = net()
    held_out = toy(40, seed=1)
    # Mislabelled training data make validation worse in the end.
    train = toy(40)
    noisy = Split(train.x, train.y.roll(3))
    history = fit(
        model, noisy, epochs=60, lr=0.3, validation=held_out, patience=3, monitor=monitor,
        after_epoch=lambda _epoch, _history: states.append(vector(model).clone()),
    )  # fmt: skip
    keys = [
        (loss,) if monitor == "loss" else (error, loss)
        for error, loss in zip(history.validation_error, history.validation_loss, strict=True)
    ]
    best = min(range(len(keys)), key=keys.__getitem__)
    assert len(history) == best + 4 < 60
    assert history.best_epoch == best
    assert torch.equal(vector(model), states[best])
    assert not torch.equal(vector(model), states[-1])
    assert training.evaluate(model, held_out).loss == pytest.approx(history.validation_loss[best])


def test_best_weights_are_taken_even_if_patience_never_ended():
    states = []
    model = net()
    history = fit(
        model, toy(20), epochs=12, lr=0.5, schedule="constant", validation=toy(30, seed=4), patience=50,
        after_epoch=lambda _epoch, _history: states.append(vector(model).clone()),
    )  # fmt: skip
    assert len(history) == 12
    assert torch.equal(vector(model), states[history.best_epoch])


def test_without_patience_the_last_weights_stay():
    states = []
    model = net()
    fit(
        model,
        toy(20),
        lr=0.5,
        validation=toy(30, seed=4),
        after_epoch=lambda *_: states.append(vector(model).clone()),
    )
    assert torch.equal(vector(model), states[-1])


def test_callbacks_come_when_promised():
    calls = []
    fit(
        net(), toy(64), epochs=2, batch_size=32, on_optimizer=lambda _: calls.append("made"),
        after_step=lambda: calls.append("step"), after_epoch=lambda epoch, history: calls.append((epoch, len(history))),
    )  # fmt: skip
    assert calls == ["made", "step", "step", (0, 1), "step", "step", (1, 2)]


def test_optimizer_hook_keeps_pruned_weights_at_zero():
    model = net()
    mask = torch.arange(72).view(12, 6) % 3 == 0

    def attach(optimizer):
        optimizer.register_step_post_hook(lambda *_: model[0].weight.data.mul_(mask))

    fit(model, toy(), weight_decay=1e-3, on_optimizer=attach)
    assert (model[0].weight[~mask] == 0).all()
    assert (model[0].weight[mask] != 0).all()


# ---------------------------------------------------------------------------------------------- optimisers, inputs


def test_optimizers_by_name_by_function_and_ready_made_agree():
    ends = []
    for choice in ("adam", lambda params: torch.optim.Adam(params, lr=0.01), None):
        model = net()
        ready = torch.optim.Adam(model.parameters(), lr=0.01)
        fit(model, toy(), lr=0.01, optimizer=choice or ready)
        ends.append(vector(model))
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])
    assert ready.param_groups[0]["lr"] == 0.01


def test_groups_keep_their_own_rates_under_a_schedule():
    model = net()
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[3].parameters(), "lr": 0.1}]
    )
    first, last = model[0].weight.clone(), model[3].weight.clone()
    fit(model, toy(), optimizer=optimizer)
    assert torch.equal(model[0].weight, first)
    assert not torch.equal(model[3].weight, last)
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.1]


def test_frozen_parameters_stay_even_under_weight_decay():
    model = net()
    model[0].requires_grad_(requires_grad=False)
    before = model[0].weight.clone()
    fit(model, toy(), weight_decay=0.1, l1=0.1)
    assert torch.equal(model[0].weight, before)


def test_several_inputs_come_as_a_tuple():
    lengths = torch.tensor([3, 5, 2, 4])
    x = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 1, 2, 0])
    torch.manual_seed(0)
    model = models.lstm_classifier(features=6, hidden=16, classes=3)
    history = fit(model, [((x, lengths), y)], epochs=60, lr=0.02, optimizer="adam")
    assert history.accuracy[-1] == 1.0
    assert training.evaluate(model, [((x, lengths), y)]).error_percent == 0.0


def test_sequences_are_counted_by_token_and_learnt():
    tokens = torch.arange(4).repeat(3, 8)
    pair = (tokens[:, :-1], tokens[:, 1:])
    torch.manual_seed(0)
    model = models.lstm_language_model(4, embedding=8, hidden=16)
    fit(model, [pair], epochs=60, lr=0.02, optimizer="adam", monitor="loss", validation=[pair], clip=1.0)
    result = training.evaluate(model, [pair])
    assert result.count == 3 * 31
    assert result.accuracy == 1.0


def test_regression_has_a_loss_and_no_error():
    x = torch.linspace(-1, 1, 40).view(-1, 1)
    split = Split(x, 3 * x - 1)
    model = nn.Linear(1, 1)
    history = fit(
        model,
        split,
        epochs=60,
        lr=0.1,
        batch_size=10,
        loss=nn.functional.mse_loss,
        validation=split,
        patience=60,
    )
    assert history.loss[-1] < 1e-4
    assert all(math.isnan(error) for error in history.validation_error + history.accuracy)
    assert history.best_epoch == int(np.argmin(history.validation_loss))
    result = training.evaluate(model, split, loss=nn.functional.mse_loss)
    assert (result.count, math.isnan(result.accuracy)) == (40, True)
    assert "error" not in str(history)


def test_autocast_trains_in_bfloat16_and_keeps_float32_weights():
    kinds = set()

    class Watch(nn.Module):
        def forward(self, x):
            kinds.add(x.dtype)
            return x

    model = nn.Sequential(nn.Linear(6, 12), Watch(), nn.ReLU(), nn.Linear(12, 3))
    history = fit(model, toy(600), epochs=10, autocast=True)
    assert kinds == {torch.bfloat16}
    assert model[0].weight.dtype == torch.float32
    assert history.accuracy[-1] > 0.7


def test_data_loader_is_as_good_as_a_split():
    split = toy(64)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(split.x, split.y), batch_size=16, shuffle=True
    )
    ends = []
    for _ in range(2):
        model = net()
        fit(model, loader)
        ends.append(vector(model))
    assert torch.equal(*ends)


# ---------------------------------------------------------------------------------------------- evaluation


def test_evaluate_equals_numpy():
    model, split = net(dropout=0.5), toy(70)
    result = training.evaluate(model, split, batch_size=32)
    w1, b1, w2, b2 = (p.detach().double().numpy() for p in model.parameters())
    z = np.maximum(split.x.numpy() @ w1.T + b1, 0) @ w2.T + b2
    log = z - np.log(np.exp(z).sum(1, keepdims=True))
    y = split.y.numpy()
    assert result.loss == pytest.approx(-log[np.arange(70), y].mean(), abs=1e-6)
    assert result.accuracy == pytest.approx((z.argmax(1) == y).mean())
    assert result.error_percent == pytest.approx(100 * (z.argmax(1) != y).mean())
    assert result.count == 70


def test_modes_are_put_back_module_by_module():
    model = net(dropout=0.5)
    model.train()
    model[2].eval()
    before = [m.training for m in model.modules()]
    training.evaluate(model, toy(10))
    fit(model, toy(10), epochs=1)
    assert [m.training for m in model.modules()] == before
    with pytest.raises(RuntimeError):
        fit(model, [(torch.zeros(2, 5), torch.zeros(2, dtype=torch.int64))], epochs=1)
    assert [m.training for m in model.modules()] == before


def test_evaluate_changes_no_running_statistics_and_no_generator():
    model = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    state = {k: v.clone() for k, v in model.state_dict().items()}
    before = torch.get_rng_state()
    training.evaluate(model, toy())
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": -1}, "epochs is -1, expected a whole number, at least 0"),
        ({"epochs": 1.5}, "epochs is 1.5, expected a whole number"),
        ({"lr": 0.0}, "lr is 0.0, expected a finite number, above 0"),
        ({"lr": math.nan}, "lr is nan"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"l1": -0.1}, "l1 is -0.1"),
        ({"momentum": -0.5}, "momentum is -0.5"),
        ({"clip": 0.0}, "clip is 0.0"),
        ({"patience": 0, "validation": toy(5)}, "patience is 0, expected a whole number of epochs from 1"),
        ({"patience": 2}, "patience needs a validation split"),
        ({"monitor": "luck"}, "monitor is 'luck', expected error or loss"),
        ({"schedule": "zigzag"}, "schedule is 'zigzag', expected one of constant, cosine, step"),
        ({"optimizer": "newton"}, "optimizer is 'newton', expected sgd, adam"),
        ({"optimizer": 3}, "optimizer is 3, expected sgd, adam"),
        ({"optimizer": lambda _: 3}, "optimizer returned a int"),
        ({"device": "abacus"}, "device is 'abacus', expected auto, cpu, cuda"),
    ],
)
def test_arguments_out_of_range_are_named(settings, sentence):
    model = net()
    before = vector(model)
    with pytest.raises(EfflabError, match=re.escape(sentence)):
        training.fit(model, toy(10), **{"epochs": 1, "progress": False, **settings})
    assert torch.equal(vector(model), before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_missing_cuda_is_said():
    with pytest.raises(EfflabError, match="'cuda', but this machine has no CUDA device"):
        training.evaluate(net(), toy(10), device="cuda")
    assert training.evaluate(net(), toy(10), device="auto").count == 10


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        (iter(batches_of(toy(10))), "train can be iterated only once"),
        (7, "train is a int, expected a Split or an iterable"),
        ([], "train gave no batches in epoch 1"),
        (toy(0), "train gave no batches in epoch 1"),
    ],
)
def test_training_data_must_be_there_in_every_epoch(train, sentence):
    with pytest.raises(EfflabError, match=sentence):
        fit(net(), train)


def test_nothing_to_evaluate_on_and_nothing_to_train():
    with pytest.raises(EfflabError, match="no examples"):
        training.evaluate(net(), toy(0))
    with pytest.raises(EfflabError, match="nothing to train"):
        fit(net().requires_grad_(requires_grad=False), toy(10))


def test_a_diverging_loss_stops_with_advice():
    with pytest.raises(
        EfflabError, match=r"the loss became (nan|inf) in epoch \d+, step \d+; try a smaller lr than 1e\+15"
    ):
        fit(net(), toy(), epochs=20, lr=1e15, schedule="constant")


def test_nan_in_the_inputs_is_noticed_before_a_weight_changes():
    split = toy(32)
    split.x[3, 2] = math.nan
    model = net()
    before = vector(model)
    with pytest.raises(EfflabError, match=r"the loss became nan in epoch 1, step 1;.*NaN in the inputs"):
        fit(model, split, batch_size=32)
    assert torch.equal(vector(model), before)


# ---------------------------------------------------------------------------------------------- what is shown


def test_history_shows_itself_as_text_table_and_figure():
    pytest.importorskip("matplotlib")
    history = fit(net(), toy(), epochs=3, validation=toy(20, seed=1))
    page = history._repr_html_()
    assert page.count("<tr") == 4
    assert all(f"{loss:.4f}" in page and f"{loss:.4f}" in str(history) for loss in history.loss)
    assert f"Best on validation: epoch {history.best_epoch + 1}." in page
    figure = history.plot()
    drawn = [list(line.get_ydata()) for axes in figure.axes for line in axes.get_lines()]
    assert drawn == [history.loss, history.validation_loss, history.error, history.validation_error]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_shows_loss_and_error_in_a_terminal_and_nothing_in_a_log(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    written = {}
    for kind in (Terminal, io.StringIO):
        monkeypatch.setattr(sys, "stderr", kind())
        training.fit(net(), toy(), epochs=2)
        written[kind] = sys.stderr.getvalue()
    assert re.search(r"epoch 1/2.*loss \d\.\d{4}, error \d+\.\d\d %", written[Terminal])
    assert written[io.StringIO] == ""
