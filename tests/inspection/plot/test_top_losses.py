"""TopLossesDisplay: which samples are drawn, with which texts."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import InputShapeError
from skcnn.inspection import TopLossesDisplay
from skcnn.model_selection import ConvNetSearchCV
from tests.helpers.steps import Double

X, y = load_digits(return_X_y=True)
X, y = X[:120], y[:120]
SMALL = {"filters": 4, "hidden_units": (), "max_epochs": 2, "random_state": 0}
PICTURES = np.arange(4 * 12, dtype=float).reshape(4, 3, 4)


@pytest.fixture(scope="module")
def net():
    return ConvNetClassifier(input_shape=(8, 8), **SMALL).fit(X, y)


def texts_of(display):
    return [text.get_text() for text in display.ax_.texts]


def pictures_of(display):
    return [image.get_array() for image in display.ax_.get_images()]


def test_losses_are_those_of_the_true_class(net):
    display = TopLossesDisplay.from_estimator(net, X, y, n_samples=5)
    prob = net.predict_proba(X)
    by_hand = [-np.log(prob[i][int(y[i])]) for i in range(len(y))]
    order = np.argsort(by_hand)[::-1][:5]
    assert list(display.losses.index) == list(order)
    assert_allclose(display.losses["loss"], np.array(by_hand)[order])
    assert list(display.losses["true"]) == list(y[order])
    assert list(display.losses["predicted"]) == list(net.predict(X)[order])
    assert_allclose(display.losses["probability"], prob.max(axis=1)[order])
    assert_array_equal(display.samples[:, 0], X[order].reshape(-1, 8, 8))


def test_truth_and_prediction_are_above_pictures():
    prob = np.array([[0.9, 0.1], [0.97, 0.03], [0.2, 0.8], [0.6, 0.4]])
    display = TopLossesDisplay.from_predictions(
        PICTURES, ["no", "yes", "yes", "yes"], y_prob=prob, n_samples=3
    )
    assert texts_of(display) == ["true yes\nsaid no (0.97)", "true yes\nsaid no (0.60)",
                                 "true yes\nsaid yes (0.80)"]  # fmt: skip
    assert display.ax_.get_title() == "largest losses (2 of 4 wrong)"
    scaled = (PICTURES[[1, 3, 2]] - 12) / (47 - 12)
    for drawn, picture in zip(pictures_of(display), scaled, strict=True):
        assert_allclose(drawn, picture)
    wrong, also_wrong, right = (text.get_color() for text in display.ax_.texts)
    assert wrong == also_wrong != right


def test_without_errors_the_least_confident_are_drawn():
    prob = [[0.9, 0.1], [0.4, 0.6], [0.0, 1.0], [0.2, 0.8]]
    display = TopLossesDisplay.from_predictions(PICTURES, [0, 1, 1, 1], y_prob=prob, n_samples=2)
    assert display.ax_.get_title() == "none of 4 wrong: the least confident"
    assert list(display.losses.index) == [1, 3]


def test_multilabel_losses_are_of_all_labels():
    truth = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0]])
    prob = np.array([[0.9, 0.2, 0.4], [0.1, 0.1, 0.1], [0.9, 0.9, 0.2], [0.5, 0.9, 0.2]])
    display = TopLossesDisplay.from_predictions(PICTURES, truth, y_prob=prob)
    table = display.losses.sort_index()
    assert_allclose(np.exp(-table["loss"][0]), 0.9 * 0.8 * 0.4)
    assert_allclose(table["probability"][0], 0.9 * 0.8 * 0.6)
    assert list(table["true"]) == [(0, 2), (), (0, 1), (1,)]
    assert list(table["predicted"]) == [(0,), (), (0, 1), (1,)]
    assert texts_of(display)[0] == "true 0, 2\nsaid 0 (0.43)"
    assert "true none\nsaid none (0.73)" in texts_of(display)
    assert display.ax_.get_title() == "largest losses (1 of 4 wrong)"


def test_errors_of_numbers():
    display = TopLossesDisplay.from_predictions(
        PICTURES, [12.3, 1.0, 2.0, 3.0], y_pred=[45.6, 1.0, 4.0, 2.5], n_samples=2
    )
    assert texts_of(display) == ["true 12.3\npredicted 45.6", "true 2\npredicted 4"]
    assert display.ax_.get_title() == "largest errors of 4 samples"
    assert list(display.losses) == ["true", "predicted", "loss"]
    assert_allclose(display.losses["loss"], [33.3, 2.0])
    assert list(display.losses.index) == [0, 2]


def test_regressor():
    target = X[:, 20] + 0.1
    model = ConvNetRegressor(input_shape=(8, 8), **SMALL).fit(X, target)
    display = TopLossesDisplay.from_estimator(model, X, target, n_samples=3)
    errors = np.abs(model.predict(X) - target)
    assert_allclose(display.losses["loss"], np.sort(errors)[::-1][:3])


def test_multilabel_net():
    truth = np.column_stack([y % 2, y > 4])
    model = ConvNetClassifier(input_shape=(8, 8), **SMALL).fit(X, truth)
    display = TopLossesDisplay.from_estimator(model, X, truth, n_samples=2)
    prob = model.predict_proba(X)
    by_hand = -np.log(np.where(truth == 1, prob, 1 - prob)).sum(axis=1)
    assert_allclose(display.losses["loss"], np.sort(by_hand)[::-1][:2])


def test_pipeline_shows_the_samples_themselves():
    model = make_pipeline(StandardScaler(), ConvNetClassifier(input_shape=(8, 8), **SMALL))
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    display = TopLossesDisplay.from_estimator(model.fit(frame, y), frame, y)
    assert_array_equal(display.samples[:, 0], X[display.losses.index].reshape(-1, 8, 8))
    least = model.predict_proba(frame)[np.arange(120), y].min()
    assert_allclose(display.losses["loss"].iloc[0], -np.log(least))


def test_pipeline_that_changes_the_shape_shows_what_the_network_is_given():
    model = make_pipeline(PCA(16), ConvNetClassifier(input_shape=(4, 4), **SMALL)).fit(X, y)
    display = TopLossesDisplay.from_estimator(model, X, y, n_samples=4)
    given = model[:-1].transform(X)[display.losses.index].reshape(-1, 4, 4)
    assert_allclose(display.samples[:, 0], given, rtol=1e-5, atol=1e-5)


def test_search_and_string_labels():
    names = np.array([f"digit {digit}" for digit in range(10)])
    search = ConvNetSearchCV(
        ConvNetClassifier(input_shape=(8, 8), **SMALL),
        {"dropout": (0.0, 0.5)},
        n_trials=1,
        cv=2,
        random_state=0,
    )
    display = TopLossesDisplay.from_estimator(search.fit(X, names[y]), X, names[y], n_samples=2)
    assert texts_of(display)[0].startswith("true digit ")


SAMPLES = {
    "grey": (np.random.default_rng(0).random((9, 5, 6)), {}, (1, 5, 6)),
    "colour": (np.random.default_rng(0).random((9, 5, 6, 3)), {}, (3, 5, 6)),
    "channels first": (
        np.random.default_rng(0).random((9, 3, 5, 6)),
        {"channels": "first"},
        (3, 5, 6),
    ),
    "signals": (np.random.default_rng(0).random((9, 20)), {"input_shape": (20,)}, (1, 20)),
    "signals, two channels": (
        np.random.default_rng(0).random((9, 20, 2)),
        {"n_spatial_dims": 1},
        (2, 20),
    ),
    "volumes": (np.random.default_rng(0).random((9, 4, 5, 6, 1)), {}, (1, 4, 5, 6)),
    "bytes": (np.random.default_rng(0).integers(0, 255, (9, 5, 6), np.uint8), {}, (1, 5, 6)),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_kind_of_sample(kind):
    samples, params, shape = SAMPLES[kind]
    labels = np.arange(9) % 2
    model = ConvNetClassifier(**SMALL, **params).fit(samples, labels)
    display = TopLossesDisplay.from_estimator(model, samples, labels)
    other = TopLossesDisplay.from_predictions(
        samples, labels, y_prob=model.predict_proba(samples), **params
    )
    assert display.samples.shape == other.samples.shape == (9, *shape)
    assert_allclose(display.samples, other.samples, rtol=1e-6)
    pd.testing.assert_frame_equal(display.losses, other.losses)
    drawn = display.ax_.get_images() or [
        line for line in display.ax_.get_lines() if len(line.get_xdata()) == 20
    ]
    assert len(drawn) == 9 * (2 if kind == "signals, two channels" else 1)


def test_tensors_are_drawn():
    images = torch.rand((9, 5, 6), generator=torch.Generator().manual_seed(0))
    labels = np.arange(9) % 2
    model = make_pipeline("passthrough", ConvNetClassifier(**SMALL)).fit(images, labels)
    display = TopLossesDisplay.from_estimator(model, images, labels)
    assert_allclose(display.samples[:, 0], images.numpy()[display.losses.index])


@pytest.mark.parametrize("n_samples", [1, 5, 12, 30])
def test_texts_stay_in_their_cells(n_samples):
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.ones(3), 40)
    labels = np.array(["a label of some length", "b", "another long label"])[rng.integers(0, 3, 40)]
    display = TopLossesDisplay.from_predictions(
        rng.random((40, 8, 8)), labels, y_prob=prob, n_samples=n_samples
    )
    check_texts(display)


def test_texts_shrink_in_small_axes():
    ax = pyplot.subplots(1, 3, figsize=(9, 3), layout="constrained")[1][0]
    prob = [[0.2, 0.8]] * 12
    display = TopLossesDisplay.from_predictions(
        np.random.default_rng(0).random((12, 8, 8)), ["versicolor", "virginica"] * 6, y_prob=prob,
        ax=ax,
    )  # fmt: skip
    assert display.ax_ is ax
    check_texts(display)


def check_texts(display):
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.ax_.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    title = display.ax_.title.get_window_extent()
    assert not any(box.overlaps(title) for box in boxes)
    assert 0 <= title.x0 < title.x1 <= display.figure_.bbox.x1
    pictures = [image.get_window_extent() for image in display.ax_.get_images()]
    assert not any(a.overlaps(b) for a in boxes for b in pictures)


def test_flat_rows_need_their_shape():
    flat, given = PICTURES.reshape(4, 12), {"y_pred": [0.5, 0.1, 0.2, 0.3]}
    with pytest.raises(
        InputShapeError, match=r"12 values. Pass input_shape=.*n_spatial_dims=1 for sig"
    ):
        TopLossesDisplay.from_predictions(flat, [0, 0, 0, 0], **given)
    for how, drawn in (
        ({"input_shape": (3, 4)}, (1, 3, 4)),
        ({"input_shape": (12,)}, (1, 12)),
        ({"n_spatial_dims": 1}, (1, 12)),
        ({"n_spatial_dims": 1, "input_shape": (6, 2)}, (2, 6)),
        ({"n_spatial_dims": 3, "input_shape": (3, 2, 2)}, (1, 3, 2, 2)),
    ):
        display = TopLossesDisplay.from_predictions(flat, [0] * 4, **how, **given)
        assert display.samples.shape == (4, *drawn)


def test_unknown_labels_are_named(net):
    with pytest.raises(ValueError, match=r"previously unseen labels: \[77\]"):
        TopLossesDisplay.from_estimator(net, X, np.where(y == 3, 77, y))


def test_several_numbers_are_refused():
    model = ConvNetRegressor(input_shape=(8, 8), **SMALL).fit(X, X[:, 20:22])
    with pytest.raises(ValueError, match="one number a sample"):
        TopLossesDisplay.from_estimator(model, X, X[:, 20:22])


def test_steps_transform_the_samples_once_and_change_none():
    model = make_pipeline(
        StandardScaler(copy=False), Double(), ConvNetClassifier(input_shape=(8, 8), **SMALL)
    )
    model.fit(X.copy(), y)
    given, Double.n_calls = X.copy(), 0
    display = TopLossesDisplay.from_estimator(model, given, y, n_samples=len(y))
    assert Double.n_calls == 1
    assert_array_equal(given, X)
    prob = model.predict_proba(X.copy())
    losses = -np.log(prob[np.arange(len(y)), y])
    assert_allclose(display.losses["loss"].sort_index(), losses)
    order = display.losses.index
    assert_array_equal(display.samples[:, 0], X[order].reshape(-1, 8, 8))


def test_texts_are_light_in_a_dark_style():
    with pyplot.style.context("dark_background"):
        display = TopLossesDisplay.from_predictions(
            PICTURES, [0.0] * 4, y_pred=[0.5, 0.1, 0.2, 0.3]
        )
    for text in display.ax_.texts:
        assert min(to_rgb(text.get_color())) > 0.6
