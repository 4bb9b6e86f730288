"""calibration="auto": which fits get a temperature, and which are as without calibration."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from skcnn import ConvNetClassifier
from skcnn._convnet.calibrating.rules import has_learned_early
from skcnn._convnet.calibrating.temperature import best_temperature
from skcnn._training.engine import ConvNetEngine
from skcnn.exceptions import CalibrationWarning
from tests.helpers.calibrated import calibration_error, log_loss_of, noisy, watch_trainings
from tests.helpers.calibrated import net as any_net
from tests.helpers.training_clock import set_clock
from tests.helpers.weights import same_weights

X, Y = noisy(300)  # of which sixty are held back
X_VAL, Y_VAL = noisy(60, seed=1)
TEST = noisy(3000, seed=2)
QUICK = {"max_epochs": 2}


def net(**params):
    return any_net(**{"calibration": "auto", **params})


def easy(n, seed=0):
    """Return images of two classes that any network tells apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, 6, 6)) + 8.0 * y[:, None, None], y


def test_it_is_the_default():
    assert ConvNetClassifier().calibration == "auto"


# A second network


def test_a_second_network_gives_the_temperature(monkeypatch):
    trained = watch_trainings(monkeypatch)
    ours = net().fit(X, Y)
    assert [len(each) for each in trained] == [300, 240]
    assert ours.temperature_ == net(calibration="temperature").fit(X, Y).temperature_ > 1.5
    raw = net(calibration=None).fit(X, Y)
    assert same_weights(raw, ours)
    np.testing.assert_array_equal(ours.predict(TEST[0]), raw.predict(TEST[0]))
    before, after = raw.predict_proba(TEST[0]), ours.predict_proba(TEST[0])
    assert log_loss_of(after, TEST[1]) < log_loss_of(before, TEST[1])
    assert calibration_error(after, TEST[1]) < 0.5 * calibration_error(before, TEST[1])


class Counting(Callback):
    """Cannot be cloned: its constructor does not take what it has as parameters."""

    epochs: list = []

    def get_params(self, deep=True):
        return {"epochs": self.epochs}

    def on_epoch_end(self, net, **kwargs):
        self.epochs.append(len(net.history))


def test_callbacks_are_neither_copied_nor_called_for_the_second_network():
    counting = Counting()
    ours = net(**QUICK, callbacks=[counting]).fit(X, Y)
    assert counting.epochs == [1, 2]
    assert ours.callbacks == [counting]
    assert ours.temperature_ != 1.0


def test_the_progress_of_a_second_network_has_another_name(capsys):
    net(**QUICK, verbose=2).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(" epoch ")[0] for line in lines]
    assert names == ["ConvNetClassifier"] * 2 + ["ConvNetClassifier (calibration)"] * 2


def test_the_order_of_the_samples_does_not_matter():
    order = np.random.default_rng(0).permutation(len(X))
    once, again = net(**QUICK).fit(X, Y), net(**QUICK).fit(X[order], Y[order])
    assert once.temperature_ == again.temperature_ != 1.0


@pytest.mark.parametrize("n", [295, 20, 2])
def test_few_samples_train_none_and_do_not_warn(n, monkeypatch):
    trained = watch_trainings(monkeypatch)
    labels = Y[:n] if n > 20 else np.arange(n)  # of which none can be held back
    ours = net(**QUICK).fit(X[:n], labels)
    assert [len(each) for each in trained] == [n]
    assert ours.temperature_ == 1.0
    assert same_weights(ours, net(**QUICK, calibration=None).fit(X[:n], labels))


def test_repetitions_do_not_count(monkeypatch):
    trained = watch_trainings(monkeypatch)
    other = (Y[:150] + 1) % 3
    net(**QUICK).fit(np.concatenate([X[:150], X[:150]]), np.r_[Y[:150], other])
    assert [len(each) for each in trained] == [300]


def test_several_labels_are_calibrated():
    labels = np.eye(3, dtype=int)[Y]
    ours, chosen = net(**QUICK), net(**QUICK, calibration="temperature")
    assert ours.fit(X, labels).temperature_ == chosen.fit(X, labels).temperature_ != 1.0


def test_partial_fit_finds_none():
    ours = net().partial_fit(X, Y, classes=[0, 1, 2])
    assert ours.temperature_ == 1.0


# Classes that are easy


def test_easy_classes_train_one_network(monkeypatch):
    trained, data = watch_trainings(monkeypatch), easy(400)
    ours = net().fit(*data)
    assert [len(each) for each in trained] == [400]
    assert ours.temperature_ == 1.0
    assert ours.score(*easy(400, seed=1)) == 1.0


@pytest.mark.parametrize("params", [{"label_smoothing": 0.1}, {"loss": "squared_error"}])
def test_they_train_two_if_the_loss_says_nothing(params, monkeypatch):
    trained = watch_trainings(monkeypatch)
    ours = net(**params).fit(*easy(400))
    assert [len(each) for each in trained] == [400, 320]
    assert ours.temperature_ != 1.0


def plan_of(targets, weights=None):
    return SimpleNamespace(train=SimpleNamespace(targets=np.array(targets), weights=weights))


def model_of(losses, **params):
    history = pd.DataFrame({"train_loss": losses})
    model = ConvNetClassifier(**params)
    model.history_, model.n_iter_ = history, len(losses)
    return model


