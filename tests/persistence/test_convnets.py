"""ConvNets that were saved and loaded: the same bits, also after more training."""

import copy
import pickle
import re
from importlib.metadata import PackageNotFoundError

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.callback import ProgressBar
from torch import nn

import skcnn
from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet import fitted_network
from skcnn._files.container import read_container
from skcnn.augmentation import RandomFlip, RandomNoise, RandomRotation
from skcnn.exceptions import ModelFileError, UnsupportedModelError
from skcnn.inspection import saliency
from skcnn.layers import (
    Activation,
    Concatenate,
    Conv,
    Deviations,
    Dropout,
    GlobalPool,
    LayerSpec,
    Normalize,
    Pool,
    Residual,
    Whiten,
)
from tests.helpers.small_fits import WatchEpochs

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(24, 6, 6))
LABELS = np.array(list("abc") * 8)
NUMBERS = RNG.normal(size=24)
BLOCKS = [
    Deviations(),
    Whiten(),
    Concatenate([[Conv(2, 1)], [Pool(3, stride=1, padding="same"), Activation("gelu")], []]),
    Residual([Conv(4, padding=((1, 1), (1, 1))), Normalize(kind="group")], shortcut=[Conv(4, 1)]),
    Dropout(0.1, channels=True),
    GlobalPool(),
]


def classifier(**knobs):
    small = {"filters": (2,), "hidden_units": (), "max_epochs": 2, "random_state": 0}
    return ConvNetClassifier(**small | knobs)


def regressor(**knobs):
    small = {"filters": (2,), "hidden_units": (), "max_epochs": 2, "random_state": 0}
    return ConvNetRegressor(**small | knobs)


def linear(input_shape, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), n_outputs))


