"""Any legal parameters: fit, predict, save and load give the same bits. Illegal ones are named."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import skcnn
from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._network.network import WEIGHT_INITS
from skcnn._training.optimizers import OPTIMIZERS
from skcnn._training.schedules import SCHEDULES
from skcnn.augmentation import MixUp, RandAugment, RandomFlip, RandomNoise
from skcnn.exceptions import ArchitectureError, TrainingDivergedError
from skcnn.layers._activation import ACTIVATIONS
from skcnn.layers._padding import PADDING_MODES

RNG = np.random.default_rng(0)
N = 18


def sometimes(strategy, otherwise):
    return st.one_of(st.just(otherwise), strategy)


COMMON = {
    "filters": st.sampled_from(["auto", 2, (2,), (1, (2, 3)), [3, 2]]),
    "kernel_size": st.sampled_from([1, 2, 3, (3,)]),
    "padding": st.sampled_from(["same", 1]),
    "padding_mode": st.sampled_from(sorted(PADDING_MODES)),
    "pooling": st.sampled_from(["max", "average", None]),
    "hidden_units": st.sampled_from([(), 3, (3, 2)]),
    "global_pooling": st.sampled_from(["auto", "max", "average", None]),
    "activation": st.sampled_from(sorted(ACTIVATIONS)),
    "normalization": st.sampled_from(["batch", "group", None]),
    "dropout": sometimes(st.floats(0, 0.9), 0.25),
    "conv_dropout": sometimes(st.floats(0, 0.9), 0.0),
    "weight_init": st.sampled_from(WEIGHT_INITS),
    "optimizer": st.sampled_from(("auto", *OPTIMIZERS)),
    "learning_rate": sometimes(st.floats(1e-5, 1e-2), "auto"),
    "momentum": sometimes(st.floats(0, 0.99), "auto"),
    "nesterov": st.booleans(),
    "weight_decay": sometimes(st.floats(0, 0.1), "auto"),
    "l1_penalty": sometimes(st.floats(0, 0.01), 0.0),
    "lr_schedule": st.sampled_from(sorted(SCHEDULES)),
    "batch_size": st.sampled_from(["auto", None, 1, 7]),
    "max_epochs": st.integers(1, 3),
    "max_seconds": st.sampled_from([None, 1e6]),
    "augmentation": st.sampled_from([None, RandomNoise(0.1), [RandAugment(), MixUp()]]),
    "test_time_augmentation": st.sampled_from([None, [RandomNoise((0.1, 0.1))]]),
    "standardize": st.booleans(),
    "gradient_clip": sometimes(st.floats(0.1, 10), None),
    "early_stopping": st.booleans(),
    "warm_start": st.booleans(),
    "precision": st.sampled_from(["auto", "float32", "bfloat16"]),
    "random_state": st.sampled_from([0, 7, None]),
    "channels": st.sampled_from(["first", "last"]),
}
OF_CLASSIFIERS = {
    "loss": st.sampled_from(["cross_entropy", "squared_error"]),
    "label_smoothing": sometimes(st.floats(0, 0.9), 0.0),
    "class_weight": st.sampled_from([None, "balanced", {0: 1.0, 1: 2.0, 2: 0.5}]),
    "calibration": st.sampled_from([None, "temperature"]),
}
OF_REGRESSORS = {"loss": st.sampled_from(["squared_error", "absolute_error", "huber"])}
SHAPES = {1: (8, 2), 2: (6, 5, 2), 3: (4, 4, 3, 2)}


@st.composite
def fitted_models(draw):
    """A fitted estimator, and samples."""
    is_classifier, n_dims = draw(st.booleans()), draw(st.sampled_from([1, 2, 2, 3]))
    own = OF_CLASSIFIERS if is_classifier else OF_REGRESSORS
    knobs = {
        name: draw(strategy)
        for name, strategy in (COMMON | own).items()
        if draw(st.booleans()) or name == "max_epochs"
    }
    if n_dims > 1 and isinstance(knobs.get("kernel_size"), tuple):
        knobs["kernel_size"] = 3
    if n_dims == 2 and draw(st.booleans()):
        knobs["augmentation"] = RandomFlip()
    shape = SHAPES[n_dims]
    if knobs.get("channels") == "first":
        shape = (shape[-1], *shape[:-1])
    X = np.random.default_rng(1).normal(size=(N, *shape))
    cls = ConvNetClassifier if is_classifier else ConvNetRegressor
    y = np.arange(N) % 3 if is_classifier else X.reshape(N, -1)[:, : draw(st.integers(1, 2))]
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    small = {"filters": (2,), "hidden_units": (), "n_spatial_dims": n_dims, "device": "cpu"}
    return cls(**small | knobs), X, y


def is_expected(error, model):
    """Whether the parameters fit no network, or one whose values grow without bounds."""
    if isinstance(error, ArchitectureError):  # maps with fewer values than are mirrored
        return model.padding_mode == "mirror" and "repeats at most one value less" in str(error)
    is_large = isinstance(error, TrainingDivergedError) or "infinite or NaN" in str(error)
    return model.activation == "square" and is_large  # each layer squares its values


def check(model, X, y):
    try:
        compare(model, X, y)
    except (ArchitectureError, TrainingDivergedError, ValueError) as error:
        if not is_expected(error, model):
            raise
        reject()


def compare(model, X, y):
    """Compare the predictions and the further training of a model and of its copy from a file."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # of samples that are trained on again
        path = Path(folder) / "model"
        model.fit(X, y)
        predict = "predict_proba" if hasattr(model, "predict_proba") else "predict"
        skcnn.save(model, path)
        again = skcnn.load(path)
        expected = getattr(model, predict)(X)
        np.testing.assert_array_equal(getattr(again, predict)(X), expected, strict=True)
        assert repr(again) == repr(model)
        if model.random_state is not None:
            for each in (model, again):
                if predict == "predict_proba":
                    each.set_params(calibration=None)  # or partial_fit raises an error
            model.partial_fit(X, y)
            again.partial_fit(X, y)
            trained = getattr(model, predict)(X)
            np.testing.assert_array_equal(getattr(again, predict)(X), trained, strict=True)