# The entropy of two classes alike is log(2) = 0.693, of which 8 % are 0.0555.
@pytest.mark.parametrize(
    ("losses", "early"),
    [
        ([1, 0.055, 1, 1, 1, 1, 1, 1], True),  # the second of eight epochs
        ([1, 0.056, 0, 0, 0, 0, 0, 0], False),
        ([0.055, 1, 1, 1, 1, 1, 1, 1], True),  # the first of them
        ([0.055, 1, 1, 1], True),
        ([1, 0.055, 1, 1, 1], True),  # the second of five
        ([1, 0.056, 0, 0, 0], False),
        ([0.055], True),
        ([0.056], False),
        ([1] * 5 + [0.055] + [1] * 54, True),  # the sixth of sixty
        ([1] * 5 + [0.056] + [0] * 54, False),
    ],
)
def test_the_losses_of_early_epochs_decide(losses, early):
    assert has_learned_early(model_of(losses), plan_of([0, 1, 0, 1])) == early


def test_rare_classes_have_a_lower_bound():
    rare = plan_of([0] * 99 + [1])  # with an entropy of 0.0560
    assert not has_learned_early(model_of([0.00449]), rare)
    assert has_learned_early(model_of([0.00447]), rare)
    balanced = plan_of([0] * 99 + [1], np.r_[np.full(99, 1 / 99), 1.0])
    assert has_learned_early(model_of([0.055]), balanced)


FITTED = any_net(calibration=None, max_epochs=1).fit(X, Y)


@pytest.mark.parametrize(
    "params",
    [
        {"label_smoothing": 0.1},
        {"loss": "squared_error"},
        {"pretrained": True},
        {"pretrained": "weights.pth"},
        {"architecture": FITTED},
        {"architecture": lambda shape, n_outputs: nn.Flatten()},
    ],
)
def test_the_loss_may_say_nothing(params):
    assert not has_learned_early(model_of([0.0], **params), plan_of([0, 1]))
    assert not has_learned_early(model_of([0.0]), plan_of(np.eye(2, dtype=int)))
    assert has_learned_early(model_of([0.0], architecture="lenet5"), plan_of([0, 1]))


# Validation samples


def test_validation_samples_give_it_if_there_are_sixty_distinct_ones(monkeypatch):
    trained = watch_trainings(monkeypatch)
    raw = net(**QUICK, calibration=None).fit(X, Y)
    ours = net(**QUICK).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert ours.temperature_ == best_temperature(raw.decision_function(X_VAL), Y_VAL)
    few = [*range(59), *range(30)]
    assert net(**QUICK).fit(X, Y, X_val=X_VAL[few], y_val=Y_VAL[few]).temperature_ == 1.0
    assert [len(each) for each in trained] == [300] * 3


def test_easy_classes_are_calibrated_on_validation_samples_too():
    X_val, y_val = easy(60, seed=1)
    assert net(**QUICK).fit(*easy(60), X_val=X_val, y_val=y_val).temperature_ != 1.0


def test_samples_of_early_stopping_give_it(monkeypatch):
    trained = watch_trainings(monkeypatch)
    stops = {"early_stopping": True, "validation_fraction": 0.3}
    ours, chosen = net(**stops), net(**stops, calibration="temperature")
    assert ours.fit(X, Y).temperature_ == chosen.fit(X, Y).temperature_ != 1.0
    assert net(**stops).fit(X[:190], Y[:190]).temperature_ == 1.0  # 57 of them
    assert [len(each) for each in trained] == [210, 210, 133]


# Fits after fits


def test_a_network_that_goes_on_keeps_its_temperature(monkeypatch):
    trained = watch_trainings(monkeypatch)
    ours = net(**QUICK, warm_start=True).fit(X, Y)
    first = ours.temperature_
    assert ours.fit(X, Y).temperature_ == first != 1.0
    assert ours.n_iter_ == 4
    assert ours.partial_fit(X, Y).temperature_ == first
    assert [len(each) for each in trained] == [300, 240, 300, 300]
    ours.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    logits = ours.decision_function(X_VAL) * ours.temperature_
    assert ours.temperature_ == pytest.approx(best_temperature(logits, Y_VAL), rel=1e-6)
    assert ours.set_params(warm_start=False).fit(X[:20], Y[:20]).temperature_ == 1.0


# Time


def watch_lengths(monkeypatch):
    """Return a list that gets the number of epochs of each training."""
    lengths = []
    train = ConvNetEngine.train

    def watched(self, *args, **how):
        train(self, *args, **how)
        lengths.append(len(self.history))

    monkeypatch.setattr(ConvNetEngine, "train", watched)
    return lengths


@pytest.mark.parametrize(
    ("max_epochs", "lengths"),
    [(60, [17]), (9, [9, 9]), (10, [10, 10]), (11, [11])],  # a second one takes 0.8 of the first
)
def test_a_second_network_gets_the_time_that_is_left(max_epochs, lengths, monkeypatch):
    set_clock(monkeypatch, 1)
    found = watch_lengths(monkeypatch)
    ours = net(max_epochs=max_epochs, max_seconds=18.4, filters=(2,)).fit(X, Y)
    assert found == lengths
    assert (ours.temperature_ != 1.0) == (len(lengths) == 2)


def test_the_share_of_a_second_network_is_the_first_one_s_if_there_is_none(monkeypatch):
    set_clock(monkeypatch, 1)
    found = watch_lengths(monkeypatch)
    limited = net(max_epochs=60, max_seconds=18.4, calibration="temperature")
    with pytest.warns(CalibrationWarning, match="would hold back 9 of 45"):
        limited.fit(X[:45], Y[:45])
    assert found == [17]


def test_a_time_that_is_too_short_is_named_as_the_user_gave_it(monkeypatch):
    set_clock(monkeypatch, 100)
    limited = net(max_epochs=60, max_seconds=90, calibration="temperature")
    with pytest.warns(ConvergenceWarning, match=r"max_seconds=90 \(50 for the first of two net"):
        limited.fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="max_seconds=90 was too short"):
        limited.set_params(calibration="auto").fit(X, Y)
