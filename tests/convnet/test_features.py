"""ConvNetFeatures: its values, their bits, the forms of samples, and what is refused."""

import copy
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, check_param_validation
from torch import nn

from skcnn import ConvNetFeatures, ConvNetSearchCV
from skcnn._utils.threads import torch_threads
from skcnn.augmentation import RandomFlip
from skcnn.datasets import ImageFiles
from skcnn.exceptions import (
    ArchitectureError,
    FrozenAugmentationWarning,
    InputScaleWarning,
    InputShapeError,
    OutOfMemoryWarning,
    WeightsError,
)
from skcnn.inspection import feature_maps
from skcnn.layers import Conv, Flatten, GlobalPool, Normalize, Pool, Whiten
from skcnn.preprocessing import LoadImages
from tests.helpers.bases import (
    STILL,
    any_size,
    assert_same,
    base,
    digits,
    module,
    module_base,
    net,
    state,
    torch_features,
)
from tests.helpers.inspected import fitted
from tests.helpers.little_memory import limit_predictions

(OLD, _), (X, Y) = digits()
N_CHECKS = 47  # what scikit-learn 1.9.1 runs; an empty or shortened run must not pass
LAYERS = (Conv(4), Normalize(), Pool(2), Conv(5, 3), GlobalPool())


def random_features(architecture=LAYERS, **params):
    return ConvNetFeatures(architecture, **{"pretrained": False, "random_state": 0, **params})


@pytest.mark.parametrize("layers", [[Conv(4)], [Conv(2), GlobalPool()]])
def test_check_estimator_passes(layers):
    results = check_estimator(random_features(layers), on_skip=None, on_fail=None)
    assert [r for r in results if r["status"] != "passed"] == []
    assert Counter(r["status"] for r in results)["passed"] == N_CHECKS


def test_parameters_are_validated():
    check_param_validation("ConvNetFeatures", random_features())


# Values


@pytest.mark.parametrize("wrap", [lambda x: x, FrozenEstimator])
def test_features_are_the_inputs_of_the_output_layer(wrap):
    got = ConvNetFeatures(wrap(any_size())).fit_transform(X)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, torch_features(any_size(), X), rtol=1e-5)
    assert ConvNetFeatures(any_size()).fit(X[:1]).layer_ == "globalpool_1"


@pytest.mark.parametrize("make", [base, module_base])
@pytest.mark.parametrize("pooling", ["average", "max", "both", None])
def test_maps_of_a_layer_are_pooled(make, pooling):
    maps = {base: "conv_1", module_base: "conv"}[make]
    right = feature_maps(make(), X, layer=maps)  # (n, height, width, n_maps)
    pooled = {
        "average": right.mean((1, 2)),
        "max": right.max((1, 2)),
        "both": np.hstack([right.mean((1, 2)), right.max((1, 2))]),
        None: right.reshape(len(X), -1),
    }[pooling]
    got = ConvNetFeatures(make(), layer=maps, pooling=pooling).fit_transform(X)
    np.testing.assert_allclose(got, pooled, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [base, any_size, module_base])
def test_layers_are_named_and_numbered_as_in_the_summary(make):
    names = list(make().summary().index)
    features = ConvNetFeatures(make())
    assert list(features.summary((8, 8, 1)).index) == names
    assert list(features.fit(X).summary().index) == names
    for i, name in enumerate(names[:-1]):
        by_name = ConvNetFeatures(make(), layer=name).fit_transform(X)
        assert ConvNetFeatures(make(), layer=i).fit(X).layer_ == name
        by_number = ConvNetFeatures(make(), layer=i - len(names)).fit_transform(X)
        np.testing.assert_array_equal(by_number, by_name)
        maps = feature_maps(make(), X, layer=name)
        maps = maps.mean(tuple(range(1, maps.ndim - 1)))
        np.testing.assert_allclose(by_name, maps, rtol=1e-4, atol=1e-5)


def test_a_module_gives_the_inputs_of_its_last_linear_layer():
    got = ConvNetFeatures(module_base()).fit(X)
    parts = module_base().net_.module_
    with torch.no_grad():
        x = parts.standardize(torch.tensor(X, dtype=torch.float32)[:, None])
        right = parts.module.act(parts.module.conv(x)).mean((2, 3)).numpy()
    np.testing.assert_allclose(got.transform(X), right, rtol=1e-5)
    assert got.layer_ == "head"