QUIET = {"deadline": None, "suppress_health_check": [*HealthCheck], "derandomize": True}


@settings(max_examples=12, **QUIET)
@given(fitted_models())
def test_any_model_comes_back_with_the_same_bits(case):
    check(*case)


@pytest.mark.slow  # minutes
@settings(max_examples=600, **QUIET)
@given(fitted_models())
def test_many_models_come_back_with_the_same_bits(case):
    check(*case)


ILLEGAL = {
    "architecture": ["x", 3],
    "augmentation": ["x", [3]],
    "augmentation_strength": [-0.1, "x"],
    "activation": ["x", None],
    "batch_size": [0, 1.5],
    "calibration": ["x", True, 3],
    "callbacks": [3, [3]],
    "checkpoint": [3, ""],
    "checkpoint_seconds": [-1, "x"],
    "missing": ["x", None],
    "channels": ["x"],
    "class_weight": ["x", {0: -1.0}, 3],
    "compile": ["x", None],
    "conv_dropout": [1.0, -0.1, "x"],
    "device": ["x"],
    "dropout": [1.0, -0.1, "x"],
    "early_stopping": ["x", None],
    "feature_cache": [3],
    "filters": [0, (2, "x"), -1],
    "gradient_clip": [0, np.nan],
    "global_pooling": ["x"],
    "hidden_units": [(0,)],
    "image_size": ["x", 0],
    "input_shape": [0, (0, 6), "x"],
    "kernel_size": [0, "x"],
    "l1_penalty": [-0.1, "x", np.inf],
    "label_smoothing": [1.0],
    "learning_rate": [0, -1.0, "x", np.inf],
    "learning_rate_decay": [0, 1.5, "x"],
    "loss": ["x", None],
    "lr_schedule": ["x", None],
    "max_epochs": [0, "x"],
    "max_seconds": [0, -1.0, "x", np.inf, np.nan],
    "momentum": [1.0],
    "n_iter_no_change": [0, 1.5],
    "n_spatial_dims": [4],
    "n_threads": [0, 1.5],
    "nesterov": ["x"],
    "normalization": ["x"],
    "optimizer": ["x", None],
    "padding": ["x", -1],
    "padding_mode": ["x", None],
    "pool_size": [0, "x"],
    "pool_stride": [0, "x"],
    "pooling": ["x"],
    "precision": ["float16"],
    "pretrained": ["x", 3],
    "random_state": ["x", -1],
    "standardize": ["x", None],
    "stride": [0, "x"],
    "test_time_augmentation": ["x", 3],
    "tol": [-1.0, "x", np.nan],
    "trainable": ["x", -1],
    "unfreezing": ["x", 3],
    "validation_fraction": [0.0, 1.0],
    "verbose": [-1, "x"],
    "warm_start": ["x", None],
    "weight_decay": [-1.0, "x", np.inf],
    "weight_init": ["x", None],
}
CASES = [(name, value) for name, values in ILLEGAL.items() for value in values]


def test_every_parameter_has_illegal_values():
    assert {*ILLEGAL} == {*ConvNetClassifier().get_params()}


@pytest.mark.parametrize(("name", "value"), CASES, ids=map(repr, CASES))
def test_an_illegal_parameter_is_named(name, value):
    X = RNG.normal(size=(N, 6, 6))
    with pytest.raises((ValueError, TypeError, OSError), match=f"'{name}'|{name}="):
        ConvNetClassifier(**{name: value}).fit(X, np.arange(N) % 3)