def saved_and_loaded(model, tmp_path, **options):
    path = tmp_path / "model.safetensors"
    skcnn.save(model, path)
    again = skcnn.load(path, **options)
    skcnn.save(again, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    return again


def assert_same_state(model, again):
    """The same parameters, fitted attributes and weights."""
    addresses = re.compile(r" at 0x\w+")
    assert addresses.sub("", repr(again)) == addresses.sub("", repr(model))
    assert vars(again).keys() == vars(model).keys()
    for name in ("classes_", "feature_names_in_", "offset_", "_target_mean", "_target_scale"):
        if hasattr(model, name):
            np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
            assert type(getattr(again, name)) is type(getattr(model, name))
    for name in (
        "input_shape_",
        "n_iter_",
        "best_epoch_",
        "n_parameters_",
        "unfreezing_",
        "_limits",
        "_value_range",
        "_rows",
    ):
        assert getattr(again, name) == getattr(model, name)
    pd.testing.assert_frame_equal(again.history_, model.history_)
    weights = again.net_.module_.state_dict()
    for name, tensor in model.net_.module_.state_dict().items():
        assert torch.equal(weights[name], tensor)
        assert weights[name].stride() == tensor.stride()
    assert [*again.net_.history] == [*model.net_.history]
    assert again.net_.frozen_names == model.net_.frozen_names


CLASSIFIERS = {
    "plain": ({}, IMAGES, LABELS),
    "adam": ({"optimizer": "adam"}, IMAGES, LABELS),
    "sgd": ({"optimizer": "sgd"}, IMAGES, LABELS),
    "sgd without momentum": ({"optimizer": "sgd", "momentum": 0.0}, IMAGES, LABELS),
    "muon": ({"optimizer": "muon", "hidden_units": (3,)}, IMAGES, LABELS),
    "rmsprop": ({"optimizer": "rmsprop"}, IMAGES, LABELS),
    "rmsprop without momentum": ({"optimizer": "rmsprop", "momentum": 0.0}, IMAGES, LABELS),
    "adagrad": ({"optimizer": "adagrad"}, IMAGES, LABELS),
    "integers": ({}, IMAGES, np.arange(24) % 3 * 2**40),
    "floats": ({}, IMAGES, np.arange(24) % 3.0),
    "booleans": ({}, IMAGES, np.arange(24) % 2 == 0),
    "objects": ({}, IMAGES, LABELS.astype(object)),
    "multilabel": ({"loss": "squared_error"}, IMAGES, (RNG.random((24, 3)) > 0.5).astype(int)),
    "smoothing": ({"label_smoothing": 0.1, "gradient_clip": 1.0}, IMAGES, LABELS),
    "early stopping": ({"early_stopping": True, "validation_fraction": 0.3}, IMAGES, LABELS),
    "layers": ({"architecture": BLOCKS}, IMAGES, LABELS),
    "name": ({"architecture": "lenet5"}, RNG.normal(size=(24, 28, 28)), LABELS),
    "augmented": (
        {
            "augmentation": [RandomRotation((0, 5)), RandomNoise(0.1, p=0.5)],
            "test_time_augmentation": [[RandomFlip()], RandomRotation((5, 5))],
            "class_weight": {"a": 2.0, "b": 1, "c": 1},
        },
        IMAGES,
        LABELS,
    ),
    "signals": ({"n_spatial_dims": 1}, RNG.normal(size=(24, 12, 2)), LABELS),
    "volumes": ({"n_spatial_dims": 3}, RNG.normal(size=(24, 4, 4, 4)), LABELS),
    "channels first": ({"channels": "first"}, RNG.normal(size=(24, 2, 6, 6)), LABELS),
    "bytes": ({}, RNG.integers(0, 256, (24, 6, 6)).astype(np.uint8), LABELS),
    "offset": ({}, IMAGES + 1e9, LABELS),
    "columns": ({}, pd.DataFrame(IMAGES[:, 0], columns=list("uvwxyz")), LABELS),
    "random state": ({"random_state": np.random.RandomState(3)}, IMAGES, LABELS),
    "head": ({"trainable": "head", "filters": (2, 3)}, IMAGES, LABELS),
    "part": ({"trainable": 1, "filters": (2, 3), "learning_rate_decay": 0.5}, IMAGES, LABELS),
    "unfrozen": ({"filters": (2, 3), "unfreezing": {0: "head", 1: "all"}}, IMAGES, LABELS),
}


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_a_classifier_comes_back_and_trains_on(case, tmp_path):
    knobs, X, y = CLASSIFIERS[case]
    model = classifier(**knobs).fit(X, y)
    again = saved_and_loaded(model, tmp_path)
    assert_same_state(model, again)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.predict(X).dtype == model.predict(X).dtype
    assert again.score(X, y) == model.score(X, y)
    pd.testing.assert_frame_equal(again.summary(), model.summary())
    for each in (model, again):
        each.set_params(early_stopping=False).partial_fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


REGRESSORS = {
    "one number": ({}, NUMBERS),
    "several numbers": ({"loss": "huber"}, RNG.normal(size=(24, 2))),
    "absolute error": ({"loss": "absolute_error"}, 1e6 + NUMBERS),
}


@pytest.mark.parametrize("case", REGRESSORS)
def test_a_regressor_comes_back_and_trains_on(case, tmp_path):
    knobs, y = REGRESSORS[case]
    model = regressor(**knobs).fit(IMAGES, y)
    again = saved_and_loaded(model, tmp_path)
    assert_same_state(model, again)
    np.testing.assert_array_equal(again.predict(IMAGES), model.predict(IMAGES))
    for each in (model, again):
        each.partial_fit(IMAGES, y)
    np.testing.assert_array_equal(again.predict(IMAGES), model.predict(IMAGES))


def test_early_stopping_goes_on_with_the_same_validation_samples(tmp_path):
    knobs = {"warm_start": True, "early_stopping": True, "validation_fraction": 0.25}
    model = classifier(**knobs).fit(IMAGES[:16], LABELS[:16])
    again = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(again._seen.validated, model._seen.validated)
    for each in (model, again):
        each.fit(IMAGES, LABELS)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))
    without_time = model.history_.columns.drop(["seconds", "samples_per_second"])
    pd.testing.assert_frame_equal(again.history_[without_time], model.history_[without_time])


def test_inspection_of_a_loaded_network(tmp_path):
    model = classifier().fit(IMAGES, LABELS)
    again = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(saliency(again, IMAGES[:3]), saliency(model, IMAGES[:3]))