def test_images_may_have_another_size_than_those_of_the_base():
    large = np.kron(X, np.ones((2, 3)))
    got = ConvNetFeatures(any_size()).fit_transform(large)
    np.testing.assert_allclose(got, torch_features(any_size(), large), rtol=1e-5)


def test_random_features_follow_the_seed_and_the_samples_of_fit():
    right = random_features().fit_transform(X)
    before = torch.get_rng_state()
    again = random_features().fit(X[::-1])  # in any order
    np.testing.assert_array_equal(again.transform(X), right)
    assert torch.equal(torch.get_rng_state(), before)
    assert not np.array_equal(random_features(random_state=1).fit_transform(X), right)
    assert not np.array_equal(random_features(random_state=None).fit_transform(X), right)
    np.testing.assert_allclose(random_features().fit_transform(X * 2 - 3), right, atol=1e-5)
    with torch.no_grad():
        inputs = again.module_.standardize(torch.tensor(X, dtype=torch.float32)[:, None])
    np.testing.assert_allclose([inputs.mean(), inputs.std()], [0, 1], atol=1e-3)


def test_random_features_of_a_callable_follow_the_seed():
    one, same, other = (ConvNetFeatures(module, random_state=s).fit_transform(X) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_whitening_layers_learn_from_the_samples():
    whitened = random_features((Whiten(2), Conv(3), GlobalPool()), layer=0, pooling=None)
    values = whitened.fit_transform(X).reshape(-1, 8)
    trained = net(architecture=(Whiten(2), Conv(3), GlobalPool()), **STILL).fit(X, Y)
    right = feature_maps(trained, X, layer=0).reshape(-1, 8)
    np.testing.assert_allclose(values, right, rtol=1e-3, atol=1e-3)


def test_named_architectures_signals_and_volumes():
    assert random_features("resnet20").fit_transform(X[:5]).shape == (5, 64)
    rng = np.random.default_rng(0)
    signals = random_features((Conv(3), Pool(2)), layer=1, n_spatial_dims=1)
    assert signals.fit_transform(rng.normal(size=(6, 20, 2))).shape == (6, 3)
    volumes = random_features((Conv(3), Flatten()), layer=0, pooling="both", n_spatial_dims=3)
    assert volumes.fit_transform(rng.normal(size=(6, 4, 5, 4))).shape == (6, 6)


# Bits


@pytest.mark.parametrize("make", [base, any_size, module_base])
def test_features_are_the_same_bits_alone_in_batches_in_any_order_and_on_any_threads(make):
    large = np.kron(X, np.ones((3, 3)))[:70] if make is any_size else X[:70]
    model = ConvNetFeatures(make(), pooling="both", n_threads=1).fit(large)
    right = model.transform(large)
    for size in (1, 3, 32):
        parts = [model.transform(large[i : i + size]) for i in range(0, len(large), size)]
        np.testing.assert_array_equal(np.concatenate(parts), right)
    np.testing.assert_array_equal(model.transform(large[::-1])[::-1], right)
    np.testing.assert_array_equal(model.set_params(n_threads=2).transform(large), right)
    with torch_threads(2, 0):
        np.testing.assert_array_equal(model.set_params(n_threads=None).transform(large), right)


@pytest.mark.parametrize("make", [base, module_base])
def test_several_threads_may_transform_at_a_time(make):
    model = ConvNetFeatures(make()).fit(X)
    right = model.transform(X)
    with ThreadPoolExecutor(4) as pool:
        starts = list(range(0, 100, 10)) * 3
        parts = list(pool.map(lambda i: model.transform(X[i : i + 10]), starts))
    for start, part in zip(starts, parts, strict=True):
        np.testing.assert_array_equal(part, right[start : start + 10])


@pytest.mark.parametrize("make", [base, module_base])
def test_the_base_is_not_changed_and_its_training_changes_no_features(make):
    own = copy.deepcopy(make())
    before = copy.deepcopy(state(own))
    model = ConvNetFeatures(own).fit(X)
    right = model.transform(X)
    assert_same(state(own), before)
    assert not any(each._forward_pre_hooks for each in own.net_.module_.modules())
    own.partial_fit(OLD, digits()[0][1])
    np.testing.assert_array_equal(model.transform(X), right)


@pytest.mark.parametrize("architecture", [LAYERS, base(), module_base(), module])
def test_copies_have_the_same_bits(architecture):
    model = random_features(architecture).fit(X)
    right = model.transform(X)
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), clone(model).fit(X)):
        np.testing.assert_array_equal(copied.transform(X), right)
    assert not hasattr(clone(model), "layer_")
    assert model.device_ == "cpu"


