"""Early stopping: when it stops, which weights it keeps, what it validates on."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skcnn import ConvNetRegressor
from skcnn._convnet.base import BaseConvNet
from skcnn._training.early_stopping import EarlyStopping
from skcnn.exceptions import LeakageWarning, RareClassWarning
from tests.helpers.small_fits import digit_net, digits
from tests.helpers.weights import weights_of

NAN = float("nan")
X, y = digits()


def follow(epochs, n_iter_no_change=3, tol=0.0, begin=None):
    """Return (number of epochs run, epoch of the kept weights) for (score, loss) pairs.

    `begin` is the pair before the first epoch.
    """
    stopping = EarlyStopping(n_iter_no_change, tol)
    if begin is not None:
        stopping.begin(*begin, lambda: {"w": torch.tensor(0)})
    for epoch, (score, loss) in enumerate(epochs, start=1):
        if stopping.update(score, loss, lambda epoch=epoch: {"w": torch.tensor(epoch)}):
            break
    kept = stopping.best_weights
    return epoch, None if kept is None else kept["w"].item()


def by_score(*scores):
    return [(score, 1.0) for score in scores]


def by_loss(*losses):
    return [(NAN, loss) for loss in losses]


@pytest.mark.parametrize(
    ("epochs", "how", "n_run", "kept"),
    [
        (by_score(0.1, 0.2, 0.3, 0.4, 0.5), {}, 5, 5),
        (by_score(0.5, 0.4, 0.4, 0.4, 0.9), {}, 4, 1),  # stops after three without a gain
        (by_score(0.5, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5, 0.9), {}, 7, 4),
        (by_score(0.5, 0.4), {"n_iter_no_change": 1}, 2, 1),
        (by_score(0.5, 0.5, 0.5, 0.5), {}, 4, 1),
        # of equal scores the lowest loss is kept, but is no improvement
        ([(0.5, 1.0), (0.5, 0.8), (0.5, 0.9), (0.5, 0.7)], {}, 4, 4),
        ([(0.5, 1.0), (0.6, 2.0), (0.6, 3.0)], {}, 3, 2),
        # rises below tol keep the weights, but are no improvement
        (by_score(0.50, 0.51, 0.52, 0.53), {"tol": 0.1}, 4, 4),
        (by_score(0.50, 0.54, 0.58, 0.62, 0.63), {"tol": 0.1}, 5, 5),  # together they are one
        (by_score(-3.0, -2.0, -1.0), {}, 3, 3),
        # without a score the loss decides
        (by_loss(3.0, 2.0, 1.0), {}, 3, 3),
        (by_loss(1.0, 2.0, 3.0, 4.0), {}, 4, 1),
        (by_loss(1.0, 1.0, 0.5), {}, 3, 3),
        # without score and loss no weights are kept
        (by_loss(NAN, NAN, NAN), {}, 3, None),
        ([(NAN, NAN), (0.5, 1.0), (0.4, 1.0)], {}, 3, 2),
        # the weights at the beginning are kept if they are the best, but are no threshold
        (by_score(0.1, 0.2, 0.3, 0.4), {"begin": (0.9, 1.0)}, 4, 0),
        (by_score(0.1, 0.2, 0.9, 0.95), {"begin": (0.9, 1.0)}, 4, 4),
        (by_loss(3.0, 2.0), {"begin": (NAN, 1.0)}, 2, 0),
        (by_score(0.1, 0.2), {"begin": (NAN, NAN)}, 2, 2),
    ],
)
def test_early_stopping_keeps_the_best_and_stops(epochs, how, n_run, kept):
    assert follow(epochs, **how) == (n_run, kept)


def test_early_stopping_does_not_count_epochs_before_it_may_end():
    stopping = EarlyStopping(2, 0.0)
    scores = [0.5, 0.4, 0.4, 0.4, 0.4, 0.4]
    weights = iter(range(6))
    stops = [
        stopping.update(score, 1.0, lambda: {"w": next(weights)}, must_go_on=epoch < 4)
        for epoch, score in enumerate(scores)
    ]
    assert stops == [False] * 5 + [True]  # the fifth and the sixth are the two epochs
    assert stopping.best_weights == {"w": 0}


def test_early_stopping_copies_weights_only_when_better():
    copies = []
    stopping = EarlyStopping(5, 0.0)
    for score in (0.3, 0.2, 0.4, 0.4):
        stopping.update(score, 1.0, lambda score=score: copies.append(score) or {})
    assert copies == [0.3, 0.4]


def test_early_stopping_restores_the_best_weights():
    model = digit_net(
        early_stopping=True, n_iter_no_change=3, max_epochs=60, learning_rate=0.02
    ).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert model.n_iter_ < 60
    best = model.history_.loc[model.best_epoch_]
    assert best["valid_score"] == model.history_["valid_score"].max()
    assert best["valid_score"] == model.score(X[200:], y[200:])


def test_early_stopping_splits_off_the_fraction():
    seen = []

    class Spy:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context):
            seen.append(context.task_name)

    model = digit_net(early_stopping=True, validation_fraction=0.2).set_callbacks(Spy()).fit(X, y)
    assert seen == ["epoch"] * 4 + ["fit"]
    assert model.history_["valid_score"].notna().all()
    assert (model.history_["valid_score"] * 60 % 1).round(6).isin([0.0, 1.0]).all()


def test_early_stopping_keeps_a_single_sample_of_a_class_in_training():
    target = np.where(y == 3, 3, 0)
    target[np.flatnonzero(y == 3)[1:]] = 0
    with pytest.warns(RareClassWarning, match="1 of 2 classes have a single distinct sample"):
        model = digit_net(early_stopping=True).fit(X, target)
    assert_array_equal(model.classes_, [0, 3])


def test_early_stopping_of_a_regressor():
    target = X.mean((1, 2))
    model = ConvNetRegressor(
        filters=(8,), early_stopping=True, max_epochs=40, n_iter_no_change=5, random_state=0
    ).fit(X, target)
    assert model.history_["valid_score"].max() > 0.8
    assert model.best_epoch_ == model.history_["valid_score"].idxmax()


def test_sample_weight_weighs_the_validation_score():
    weights = np.where(y < 5, 1.0, 1e-6)
    model = digit_net(early_stopping=True, max_epochs=15).fit(X, y, sample_weight=weights)
    weighted = model.score(X, y, sample_weight=weights)
    assert weighted > model.score(X, y) + 0.2
    assert model.history_["valid_score"].max() > 0.8


RANDOM_STATES = [None, np.random.RandomState(0), 0]


def split_parts(monkeypatch):
    """Return lists that get the values of the training and validation samples of each fit."""
    parts, run = ([], []), BaseConvNet._run

    def values(samples):
        rows = samples.images.rows.numpy()[samples.index]
        return {row.tobytes() for row in rows}

    def watching(self, engine, plan, *others):
        for seen, samples in zip(parts, (plan.train, plan.valid), strict=True):
            seen.append(set() if samples is None else values(samples))
        run(self, engine, plan, *others)

    monkeypatch.setattr(BaseConvNet, "_run", watching)
    return parts


@pytest.mark.parametrize("random_state", RANDOM_STATES, ids=["none", "generator", "integer"])
def test_warm_start_validates_on_samples_that_were_not_trained_on(random_state, monkeypatch):
    trained, validated = split_parts(monkeypatch)
    model = digit_net(warm_start=True, early_stopping=True, max_epochs=1)
    model.set_params(random_state=random_state).fit(X[:200], y[:200])
    model.fit(X[:200], y[:200])
    model.fit(X[:300], y[:300])  # a hundred more
    assert trained[1] == trained[0]
    assert validated[1] == validated[0]
    assert validated[2] > validated[0]
    assert not validated[2] & trained[0]
    assert len(validated[2]) == 30


def test_partial_fit_in_between_leaves_the_rest_of_the_validation_samples(monkeypatch):
    trained, validated = split_parts(monkeypatch)
    model = digit_net(warm_start=True, early_stopping=True, max_epochs=1, random_state=None)
    model.fit(X, y).partial_fit(X[:200], y[:200]).fit(X, y)
    assert validated[2]
    assert not validated[2] & (trained[0] | trained[1])


def test_early_stopping_after_training_on_all_samples_warns():
    model = digit_net(warm_start=True, max_epochs=1).fit(X, y)
    with pytest.warns(LeakageWarning, match="trained on all of its samples in an earlier call"):
        model.set_params(early_stopping=True).fit(X, y)
    unknown = digit_net(max_epochs=1).fit(X, y)
    with pytest.warns(LeakageWarning, match="trained on samples of an earlier call, which are"):
        unknown.set_params(early_stopping=True, warm_start=True).fit(X, y)


def test_samples_seen_are_forgotten_by_a_new_fit(monkeypatch):
    _, validated = split_parts(monkeypatch)
    model = digit_net(early_stopping=True, max_epochs=1, random_state=np.random.RandomState(0))
    model.fit(X, y).fit(X, y)
    assert validated[0] != validated[1]


@pytest.mark.parametrize("random_state", RANDOM_STATES, ids=["none", "generator", "integer"])
def test_warm_start_never_ends_with_worse_weights(random_state):
    model = digit_net(
        warm_start=True, early_stopping=True, max_epochs=12, n_iter_no_change=2, learning_rate=0.02
    ).set_params(random_state=random_state)
    model.fit(X, y)
    best, weights = model.best_epoch_, weights_of(model)
    model.set_params(learning_rate=10.0, lr_schedule="constant", max_epochs=3).fit(X, y)
    assert model.best_epoch_ == best < model.n_iter_ - 2
    for name, value in weights_of(model).items():
        assert_array_equal(value, weights[name])
    model.fit(X, y)
    assert model.best_epoch_ == best


def test_warm_start_after_fits_without_early_stopping_may_keep_the_last_epoch():
    model = digit_net(warm_start=True, max_epochs=6).fit(X[:200], y[:200])
    model.set_params(early_stopping=True, learning_rate=10.0)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert model.best_epoch_ == 6
