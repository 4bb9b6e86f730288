"""Captured steps on the CPU, through stand-ins for a CUDA graph."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._training.cuda import steps, switch
from skcnn._training.cuda.steps import FIRST_STEPS
from skcnn.augmentation import MixUp, RandomFlip, RandomTranslation
from skcnn.layers._dropout import ByteDropout
from tests.helpers import fake_capture
from tests.helpers.small_fits import WatchBatches, data, tiny
from tests.helpers.weights import assert_same_weights, same_weights, weights_of

X, y = data()


@pytest.fixture
def captures(monkeypatch):
    """Let steps on the CPU be captured by a stand-in, by default the right one."""

    def use(kind=fake_capture.FakeCapture):
        monkeypatch.setitem(steps.CAPTURES, "cpu", kind)

    use()
    return use


def both(make, fit=lambda model: model.fit(X, y)):
    """Return a model trained eagerly, one by captured steps, and the counts of its steps."""
    with switch.captured_steps(False):
        eager = fit(make())
    with switch.captured_steps():
        captured = fit(make())
    return eager, captured, switch.last_counts()


SAME = {
    "default": {},
    "adam": {"optimizer": "adam", "weight_decay": 0.01},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.05},
    "sgd without momentum": {"optimizer": "sgd", "momentum": 0.0},
    "rmsprop": {"optimizer": "rmsprop"},
    "adagrad": {"optimizer": "adagrad"},
    "clipped": {"gradient_clip": 0.1},
    "schedule": {"lr_schedule": "one_cycle", "learning_rate": 0.01},
    "no dropout": {"dropout": 0.0, "normalization": None},
    "dropout everywhere": {"dropout": 0.5, "conv_dropout": 0.3},
    "bfloat16": {"precision": "bfloat16"},
    "batches of one size": {"batch_size": 8},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.25},
    "augmented": {"augmentation": [RandomFlip("horizontal"), RandomTranslation(1)]},
    "mixed": {"augmentation": MixUp()},
    "group norm": {"normalization": "group", "filters": (8,)},
}


@pytest.mark.parametrize("params", SAME.values(), ids=list(SAME))
def test_captured_steps_give_the_bits_of_eager_ones(captures, params):
    make = lambda: tiny(**{"batch_size": 12, **params})  # noqa: E731  (batches of 10 or 12)
    eager, captured, counts = both(make)
    assert_same_weights(captured, eager)
    assert captured.history_["train_loss"].tolist() == eager.history_["train_loss"].tolist()
    n_steps = sum(counts.values())
    assert counts["captured"] == n_steps - FIRST_STEPS > 0


def test_batches_of_two_sizes_are_captured_each(captures):
    recorded = []

    class Counting(fake_capture.FakeCapture):
        def record(self, closure):
            recorded.append(self)
            return super().record(closure)

    captures(Counting)
    eager, captured, counts = both(lambda: tiny(batch_size=15))  # 14, 13, 13
    assert_same_weights(captured, eager)
    assert len(recorded) == 4  # gradients and optimizer, for two sizes
    assert counts == {"captured": 9 - FIRST_STEPS, "eager": FIRST_STEPS}


def test_muon_is_captured_with_its_numbers_of_steps(captures):
    eager, captured, counts = both(lambda: tiny(optimizer="muon", filters=(4, 8)))
    assert counts["captured"] > 0
    assert_same_weights(captured, eager)
    states = [
        {k: v for k, v in state.items() if k == "step"}
        for state in captured.net_.optimizer_.state.values()
    ]
    assert {state["step"] for state in states if state} == {9}
    rates = [group["lr"] for group in captured.net_.optimizer_.param_groups]
    assert all(type(rate) is float for rate in rates)


def test_weights_and_regression_are_captured(captures):
    weights = np.random.default_rng(0).random(len(X)) + 0.5
    fit = lambda model: model.fit(X, X.mean((1, 2)), sample_weight=weights)  # noqa: E731
    eager, captured, counts = both(lambda: tiny(ConvNetRegressor), fit)
    assert_same_weights(captured, eager)
    assert counts["captured"] > 0


def test_training_goes_on_after_captured_steps(captures):
    fit = lambda model: pickle.loads(pickle.dumps(model.fit(X, y))).partial_fit(X, y)  # noqa: E731
    eager, captured, counts = both(tiny, fit)
    assert_same_weights(captured, eager)
    assert counts["captured"] > 0
    assert "_captured" not in vars(captured.net_)


WRONG = {
    "gradients": (fake_capture.WrongGradients, "differ .* by 0.01 of the gradient"),
    "updates": (fake_capture.WrongUpdates, "differ from"),
    "not recordable": (fake_capture.Unrecordable, r"cannot be captured \(RuntimeError: .*stream"),
}


@pytest.mark.parametrize(("kind", "match"), WRONG.values(), ids=list(WRONG))
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_capture_that_trains_wrongly_is_not_used(captures, kind, match, optimizer):
    captures(kind)
    with switch.captured_steps(False):
        eager = tiny(optimizer=optimizer).fit(X, y)
    with pytest.warns(UserWarning, match=match) as caught, switch.captured_steps():
        captured = tiny(optimizer=optimizer).fit(X, y)
    assert len(caught) == 1
    assert_same_weights(captured, eager)
    assert switch.last_counts()["captured"] <= 1  # the one that was compared


def test_other_last_bits_are_rounding(captures):
    captures(fake_capture.RoundedGradients)
    eager, captured, counts = both(tiny)
    assert_same_weights(captured, eager, rtol=1e-2, atol=1e-4)
    assert counts["captured"] > FIRST_STEPS


def test_too_little_memory_for_a_capture_is_no_warning(captures):
    captures(fake_capture.TooLarge)
    eager, captured, counts = both(tiny)
    assert_same_weights(captured, eager)
    assert counts["captured"] == 0


def module(shape, n_outputs):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, n_outputs))


def with_hook(model):
    model.fit(X, y).net_.module_.layers[0].register_forward_hook(lambda *_: None)
    switch.COUNTS.update(captured=0, eager=0)
    return model.partial_fit(X, y)


EAGER = {
    "a callable": ({"architecture": module}, None),
    "an L1 penalty": ({"l1_penalty": 0.01}, None),
    "a callback for batches": ({"callbacks": [WatchBatches()]}, None),
    "a hook": ({}, with_hook),
}


@pytest.mark.parametrize(("params", "fit"), EAGER.values(), ids=list(EAGER))
def test_what_cannot_be_captured_is_eager(captures, params, fit):
    eager, captured, counts = both(lambda: tiny(**params), fit or (lambda m: m.fit(X, y)))
    assert_same_weights(captured, eager)
    assert counts["captured"] == 0


def test_signals_of_unequal_length_are_eager(captures):
    rng = np.random.default_rng(0)
    signals = [rng.normal(size=n) for n in rng.integers(20, 40, 30)]
    labels = np.arange(30) % 2
    net = lambda: ConvNetClassifier(filters=(4,), max_epochs=2, random_state=0)  # noqa: E731
    eager, captured, counts = both(net, lambda model: model.fit(signals, labels))
    assert_same_weights(captured, eager)
    assert counts["captured"] == 0


@pytest.mark.parametrize("augmentation", [None, RandomFlip("horizontal")])
def test_a_part_that_changes_is_captured_again(captures, augmentation):
    make = lambda: tiny(  # noqa: E731
        filters=(4, 8), unfreezing={0: "head", 2: "all"}, max_epochs=4, batch_size=8,
        augmentation=augmentation,
    )  # fmt: skip
    eager, captured, counts = both(make)
    assert_same_weights(captured, eager)
    assert counts == {"captured": 20 - 2 * FIRST_STEPS, "eager": 2 * FIRST_STEPS}


def freeze(net):
    next(net.module_.parameters()).requires_grad_(False)


def decay(net):
    for group in net.optimizer_.param_groups:
        group["weight_decay"] = 0.3


def smooth(net):
    net.criterion_.label_smoothing = 0.2


def drop_more(net):
    for part in net.module_.modules():
        if isinstance(part, ByteDropout):
            part.threshold = 200


def clip(net):
    net.gradient_clip = 1e-3


class ChangesOnce(Callback):
    """Changes something after the first epoch."""

    def __init__(self, change):
        self.change = change

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 1:
            self.change(net)


@pytest.mark.parametrize("change", [freeze, decay, smooth, drop_more, clip])
def test_what_a_callback_changes_is_captured_again(captures, change):
    make = lambda: tiny(callbacks=[ChangesOnce(change)], max_epochs=4, weight_decay=0.01)  # noqa: E731
    eager, captured, counts = both(make)
    assert_same_weights(captured, eager)
    assert not same_weights(captured, tiny(max_epochs=4, weight_decay=0.01).fit(X, y))
    assert counts["captured"] == 12 - 2 * FIRST_STEPS


def test_many_sizes_are_not_all_captured(captures, monkeypatch):
    monkeypatch.setattr(steps, "MOST_CAPTURES", 1)
    eager, captured, counts = both(lambda: tiny(batch_size=15))
    assert_same_weights(captured, eager)
    assert counts["eager"] > FIRST_STEPS


def test_gradients_that_are_summed_over_parts_are_eager(captures, monkeypatch):
    from skcnn._network.gradient_parts import GradientParts

    whole = GradientParts.__init__

    def in_parts(self, device):
        whole(self, device)
        self.most = 3

    monkeypatch.setattr(GradientParts, "__init__", in_parts)
    make = lambda: tiny(normalization=None, dropout=0.0)  # noqa: E731
    eager, captured, counts = both(make)
    assert_same_weights(captured, eager)
    assert counts["captured"] == 0


def test_a_parameter_without_gradient_in_the_recording_only_is_a_difference(captures):
    class Forgetful(fake_capture.FakeCapture):
        def record(self, closure):
            outputs = super().record(closure)
            if len(outputs) > 1:
                closure.__self__._trained[0].grad = None
                return outputs[:1] + outputs[2:]
            return outputs

        def replay(self):
            self.outputs, kept = self.closure() if self.outputs else [], self.outputs
            self.outputs = kept

    captures(Forgetful)
    with switch.captured_steps(False):
        eager = tiny().fit(X, y)
    with pytest.warns(UserWarning, match="differ .* by inf"), switch.captured_steps():
        captured = tiny().fit(X, y)
    assert_same_weights(captured, eager)


def test_nothing_is_captured_by_default(captures):
    assert switch.ENABLED is False
    switch.COUNTS.update(captured=0, eager=0)
    tiny().fit(X, y)
    assert switch.last_counts() == {"captured": 0, "eager": 0}


def test_nothing_is_captured_on_the_cpu():
    with warnings.catch_warnings(), switch.captured_steps():
        warnings.simplefilter("error")
        before = weights_of(tiny().fit(X, y))
        assert switch.ENABLED
    assert switch.last_counts() == {"captured": 0, "eager": 0}
    assert switch.ENABLED is False
    torch.testing.assert_close(weights_of(tiny().fit(X, y)), before, rtol=0, atol=0)