# Forms of samples, and what comes after


def test_set_output_and_names():
    model = random_features(input_shape=(8, 8)).set_output(transform="pandas")
    frame = pd.DataFrame(X.reshape(len(X), -1), index=np.arange(len(X)) + 5).rename(columns=str)
    got = model.fit_transform(frame)
    assert got.index.equals(frame.index)
    assert list(got.columns) == [f"convnetfeatures{i}" for i in range(5)]
    np.testing.assert_array_equal(model.get_feature_names_out(), got.columns)
    np.testing.assert_array_equal(got, random_features().fit_transform(X))
    assert list(model.feature_names_in_) == list(frame.columns)


def test_forms_of_images_have_the_same_features(tmp_path):
    images = (X * 15).astype(np.uint8)
    right = random_features().fit_transform(images)
    pictures = [Image.fromarray(image) for image in images]
    paths = [tmp_path / f"{i}.png" for i in range(len(images))]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    forms = [pictures, torch.from_numpy(images), images.astype(float), ImageFiles(paths, mode="L")]
    for form in forms:
        model = random_features().set_output(transform="default").fit(form)
        np.testing.assert_array_equal(model.transform(form), right)
    loaded = make_pipeline(LoadImages(mode="L"), random_features()).set_output(transform="pandas")
    np.testing.assert_array_equal(loaded.fit_transform([str(path) for path in paths]), right)


def test_augmentations_before_it_give_one_draw():
    model = make_pipeline(RandomFlip(random_state=0), random_features())
    with pytest.warns(FrozenAugmentationWarning, match="gets one draw"):
        drawn = model.fit_transform(X)
    right = random_features().fit_transform(X)
    assert not np.array_equal(drawn, right)
    np.testing.assert_array_equal(model.transform(X), right)


def test_it_is_a_step_in_scikit_learns_tools():
    model = make_pipeline(ConvNetFeatures(base()), LogisticRegression(max_iter=1000))
    scores = cross_val_score(model, X, Y, cv=3)
    assert scores.mean() > 0.5
    grid = {"convnetfeatures__layer": ["conv_1", None], "convnetfeatures__pooling": ["max", "both"]}
    search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(X, Y)
    by_params = zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    )
    last = {"convnetfeatures__layer": None, "convnetfeatures__pooling": "both"}
    assert [score for params, score in by_params if params == last] == [scores.mean()]
    assert search.best_estimator_[0].architecture is base()
    bases = [FrozenEstimator(base()), FrozenEstimator(any_size())]
    space = {"convnetfeatures__architecture": bases}
    own = ConvNetSearchCV(model, space, n_trials=2, cv=2, random_state=0).fit(X, Y)
    assert own.best_params_["convnetfeatures__architecture"] in bases


def test_a_fitted_network_is_not_a_parameter_with_parameters():
    model = ConvNetFeatures(base())
    assert not [name for name in model.get_params() if "__" in name]
    assert clone(model).architecture is base()
    assert "architecture=ConvNetClassifier" in repr(model)
    assert "ConvNetFeatures" in model._repr_html_()


# What is refused


@pytest.mark.parametrize("make", [base, module_base])
@pytest.mark.parametrize("layer", [-1, "the last"])
def test_the_output_layer_gives_no_features(make, layer):
    layer = list(make().summary().index)[-1] if layer == "the last" else layer
    with pytest.raises(ValueError, match=r"a layer before the output layer, one of \["):
        ConvNetFeatures(make(), layer=layer).fit(X)


@pytest.mark.parametrize("make", [base, module_base])
@pytest.mark.parametrize("layer", ["conw", 99, True, ""])
def test_unknown_layers_raise(make, layer):
    with pytest.raises(ValueError, match=r"'layer' parameter .* Got (True|'conw'|99|'')"):
        ConvNetFeatures(make(), layer=layer).fit(X)


