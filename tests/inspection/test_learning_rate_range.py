"""The range test: rates and losses against an ordinary training, and the suggestion."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomNoise
from skcnn.exceptions import TrainingDivergedError
from skcnn.inspection._learning_rate_range import RangeTest, average_losses, range_test
from tests.helpers.steps import Double, RepeatFirstClass, sampling_pipeline

X, y = load_digits(return_X_y=True)
X, y = X[:200], y[:200]
RATES = {"low": 1e-6, "high": 10.0, "n_steps": 60}


def make(cls=ConvNetClassifier, **params):
    defaults = {"input_shape": (8, 8), "filters": 4, "hidden_units": (), "random_state": 0}
    return cls(**{**defaults, **params})


class Recorder(Callback):
    def __init__(self):
        self.losses_ = []

    def on_batch_end(self, net, **kwargs):
        self.losses_.append(net.history[-1, "batches", -1, "train_loss"])


def test_losses_are_those_of_a_training():
    """At a rate that hardly grows the losses are those of an ordinary training."""
    recorder = Recorder()
    usual = make(lr_schedule="constant", learning_rate=0.003, max_epochs=10, callbacks=[recorder])
    usual.fit(X, y)
    seen = range_test(make(), X, y, low=0.003, high=0.003 * (1 + 1e-12), n_steps=50)
    assert_allclose(seen.losses, recorder.losses_[:50], rtol=1e-5)
    assert len(seen.losses) == 50


def test_rates_grow_by_the_same_factor():
    seen = range_test(make(), X, y, **RATES)
    assert seen.rates[0] == 1e-6
    factor = 1e7 ** (1 / 59)
    assert_allclose(seen.rates[1:] / seen.rates[:-1], factor)
    assert len(seen.rates) == len(seen.losses) == len(seen.averages) <= 60
    small = range_test(make(), X, y, low=1e-6, high=1e-4, n_steps=50)
    assert_allclose(small.rates[-1], 1e-4)


def test_averages_are_corrected_for_their_start():
    losses = np.random.default_rng(0).random(30)
    total, weights = 0.0, 0.0
    for loss, average in zip(losses, average_losses(losses, window=5), strict=True):
        total, weights = 0.8 * total + 0.2 * loss, 0.8 * weights + 0.2
        assert average == pytest.approx(total / weights)


def test_the_test_ends_when_the_loss_diverges():
    seen = range_test(make(optimizer="sgd"), X, y, low=1e-4, high=1e6, n_steps=100)
    assert len(seen.losses) < 90
    assert np.isfinite(seen.losses).all()
    averages = seen.averages[10:]
    assert averages[:-1].max() <= 4 * averages[:-1].min()


def make_range(losses, window=5):
    losses = np.asarray(losses, float)
    rates = 10.0 ** np.arange(len(losses))
    return RangeTest(rates, losses, average_losses(losses, window), window)


def test_suggestion_is_where_four_fifths_of_the_descent_are_done():
    averages = np.array([10, 10, 10, 10, 10, 10, 9, 6, 3, 1, 0.5, 0, 5], float)
    rates = np.arange(13.0)
    seen = RangeTest(rates, np.full(13, 10.0), averages, 5)
    assert seen.suggestion() == 8  # the last above 10 - 0.8 * 10


@pytest.mark.parametrize(
    "losses",
    [
        np.ones(30),  # no descent
        np.linspace(2, 1, 30),  # falls at the end
        np.concatenate([np.tile([0.0, 2.0], 10), np.full(6, 0.9), [5.0] * 5]),  # within the noise
        np.ones(3),
    ],
    ids=["flat", "falling", "noise", "short"],
)
def test_without_a_descent_there_is_no_suggestion(losses):
    assert make_range(losses).suggestion() is None


def test_a_descent_has_a_suggestion():
    losses = np.concatenate([np.full(10, 2.0), np.linspace(2, 0.5, 15), np.linspace(0.5, 9, 10)])
    assert 15 <= np.log10(make_range(losses).suggestion()) < 26


def test_shuffled_labels_of_many_samples_have_no_suggestion():
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(3000, 16)), rng.integers(0, 2, 3000)
    model = make(input_shape=None, batch_size=64)
    seen = range_test(model, noise, labels, low=1e-6, high=10, n_steps=100, random_state=0)
    assert seen.suggestion() is None


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_the_suggested_rate_trains(optimizer):
    digits, labels = load_digits(return_X_y=True)
    model = make(optimizer=optimizer, filters=8, max_epochs=6)
    seen = range_test(model, digits[:800], labels[:800], low=1e-6, high=10, n_steps=200)
    model.set_params(learning_rate=seen.suggestion()).fit(digits[:800], labels[:800])
    assert model.score(digits[800:], labels[800:]) > 0.85


def test_same_random_state_gives_the_same_test():
    model = make(random_state=None)
    one, two, other = (
        range_test(model, X, y, **RATES, random_state=seed).losses[:20] for seed in (1, 1, 2)
    )
    assert_array_equal(one, two)
    assert (one != other).any()
    assert_array_equal(range_test(make(), X, y, **RATES).losses,
                       range_test(make(), X, y, **RATES).losses)  # fmt: skip


def test_estimator_and_global_random_state_are_unchanged():
    model = make(max_epochs=1, early_stopping=True, callbacks=[Recorder()]).fit(X, y)
    before = {**model.get_params()}, model.predict_proba(X)
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    n_seen = len(model.callbacks[0].losses_)
    range_test(model, X, y, **RATES)
    assert model.get_params() == before[0]
    assert_array_equal(model.predict_proba(X), before[1])
    assert len(model.callbacks[0].losses_) == n_seen
    assert_array_equal(np.random.get_state()[1], numpy_state)
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_fitted_or_not_is_the_same():
    model = make(max_epochs=1)
    assert_array_equal(
        range_test(clone(model), X, y, **RATES).losses,
        range_test(model.fit(X, y), X, y, **RATES).losses,
    )


def test_clones_of_a_pipelines_steps_are_fitted():
    scaler = StandardScaler()
    model = make_pipeline(scaler, make(standardize=False))
    seen = range_test(model, X, y, **RATES)
    alone = range_test(make(standardize=False), StandardScaler().fit_transform(X), y, **RATES)
    assert_array_equal(seen.losses, alone.losses)
    assert not hasattr(scaler, "mean_")
    nested = make_pipeline(make_pipeline(scaler, "passthrough"), make_pipeline(model[-1]))
    assert_array_equal(range_test(nested, X, y, **RATES).losses, alone.losses)


def test_augmentations_of_a_pipeline_are_applied():
    noise = RandomNoise(1.0, random_state=0)
    plain = range_test(make(), X, y, **RATES).losses
    before = range_test(make_pipeline(noise, make()), X, y, **RATES).losses
    within = range_test(make(augmentation=[noise]), X, y, **RATES).losses
    assert_array_equal(before, within)
    assert (before[:20] != plain[:20]).any()


def test_samples_of_weight_zero_are_left_out():
    weight = (np.arange(200) % 3 > 0).astype(float)
    chosen = weight > 0
    assert_array_equal(
        range_test(make(), X, y, weight, **RATES).losses,
        range_test(make(), X[chosen], y[chosen], **RATES).losses,
    )


@pytest.mark.parametrize("batch_size", [None, 8])
def test_few_samples(batch_size):
    seen = range_test(make(batch_size=batch_size), X[:12], y[:12], **RATES)
    assert len(seen.losses) > 30


CASES = {
    "regressor": (make(ConvNetRegressor), X, X[:, 20]),
    "several numbers": (make(ConvNetRegressor), X, X[:, 20:22]),
    "multilabel": (make(), X, np.column_stack([y % 2, y > 4])),
    "signals": (make(input_shape=None), X, y),
    "colours": (make(input_shape=None), X.reshape(-1, 8, 4, 2), y),
    "volumes": (make(input_shape=None), X.reshape(-1, 4, 4, 4, 1), y),
    "after PCA": (make_pipeline(PCA(16), make(input_shape=(4, 4))), X, y),
    "gradient clip": (make(gradient_clip=0.1, precision="bfloat16"), X, y),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_training(case):
    model, samples, targets = CASES[case]
    seen = range_test(model, samples, targets, **RATES)
    assert np.isfinite(seen.losses).all()
    assert len(seen.losses) > 20


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"low": 0.0}, "low == 0.0, must be > 0"),
        ({"high": 1e-7}, "high == 1e-07, must be > 1e-06"),
        ({"high": np.inf}, "high == inf, must be a finite number"),
        ({"high": np.nan}, "high == nan, must be a finite number"),
        ({"low": np.nan}, "low == nan, must be a finite number"),
        ({"n_steps": 49}, "n_steps == 49, must be >= 50"),
    ],
)
def test_bad_rates_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        range_test(make(), X, y, **{**RATES, **params})


def test_other_estimators_are_refused():
    for other in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        with pytest.raises(TypeError, match=r"fitted or not, a Pipeline.* Got LogisticRegression"):
            range_test(other, X, y, **RATES)
    with pytest.raises(TypeError, match=r"a fitted search .* Got GridSearchCV"):
        range_test(GridSearchCV(make(), {"dropout": [0.1]}), X, y, **RATES)


def not_a_number(input_shape, n_outputs):
    layer = torch.nn.Linear(64, n_outputs)
    torch.nn.init.constant_(layer.bias, float("nan"))
    return torch.nn.Sequential(torch.nn.Flatten(), layer)


def test_a_first_loss_of_nan_is_an_error():
    with pytest.raises(TrainingDivergedError, match="first batch is infinite or NaN"):
        range_test(ConvNetClassifier(architecture=not_a_number), X, y, **RATES)


@pytest.mark.parametrize(
    "steps",
    [[StandardScaler(copy=False)], [Double()], [Double(), RepeatFirstClass()]],
    ids=["in place", "stateless", "sampler"],
)
def test_steps_are_fitted_as_in_a_fit(steps):
    given, samples, targets = X.copy(), X, y
    seen = range_test(sampling_pipeline(*steps, make()), given, y, **RATES)
    assert_array_equal(given, X)
    for step in steps:
        if isinstance(step, RepeatFirstClass):
            samples, targets = step.fit_resample(samples, targets)
        else:
            samples = clone(step).fit_transform(samples.copy())
    alone = range_test(make(), samples, targets, **RATES)
    assert_array_equal(seen.losses, alone.losses)


def test_rates_are_for_the_part_that_trainable_names():
    head = range_test(make(trainable="head"), X, y, **RATES)
    scheduled = range_test(make(trainable="head", unfreezing={0: "all"}), X, y, **RATES)
    assert_array_equal(scheduled.losses, head.losses)
    assert not np.array_equal(range_test(make(), X, y, **RATES).losses, head.losses)
