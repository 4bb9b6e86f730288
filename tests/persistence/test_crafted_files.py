"""Files with a right checksum and contents that do not fit together are named errors."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

import skcnn
from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import Augmented, RandomChoice, RandomFlip, RandomRotation
from skcnn.exceptions import ModelFileError, UnsupportedModelError
from skcnn.persistence import _estimators
from skcnn.preprocessing import KernelFilter, LoadImages, PadSignals, ResizeImages, Spectrogram
from tests.helpers.model_files import at, put, rewritten

RNG = np.random.default_rng(0)
X = RNG.random((12, 16))
LABELS = np.array(list("abc") * 4)
FITTED = ("model", "fitted")
NETWORK = (*FITTED, "network", "dict")
SMALL = {"filters": (2,), "hidden_units": (), "max_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of each kind of model."""
    folder = tmp_path_factory.mktemp("models")
    net = ConvNetClassifier(**SMALL, input_shape=(4, 4), early_stopping=True, optimizer="adamw")
    models = {
        "classifier": net.fit(X, LABELS),
        "muon": ConvNetClassifier(**SMALL, input_shape=(4, 4)).fit(X, LABELS),
        "regressor": ConvNetRegressor(**SMALL, input_shape=(4, 4)).fit(X, X[:, :2]),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, LABELS),
        "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, LABELS),
        "flip": RandomFlip(input_shape=(4, 4)).fit(X),
        "augmented": Augmented(net, RandomChoice([RandomRotation(5)]), input_shape=(4, 4)),
        "kernel": KernelFilter(input_shape=(4, 4)).fit(X),
        "load": LoadImages(4).fit([np.zeros((5, 5), np.uint8)]),
        "resize": ResizeImages(3).fit(X.reshape(-1, 4, 4)),
        "part": ConvNetClassifier(
            **SMALL, input_shape=(4, 4), trainable="head", learning_rate_decay=0.5
        ).fit(X, LABELS),
        "pad": PadSignals(20, padding_mode="constant").fit(X),
        "spectrogram": Spectrogram(100, window_seconds=0.1, n_bands=3).fit(X),
        "offset": ConvNetClassifier(**SMALL, input_shape=(4, 4)).fit(X + 1e9, LABELS),
        "words": OneHotEncoder().fit(LABELS[:, None]),
        "terms": PolynomialFeatures().fit(X),
        "objects": ConvNetClassifier(class_weight={"a": 1.0}, callbacks=None),
    }
    for name, model in models.items():
        skcnn.save(model, folder / name)
    return folder


def entry_of(pairs, key):
    """Return the pair of a dict's node."""
    return next(pair for pair in pairs if pair[0] == key)


def set_network(manifest, key, value):
    entry_of(at(manifest, NETWORK), key)[1] = value


def network(key, value):
    return lambda manifest, tensors: set_network(manifest, key, value)


def network_part(key, inner, value):
    def change(manifest, tensors):
        entry_of(entry_of(at(manifest, NETWORK), key)[1]["dict"], inner)[1] = value

    return change


def node(*place, value):
    return lambda manifest, tensors: put(manifest, place, value)


def fitted(name, value):
    return node(*FITTED, name, value=value)


def randaugment(n):
    params = {"n_operations": n}
    return {"estimator": "skcnn.RandAugment", "params": params, "fitted": {}}


def param(name, value):
    return node("model", "params", name, value=value)


def tensor(ending, change):
    def run(manifest, tensors):
        name = next(name for name in tensors if name.endswith(ending))
        tensors[name] = np.ascontiguousarray(change(tensors[name]))

    return run


def group(key, value):
    def change(manifest, tensors):
        groups = entry_of(at(manifest, NETWORK), "groups")[1]
        entry_of(groups[0]["dict"], key)[1] = value

    return change


def state(key, value):
    """Change a state of the first parameter; its tensor is left over."""

    def change(manifest, tensors):
        states = entry_of(at(manifest, NETWORK), "states")[1]
        entry_of(states["dict"][0][1]["dict"], key)[1] = value

    return change


