"""The parameters for training a part of a network: legal values, messages, scikit-learn's tools."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn

from skcnn import ConvNetClassifier, ConvNetRegressor, ConvNetSearchCV
from skcnn._data.feature_cache import MEMORY
from skcnn._network import frozen_features
from skcnn.datasets import ImageFiles
from skcnn.exceptions import ArchitectureError
from skcnn.layers import (
    Activation,
    Concatenate,
    Conv,
    GlobalPool,
    LayerSpec,
    Normalize,
    Pool,
    Residual,
)
from tests.helpers.processes import Child
from tests.helpers.small_fits import data, tiny
from tests.helpers.weights import assert_same_weights, same_weights

X, y = data(8, 8)
LAYERS = [Conv(3, bias=False), Normalize(), Activation("relu"), Pool(2), Conv(4), GlobalPool()]


def net(cls=ConvNetClassifier, **params):
    # without standardize the frozen layers do not depend on the fold
    return tiny(cls, **{"architecture": LAYERS, "standardize": False, **params})


def head(**params):
    return net(trainable="head", **params)


@pytest.fixture
def computed(monkeypatch):
    """How many samples the frozen layers were applied to, in each call."""
    seen = []
    own = frozen_features.FrozenFeatures._computed

    def counted(self, images):
        seen.append(len(images))
        return own(self, images)

    monkeypatch.setattr(frozen_features.FrozenFeatures, "_computed", counted)
    MEMORY.clear()
    yield seen
    MEMORY.clear()


def user_module(shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, n_outputs))


WRONG = [
    ("trainable", "heads", InvalidParameterError, "'trainable' .*Did you mean 'head'"),
    ("trainable", -1, InvalidParameterError, "'trainable' parameter"),
    ("trainable", True, InvalidParameterError, "'trainable' parameter"),
    ("trainable", 1.0, InvalidParameterError, "'trainable' parameter"),
    ("trainable", 3, ArchitectureError, "trainable=3 is more than the 2 blocks of the network"),
    ("learning_rate_decay", 0.0, InvalidParameterError, r"'learning_rate_decay' .*\(0.0, 1.0\]"),
    ("learning_rate_decay", 1.1, InvalidParameterError, "'learning_rate_decay'"),
    ("unfreezing", "slow", InvalidParameterError, "'unfreezing' parameter"),
    ("unfreezing", ["head"], InvalidParameterError, "'unfreezing' parameter"),
    ("unfreezing", {-1: "head"}, ValueError, "keys of the 'unfreezing' parameter .*Got -1"),
    ("unfreezing", {"head": 1}, ValueError, "keys of the 'unfreezing' parameter .*Got 'head'"),
    ("unfreezing", {True: "head"}, ValueError, "keys of the 'unfreezing' parameter .*Got True"),
    ("unfreezing", {2: "al"}, ValueError, "values of the 'unfreezing' .*Got 'al' for 2 epochs.*'all'"),
    ("unfreezing", {2: -1}, ValueError, "values of the 'unfreezing' parameter .*Got -1"),
    ("unfreezing", {2: False}, ValueError, "values of the 'unfreezing' parameter .*Got False"),
    ("unfreezing", {2: None}, ValueError, "values of the 'unfreezing' parameter .*Got None"),
    ("unfreezing", {2: 7}, ArchitectureError, "trainable=7 is more than the 2 blocks"),
    ("feature_cache", 3, InvalidParameterError, "'feature_cache' parameter"),
    ("feature_cache", "", ValueError, "'feature_cache' parameter .*Got ''"),
    ("feature_cache", "Memory", ValueError, r"Got 'Memory'. Did you mean 'memory'\?.*'./Memory'"),
    ("feature_cache", " memory", ValueError, r"Got ' memory'. Did you mean 'memory'\?"),
    ("feature_cache", __file__, ValueError, "'feature_cache' parameter .*File exists"),
]  # fmt: skip


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG)
def test_wrong_values_have_a_message(cls, name, value, error, message):
    model = net(cls, **{name: value})
    with pytest.raises(error, match=message):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


MODULES = [
    ({"trainable": "last_block"}, "trainable='last_block' needs a network of skcnn.layers"),
    ({"trainable": 1}, "trainable=1 needs a network of skcnn.layers.*use 'all' or 'head'"),
    ({"unfreezing": {2: 1}}, "trainable=1 needs a network of skcnn.layers"),
    ({"learning_rate_decay": 0.5}, "learning_rate_decay=0.5 needs a network of skcnn.layers"),
]


@pytest.mark.parametrize(("params", "message"), MODULES)
def test_blocks_of_a_users_module_are_not_known(params, message):
    with pytest.raises(ArchitectureError, match=message):
        net(architecture=user_module, **params).fit(X, y)


def test_a_module_without_linear_layer_has_no_head():
    def make(shape, n_outputs):
        return nn.Sequential(nn.Conv2d(1, n_outputs, 8), nn.Flatten())

    with pytest.raises(ArchitectureError, match=r"last torch.nn.Linear .*it has none"):
        net(architecture=make, trainable="head").fit(X, y)


@pytest.mark.parametrize("trainable", ["all", "head", "last_block", 0, 1, 2, np.int64(1)])
def test_parameters_survive_clone_and_describe_the_fit(trainable):
    model = clone(net(trainable=trainable, learning_rate_decay=0.5, feature_cache=Path("x")))
    assert model.get_params()["trainable"] == trainable
    model.set_params(feature_cache=None).fit(X, y)
    assert model.unfreezing_ == {0: trainable}


@pytest.mark.parametrize("trainable", ["head", "last_block"])
def test_knobs_and_named_networks_have_parts(trainable):
    knobs = tiny(filters=(4, 4), hidden_units=(8,), trainable=trainable).fit(X, y)
    trained = {n.split(".")[1] for n, p in knobs.net_.module_.named_parameters() if p.requires_grad}
    dense = {"dense_1", "normalize_3"} if trainable == "last_block" else set()
    assert trained == {"output", *dense}
    named = tiny(architecture="resnet20", trainable=trainable, max_epochs=1).fit(X, y)
    counts = {"head": 2, "last_block": 20}
    assert sum(p.requires_grad for p in named.net_.module_.parameters()) == counts[trainable]


def test_summary_numbers_the_blocks():
    table = net(trainable="head").summary((8, 8, 1), n_outputs=2)
    assert table["block"].tolist() == [2, 2, 2, 1, 1, 1, 0]
    assert net(architecture=user_module).summary((8, 8, 1), n_outputs=2)["block"].isna().all()


def test_grid_search_over_the_parameters():
    grid = {"trainable": ["head", 1, "all"], "learning_rate_decay": [1.0, 0.5]}
    search = GridSearchCV(net(feature_cache="memory"), grid, cv=2, n_jobs=1).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.unfreezing_ == {0: search.best_params_["trainable"]}


def test_search_over_the_parameters():
    space = {"trainable": ["head", "last_block", "all"], "learning_rate_decay": (0.2, 1.0)}
    search = ConvNetSearchCV(head(), space, n_trials=3, cv=2, random_state=0).fit(X, y)
    assert set(search.cv_results_["param_trainable"]) <= {*space["trainable"]}
    assert search.best_estimator_.trainable == search.best_params_["trainable"]


def test_a_search_goes_on_with_another_cache(tmp_path):
    space = {"learning_rate": [0.01, 0.02]}
    how = {"cv": 2, "storage": str(tmp_path / "study.db"), "study_name": "s", "random_state": 0}
    ConvNetSearchCV(head(), space, n_trials=1, **how).fit(X, y)
    model = head(feature_cache="memory")
    assert (
        len(ConvNetSearchCV(model, space, n_trials=2, **how).fit(X, y).cv_results_["params"]) == 2
    )


@pytest.mark.parametrize("where", ["memory", "folder"])
@pytest.mark.parametrize("trainable", ["head", "last_block"])
def test_folds_share_features_and_their_scores_stay(where, trainable, computed, tmp_path):
    scores = cross_val_score(net(trainable=trainable), X, y, cv=4)
    assert sum(computed) == 4 * 30
    computed.clear()
    cache = "memory" if where == "memory" else tmp_path / "features"
    model = net(trainable=trainable, feature_cache=cache)
    np.testing.assert_array_equal(cross_val_score(model, X, y, cv=4), scores)
    assert sum(computed) == 40
    computed.clear()
    assert_same_weights(model.fit(X, y), net(trainable=trainable).fit(X, y))
    assert computed == [40]  # of the second fit, which has no cache


def test_early_stopping_uses_the_cache(computed):
    how = {"early_stopping": True, "validation_fraction": 0.25}
    plain, kept = head(**how).fit(X, y), head(feature_cache="memory", **how).fit(X, y)
    assert_same_weights(plain, kept)
    computed.clear()
    head(feature_cache="memory", **how).set_params(learning_rate=0.1).fit(X, y)
    assert computed == []


def test_another_network_has_other_features(computed, tmp_path):
    for cache in ("memory", tmp_path):
        computed.clear()
        first = head(feature_cache=cache).fit(X, y)
        second = head(feature_cache=cache, random_state=1).fit(X, y)  # other weights
        head(feature_cache=cache, standardize=True).fit(X, y)
        head(feature_cache=cache, channels="first", n_spatial_dims=2).fit(X, y)  # as the first
        changed = [Conv(3, bias=False), Normalize(epsilon=1e-3), *LAYERS[2:]]
        head(feature_cache=cache, architecture=changed).fit(X, y)
        assert computed == [40, 40, 40, 40, 40]
        assert not same_weights(first, second)
        computed.clear()
        head(feature_cache=cache).fit(X[::-1], y[::-1])
        head(feature_cache=cache).fit(X + 0.5, y)
        assert computed == [40]


def test_a_changed_weight_makes_other_features(computed):
    model = net(feature_cache="memory", warm_start=True).fit(X, y)
    model.set_params(trainable="head").fit(X, y)
    model.fit(X, y)
    assert computed == [40]
    model.net_.module_.layers.normalize_1.running_mean[0] += 0.01
    model.fit(X, y)
    assert computed == [40, 40]


def _fit(folder, seconds):
    model = head(feature_cache=folder, max_epochs=2).fit(X, y)
    return model.predict_proba(X)


def test_two_processes_share_a_folder(tmp_path):
    children = [Child(_fit, str(tmp_path), 1) for _ in range(2)]
    first, second = (child.hear() for child in children)
    for child in children:
        child.join()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, head(max_epochs=2).fit(X, y).predict_proba(X))


def test_a_damaged_folder_changes_no_result(tmp_path, computed):
    expected = head(feature_cache=tmp_path).fit(X, y)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        again = head(feature_cache=tmp_path).fit(X, y)
    assert_same_weights(again, expected)
    assert computed == [40, 1]


def test_image_files_are_read_once(tmp_path, computed):
    for i, image in enumerate((X * 255).astype(np.uint8)):
        Image.fromarray(image).save(tmp_path / f"{i:02}.png")
    files = ImageFiles(sorted(map(str, tmp_path.iterdir())), mode="L", cache=None)
    from_files = head().fit(files, y)
    assert_same_weights(from_files, head().fit((X * 255).astype(np.uint8), y))
    assert computed == [40, 40]


def test_a_users_module_keeps_no_features_between_fits(computed):
    for _ in range(2):
        head(architecture=user_module, feature_cache="memory", random_state=0).fit(X, y)
    assert computed == [40, 40]


def times(factor):
    """Return a layer of a class that the user writes again and again."""

    class Multiply(nn.Module):
        def forward(self, x):
            return factor * x

    @dataclass(frozen=True)
    class Times(LayerSpec):
        def build(self, shape, is_signal):
            return Multiply()

    return Times()


@pytest.mark.parametrize("inside", [list, Residual, lambda x: Concatenate([x, [Conv(2)]])])
def test_layers_of_the_user_keep_no_features_between_fits(inside, computed, tmp_path):
    for where in ("memory", tmp_path):
        for factor in (1.0, -5.0):
            middle = inside([times(factor)])
            layers = [Conv(3), *(middle if isinstance(middle, list) else [middle]), GlobalPool()]
            model = head(architecture=layers, feature_cache=where).fit(X, y)
            expected = head(architecture=layers).fit(X, y)
            np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert not list(tmp_path.iterdir())


def test_layers_of_this_package_inside_others_keep_features(computed):
    layers = [Conv(3), Residual([Conv(3)]), Concatenate([[Conv(2)], [Conv(2)]]), GlobalPool()]
    for _ in range(2):
        head(architecture=layers, feature_cache="memory").fit(X, y)
    assert computed == [40]


@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
@pytest.mark.parametrize("trainable", ["head", "last_block"])
def test_predictions_use_the_cache_and_keep_their_bits(cls, trainable, computed, tmp_path):
    targets = y if cls is ConvNetClassifier else X.mean((1, 2))
    model = net(cls, trainable=trainable).fit(X, targets)
    others = np.random.default_rng(5).random((11, 8, 8))
    methods = ["predict"]
    if cls is ConvNetClassifier:
        methods += ["predict_proba", "decision_function"]
    for samples in (others, others[:1], np.concatenate([X, others])):
        expected = [getattr(model, name)(samples) for name in methods]
        computed.clear()
        for cache in ("memory", tmp_path / "folder"):
            model.set_params(feature_cache=cache)
            for _ in range(2):
                for name, values in zip(methods, expected, strict=True):
                    np.testing.assert_array_equal(getattr(model, name)(samples), values)
        model.set_params(feature_cache=None)
    assert computed == [40, 40]  # the others were computed before


def test_predictions_without_frozen_layers_or_with_views_use_no_cache(computed):
    whole = net(feature_cache="memory").fit(X, y)
    views = head(feature_cache="memory", test_time_augmentation="flip").fit(X, y)
    made = head(feature_cache="memory", architecture=user_module).fit(X, y)
    computed.clear()
    for model in (whole, views, made):
        model.predict(X)
    assert computed == []


def test_too_many_features_are_predicted_by_the_whole_network(computed, monkeypatch):
    model = head(feature_cache="memory").fit(X, y)
    expected = model.predict_proba(X)
    monkeypatch.setattr(frozen_features, "MOST_BYTES", 4 * 4 * 39)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    assert computed == [40]


@pytest.mark.parametrize("trainable", ["head", "last_block", "all"])
def test_the_validation_score_is_that_of_the_predictions(trainable):
    model = net(trainable=trainable).fit(X, y, X_val=X[:9], y_val=y[:9])
    log_loss = -np.log(model.predict_proba(X[:9])[np.arange(9), y[:9]]).mean()
    assert model.history_["valid_loss"].iloc[-1] == pytest.approx(log_loss, rel=1e-6)
    assert model.history_["valid_score"].iloc[-1] == model.score(X[:9], y[:9])
