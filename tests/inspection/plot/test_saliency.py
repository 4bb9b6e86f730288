"""SaliencyDisplay: maps, labels, and the options of the methods."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import InputScaleWarning
from skcnn.inspection import SaliencyDisplay, saliency
from tests.helpers.figures import assert_nothing_is_cut, words_of
from tests.helpers.inspected import LABELS, fitted

ALL = ("gradient", "integrated_gradients", "grad_cam", "occlusion")
NAMES = np.array(["cat", "dog", "fox"])


def show(estimator, X, **params):
    return SaliencyDisplay.from_estimator(estimator, X, **params)


def test_maps_are_absolute_saliencies_of_the_predicted_class():
    X, net = fitted((8, 6, 2), y=NAMES[LABELS])
    display = show(net, X, methods=ALL, n_samples=3)
    assert display.maps.shape == (4, 3, 8, 6)
    assert_array_equal(display.samples, np.moveaxis(X[:3], -1, 1))
    for maps, method in zip(display.maps, ALL, strict=True):
        expected = np.abs(saliency(net, X[:3], method=method)).max(-1)
        assert_array_equal(maps, expected)
    predicted, shares = net.predict(X[:3]), net.predict_proba(X[:3]).max(1)
    labels = [f"predicted {p} ({s:.0%})" for p, s in zip(predicted, shares, strict=True)]
    assert display.labels == labels
    columns = ["sample", "|gradient|", "|integrated\ngradients|", "Grad-CAM", "|occlusion|"]
    assert words_of(display) == columns + labels
    assert_nothing_is_cut(display)


def test_heat_is_the_share_of_the_largest_value_over_a_darker_sample():
    X, net = fitted((8, 6))
    display = show(net, X, methods="gradient", n_samples=2)
    images = [image.get_array() for image in display.ax_.images]
    assert len(images) == 2 * 3
    sample, dark, heat = images[:3]
    low, high = display.samples.min(), display.samples.max()
    assert_allclose(sample, (display.samples[0, 0] - low) / (high - low), atol=1e-6)
    assert_allclose(dark, sample / 2.2, atol=1e-6)
    assert_allclose(heat, display.maps[0, 0] / display.maps[0, 0].max(), atol=1e-6)
    assert_array_equal(display.ax_.images[2].get_alpha(), heat)


def test_a_target_is_named_beside_the_prediction():
    X, net = fitted((8, 6), y=NAMES[LABELS])
    display = show(net, X, methods=["gradient"], target="dog", n_samples=2)
    assert_array_equal(display.maps[0], np.abs(saliency(net, X[:2], target="dog"))[..., 0])
    shares = net.predict_proba(X[:2])
    expected = [
        f"predicted {NAMES[s.argmax()]} ({s.max():.0%})\nexplained dog ({s[1]:.0%})" for s in shares
    ]
    assert display.labels == expected
    each = show(net, X, methods=["gradient"], target=NAMES[LABELS], n_samples=2)
    assert [label.split("\n")[1].split()[1] for label in each.labels] == ["cat", "dog"]
    assert_array_equal(
        each.maps, show(net, X[:2], methods="gradient", target=NAMES[LABELS[:2]]).maps
    )


def test_predictions_beside_samples_use_test_time_augmentation():
    X, net = fitted((8, 6), test_time_augmentation="flip", max_epochs=8)
    display = show(net, X, methods="gradient", n_samples=40)
    assert [int(label.split()[1]) for label in display.labels] == net.predict(X).tolist()
    assert_array_equal(display.maps[0], np.abs(saliency(net, X, target=net.predict(X)))[..., 0])


def test_labels_of_regressors_and_multilabel_targets_are_values():
    X, net = fitted((8, 6), ConvNetRegressor, 100.0 * LABELS)
    assert show(net, X, n_samples=1).labels == [f"predicted {net.predict(X[:1])[0]:.3g}"]
    _, two = fitted((8, 6), ConvNetRegressor, np.column_stack([LABELS, 9.0 * LABELS]))
    expected = [f"output 1\npredicted {two.predict(X[:1])[0, 1]:.3g}"]
    assert show(two, X, target=1, n_samples=1).labels == expected
    _, many = fitted((8, 6), y=np.column_stack([LABELS == 0, LABELS == 1]).astype(int))
    expected = [f"output 0\npredicted {many.predict_proba(X[:1])[0, 0]:.3g}"]
    assert show(many, X, target=0, n_samples=1).labels == expected
    with pytest.raises(ValueError, match="The 'target' parameter must be the number of an output"):
        show(many, X)


def test_saliency_of_signals_is_an_area_below_their_curves():
    X, net = fitted((16, 2), n_spatial_dims=1)
    display = show(net, X, methods=["gradient", "grad_cam"], n_samples=2)
    assert display.maps.shape == (2, 2, 16)
    assert not display.ax_.images
    areas = display.ax_.collections
    assert len(areas) == 4
    curves = [line for line in display.ax_.lines if len(line.get_xdata()) == 16]
    assert len(curves) == 2 * 3 * 2
    height, gap = 0.6, 0.06
    for i, area in enumerate(areas):
        top = i // 2 * (height + gap)
        y = area.get_paths()[0].vertices[:, 1]
        assert_allclose(y.max(), top + 0.95 * height)
        assert_allclose(y.min(), top + 0.05 * height, rtol=1e-5)  # the largest value of the map
    assert_nothing_is_cut(display)


KINDS = {
    "grey": ((8, 6), {}),
    "colour": ((8, 6, 3), {}),
    "channels first": ((3, 8, 6), {"input_shape": (3, 8, 6), "channels": "first"}),
    "volume": ((4, 8, 6), {"input_shape": (4, 8, 6, 1)}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_and_volumes_are_pictures(kind):
    shape, params = KINDS[kind]
    X, net = fitted(shape, max_epochs=1, **params)
    display = show(net, X, n_samples=2)
    assert len(display.ax_.images) == 2 * (1 + 3 * 2)
    assert {image.get_array().shape[:2] for image in display.ax_.images} == {(8, 6)}
    if kind == "volume":
        heat = display.ax_.images[2].get_array()
        maps = display.maps[0, 0]
        assert_allclose(heat, maps[2] / maps.max(), atol=1e-6)
    assert_nothing_is_cut(display)


def test_pipelines_and_searches():
    X = pd.DataFrame(np.random.default_rng(0).normal(5, 3, size=(40, 64))).add_prefix("p")
    net = ConvNetClassifier(input_shape=(8, 8), filters=3, max_epochs=1, random_state=0)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), net)
    search = GridSearchCV(pipeline, {"convnetclassifier__filters": [2]}, cv=2).fit(X, LABELS)
    best = search.best_estimator_
    found, expected = show(search, X), show(best[-1], best[:-1].transform(X))
    assert_array_equal(found.maps, expected.maps)
    assert_array_equal(found.samples[:, 0], X[:4].to_numpy().reshape(-1, 8, 8))
    assert found.labels == expected.labels


def upper_half(X):
    return X[:, :4]


def test_pictures_behind_a_step_that_changes_the_shape_are_what_the_network_is_given():
    X, net = np.random.default_rng(0).normal(size=(40, 8, 6)), ConvNetClassifier(max_epochs=1)
    pipeline = make_pipeline(FunctionTransformer(upper_half), net).fit(X, LABELS)
    assert_array_equal(show(pipeline, X).samples[:, 0], X[:4, :4].astype(np.float32))


@pytest.mark.parametrize("method", ALL)
def test_options_go_to_the_methods_that_use_them(method):
    X, net = fitted((8, 6))
    options = {"layer": "conv_1", "baseline": 0.5, "n_steps": 3, "window": 2}
    uses = {
        "gradient": (),
        "integrated_gradients": ("baseline", "n_steps"),
        "grad_cam": ("layer",),
        "occlusion": ("baseline", "window"),
    }[method]
    own = {name: options[name] for name in uses}
    display = show(net, X, methods=ALL, n_samples=2, **options)
    expected = np.abs(saliency(net, X[:2], method=method, **own))[..., 0]
    assert_array_equal(display.maps[ALL.index(method)], expected)
    if uses:
        assert (expected != np.abs(saliency(net, X[:2], method=method))[..., 0]).any()


@pytest.mark.parametrize(("name", "value"), [("layer", "conv_1"), ("window", 2)])
def test_options_that_no_method_uses_are_named(name, value):
    X, net = fitted((8, 6), max_epochs=1)
    message = rf"The '{name}' parameter is for .*{name}={value!r} with methods=\['gradient'\]"
    with pytest.raises(ValueError, match=message):
        show(net, X, methods="gradient", **{name: value})
    with pytest.raises(ValueError, match="n_steps == 0, must be >= 1"):
        show(net, X, n_steps=0)


@pytest.mark.parametrize(
    ("fit_names", "show_names", "n_warnings"),
    [(False, True, 1), (True, False, 1), (True, True, 0), (False, False, 0)],
)
def test_other_feature_names_warn_once(fit_names, show_names, n_warnings):
    X = np.random.default_rng(0).normal(size=(40, 64))
    frame = pd.DataFrame(X).add_prefix("p")
    net = ConvNetClassifier(input_shape=(8, 8), filters=3, max_epochs=1, random_state=0)
    net.fit(frame if fit_names else X, LABELS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        show(net, frame if show_names else X)
    assert len(caught) == n_warnings
    assert all("feature names" in str(warning.message) for warning in caught)


def test_another_scale_warns_once():
    X = np.random.default_rng(0).integers(0, 256, (40, 8, 8))
    net = ConvNetClassifier(filters=3, max_epochs=1, random_state=0).fit(X, LABELS)
    with pytest.warns(InputScaleWarning) as caught:
        show(net, X / 255)
    assert len(caught) == 1


def test_maps_without_any_saliency_are_drawn():
    maps, samples = np.zeros((1, 2, 4, 4)), np.ones((2, 1, 4, 4))
    display = SaliencyDisplay(samples=samples, maps=maps, methods=["own method"]).plot()
    assert words_of(display) == ["sample", "own method"]
    assert (display.ax_.images[2].get_array() == 0).all()


def test_fewer_samples_than_rows():
    X, net = fitted((8, 6), max_epochs=1)
    assert show(net, X[:2]).samples.shape == (2, 1, 8, 6)


def test_bad_parameters_are_named():
    X, net = fitted((8, 6), max_epochs=1)
    with pytest.raises(
        ValueError, match=r"The 'methods' parameter must be .* Got 'gradients' inst"
    ):
        show(net, X, methods=["grad_cam", "gradients"])
    for wrong in (None, 3, [None]):
        with pytest.raises(ValueError, match=r"The 'methods' parameter must be one of .* Got "):
            show(net, X, methods=wrong)
    with pytest.raises(ValueError, match=r"The 'methods' parameter must have one .* Got \[\] inst"):
        show(net, X, methods=[])
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        show(net, X, n_samples=0)
    with pytest.raises(ValueError, match="The 'target' parameter must be a class label"):
        show(net, X, target="cat")


@pytest.mark.parametrize("length", [25, 40, 60])
@pytest.mark.parametrize("with_ax", [False, True], ids=["new", "given"])
@pytest.mark.parametrize("target", [None, 1], ids=["predicted", "explained"])
def test_long_class_names_do_not_overlap_or_squeeze_the_pictures(length, with_ax, target):
    X, net = fitted((8, 8))
    names = np.array(
        [f"{'a long name of a class, number ' * 2}"[: length - 1] + str(i) for i in range(3)]
    )
    net.classes_ = names
    ax = pyplot.subplots(figsize=(6, 4.5), layout="constrained")[1] if with_ax else None
    target = None if target is None else names[target]
    display = SaliencyDisplay.from_estimator(net, X, n_samples=3, target=target, ax=ax)
    assert names[0][:20] in display.labels[0] or names[1][:20] in display.labels[0]
    assert_nothing_is_cut(display)
    boxes = [label.get_window_extent() for label in display.ax_.get_yticklabels()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    picture = display.ax_.get_images()[0].get_window_extent()
    assert picture.width / display.figure_.dpi > (0.5 if with_ax else 0.9)
    assert all(label.get_fontsize() >= 5 for label in display.ax_.get_yticklabels())