def test_an_estimator_that_is_not_fitted(tmp_path):
    again = saved_and_loaded(classifier(filters=(2, (3, 4)), learning_rate=0.1), tmp_path)
    assert repr(again) == repr(classifier(filters=(2, (3, 4)), learning_rate=0.1))
    assert not hasattr(again, "net_")


def test_parameters_that_were_changed_after_the_fit(tmp_path):
    model = classifier().fit(IMAGES, LABELS).set_params(filters=(5, 5), loss="squared_error")
    again = saved_and_loaded(model, tmp_path)
    assert again.filters == (5, 5)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))
    for each in (model, again):
        each.partial_fit(IMAGES, LABELS)  # the loss of the first call
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))


def test_a_frozen_parameter_stays_frozen(tmp_path):
    model = classifier().fit(IMAGES, LABELS)
    next(model.net_.module_.parameters()).requires_grad_(False)
    again = saved_and_loaded(model, tmp_path)
    frozen = [p.requires_grad for p in model.net_.module_.parameters()]
    assert [p.requires_grad for p in again.net_.module_.parameters()] == frozen
    for each in (model, again):
        each.partial_fit(IMAGES, LABELS)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))


def test_the_network_of_a_callable_needs_it_again(tmp_path):
    model = classifier(architecture=linear).fit(IMAGES, LABELS)
    again = saved_and_loaded(model, tmp_path, architecture=linear)
    assert again.architecture is linear
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))
    path = tmp_path / "model.safetensors"
    with pytest.raises(ModelFileError, match=r"architecture was a callable.*architecture=\.\.\."):
        skcnn.load(path)
    with pytest.raises(TypeError, match="'architecture' parameter must be a callable or None"):
        skcnn.load(path, architecture="lenet5")
    with pytest.raises(ModelFileError, match="has other entries than expected"):
        skcnn.load(
            path, architecture=lambda shape, n: nn.Sequential(nn.Conv2d(1, n, 6), nn.Flatten())
        )


def test_a_callable_that_no_network_needs(tmp_path):
    skcnn.save(classifier().fit(IMAGES, LABELS), tmp_path / "m")
    with pytest.raises(ValueError, match="'architecture' parameter was given, but the model needs"):
        skcnn.load(tmp_path / "m", architecture=linear)


def test_the_network_of_another_package_is_made_by_its_name(tmp_path, monkeypatch):
    from skcnn._architectures import packages

    monkeypatch.setattr(packages, "_timm_module", lambda name, shape, n: linear(shape, n))
    model = classifier(architecture="timm:some_net").fit(IMAGES, LABELS)
    again = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), model.predict_proba(IMAGES))
    pd.testing.assert_frame_equal(again.summary(), model.summary())


def test_a_search_saves_its_best_estimator(tmp_path):
    space = {"learning_rate": [0.1, 0.2]}
    search = skcnn.ConvNetSearchCV(
        classifier(), space, n_trials=1, cv=2, random_state=0, sampler="random"
    )
    with pytest.raises(UnsupportedModelError, match="no best_estimator_: fit it with refit=True"):
        skcnn.save(search, tmp_path / "m")
    search.fit(IMAGES, LABELS)
    skcnn.save(search, tmp_path / "m")
    again = skcnn.load(tmp_path / "m")
    assert repr(again) == repr(search.best_estimator_)
    np.testing.assert_array_equal(again.predict_proba(IMAGES), search.predict_proba(IMAGES))


class Plain(LayerSpec):
    """A layer that is not of skcnn."""


def changed(name, value):
    model = classifier().fit(IMAGES, LABELS)
    setattr(model, name, value)
    return model


def with_callbacks():
    return classifier(callbacks=[WatchEpochs()]).fit(IMAGES, LABELS)


def with_callbacks_of_sklearn():
    return classifier().set_callbacks(ProgressBar())


def of_a_callable_that_is_gone():
    return classifier(architecture=linear).fit(IMAGES, LABELS).set_params(architecture=None)


