"""n_spatial_dims: the same samples in every form, bit for bit, in all that reads samples."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._utils.compat import InvalidParameterError
from skcnn.augmentation import Augmented, RandomFlip, RandomNoise, RandomTranslation
from skcnn.exceptions import InputLayoutWarning, InputShapeError
from skcnn.inspection import AugmentationDisplay, RobustnessDisplay, TopLossesDisplay, saliency
from skcnn.preprocessing import KernelFilter
from tests.helpers.small_nets import tiny

N = 12
y = np.arange(N) % 2

# shape of a sample, n_spatial_dims, channels, input_shape_
READINGS = {
    "signals": ((20, 3), 1, "last", (20, 3)),
    "signals, first": ((3, 20), 1, "first", (3, 20)),
    "signals of one channel": ((20,), 1, "last", (20, 1)),
    "images": ((6, 5), 2, "last", (6, 5, 1)),
    "long images": ((32, 3), 2, "last", (32, 3, 1)),
    "long images, first": ((32, 3), 2, "first", (1, 32, 3)),
    "images with channels": ((6, 5, 3), 2, "last", (6, 5, 3)),
    "volumes": ((4, 5, 3), 3, "last", (4, 5, 3, 1)),
    "volumes, first": ((4, 5, 3), 3, "first", (1, 4, 5, 3)),
    "volumes with channels": ((3, 4, 5, 2), 3, "last", (3, 4, 5, 2)),
}
EACH = pytest.mark.parametrize(
    ("sample", "n_spatial_dims", "channels", "shape"), READINGS.values(), ids=READINGS
)


class Witness(ClassifierMixin, BaseEstimator):
    """A classifier that keeps the samples of `fit`."""

    def fit(self, X, y):
        self.X_, self.classes_ = X, np.unique(y)
        return self


def samples_of(*shape):
    return np.random.default_rng(0).normal(size=(N, *shape)).astype(np.float32)


def readings(sample, n_spatial_dims, channels, shape):
    """Return the same samples shaped, with the channel axis and flat, and their parameters."""
    X = samples_of(*sample)
    how = {"n_spatial_dims": n_spatial_dims, "channels": channels}
    flat = X.reshape(N, -1)
    return [
        (X, how),
        (X, {**how, "input_shape": sample}),
        (X.reshape(N, *shape), how),
        (flat, {**how, "input_shape": sample}),
        (flat, {**how, "input_shape": list(shape)}),
    ]


@EACH
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_all_forms_train_the_same_network(sample, n_spatial_dims, channels, shape, cls):
    forms = readings(sample, n_spatial_dims, channels, shape)
    models = [tiny(cls, **how).fit(X, y) for X, how in forms]
    kernel = models[0].summary()["kernel"].iloc[0]
    assert len(kernel) == n_spatial_dims
    expected = models[0]._outputs(forms[0][0])
    for model in models:
        assert model.input_shape_ == shape
        for X, _ in forms:  # also in a form of another fit
            assert_array_equal(model._outputs(X), expected)


@pytest.mark.parametrize(
    ("sample", "shape", "channels", "another"),
    [
        ((20, 3), (20, 3, 1), "last", 1),
        ((3, 20), (1, 3, 20), "first", 1),
        ((5, 6, 4), (5, 6, 4), "last", 3),
    ],
    ids=str,
)
def test_none_reads_two_or_three_sides_as_images(sample, shape, channels, another):
    X = samples_of(*sample)
    by_rule = tiny(channels=channels).fit(X, y)
    assert by_rule.input_shape_ == shape
    two = tiny(channels=channels, n_spatial_dims=2).fit(X, y)
    assert_array_equal(by_rule.predict_proba(X), two.predict_proba(X))
    other = tiny(channels=channels, n_spatial_dims=another).fit(X, y)
    assert len(other.input_shape_) == another + 1
    assert (other.predict_proba(X) != two.predict_proba(X)).any()


def test_volumes_without_a_channel_axis_are_volumes_of_one_channel():
    X = samples_of(4, 5, 6)
    with_axis = tiny().fit(X[..., None], y)
    without = tiny(n_spatial_dims=3).fit(X, y)
    assert without.input_shape_ == with_axis.input_shape_ == (4, 5, 6, 1)
    assert_array_equal(without.predict_proba(X), with_axis.predict_proba(X[..., None]))


@EACH
def test_augmentations_of_a_pipeline_read_all_forms_alike(sample, n_spatial_dims, channels, shape):
    expected, draws, replayed = None, [], []
    for X, how in readings(sample, n_spatial_dims, channels, shape):
        for own in ({}, how):
            move = RandomTranslation(0.3, random_state=0, **own)
            noise = RandomNoise(0.1, random_state=1, **own)
            model = make_pipeline(move, noise, tiny(**how)).fit(X, y)
            outputs = model[-1]._outputs(X)
            expected = outputs if expected is None else expected
            assert_array_equal(outputs, expected)
        drawn = make_pipeline(move, noise).fit_transform(X).to_numpy()
        assert drawn.shape == X.shape
        draws.append(drawn.reshape(N, -1))
        applied = move.apply(X, move.draw(X))
        assert applied.shape == X.shape
        replayed.append(applied.reshape(N, -1))
    for each in (draws, replayed):
        assert all((other == each[0]).all() for other in each)


@EACH
def test_augmented_reads_all_forms_alike(sample, n_spatial_dims, channels, shape):
    move = RandomTranslation(0.3, random_state=0)
    fits = [
        (X, Augmented(Witness(), [move], n_copies=2, random_state=0, **how).fit(X, y))
        for X, how in readings(sample, n_spatial_dims, channels, shape)
    ]
    expected = fits[0][1].estimator_.X_.reshape(3 * N, -1)
    assert (expected[N:] != np.tile(expected[:N], (2, 1))).any()
    for X, model in fits:
        assert model.input_shape_ == shape
        assert model.estimator_.X_.shape[1:] == X.shape[1:]
        assert_array_equal(model.estimator_.X_.reshape(3 * N, -1), expected)


@EACH
def test_kernel_filter_reads_all_forms_alike(sample, n_spatial_dims, channels, shape):
    expected = None
    for X, how in readings(sample, n_spatial_dims, channels, shape):
        model = KernelFilter(["difference", "identity"], padding="same", **how)
        values = model.fit_transform(X).reshape(N, -1)
        assert model.input_shape_ == shape
        assert model.kernels_[0].ndim == n_spatial_dims
        expected = values if expected is None else expected
        assert_array_equal(values, expected)


@EACH
def test_saliency_and_displays_read_all_forms_alike(sample, n_spatial_dims, channels, shape):
    expected = None
    for X, how in readings(sample, n_spatial_dims, channels, shape):
        net = tiny(**how).fit(X, y)
        maps = saliency(net, X)
        expected = maps if expected is None else expected
        assert maps.shape == (N, *shape)
        assert_array_equal(maps, expected)
        drawn = TopLossesDisplay.from_predictions(X, y, y_pred=y + 0.5, **how).samples
        given = X.reshape(N, *shape)
        given = np.moveaxis(given, -1, 1) if channels == "last" else given
        assert_array_equal(drawn, given)
        shown = TopLossesDisplay.from_estimator(net, X, y)
        assert_array_equal(shown.samples, given[shown.losses.index])


@pytest.mark.parametrize("value", [0, 4, -1, True, "2", 2.0, (2,), np.True_, np.nan])
@pytest.mark.parametrize(
    "estimator",
    [
        ConvNetClassifier(),
        ConvNetRegressor(),
        RandomFlip(),
        Augmented(Witness(), RandomFlip()),
        KernelFilter(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_other_values_are_named(estimator, value):
    model = clone(estimator).set_params(n_spatial_dims=value)
    message = r"'n_spatial_dims' parameter of \w+ must be an int among \{1, 2, 3\} or None. Got"
    with pytest.raises(InvalidParameterError, match=message):
        model.fit(samples_of(6, 5), y)


def test_numpys_integers_are_numbers_of_axes():
    assert tiny(n_spatial_dims=np.int8(1)).fit(samples_of(20, 3), y).input_shape_ == (20, 3)


def test_displays_name_other_values():
    X = samples_of(6, 5)
    shows = (
        lambda **how: TopLossesDisplay.from_predictions(X, y, y_pred=y + 0.5, **how),
        lambda **how: AugmentationDisplay.from_estimator(RandomFlip(), X, **how),
        lambda **how: RobustnessDisplay.from_estimator(tiny().fit(X, y), X, y, **how),
    )
    for show in shows:
        for value in (0, True, 4):
            with pytest.raises(InvalidParameterError, match="'n_spatial_dims' parameter of"):
                show(n_spatial_dims=value)
        with pytest.raises(InvalidParameterError, match=r"'channels' parameter of .* Got 'lsat'"):
            show(channels="lsat")


def test_the_parameter_survives_clones_and_pickles():
    X = samples_of(20, 3)
    for estimator in (
        tiny(n_spatial_dims=1),
        RandomFlip(n_spatial_dims=1),
        Augmented(tiny(n_spatial_dims=1), RandomFlip(), n_spatial_dims=1),
        KernelFilter(n_spatial_dims=1),
    ):
        assert clone(estimator).get_params()["n_spatial_dims"] == 1
        fitted = pickle.loads(pickle.dumps(estimator.fit(X, y)))
        assert fitted.n_spatial_dims == 1
        assert fitted.input_shape_ == (20, 3)


def test_a_fitted_network_keeps_its_reading_when_the_parameter_changes():
    X = samples_of(20, 3)
    model = tiny(n_spatial_dims=1).fit(X, y)
    expected = model.predict_proba(X)
    model.set_params(n_spatial_dims=2)
    assert_array_equal(model.predict_proba(X), expected)
    assert model.fit(X, y).input_shape_ == (20, 3, 1)


def test_a_grid_search_tries_both_readings():
    X, labels = load_digits(return_X_y=True)
    X, labels = X[:200].reshape(-1, 32, 2), labels[:200]
    net = tiny(max_epochs=2)
    search = GridSearchCV(net, {"n_spatial_dims": [1, 2]}, cv=2, error_score="raise")
    search.fit(X, labels)
    for number, score in enumerate(search.cv_results_["mean_test_score"]):
        alone = GridSearchCV(clone(net).set_params(n_spatial_dims=number + 1), {}, cv=2)
        assert alone.fit(X, labels).best_score_ == score
    shape = {1: (32, 2), 2: (32, 2, 1)}[search.best_params_["n_spatial_dims"]]
    assert search.best_estimator_.input_shape_ == shape


def test_a_doubtful_image_is_warned_of_once_at_the_callers_line():
    with pytest.warns(InputLayoutWarning, match="set n_spatial_dims=1") as caught:
        make_pipeline(RandomNoise(), tiny()).fit(samples_of(50, 3), y)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_step_and_the_network_must_read_the_same_axes():
    X = samples_of(20, 3)
    message = r"reads samples of shape \(20, 3, 1\).*Give both the same input_shape, n_spatial_dims"
    with pytest.raises(InputShapeError, match=message):
        make_pipeline(RandomFlip(n_spatial_dims=2), tiny(n_spatial_dims=1)).fit(X, y)
    message = (
        r"reads \(20, 3, 1\) \(channels last\): give both the same input_shape, n_spatial_dims"
    )
    with pytest.raises(InputShapeError, match=message):
        make_pipeline(RandomFlip(n_spatial_dims=2), RandomNoise(n_spatial_dims=1)).fit_transform(X)
    one_is_enough = make_pipeline(RandomNoise(0.1), RandomFlip(p=1.0, n_spatial_dims=1))
    both = make_pipeline(RandomNoise(0.1, n_spatial_dims=1), RandomFlip(p=1.0, n_spatial_dims=1))
    for steps in (one_is_enough, both):
        steps.set_params(randomnoise__random_state=0)
    drawn = one_is_enough.fit_transform(X).to_numpy()
    assert_array_equal(drawn, both.fit_transform(X).to_numpy())
    noise = drawn[:, ::-1] - X  # the flip reverses time
    assert 0 < np.abs(noise).max() < 0.6 * np.ptp(X)


def test_summary_of_unfitted_networks():
    net = ConvNetClassifier(n_spatial_dims=1, input_shape=(20, 3))
    table = net.summary(n_outputs=2)
    assert table["output_shape"].iloc[0] == (20, 32)
    assert table.equals(net.summary((20, 3), n_outputs=2))
    grey = ConvNetClassifier(n_spatial_dims=2)
    assert grey.summary((20, 3), 2).equals(ConvNetClassifier().summary((20, 3, 1), 2))
    assert ConvNetClassifier().summary((20, 3), 2).equals(table)  # the channel axis is included
    for given in ((8, 8, 3), (8,) * 4):
        with pytest.raises(InputShapeError, match="does not fit n_spatial_dims=1 of ConvNetClass"):
            net.summary(given, 2)
    with pytest.raises(InputShapeError, match="does not fit n_spatial_dims=3 of ConvNetClass"):
        ConvNetClassifier(n_spatial_dims=3, input_shape=(8, 8)).summary(n_outputs=2)


def test_the_augmentation_display_reads_as_the_estimator():
    X = samples_of(20, 3)
    flip = RandomFlip(p=1.0)
    expected = np.moveaxis(X[:4], -1, 1)
    for estimator, how in (
        (tiny(n_spatial_dims=1, augmentation=flip), {}),
        (make_pipeline(flip, tiny(n_spatial_dims=1)), {}),
        (make_pipeline(flip, RandomNoise(0, n_spatial_dims=1)), {}),
        (Augmented(Witness(), flip, n_spatial_dims=1), {}),
        (flip, {"n_spatial_dims": 1}),
        (tiny(n_spatial_dims=2, augmentation=flip), {"n_spatial_dims": 1}),
    ):
        display = AugmentationDisplay.from_estimator(estimator, X, n_draws=1, **how)
        assert_array_equal(display.samples, expected)
        assert_array_equal(display.draws[0], expected[..., ::-1])
    flat = AugmentationDisplay.from_estimator(
        flip, X.reshape(N, -1), input_shape=(20, 3), n_spatial_dims=1
    )
    assert_array_equal(flat.samples, expected)


def test_the_robustness_display_reads_signals():
    X = samples_of(20, 3)
    net = tiny(n_spatial_dims=1).fit(X, y)
    by_net = RobustnessDisplay.from_estimator(net, X, y, values=[0, 2])
    given = RobustnessDisplay.from_estimator(net, X, y, values=[0, 2], n_spatial_dims=1)
    moved = np.concatenate([np.zeros((N, 2, 3), X.dtype), X[:, :-2]], axis=1)
    assert_array_equal(given.scores, [net.score(X, y), net.score(moved, y)])
    assert_array_equal(by_net.scores, given.scores)
    flat = tiny().fit(X[..., 0], y)
    shown = RobustnessDisplay.from_estimator(flat, X[..., 0], y, values=[0], n_spatial_dims=1)
    assert shown.scores.tolist() == [flat.score(X[..., 0], y)]
