"""AugmentationDisplay: original samples and draws of images, colours, signals and volumes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    Augmented,
    MixUp,
    RandomErasing,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomTranslation,
)
from skcnn.inspection import AugmentationDisplay
from tests.helpers.steps import RepeatFirstClass, sampling_pipeline

X, y = load_digits(return_X_y=True)
FLIP = RandomFlip(p=1.0)
mirrored = X[:4].reshape(4, 1, 8, 8)[..., ::-1]


def show(estimator, samples=X, **params):
    return AugmentationDisplay.from_estimator(estimator, samples, **params)


SOURCES = {
    "augmentation": (FLIP, {"input_shape": (8, 8)}),
    "list": ([FLIP], {"input_shape": (8, 8)}),
    "own shape": (RandomFlip(p=1.0, input_shape=(8, 8)), {}),
    "net": (ConvNetClassifier(input_shape=(8, 8), augmentation=FLIP), {}),
    "Augmented": (Augmented(SVC(), [FLIP], input_shape=(8, 8)), {}),
    "pipeline": (make_pipeline(FLIP, ConvNetClassifier(input_shape=(8, 8))), {}),
    "steps and parameter": (
        make_pipeline(FLIP, FLIP, ConvNetClassifier(input_shape=(8, 8), augmentation=[FLIP])),
        {},
    ),
    "with nothing": (make_pipeline("passthrough", FLIP, ConvNetClassifier(input_shape=(8, 8))), {}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_draws_of_everything_that_augments(name):
    estimator, params = SOURCES[name]
    display = show(estimator, n_draws=2, **params)
    assert_array_equal(display.samples, X[:4].reshape(4, 1, 8, 8))
    assert_allclose(display.draws, np.stack([mirrored] * 2))


def test_a_fitted_scaler_before_it_is_applied():
    model = make_pipeline(MinMaxScaler(), FLIP, ConvNetClassifier(input_shape=(8, 8), max_epochs=1))
    with pytest.raises(NotFittedError):
        show(model)
    display = show(model.fit(X[:100], y[:100]))
    assert display.samples.max() == 1


def test_draws_differ_and_follow_random_state():
    turn = RandomRotation(45, input_shape=(8, 8), random_state=3)
    one, two, other = show(turn), show(turn), show(turn, random_state=1)
    assert_array_equal(one.draws, two.draws)
    assert (one.draws != other.draws).any()
    assert len(np.unique(one.draws[:, 0].reshape(6, -1), axis=0)) == 6


def test_strength_of_the_net_is_applied():
    net = ConvNetClassifier(input_shape=(8, 8), augmentation=[FLIP], augmentation_strength=0)
    assert_array_equal(show(net).draws[0], show(net).samples)


def texts(display):
    return [label.get_text() for label in display.ax_.get_xticklabels()]


@pytest.mark.parametrize("shape", [(5, 9, 12), (5, 9, 12, 3), (5, 9, 12, 2), (5, 4, 9, 12, 1)])
def test_images_and_volumes_are_pictures(shape):
    samples = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    display = show([RandomTranslation(0.2), RandomErasing()], samples, n_samples=3, n_draws=4)
    assert len(display.ax_.images) == 3 * 5
    assert texts(display) == ["original", "draw 1", "draw 2", "draw 3", "draw 4"]
    first = display.ax_.images[0].get_array()
    assert first.shape == ((9, 12, 3) if shape[-1] == 3 else (9, 12))
    assert 0 <= first.min() <= first.max() <= 1
    display.figure_.canvas.draw()


def test_channels_first():
    samples = np.random.default_rng(0).random((3, 2, 8, 9))
    display = show(FLIP, samples, input_shape=(2, 8, 9), channels="first")
    assert_array_equal(display.draws[0], display.samples[..., ::-1])


def test_signals_are_curves_within_their_boxes():
    samples = np.random.default_rng(0).normal(size=(3, 50, 2))
    display = show([RandomNoise(1.0)], samples, n_spatial_dims=1, n_draws=2, random_state=0)
    curves = [line for line in display.ax_.lines if len(line.get_xdata()) == 50]
    assert len(curves) == 3 * 3 * 2
    height = 0.6
    for line in curves:
        low, high = (
            np.min(line.get_ydata()) % (height + 0.06),
            np.max(line.get_ydata()) % (height + 0.06),
        )
        assert 0 <= low < high <= height
    display.figure_.canvas.draw()


def test_fewer_samples_than_rows():
    assert show(FLIP, X[:2], input_shape=(8, 8)).samples.shape[0] == 2


@pytest.mark.parametrize(
    "estimator", [ConvNetClassifier(), make_pipeline(MinMaxScaler(), SVC()), SVC(), [], None]
)
def test_without_augmentation_there_is_nothing_to_draw(estimator):
    if hasattr(estimator, "steps"):
        estimator.fit(X, y)
    with pytest.raises(TypeError, match="must be or contain augmentations"):
        show(estimator)


def test_a_constant_sample_is_drawn():
    assert show(FLIP, np.ones((2, 5, 5))).draws.shape == (6, 2, 1, 5, 5)


def test_mixed_samples_are_drawn_mixed():
    display = show([MixUp(alpha=5.0)], input_shape=(8, 8), random_state=0)
    samples, draws = display.samples[:, 0].reshape(4, -1), display.draws[0, :, 0].reshape(4, -1)
    assert (draws != samples).any(1).all()
    assert_allclose(draws.sum(0), samples.sum(0), rtol=0.5)


def test_the_range_of_values_is_that_of_all_samples():
    faint = np.zeros((40, 30, 30))
    faint[-1] = 1.0
    display = show([RandomNoise((0.1, 0.1))], faint, random_state=0)
    assert_allclose(display.draws.std(), 0.1, rtol=0.05)


def test_steps_before_an_augmentation_may_be_samplers_or_write_into_their_samples():
    net = ConvNetClassifier(input_shape=(8, 8), max_epochs=1)
    steps = [MinMaxScaler(copy=False), RepeatFirstClass()]
    model = sampling_pipeline(*steps, make_pipeline(RandomTranslation(0.1), net))
    samples, labels = X.copy(), np.arange(len(X)) % 2
    model.fit(X.copy(), labels)
    display = AugmentationDisplay.from_estimator(model, samples, n_samples=3)
    assert_array_equal(samples, X)
    expected = model[0].transform(X.copy())[:3]
    assert_allclose(display.samples.reshape(3, -1), expected)


def test_what_auto_chose_is_drawn_after_the_fit():
    net = ConvNetClassifier(input_shape=(8, 8), augmentation="auto", max_epochs=1, random_state=0)
    with pytest.raises(TypeError, match="fit a network with augmentation='auto' before"):
        show(net)
    display = show(net.fit(X[:12], y[:12]), random_state=0)
    [motion] = net.augmentation_
    assert_array_equal(display.draws, show([motion], input_shape=(8, 8), random_state=0).draws)