def removed(ending):
    def run(manifest, tensors):
        del tensors[next(name for name in tensors if name.endswith(ending))]

    return run


def first_layer(**given):
    def change(manifest, tensors):
        at(manifest, (*FITTED, "layers", "tuple"))[0] = {"layer": "Conv", "fields": given}

    return change


def last_layer(**given):
    def change(manifest, tensors):
        at(manifest, (*FITTED, "layers", "tuple"))[-1] = {"layer": "Dense", "fields": given}

    return change


def nested(n):
    value = []
    for _ in range(n):
        value = [value]
    return value


CASES = {
    # the manifest
    "no manifest": ("classifier", lambda m, t: m.clear(), "no format version"),
    "newer": ("classifier", node("format_version", value=2), "install a newer skcnn"),
    "text as version": ("classifier", node("format_version", value="1"), "no format version"),
    "entry": ("classifier", node("x", value=1), "manifest is damaged"),
    "packages": ("classifier", node("packages", value=[]), "manifest is damaged"),
    "libraries": ("classifier", node("libraries", value={}), "manifest is damaged"),
    "no estimator": ("classifier", node("model", value=[1]), "holds no estimator"),
    "unknown kind": ("classifier", node("model", value={"pickle": "x"}), "unknown kind, 'pickle'"),
    "empty node": ("classifier", node("model", value={}), "unknown kind, 'None'"),
    "deep": ("classifier", param("filters", nested(150)), "more than 100 levels deep"),
    "a tensor more": (
        "classifier", lambda m, t: t.update(x=np.zeros(2)), "tensor 'x' belongs to nothing"
    ),
    "a tensor twice": ("regressor", fitted("scale", {"array": "model.mean"}), "is not there"),
    "a tensor less": ("classifier", removed("conv_1.weight"), "conv_1.weight', which is not there"),
    # names of classes and functions
    "class": (
        "classifier", node("model", "estimator", value="os.system"),
        "'os.system', which model files do not hold",
    ),
    "class inside": (
        "pipeline",
        lambda m, t: put(m["model"]["params"]["steps"][0]["tuple"][1], ("estimator",), "sklearn.SVC"),
        "names the class 'sklearn.SVC'",
    ),
    "class of a list": ("classifier", node("model", "estimator", value=[]), "is damaged"),
    "layer": (
        "classifier", fitted("layers", {"tuple": [{"layer": "LayerSpec", "fields": {}}]}),
        "the layer 'LayerSpec', which is unknown",
    ),
    "function": ("classifier", param("augmentation", {"function": "eval"}), "function 'eval'"),
    "type": ("classifier", param("filters", {"type": "os.system"}), "filters is damaged"),
    "given": ("classifier", param("architecture", {"given": "x"}), "was a callable"),
    "same": ("classifier", param("augmentation", {"same": 0}), "augmentation is damaged"),
    # parameters
    "parameter": ("classifier", param("x", 1), "ConvNetClassifier has no parameter 'x'"),
    "illegal parameter": ("classifier", param("padding", "x"), "illegal parameter.*'padding'"),
    "illegal list": ("classifier", param("test_time_augmentation", [3]), "illegal parameter.*Got"),
    "threads": ("classifier", param("n_threads", 10**9), "'n_threads' of ConvNetClassifier must"),
    "operations": (
        "augmented",
        param("augmentation", randaugment(10**7)),
        "'n_operations' of RandAugment must be an integer of at most 100",
    ),
    "callbacks": ("classifier", param("callbacks", [1]), "'callbacks' .* as None only"),
    "folder": ("load", param("cache", "/etc"), "'cache' of LoadImages can be saved as 'auto' or"),
    "checkpoint": (
        "classifier", param("checkpoint", "/etc/passwd"),
        "'checkpoint' of ConvNetClassifier can be saved as None only",
    ),
    "feature cache": (
        "classifier", param("feature_cache", "/etc"),
        "'feature_cache' of ConvNetClassifier can be saved as None or 'memory' only",
    ),
    "limits reversed": ("classifier", fitted("limits", {"tuple": [1.0, 0.0]}), "the limits of values"),
    "equal limits": ("classifier", fitted("limits", {"tuple": [1.0, 1.0]}), "the limits of values"),
    "unfreezing": (
        "classifier", fitted("unfreezing", {"dict": [[1, "all"]]}), "the trained parts of the",
    ),
    "fixed statistics": (
        "classifier",
        lambda m, t: at(m, NETWORK).append(["fixed_statistics", ["layers.conv_1"]]),
        "network's fixed statistics are damaged",
    ),
    "memory": ("pipeline", param("memory", "/etc"), "'memory' of Pipeline"),
    "step": ("pipeline", param("steps", [{"tuple": ["a", 3]}]), "'steps' of Pipeline must be steps"),
    "no steps": ("pipeline", param("steps", []), "a Pipeline has no steps"),
    "choice": (
        "augmented",
        lambda m, t: put(m["model"]["params"]["augmentation"]["params"], ("augmentations",), [3]),
        "RandomChoice has an illegal parameter",
    ),
    "length": ("pad", fitted("length_", 2**30), "signals of PadSignals have the length 1073741824"),
    "padding": (
        "pad",
        lambda m, t: m["model"]["params"].update(padding_mode="edge", fill_value=1.0),
        "PadSignals has an illegal parameter: The 'fill_value'",
    ),
    "bands": ("spectrogram", param("n_bands", 50), "Spectrogram has an illegal parameter: .* Hz"),
    "window": ("spectrogram", param("window_seconds", 1e9), "images of Spectrogram are too large"),
    "sample rate": ("spectrogram", param("sample_rate", 1e300), "images of Spectrogram are too large"),
    "signal": ("spectrogram", fitted("_length", 2**40), "images of Spectrogram are too large"),
    "kernel": ("kernel", param("kernel", [[{"float": "nan"}]]), "KernelFilter has an illegal"),
    "keys": ("objects", param("class_weight", {"dict": [["a", 1], ["a", 2]]}), "is damaged"),
    "key": ("objects", param("class_weight", {"dict": [[[1], 1]]}), "is damaged"),
    "pairs": ("objects", param("class_weight", {"dict": [["a"]]}), "is damaged"),
    "no list": ("objects", param("class_weight", {"dict": "ab"}), "is damaged"),
    # what was learned
    "attribute": ("classifier", fitted("predict", 1), "attribute 'predict', which cannot"),
    "missing attribute": (
        "classifier", lambda m, t: m["model"]["fitted"].pop("classes"), "has no attribute 'classes'"
    ),
    "features": ("classifier", fitted("n_features_in_", 15), "number of features of"),
    "layout": ("classifier", fitted("layout", {"layout": [4, 4], "channels": "last"}), "fit its samples"),
    "layout of floats": (
        "classifier", fitted("layout", {"layout": [4.0, 4, 1], "channels": "last"}), "is damaged"
    ),
    "channels": ("classifier", fitted("layout", {"layout": [4, 4, 1], "channels": "x"}), "damaged"),
    "outputs": ("classifier", fitted("outputs", 2), "classes of ConvNetClassifier must fit"),
    "outputs of layers": (
        "regressor", lambda m, t: m["model"]["fitted"].update(outputs=3), "shape of the targets"
    ),
    "classes": ("classifier", tensor("classes", lambda a: a[::-1]), "order of the classes"),
    "fewer classes": ("classifier", tensor("classes", lambda a: a[:2]), "classes of ConvNetCl"),
    "equal classes": ("classifier", tensor("classes", lambda a: a[[0, 0, 1]]), "order of the cl"),
    "code points": ("classifier", tensor("classes", lambda a: a + 2**31), "is damaged"),
    "multilabel": ("classifier", fitted("multilabel", True), "classes of ConvNetClassifier"),
    "number of classes": (
        "classifier", lambda m, t: put(m, (*FITTED, "classes", "text"), "U10"), "is damaged"
    ),
    "names": (
        "classifier",
        fitted("feature_names_in_", {"objects": [1] * 16, "shape": [16]}),
        r"'feature_names_in_' of ConvNetClassifier must be strings\(F\)",
    ),
    "number of names": (
        "classifier", fitted("feature_names_in_", {"objects": ["a"], "shape": [1]}), "'feature_names"
    ),
    "endless offset": ("offset", tensor("offset", lambda a: a * np.nan), "'offset' of ConvNet"),
    "categories": ("words", fitted("categories_", []), "'categories_' of OneHotEncoder must be arr"),
    "no calibrators": (
        "calibrated",
        lambda m, t: put(m["model"]["fitted"]["calibrated_classifiers_"][0], ("fitted",), {}),
        "_CalibratedClassifier is not fitted",
    ),
    "objects": (
        "classifier", fitted("classes", {"objects": ["a", 1, "c"], "shape": [3]}), "classes of Conv"
    ),
    "shape of objects": (
        "classifier", fitted("classes", {"objects": ["a"], "shape": [3]}), "is damaged"
    ),
    "offset": ("classifier", fitted("offset", 3), "'offset' of ConvNetClassifier must be"),
    "range": ("classifier", fitted("low", 1e300), "range of values"),
    "endless range": ("classifier", fitted("high", {"float": "inf"}), "range of values"),
    "float": ("classifier", fitted("high", {"float": "big"}), "is damaged"),
    "seen": ("classifier", fitted("seen", {"tuple": []}), "hashes of earlier samples"),
    "seen twice": ("classifier", tensor("seen.0", lambda a: a[::-1]), "hashes of earlier samples"),
    "epochs": ("classifier", tensor("epochs", lambda a: a + 1), "history of"),
    "no epochs": ("classifier", tensor("epochs", lambda a: a[:0]), "history of"),
    "history": ("classifier", tensor("train_loss", lambda a: a[None]), "history of"),
    "best epoch": ("classifier", fitted("best_epoch", 5), "best_epoch of"),
    "target shape": ("regressor", fitted("shape", {"tuple": [3]}), "shape of the targets"),
    "scale": ("regressor", tensor("scale", lambda a: -a), "scale of the targets"),
    "mean": ("regressor", tensor("mean", lambda a: a * np.nan), "scale of the targets"),
    "mean of bytes": ("regressor", tensor("mean", lambda a: a.astype("u1")), "scale of the targets"),
    # layers and weights
    "no layers": ("classifier", fitted("layers", {"tuple": []}), "network's layers are damaged"),
    "layers gone": ("classifier", fitted("layers", None), "network's architecture is damaged"),
    "layers of numbers": ("classifier", fitted("layers", {"tuple": [1]}), "layers are damaged"),
    "field": ("classifier", first_layer(filters=2, x=1), "no legal Conv: .*'x'"),
    "illegal field": ("classifier", first_layer(filters=0), "no legal Conv: "),
    "huge layer": ("classifier", first_layer(filters=10**9), "layers return .* for a sample, too"),
    "huge kernel": (
        "classifier", first_layer(filters=2, kernel_size=10**6 + 1, bias=False), "conv_1.weight' must have the"
    ),
    "endless kernel": (
        "classifier",
        first_layer(filters=2, kernel_size=10**12 + 1, bias=False),
        "cannot be built|must have the shape",
    ),
    "endless layer": ("classifier", first_layer(filters=2**100), "layers return|cannot be built"),
    "layer that does not fit": (
        "classifier", first_layer(filters=2, kernel_size=9, padding="valid"), "not fit its samples"
    ),
    "another output": ("classifier", last_layer(units=4), "number of outputs"),
    "shape of weights": (
        "classifier", tensor("conv_1.weight", lambda a: a[:1]), r"shape \(2, 1, 3, 3\) and the dtype"
    ),
    "dtype of weights": (
        "classifier", tensor("conv_1.weight", lambda a: a.astype("f8")), "dtype float32. Got"
    ),
    "NaN": ("classifier", tensor("conv_1.weight", lambda a: a * np.nan), "are not all finite"),
    "infinite": ("classifier", tensor("running_var", lambda a: a + np.inf), "are not all finite"),
    "weights": ("classifier", network("weights", 3), "network's weights are damaged"),
    "no weights": ("classifier", network("weights", {"dict": []}), "other entries than expected"),
    # training
    "network": ("classifier", fitted("network", 3), "network of ConvNetClassifier must fit"),
    "loss": ("classifier", network("loss", 3), "network's loss is damaged"),
    "kind of loss": ("classifier", network_part("loss", "kind", "huber"), "loss are damaged"),
    "loss of a regressor": ("regressor", network_part("loss", "kind", "x"), "loss are damaged"),
    "smoothing": ("classifier", network_part("loss", "smoothing", 2.0), "loss are damaged"),
    "settings": ("classifier", network("settings", 3), "settings are damaged"),
    "optimizer": ("classifier", network_part("settings", "optimizer", "x"), "settings are damaged"),
    "rate": ("classifier", network_part("settings", "lr", "x"), "settings are damaged"),
    "autocast": ("classifier", network_part("settings", "autocast", "x"), "settings are damaged"),
    "nesterov": ("classifier", network_part("settings", "nesterov", 3), "settings are damaged"),
    "frozen": ("classifier", network("frozen", ["x"]), "frozen are damaged"),
    "trained": ("classifier", network("trained", [3]), "trained are damaged"),
    "part": ("part", network("frozen_for_part", ["x"]), "part are damaged"),
    "part that is trained": (
        "part", network("frozen_for_part", ["layers.output.weight"]), "part are damaged"
    ),
    "rates": ("part", network("rate_shares", 3), "rates are damaged"),
    "rates of others": ("part", network("rate_shares", {"dict": [["x", 0.5]]}), "rates are damaged"),
    "rates too large": (
        "part", network("rate_shares", {"dict": [["layers.output.bias", 2.0]]}), "rates are damaged"
    ),
    "parts": ("part", fitted("unfreezing", 3), "trained parts"),
    "parts of no epoch": ("part", fitted("unfreezing", {"dict": [[-1, "all"]]}), "trained parts"),
    "parts unknown": ("part", fitted("unfreezing", {"dict": [[0, "x"]]}), "trained parts"),
    "parts too many": ("part", fitted("unfreezing", {"dict": [[0, 9]]}), "trained parts"),
    "limits": ("part", fitted("limits", 3), "limits of values"),
    "no groups": ("classifier", network("groups", []), "optimizer are damaged"),
    "group": ("classifier", network("groups", [1, 2]), "optimizer are damaged"),
    "group's setting": ("classifier", group("lr", "x"), "optimizer are damaged"),
    "group's pair": ("classifier", group("betas", {"tuple": [0.5]}), "optimizer are damaged"),
    "group's flag": ("classifier", group("fused", None), "optimizer are damaged"),
    "group's parameters": ("classifier", group("params", [5]), "optimizer are damaged"),
    "states": ("classifier", network("states", 3), "optimizer are damaged"),
    "state": ("classifier", network("states", {"dict": [[99, 3]]}), "optimizer are damaged"),
    "state's names": (
        "classifier", network("states", {"dict": [[0, {"dict": []}]]}), "optimizer are damaged"
    ),
    "state's shape": ("classifier", tensor("0.exp_avg", lambda a: a[:1]), "optimizer are damaged"),
    "state that is missing": ("classifier", state("exp_avg", None), "optimizer are damaged"),
    "state that is a number": ("classifier", state("exp_avg", 0.5), "optimizer are damaged"),
    "number of steps": ("classifier", state("step", {"float": "nan"}), "optimizer are damaged"),
    "steps": ("classifier", tensor("0.step", lambda a: a[None]), "optimizer are damaged"),
    "state's values": ("classifier", tensor("0.exp_avg", lambda a: a / 0), "optimizer are damaged"),
    "muon's state": ("muon", tensor("0.momentum_buffer", lambda a: a[:1]), "optimizer are damaged"),
    "muon's groups": ("muon", group("kernel_groups", "x"), "optimizer are damaged"),
    "muon's names": ("muon", state("momentum_buffer", None), "optimizer are damaged"),
    # other estimators
    "scaler": ("pipeline", tensor("mean_", lambda a: a[:3]), r"'mean_' of StandardScaler must be"),
    "degree": ("terms", fitted("_max_degree", 10**9), "PolynomialFeatures has too many terms"),
    "terms": ("terms", fitted("_n_out_full", 2**40), "PolynomialFeatures has too many terms"),
    "coefficients": ("pipeline", tensor("coef_", lambda a: a[:3]), "'coef_' of LogisticRegr"),
    "rows": (
        "pipeline",
        lambda m, t: (tensor("coef_", lambda a: a[:, :2])(m, t), tensor("intercept_", lambda a: a[:2])(m, t)),
        "has 2 rows of coefficients",
    ),
    "calibrators": (
        "calibrated",
        lambda m, t: put(
            m["model"]["fitted"]["calibrated_classifiers_"][0]["fitted"], ("calibrators",), []
        ),
        "0 calibrators for 3 classes|belongs to nothing",
    ),
    "shape": ("flip", fitted("n_features_in_", 3), "shapes of RandomFlip differ"),
    "mode": ("load", fitted("mode_", "X"), "images of LoadImages have the shape"),
    "large images": ("resize", fitted("image_size_", {"tuple": [2**20, 2**20]}), "have the shape"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_crafted_file_is_a_named_error(case, files, tmp_path):
    model, change, message = CASES[case]
    path = tmp_path / "crafted"
    path.write_bytes((files / model).read_bytes())
    assert skcnn.load(path) is not None
    rewritten(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        skcnn.load(path)
    assert str(caught.value).startswith(f"'{path}' cannot be loaded: ")


def test_a_part_without_a_check_of_its_own(files, monkeypatch):
    def fails(self, node, place, level):
        raise KeyError("x")

    monkeypatch.setattr(_estimators.ModelDecoder, "_estimator", fails)
    with pytest.raises(ModelFileError, match=r"its parts do not fit together: KeyError\('x'\)"):
        skcnn.load(files / "flip")


def test_estimators_inside_each_other_are_counted(tmp_path):
    """Each level repeats the one before: 2 ** 20 networks in a file of a few hundred bytes."""
    skcnn.save(make_pipeline(StandardScaler()), tmp_path / "m")

    def change(manifest, tensors):
        for number in range(20):  # the scaler is number 0
            pair = [{"tuple": [name, {"same": number}]} for name in "ab"]
            union = {"estimator": "sklearn.FeatureUnion", "fitted": {}}
            union["params"] = {"transformer_list": pair}
            manifest["model"]["params"]["steps"].append({"tuple": [f"{number}", union]})

    rewritten(tmp_path / "m", change)
    with pytest.raises(ModelFileError, match="more than 10000 estimators inside others"):
        skcnn.load(tmp_path / "m")


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"PK\3\4", b"{}" * 100])
def test_files_of_other_kinds(content, tmp_path):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelFileError, match="cannot be loaded: it "):
        skcnn.load(tmp_path / "m")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        skcnn.load(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        skcnn.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        skcnn.save(RandomFlip(), tmp_path / "none" / "m")


def test_the_errors_are_one_family():
    assert issubclass(UnsupportedModelError, ModelFileError)
    assert issubclass(ModelFileError, ValueError)