def with_nan():
    model = classifier().fit(IMAGES, LABELS)
    next(model.net_.module_.parameters()).data[0] = torch.nan
    return model


def with_bfloat16():
    def network(shape, n):
        net = linear(shape, n)
        net.register_buffer("extra", torch.ones(2, dtype=torch.bfloat16))
        return net

    return classifier(architecture=network).fit(IMAGES, LABELS)


REFUSED = {
    "attribute": (lambda: changed("note_", 1), "the attribute 'note_' of ConvNetClassifier cannot"),
    "function": (
        lambda: classifier(augmentation=np.flip),
        r"model.augmentation is the function flip, which model files do not hold. Supported are",
    ),
    "class": (lambda: classifier(class_weight=pd.Series), "the class pandas.*Series"),
    "callbacks": (with_callbacks, r"'callbacks' .* as None only. .*set_params\(callbacks=None\)"),
    "callbacks of scikit-learn": (
        with_callbacks_of_sklearn,
        r"model has callbacks of scikit-learn.*: set_callbacks\(\)",
    ),
    "architecture": (of_a_callable_that_is_gone, "'architecture' no longer names"),
    "layer": (lambda: classifier(architecture=[Plain()]), "type .*test_convnets.Plain, which"),
    "weights": (with_nan, "values 'layers.conv_1.weight' are not all finite"),
    "bfloat16": (with_bfloat16, "state 'module.extra' is no array of real numbers"),
    "threads": (lambda: classifier(n_threads=10**6), "'n_threads' of ConvNetClassifier must be"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_saved_is_named(case, tmp_path):
    make, message = REFUSED[case]
    path = tmp_path / "model"
    path.write_text("old")
    with pytest.raises(UnsupportedModelError, match=message):
        skcnn.save(make(), path)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_callbacks_can_be_left_out(tmp_path):
    model = with_callbacks().set_params(callbacks=None)
    again = saved_and_loaded(model, tmp_path)
    np.testing.assert_array_equal(again.predict(IMAGES), model.predict(IMAGES))


@pytest.fixture
def accelerator(monkeypatch):
    """A machine whose automatic device is another one, where networks are only moved to."""
    moves = []
    monkeypatch.setattr(
        fitted_network, "resolve_device", lambda d: torch.device("meta" if d == "auto" else d)
    )
    monkeypatch.setattr(
        skcnn._training.engine.ConvNetEngine, "move_to", lambda self, device: moves.append(device)
    )
    return moves


@pytest.mark.parametrize(
    "read",
    [lambda model, path: pickle.loads(pickle.dumps(model)), None, copy.deepcopy],
)
@pytest.mark.parametrize(("device", "moves"), [("auto", [torch.device("meta")]), ("cpu", [])])
def test_a_network_goes_to_the_device_of_its_parameter(read, device, moves, tmp_path, request):
    model = classifier(device="cpu").fit(IMAGES, LABELS).set_params(device=device)
    skcnn.save(model, tmp_path / "m")
    pickled = pickle.dumps(model)
    accelerator = request.getfixturevalue("accelerator")
    again = skcnn.load(tmp_path / "m") if read is None else pickle.loads(pickled)
    assert accelerator == moves
    assert again.device == device


def test_a_missing_device_leaves_the_network_on_the_cpu(tmp_path):
    model = classifier(device="cpu").fit(IMAGES, LABELS).set_params(device="cuda:7")
    again = saved_and_loaded(model, tmp_path)
    assert again.net_.device == "cpu"
    assert pickle.loads(pickle.dumps(model)).net_.device == "cpu"


def test_versions_of_packages_are_saved(tmp_path, monkeypatch):
    from skcnn.persistence import _intake

    def version(name):
        if name == "skcnn":
            raise PackageNotFoundError
        return "1.2.3+cpu"

    monkeypatch.setattr(_intake, "version", version)
    skcnn.save(classifier(), tmp_path / "m")
    manifest, _ = read_container(tmp_path / "m")
    others = dict.fromkeys(["numpy", "scikit-learn", "torch"], "1.2.3")
    assert manifest["packages"] == {"skcnn": "unknown"} | others
