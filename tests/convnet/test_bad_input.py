"""Bad input of every kind: tables whose rows have the message that must be raised."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.exceptions import NotFittedError

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.exceptions import ArchitectureError, InputShapeError, TrainingDivergedError
from skcnn.layers import Conv, Dense, Flatten, Pool

rng = np.random.default_rng(0)
X = rng.random((12, 8, 8))
y = np.arange(12) % 3
FLAT = X.reshape(12, 64)


def with_value(value):
    bad = X.copy()
    bad[3, 2, 1] = value
    return bad


def _wrong_outputs(shape, n_outputs):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(n_outputs + 1))


# constructor parameters, X, y, exception, message
AT_FIT = [
    ("nan", {}, with_value(np.nan), y, ValueError, "Input X contains NaN"),
    ("inf", {}, with_value(np.inf), y, ValueError, "Input X contains infinity"),
    ("too large", {}, with_value(1e300), y, ValueError, r"too large for dtype\('float32'\)"),
    ("empty", {}, np.empty((0, 8, 8)), y[:0], ValueError, r"0 sample\(s\)"),
    ("no feature", {}, np.empty((12, 0)), y, ValueError, r"0 feature\(s\)"),
    ("no pixel", {}, np.empty((12, 8, 0)), y, ValueError, "empty axis"),
    ("one sample", {}, X[:1], y[:1], ValueError, "at least 2 classes.*one class"),
    ("one class", {}, X, np.ones(12), ValueError, "only one class: 1.0"),
    ("one dimension", {}, X[:, 0, 0], y, ValueError, "Expected 2D array, got 1D array"),
    ("scalar", {}, 3.0, y, ValueError, "Expected 2D array, got scalar"),
    ("six axes", {}, np.zeros((12, 2, 2, 2, 2, 2)), y, InputShapeError, "X has 6 axes"),
    ("complex", {}, FLAT + 1j, y, ValueError, "Complex data not supported"),
    ("complex images", {}, X + 1j, y, ValueError, "Complex data not supported"),
    ("sparse", {}, sp.csr_array(FLAT), y, TypeError, "Sparse data was passed for X"),
    ("object", {}, np.full((12, 4), "pixel", object), y, ValueError, "could not convert"),
    ("dicts", {}, np.full((12, 4), {}, object), y, TypeError, "argument must be .* string.* number"),
    ("ragged", {}, [[1, 2], [3]], y[:2], ValueError, "inhomogeneous"),
    ("too few labels", {}, X, y[:-1], ValueError, r"inconsistent numbers of samples: \[12, 11\]"),
    ("y None", {}, X, None, ValueError, "requires y to be passed, but the target y is None"),
    ("y continuous", {}, X, rng.random(12), ValueError, "Unknown label type: continuous"),
    ("y nan", {}, X, np.r_[np.nan, np.ones(11)], ValueError, "Input y contains NaN"),
    ("y inf", {}, X, np.r_[np.inf, np.ones(11)], ValueError, "Input y contains infinity"),
    ("y two columns of classes", {}, X, np.c_[y, y], ValueError, "multiclass-multioutput"),
    ("y three axes", {}, X, np.zeros((12, 2, 2)), ValueError, "Unknown label type"),
    ("shape of flat rows", {"input_shape": (7, 8)}, FLAT, y, InputShapeError,
     r"\(64,\) \(64 values\).*input_shape=\(7, 8\) \(56 values\)"),
    ("shape of images", {"input_shape": (8, 8, 3)}, X, y, InputShapeError, r"input_shape=\(8, 8, 3\)"),
    ("input_shape of zero", {"input_shape": (0, 8)}, FLAT, y, InputShapeError, r"integers >= 1.*Got \(0, 8\)"),
    ("input_shape of floats", {"input_shape": (8.0, 8)}, FLAT, y, InputShapeError, "tuple of 1 to 4 integers"),
    ("input_shape too long", {"input_shape": (2,) * 6}, FLAT, y, InputShapeError, "tuple of 1 to 4 integers"),
    ("input_shape an int", {"input_shape": 64}, FLAT, y, ValueError, "'input_shape' parameter .* must be"),
    ("channels", {"channels": "front"}, X, y, ValueError, "'channels' parameter .*Got 'front'"),
    ("negative epochs", {"max_epochs": -1}, X, y, ValueError, "'max_epochs' .*Got -1"),
    ("no epochs", {"max_epochs": 0}, X, y, ValueError, "'max_epochs' .*Got 0"),
    ("half an epoch", {"max_epochs": 1.5}, X, y, ValueError, "'max_epochs' .*Got 1.5"),
    ("batch of none", {"batch_size": 0}, X, y, ValueError, "'batch_size' .*Got 0"),
    ("batch auto misspelt", {"batch_size": "automatic"}, X, y, ValueError, "Did you mean 'auto'"),
    ("activation", {"activation": "rleu"}, X, y, ValueError, "Got 'rleu' instead.*Did you mean 'relu'"),
    ("optimizer", {"optimizer": "Adm"}, X, y, ValueError, "Did you mean 'adam'"),
    ("schedule", {"lr_schedule": "onecycle"}, X, y, ValueError, "Did you mean 'one_cycle'"),
    ("loss", {"loss": "crossentropy"}, X, y, ValueError, "Did you mean 'cross_entropy'"),
    ("init", {"weight_init": "he"}, X, y, ValueError, "'weight_init' parameter.*Got 'he'"),
    ("normalization", {"normalization": "bach"}, X, y, ValueError, "Did you mean 'batch'"),
    ("pooling", {"pooling": "avrage"}, X, y, ValueError, "Did you mean 'average'"),
    ("padding", {"padding": "sam"}, X, y, ValueError, "Did you mean 'same'"),
    ("padding mode", {"padding_mode": "miror"}, X, y, ValueError, "Did you mean 'mirror'"),
    ("precision", {"precision": "float16"}, X, y, ValueError, "'precision' parameter"),
    ("architecture name", {"architecture": "lenet"}, X, y, ValueError, "Did you mean 'lenet5'"),
    ("learning rate", {"learning_rate": -0.1}, X, y, ValueError, "'learning_rate' .*Got -0.1"),
    ("momentum", {"momentum": 1.0}, X, y, ValueError, r"'momentum' .*range \[0"),
    ("weight decay", {"weight_decay": -1e-3}, X, y, ValueError, "'weight_decay' .*Got -0.001"),
    ("dropout", {"dropout": 1.0}, X, y, ValueError, "'dropout' .*Got 1.0"),
    ("dropout of text", {"dropout": "half"}, X, y, ValueError, "'dropout' .*Got 'half'"),
    ("label smoothing", {"label_smoothing": 1.5}, X, y, ValueError, "'label_smoothing' .*Got 1.5"),
    ("validation share", {"validation_fraction": 1.0}, X, y, ValueError, "'validation_fraction'"),
    ("gradient clip", {"gradient_clip": 0.0}, X, y, ValueError, "'gradient_clip' .*Got 0.0"),
    ("random state", {"random_state": "x"}, X, y, ValueError, "'random_state' .*Got 'x'"),
    ("no filters", {"filters": (32, 0)}, X, y, ArchitectureError, r"'filters' .*Got \(32, 0\)"),
    ("filters of floats", {"filters": (32.5,)}, X, y, ArchitectureError, "'filters' parameter must be"),
    ("negative units", {"hidden_units": (-5,)}, X, y, ArchitectureError, r"'hidden_units' .*Got \(-5,\)"),
    ("kernel of zero", {"kernel_size": 0}, X, y, ValueError, "'kernel_size' .*Got 0"),
    ("kernel for three axes", {"kernel_size": (3, 3, 3)}, X, y, ArchitectureError,
     "kernel_size must be an integer or have one for each of the 2 spatial axes"),
    ("kernel larger than the image", {"kernel_size": 9, "padding": "valid"}, X, y, ArchitectureError,
     r"Layer 'conv_1' \(number 1\).*does not fit its input of spatial size \(8, 8\): window \(9, 9\), stride \(1, 1\), padding "
     r"\(0, 0\).*at most \(8, 8\) would fit"),
    ("pool larger than the map", {"pool_size": 9}, X, y, ArchitectureError,
     r"Layer 'pool_1' \(number 4\).*spatial size \(8, 8\): window \(9, 9\)"),
    ("mirror wider than the map", {"padding_mode": "mirror", "kernel_size": 5, "filters": (8, 8, 8, 8)},
     X, y, ArchitectureError, "mirror.*repeats"),
    ("layer that does not fit", {"architecture": [Conv(4), Pool(4), Conv(4, 5, padding="valid")]},
     X, y, ArchitectureError, r"Layer 'conv_2' \(number 3\)"),
    ("convolution after flattening", {"architecture": [Flatten(), Conv(4)]}, X, y, ArchitectureError,
     "needs an input with spatial axes"),
    ("pool after dense", {"architecture": [Dense(4), Pool()]}, X, y, ArchitectureError, "Layer 'pool_1'"),
    ("not a layer", {"architecture": [Conv(4), "relu"]}, X, y, ArchitectureError,
     "made of skcnn.layers.*Got 'relu'"),
    ("torch layer in a list", {"architecture": [torch.nn.ReLU()]}, X, y, ArchitectureError, "type ReLU"),
    ("callable returning nothing", {"architecture": lambda s, n: None}, X, y, ArchitectureError,
     "must return a torch.nn.Module"),
    ("callable with wrong outputs", {"architecture": _wrong_outputs}, X, y, ArchitectureError,
     r"into \(2, 3\).*Got \(2, 4\)"),
    ("class weight label", {"class_weight": {"7": 1.0}}, X, y, ValueError, r"weights for \['7'\]"),
    ("class weight negative", {"class_weight": {0: -1.0}}, X, y, ValueError, "must have finite weights >= 0"),
    ("class weight zero", {"class_weight": {0: 0, 1: 0, 2: 0}}, X, y, ValueError, "leaves no sample any weight"),
    ("class weight name", {"class_weight": "balance"}, X, y, ValueError, "Did you mean 'balanced'"),
    ("class weight multilabel", {"class_weight": "balanced"}, X, np.eye(3, dtype=int)[y], ValueError,
     "'class_weight' parameter must be None for multilabel"),
    ("device unknown", {"device": "gpu"}, X, y, ValueError, "'device' parameter .*Got 'gpu'"),
    ("too few to validate", {"early_stopping": True}, X[:2], y[:2], ValueError, "validation_fraction=0.1 of 2"),
    ("diverging", {"learning_rate": 1e30, "optimizer": "sgd", "normalization": None, "max_epochs": 3},
     X, y, TrainingDivergedError, "learning_rate below"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.RareClassWarning")
@pytest.mark.parametrize(
    ("params", "X", "y", "error", "message"), [r[1:] for r in AT_FIT], ids=[r[0] for r in AT_FIT]
)
def test_fit_rejects(params, X, y, error, message):
    model = ConvNetClassifier(**{"max_epochs": 1, "random_state": 0, **params})
    with pytest.raises(error, match=message):
        model.fit(X, y)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.predict(FLAT)


FIT_ARGUMENTS = [
    ("weights negative", {"sample_weight": -np.ones(12)}, "Negative values in data"),
    ("weights zero", {"sample_weight": np.zeros(12)}, "at least one non-zero"),
    ("weights length", {"sample_weight": np.ones(11)}, "sample_weight.shape == "),
    ("weights table", {"sample_weight": np.ones((12, 2))}, "must be 1D"),
    ("weights nan", {"sample_weight": np.full(12, np.nan)}, "NaN"),
    ("weights of text", {"sample_weight": ["a"] * 12}, "could not convert"),
    ("only one class weighs", {"sample_weight": (y == 0).astype(float)}, "only one class"),
    ("X_val alone", {"X_val": X}, "X_val was given without y_val"),
    ("y_val alone", {"y_val": y}, "y_val was given without X_val"),
    ("weights alone", {"sample_weight_val": y}, "sample_weight_val was given without X_val and y_val"),
    ("X_val of another size", {"X_val": X[:, :5], "y_val": y}, r"fitted on samples of shape \(8, 8, 1\)"),
    ("y_val unseen", {"X_val": X, "y_val": y + 5}, r"^y_val cannot .*unseen labels: \[5 6 7\]"),
    ("y_val length", {"X_val": X, "y_val": y[:4]}, "^y_val cannot .*inconsistent numbers of samples"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"), [r[1:] for r in FIT_ARGUMENTS], ids=[r[0] for r in FIT_ARGUMENTS]
)
def test_fit_rejects_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvNetClassifier(max_epochs=1).fit(X, y, **arguments)


AT_PREDICT = [
    ("wrong side", X[:, :7], InputShapeError, r"\(7, 8\).*fitted on samples of shape \(8, 8, 1\)"),
    ("wrong length", FLAT[:, :50], ValueError, "X has 50 features.*expecting 64"),
    ("extra channels", np.stack([X] * 3, -1), InputShapeError, r"\(8, 8, 3\)"),
    ("channel first", X[:, None], InputShapeError, "other end.*numpy.moveaxis"),
    ("nan", with_value(np.nan), ValueError, "Input X contains NaN"),
    ("empty", X[:0], ValueError, r"0 sample\(s\)"),
    ("complex", X + 1j, ValueError, "Complex data not supported"),
    ("sparse", sp.csr_array(FLAT), TypeError, "Sparse data"),
    ("one image without its axis", X[0, 0], ValueError, "Expected 2D array"),
]  # fmt: skip


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize(
    ("X_new", "error", "message"), [r[1:] for r in AT_PREDICT], ids=[r[0] for r in AT_PREDICT]
)
def test_predict_rejects(method, X_new, error, message):
    model = ConvNetClassifier(max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(error, match=message):
        getattr(model, method)(X_new)


REGRESSION = [
    ("text", ["a"] * 12, "could not convert"),
    ("nan", np.r_[np.nan, np.ones(11)], "Input y contains NaN"),
    ("infinite", np.r_[np.inf, np.ones(11)], "Input y contains infinity"),
    ("length", np.ones(5), r"inconsistent numbers of samples: \[12, 5\]"),
    ("none", None, "target y is None"),
    ("three axes", np.ones((12, 2, 2)), "Found array with dim 3"),
    ("complex", np.ones(12) + 1j, "Complex data not supported"),
]


@pytest.mark.parametrize(
    ("target", "message"), [r[1:] for r in REGRESSION], ids=[r[0] for r in REGRESSION]
)
def test_regressor_rejects_targets(target, message):
    with pytest.raises(ValueError, match=message):
        ConvNetRegressor(max_epochs=1).fit(X, target)


def test_regressor_rejects_a_classification_loss():
    with pytest.raises(ValueError, match="'loss' parameter of ConvNetRegressor"):
        ConvNetRegressor(loss="cross_entropy").fit(X, y)


PARTIAL_FIT = [
    ("other classes", {"classes": [0, 1]}, "not the same as on the last call to partial_fit"),
    ("unseen label", {"y": y + 1}, r"previously unseen labels: \[3\]"),
    ("multilabel", {"y": np.eye(3, dtype=int)[y]}, "y is a multilabel indicator matrix, but"),
    ("other size", {"X": X[:, :4]}, "fitted on samples of shape"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), [r[1:] for r in PARTIAL_FIT], ids=[r[0] for r in PARTIAL_FIT]
)
def test_partial_fit_rejects_arguments_that_differ_from_the_first_call(arguments, message):
    model = ConvNetClassifier(random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=message):
        model.partial_fit(**{"X": X, "y": y, **arguments})


def test_first_partial_fit_requires_the_classes():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        ConvNetClassifier().partial_fit(X, y)


def test_partial_fit_of_multilabel_targets_needs_no_classes():
    model = ConvNetClassifier(random_state=0).partial_fit(X, np.eye(3, dtype=int)[y])
    assert model.predict(X).shape == (12, 3)


def _skorch(name):
    import skorch.callbacks

    return getattr(skorch.callbacks, name)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (lambda: _skorch("LRScheduler")(), "skorch's LRScheduler: the learning rate follows"),
        (lambda: _skorch("EpochScoring")("accuracy"), "skorch's EpochScoring, .*ScoringMonitor"),
        (lambda: ("acc", _skorch("BatchScoring")("accuracy")), "skorch's BatchScoring"),
    ],
)
def test_fit_rejects_callbacks_without_effect(callback, message):
    with pytest.raises(ValueError, match=message):
        ConvNetClassifier(callbacks=[callback()], max_epochs=1).fit(X, y)


def test_warm_start_rejects_other_regression_targets():
    model = ConvNetRegressor(max_epochs=1, warm_start=True).fit(X, np.arange(12.0))
    with pytest.raises(ValueError, match="fitted on targets of shape"):
        model.fit(X, np.ones((12, 2)))


def test_the_table_is_as_long_as_promised():
    assert len(AT_FIT) + len(FIT_ARGUMENTS) + len(AT_PREDICT) + len(REGRESSION) >= 90