class Odd(nn.Module):
    """A module with parts that have no features, and no last linear layer."""

    def __init__(self, n_outputs):
        super().__init__()
        self.unused = nn.ReLU()
        self.pairs = nn.Identity()
        self.total = nn.Identity()
        self.gru = nn.GRU(8, 4, batch_first=True)
        self.head = nn.Linear(8, n_outputs)

    def forward(self, x):
        self.pairs([x, x])
        self.total(x.sum())
        values, _ = self.gru(x[:, 0])
        return self.head(torch.cat([values[:, -1], values[:, 0]], 1)) * 1.0


def odd(shape, n_outputs):
    return Odd(n_outputs)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("unused", "'unused' does not run in a prediction"),
        ("pairs", "must return one tensor, of one row a sample. Got list"),
        ("total", r"must return one tensor, of one row a sample. Got \(\)"),
        (None, "must be set for a module that does not end with a torch.nn.Linear"),
    ],
)
def test_parts_of_modules_without_features_raise(layer, message):
    with pytest.raises(ValueError, match=message):
        ConvNetFeatures(odd, layer=layer).fit(X)


def test_the_first_of_several_outputs_of_a_part_is_taken():
    assert ConvNetFeatures(odd, layer="gru", pooling=None).fit_transform(X).shape == (len(X), 32)


def test_features_choose_nothing():
    with pytest.raises(ValueError, match="'pretrained' parameter of ConvNetFeatures must be True"):
        ConvNetFeatures(pretrained="auto").fit(X)


@pytest.mark.parametrize(
    "model",
    [ConvNetFeatures(LAYERS), net(architecture=LAYERS, pretrained=True),
     net(architecture=module, pretrained=True)],
)  # fmt: skip
def test_an_architecture_without_weights_raises_before_values_are_judged(model):
    with pytest.raises(WeightsError, match="needs an 'architecture' with published weights"):
        model.fit(1000 * X, Y)  # which would warn of the scale


def test_an_unfitted_network_raises():
    for value in (net(), FrozenEstimator(net())):
        for call in (lambda m: m.fit(X), lambda m: m.summary((8, 8, 1))):
            with pytest.raises(NotFittedError, match=r"not fitted.*FrozenEstimator"):
                call(ConvNetFeatures(value))


def test_unfitted_features_raise():
    with pytest.raises(NotFittedError):
        ConvNetFeatures(base()).transform(X)
    with pytest.raises(NotFittedError, match="summary needs input_shape"):
        ConvNetFeatures(base()).summary()
    assert len(ConvNetFeatures(base(), input_shape=(8, 8)).summary()) == len(base().summary())


def test_a_failed_fit_leaves_it_unfitted():
    model = ConvNetFeatures(base()).fit(X)
    with pytest.raises(ArchitectureError, match="3 channels"):
        model.fit(np.stack([X] * 3, axis=-1))
    with pytest.raises(NotFittedError):
        model.transform(X)


def test_samples_of_another_shape_or_scale():
    byte = net(architecture=(Conv(4), GlobalPool())).fit((X * 15).astype(np.uint8), Y)
    model = ConvNetFeatures(byte).fit((X * 15).astype(np.uint8))
    with pytest.raises(InputShapeError, match=r"samples of shape \(5, 8\)"):
        model.transform(X[:, :5])
    with pytest.warns(InputScaleWarning, match="at fit it lay in"):
        model.transform(X / 16)
    with pytest.warns(InputScaleWarning, match="at fit it lay in"):
        ConvNetFeatures(byte).fit(X / 16)


def test_features_that_are_not_finite_raise():
    model = random_features((Conv(4), Conv(4), GlobalPool())).fit(X - 1)  # no bytes
    far = X.copy()
    far[3] = 1e38
    with pytest.raises(ValueError, match="1 of 120 samples, the first at index 3, are infinite"):
        model.transform(far)


def test_an_interrupt_leaves_it_as_it_was(monkeypatch):
    model = ConvNetFeatures(base()).fit(X)
    right = model.transform(X)
    monkeypatch.setattr(np, "isfinite", lambda values: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        model.transform(X)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.transform(X), right)


def test_features_are_computed_in_halves_where_memory_is_too_small(monkeypatch):
    X, model = fitted((9, 8), device="cpu")
    expected = ConvNetFeatures(model, device="cpu").fit_transform(X)
    limit_predictions(monkeypatch, 4)
    with pytest.warns(OutOfMemoryWarning, match="parts of down to 4"):
        got = ConvNetFeatures(model, device="cpu").fit_transform(X)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
