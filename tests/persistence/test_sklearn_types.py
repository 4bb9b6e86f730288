"""scikit-learn's estimators, and skcnn's transformers, come back with the same bits."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn import (
    calibration,
    compose,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    feature_selection,
    frozen,
    impute,
    isotonic,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    pipeline,
    preprocessing,
    random_projection,
    svm,
    tree,
)
from sklearn.base import clone

import skcnn
from skcnn import ConvNetClassifier, ConvNetFeatures, ConvNetRegressor
from skcnn.augmentation import (
    Augmented,
    CutMix,
    MixUp,
    RandAugment,
    RandomBrightness,
    RandomChannelDropout,
    RandomChoice,
    RandomFlip,
    RandomFrequencyMask,
    RandomNoise,
    RandomRotation,
    RandomTimeMask,
    TrivialAugment,
)
from skcnn.exceptions import UnsupportedModelError
from skcnn.layers import Flatten
from skcnn.persistence._registry import TRUSTED
from skcnn.persistence._save_load import register_types
from skcnn.preprocessing import (
    CropSignals,
    KernelFilter,
    LoadImages,
    PadSignals,
    ResampleSignals,
    ResizeImages,
    Spectrogram,
    StandardizeSignals,
)
from skcnn.recordings import WindowedClassifier, WindowedRegressor

RNG = np.random.default_rng(0)
X = RNG.random((40, 5))
WITH_GAPS = np.where(X < 0.1, np.nan, X)
WORDS = RNG.choice(list("uvw"), size=(40, 5)).astype(object)
TWO = np.array(list("ab") * 20)
THREE = np.array([*list("abc") * 13, "a"])
NUMBERS = RNG.random(40)
PAIRS = RNG.random((40, 2))
IMAGES = RNG.random((40, 6, 6, 3))
METHODS = ("predict", "predict_proba", "decision_function", "transform")


def net(**knobs):
    small = {"filters": (2,), "hidden_units": (), "max_epochs": 1, "random_state": 0}
    return ConvNetClassifier(**small | knobs)


def regressor():
    return ConvNetRegressor(filters=(2,), hidden_units=(), max_epochs=1, random_state=0)


def assert_comes_back(estimator, X, y, path):
    estimator.fit(X, y)
    skcnn.save(estimator, path)
    again = skcnn.load(path)
    assert repr(again) == repr(estimator)
    for method in METHODS:
        try:
            expected = getattr(estimator, method)(X)
        except (AttributeError, NotImplementedError):  # the estimator has no such method
            continue
        found = getattr(again, method)(X)
        for a, b in zip(*map(as_arrays, (expected, found)), strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
    skcnn.save(again, path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()
    clone(again).fit(X, y)


def as_arrays(values):
    parts = values if isinstance(values, list) else [values]
    return [part.toarray() if hasattr(part, "toarray") else np.asarray(part) for part in parts]


SCALED = pipeline.Pipeline([("scale", preprocessing.StandardScaler()), ("net", net())])
COLUMNS = compose.ColumnTransformer(
    [("scale", preprocessing.StandardScaler(), [0, 1]), ("none", "drop", slice(2, 3))],
    remainder="passthrough",
)
TRANSFORMERS = [
    preprocessing.StandardScaler(),
    preprocessing.StandardScaler(with_mean=False, with_std=False),
    preprocessing.StandardScaler().set_output(transform="default"),
    preprocessing.MinMaxScaler(),
    preprocessing.MaxAbsScaler(),
    preprocessing.RobustScaler(),
    preprocessing.Normalizer(),
    preprocessing.Binarizer(threshold=0.5),
    preprocessing.QuantileTransformer(n_quantiles=10, random_state=0),
    preprocessing.PowerTransformer(),
    preprocessing.PolynomialFeatures(),
    preprocessing.FunctionTransformer(),
    feature_selection.VarianceThreshold(),
    feature_selection.SelectKBest(k=2),
    feature_selection.SelectPercentile(feature_selection.chi2, percentile=50),
    decomposition.PCA(2),
    decomposition.PCA(0.9, whiten=True),
    decomposition.TruncatedSVD(2, random_state=0),
    pipeline.FeatureUnion([("scale", preprocessing.StandardScaler()), ("none", "drop")]),
    COLUMNS,
    ConvNetFeatures([Flatten()], pretrained=False, random_state=0),
    KernelFilter(),
    KernelFilter([[1.0, 0.5, 2.0], [0.0, 1.0, 0.0]], padding="same", keep_original=True),
]
SIGNALS = [
    StandardizeSignals(per_channel=False),
    PadSignals(9, padding_mode="mirror"),
    CropSignals(2, where="end"),
    ResampleSignals(7),
    Spectrogram(10, window_seconds=0.8, n_bands=3, step_seconds=0.2),
    Spectrogram(10, window_seconds=0.3, scale="power", step_seconds=0.1),
]
CLASSIFIERS = [
    linear_model.LogisticRegression(),
    linear_model.RidgeClassifier(),
    svm.LinearSVC(),
    discriminant_analysis.LinearDiscriminantAnalysis(),
    discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr"),
    naive_bayes.GaussianNB(),
    dummy.DummyClassifier(strategy="stratified", random_state=0),
    SCALED,
    calibration.CalibratedClassifierCV(linear_model.LogisticRegression(), cv=2),
    calibration.CalibratedClassifierCV(SCALED, method="isotonic", cv=2),
    calibration.CalibratedClassifierCV(net(), method="temperature", cv=2),
    calibration.CalibratedClassifierCV(frozen.FrozenEstimator(net().fit(X, THREE))),
    ensemble.VotingClassifier(
        [("linear", linear_model.LogisticRegression()), ("net", net())], voting="soft"
    ),
    ensemble.StackingClassifier(
        [("linear", linear_model.LogisticRegression()), ("net", net())], cv=2
    ),
    ensemble.BaggingClassifier(net(), 2, oob_score=False, random_state=0),
    multiclass.OneVsRestClassifier(net()),
    multiclass.OneVsOneClassifier(net()),
    Augmented(
        net(), [RandomBrightness(0.1), RandomChoice([RandomNoise(), None])], n_copies={"a": 1}
    ),
    pipeline.make_pipeline(RandomBrightness(0.1), net()),
    WindowedClassifier(net(), 3, 1),
]
REGRESSORS = [
    linear_model.LinearRegression(),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    linear_model.Lasso(),
    linear_model.ElasticNet(),
    dummy.DummyRegressor(),
    compose.TransformedTargetRegressor(regressor(), transformer=preprocessing.StandardScaler()),
    compose.TransformedTargetRegressor(regressor()),
    ensemble.VotingRegressor([("ridge", linear_model.Ridge()), ("net", regressor())]),
    ensemble.StackingRegressor([("ridge", linear_model.Ridge()), ("net", regressor())], cv=2),
    ensemble.BaggingRegressor(regressor(), 2, random_state=0),
    WindowedRegressor(linear_model.Ridge(), 3, 2),
]
OTHERS = [
    (preprocessing.OneHotEncoder(), WORDS, TWO),
    (preprocessing.OneHotEncoder(max_categories=2, sparse_output=False), WORDS, TWO),
    (preprocessing.OneHotEncoder(drop="first"), WORDS, TWO),
    (preprocessing.OrdinalEncoder(min_frequency=0.4), WORDS, TWO),
    (preprocessing.OrdinalEncoder(), WITH_GAPS, TWO),
    (preprocessing.StandardScaler(), WITH_GAPS, TWO),
    (impute.SimpleImputer(), WITH_GAPS, TWO),
    (impute.SimpleImputer(strategy="most_frequent"), WORDS, TWO),
    (impute.SimpleImputer(add_indicator=True), WITH_GAPS, TWO),
    (impute.MissingIndicator(), WITH_GAPS, TWO),
    (pipeline.make_pipeline(impute.SimpleImputer(), net()), WITH_GAPS, TWO),
    (multioutput.MultiOutputClassifier(net()), X, (PAIRS > 0.5).astype(int)),
    (multioutput.MultiOutputRegressor(regressor()), X, PAIRS),
    (linear_model.Ridge(), X, PAIRS),
    (linear_model.LinearRegression(), X, PAIRS),
    (dummy.DummyRegressor(), X, PAIRS),
    (isotonic.IsotonicRegression(), X[:, 0], NUMBERS),
    (model_selection.FixedThresholdClassifier(net(), threshold=0.3, pos_label="a"), X, TWO),
    (linear_model.LogisticRegression(), X, TWO),
    (linear_model.RidgeClassifier(), X, TWO),
    (calibration.CalibratedClassifierCV(net(), cv=2), X, TWO),
    (ResizeImages(4), IMAGES, TWO),
    (ResizeImages(4, channels="first"), np.moveaxis(IMAGES, -1, 1), TWO),
    (LoadImages(4), (IMAGES * 255).astype(np.uint8), TWO),
    *((each, X, TWO) for each in SIGNALS),
    *((each, IMAGES[:, 0], TWO) for each in SIGNALS),
    (RandomTimeMask(), IMAGES, TWO),
    (RandomFrequencyMask(n_masks=1), IMAGES, TWO),
    (RandomChannelDropout(0.5, fill_value="mean"), IMAGES, TWO),
    (RandomFlip(), IMAGES, TWO),
    (RandAugment(), IMAGES, TWO),
    (TrivialAugment(), IMAGES, TWO),
    (MixUp(), IMAGES, TWO),
    (CutMix(), IMAGES, TWO),
    (pipeline.make_pipeline(ResizeImages(5), RandomRotation(5), net()), IMAGES, THREE),
]
CASES = [
    *((each, X, TWO) for each in TRANSFORMERS),
    *((each, X, THREE) for each in CLASSIFIERS),
    *((each, X, NUMBERS) for each in REGRESSORS),
    *OTHERS,
]


@pytest.mark.parametrize(
    "case", range(len(CASES)), ids=lambda n: f"{n}-{type(CASES[n][0]).__name__}"
)
def test_it_comes_back(case, tmp_path):
    estimator, X, y = CASES[case]
    with warnings.catch_warnings():  # of scikit-learn, about so few samples
        warnings.simplefilter("ignore")
        assert_comes_back(clone(estimator), X, y, tmp_path / "model")


def inner(estimator):
    """Yield all objects that a fitted estimator is made of."""
    yield estimator
    for value in vars(estimator).values():
        for each in value if isinstance(value, list | tuple) else [value]:
            for part in each if isinstance(each, tuple) else [each]:
                library = type(part).__module__.partition(".")[0]
                if library in ("sklearn", "skcnn") and hasattr(part, "__dict__"):
                    yield from inner(part)


def test_every_type_is_tested():
    register_types()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = [part for estimator, X, y in CASES for part in inner(clone(estimator).fit(X, y))]
    augmentations = {name for name in TRUSTED if name.startswith("skcnn.Random")}
    tested = {f"{type(part).__module__.partition('.')[0]}.{type(part).__name__}" for part in parts}
    assert (
        TRUSTED.keys() - tested - augmentations
        == {
            "sklearn.LabelBinarizer",
            "sklearn._SigmoidCalibration",
        }
        - tested
    )


@pytest.mark.parametrize("cls", ["LabelEncoder", "LabelBinarizer"])
def test_labels_come_back(cls, tmp_path):
    encoder = getattr(preprocessing, cls)().fit(THREE)
    skcnn.save(encoder, tmp_path / "m")
    np.testing.assert_array_equal(
        skcnn.load(tmp_path / "m").transform(THREE), encoder.transform(THREE)
    )


@pytest.mark.parametrize(
    "estimator",
    [KernelFilter(), LoadImages(), ResizeImages(), RandomFlip(), isotonic.IsotonicRegression()],
)
def test_an_estimator_that_is_not_fitted(estimator, tmp_path):
    skcnn.save(estimator, tmp_path / "m")
    again = skcnn.load(tmp_path / "m")
    assert repr(again) == repr(estimator)
    assert vars(again) == vars(estimator)


def test_shared_estimators_are_saved_once(tmp_path):
    model = ensemble.VotingClassifier([("net", net())]).fit(X, TWO)
    skcnn.save(model, tmp_path / "m")
    again = skcnn.load(tmp_path / "m")
    assert again.estimators_[0] is again.named_estimators_["net"]


REFUSED = {
    "forest": (ensemble.RandomForestClassifier(), r"sklearn\.ensemble\._forest\.RandomForestCl"),
    "tree": (tree.DecisionTreeClassifier(), "DecisionTreeClassifier"),
    "neighbours": (neighbors.KNeighborsClassifier(), "KNeighborsClassifier"),
    "kernels": (svm.SVC(), r"sklearn\.svm\._classes\.SVC"),
    "projection": (random_projection.GaussianRandomProjection(2), "GaussianRandomProjection"),
    "inside": (
        pipeline.Pipeline([("a", preprocessing.StandardScaler()), ("b", svm.SVC())]),
        r"Pipeline cannot be saved: model\.steps\.1\.1 is of the type sklearn\.svm",
    ),
    "function": (
        preprocessing.FunctionTransformer(np.log1p),
        r"'func' of FunctionTransformer can be saved as None only.*set_params\(func=None\)",
    ),
    "score": (feature_selection.SelectKBest(lambda X, y: X[0]), "the function <lambda>"),
    "degree": (
        preprocessing.PolynomialFeatures(degree=(1, 11)),
        "'degree' of PolynomialFeatures must be an integer of at most 10",
    ),
    "folder": (
        pipeline.Pipeline([("net", net())], memory="cache"),
        r"'memory' of Pipeline can be saved as None only. Got 'cache': set_params\(memory=None\)",
    ),
    "folder of images": (LoadImages(4, folder="photos"), "'folder' of LoadImages .* as None only"),
    "cache of images": (LoadImages(4, cache="kept"), "'auto' or 'memory' or None only. Got 'kept'"),
    "search": (model_selection.GridSearchCV(net(), {}), "GridSearchCV"),
    "no estimator": ([1, 2], "list cannot be saved: it is no estimator"),
    "a class": (ConvNetClassifier, "the class skcnn.*ConvNetClassifier"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_by_name(case, tmp_path):
    estimator, message = REFUSED[case]
    with pytest.raises(UnsupportedModelError, match=message):
        skcnn.save(estimator, tmp_path / "m")
    assert not [*tmp_path.iterdir()]


def test_a_new_attribute_of_an_estimator_is_refused(tmp_path):
    scaler = preprocessing.StandardScaler().fit(X)
    scaler.extra_ = 1
    with pytest.raises(UnsupportedModelError, match="StandardScaler has the attribute 'extra_'"):
        skcnn.save(scaler, tmp_path / "m")


def test_a_file_of_another_scikit_learn_warns(tmp_path, monkeypatch):
    skcnn.save(preprocessing.StandardScaler().fit(X), tmp_path / "m")
    monkeypatch.setattr("sklearn.__version__", "9.8.7")
    with pytest.warns(
        UserWarning, match=r"scikit-learn in the file are of version .*9\.8\.7 is inst"
    ):
        skcnn.load(tmp_path / "m")
    skcnn.save(net(), tmp_path / "n")
    skcnn.load(tmp_path / "n")  # has none of scikit-learn


def test_the_page_lists_the_types_of_scikit_learn():
    register_types()
    page = (Path(__file__).parents[2] / "docs" / "model_files.md").read_text(encoding="utf-8")
    table = page.split("## What is supported")[1].split("\n\n")[1]
    listed = set(re.findall(r"`([A-Z]\w+)`", table))
    names = {name.partition(".")[2] for name in TRUSTED if name.startswith("sklearn.")}
    own = {"ConvNetClassifier", "ConvNetRegressor", "ConvNetFeatures", "ConvNetSearchCV"}
    own |= {"Augmented", "KernelFilter", "LoadImages", "ResizeImages", "Spectrogram"}
    own |= {"WindowedClassifier", "WindowedRegressor"}
    assert listed == {name for name in names if not name.startswith("_")} | own
