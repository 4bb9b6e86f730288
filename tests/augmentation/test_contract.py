"""scikit-learn's contract for the augmentations: its own checks, names, Pipelines, clones."""

import pickle
import warnings
from collections import Counter

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_inplace_ensure_writeable,
)

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    CutMix,
    MixUp,
    RandAugment,
    RandomAffine,
    RandomBlur,
    RandomBrightness,
    RandomChannelDropout,
    RandomChoice,
    RandomContrast,
    RandomCrop,
    RandomElastic,
    RandomErasing,
    RandomFlip,
    RandomFrequencyMask,
    RandomNoise,
    RandomRotation,
    RandomShear,
    RandomStroke,
    RandomTimeMask,
    RandomTranslation,
    RandomZoom,
    TrivialAugment,
    expected_failed_checks,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter
from skcnn.exceptions import FrozenAugmentationWarning, InputLayoutWarning, InputShapeError
from tests.helpers.augmentations import (
    CHANNELS,
    EACH,
    EVERY,
    IMAGES_ONLY,
    names_of_public_augmentations,
    pictures,
)

N_CHECKS = 47  # what scikit-learn 1.9.1 runs; an empty or shortened run must not pass
DEFAULT = [
    RandomTranslation(),
    RandomRotation(),
    RandomZoom(),
    RandomShear(),
    RandomAffine(),
    RandomFlip(),
    RandomCrop(),
    RandomElastic(),
    RandomBrightness(),
    RandomContrast(),
    RandomNoise(),
    RandomBlur(),
    RandomErasing(),
    RandomTimeMask(),
    RandomFrequencyMask(),
    RandomChannelDropout(),
    RandomStroke(),
    MixUp(),
    CutMix(),
    RandAugment(),
    TrivialAugment(),
    RandomChoice([RandomNoise(), RandomTranslation(), None]),
]
WITHOUT_STRENGTH = [
    RandomTranslation(0),
    RandomRotation(0),
    RandomZoom(0),
    RandomShear(0),
    RandomAffine(0, translation=0, zoom=0),
    RandomFlip(p=0),
    RandomCrop(0),
    RandomElastic(0),
    RandomBrightness(0),
    RandomBrightness(gain_db=0),
    RandomContrast(0),
    RandomNoise(0),
    RandomBlur(0),
    RandomErasing(0),
    RandomTimeMask(0),
    RandomFrequencyMask(0),
    RandomChannelDropout(0),
    RandomStroke(0),
    MixUp(),
    CutMix(),
    RandAugment(magnitude=0),
    TrivialAugment(p=0),
    RandomChoice([RandomNoise(0), None]),
]
# The checks read the values of the lazy array, and their rows are signals.
CHECKING = [
    pytest.mark.filterwarnings("ignore::skcnn.exceptions.FrozenAugmentationWarning"),
    pytest.mark.filterwarnings("ignore:.*has no effect on flat rows:UserWarning"),
]


def checking(test):
    for mark in CHECKING:
        test = mark(test)
    return test


def test_the_tables_have_every_augmentation():
    for table in (DEFAULT, WITHOUT_STRENGTH):
        assert {type(a).__name__ for a in table} == names_of_public_augmentations()


@checking
@pytest.mark.parametrize("augmentation", WITHOUT_STRENGTH, ids=repr)
def test_without_strength_every_check_passes(augmentation):
    results = check_estimator(augmentation, on_skip=None, on_fail=None)
    assert [r for r in results if r["status"] != "passed"] == []
    # that NaN raises is not checked where values may be missing
    assert len(results) == N_CHECKS - get_tags(augmentation).input_tags.allow_nan


@checking
@pytest.mark.parametrize("augmentation", DEFAULT, ids=repr)
def test_only_the_declared_checks_fail(augmentation):
    declared = expected_failed_checks(augmentation)
    results = check_estimator(
        augmentation, expected_failed_checks=declared, on_skip=None, on_fail=None
    )
    counts = Counter(r["status"] for r in results)
    assert set(counts) <= {"passed", "xfail"}
    assert len(results) == N_CHECKS - get_tags(augmentation).input_tags.allow_nan
    failed = [r for r in results if r["status"] == "xfail"]
    assert {r["check_name"] for r in failed} <= set(declared)
    # operations for images only, or without effect on such short rows, pass more checks
    assert counts["xfail"] <= 3
    for result in failed:
        assert "fit_transform" in str(result["exception"])


@checking
@pytest.mark.parametrize(
    "augmentation",
    [RandomTranslation(), RandomElastic(), RandomBrightness(), RandomNoise(), RandomStroke()],
    ids=repr,
)
def test_what_changes_signals_does_fail_the_declared_checks(augmentation):
    results = check_estimator(
        augmentation,
        expected_failed_checks=expected_failed_checks(augmentation),
        on_skip=None,
        on_fail=None,
    )
    failed = Counter(r["check_name"] for r in results if r["status"] == "xfail")
    assert failed == {"check_transformer_general": 2, "check_transformer_data_not_an_array": 1}


@pytest.mark.slow
@checking
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("augmentation", DEFAULT, ids=repr)
def test_the_checks_pass_for_any_random_state(augmentation, seed):
    augmentation = clone(augmentation).set_params(random_state=seed)
    declared = expected_failed_checks(augmentation)
    results = check_estimator(
        augmentation, expected_failed_checks=declared, on_skip=None, on_fail=None
    )
    n_checks = N_CHECKS - get_tags(augmentation).input_tags.allow_nan
    assert Counter(r["status"] in ("passed", "xfail") for r in results) == {True: n_checks}


@checking
@pytest.mark.parametrize(
    "check", [check_dataframe_column_names_consistency, check_inplace_ensure_writeable]
)
@pytest.mark.parametrize("augmentation", DEFAULT, ids=repr)
def test_further_common_checks_pass(augmentation, check):
    check(type(augmentation).__name__, clone(augmentation))


@EACH
def test_init_only_assigns_and_clones_are_equal(make):
    augmentation = make(p=0.3, input_shape=(8, 9), random_state=5)
    params = augmentation.get_params(deep=False)
    assert vars(augmentation) == params
    copied = clone(augmentation)
    assert copied is not augmentation
    assert repr(copied) == repr(augmentation)
    again = type(augmentation)(**params)
    assert repr(again) == repr(augmentation)
    assert augmentation.set_params(p=0.9) is augmentation
    assert augmentation.p == 0.9


@EACH
def test_fitting_leaves_the_parameters_alone(make):
    augmentation = make(random_state=0)
    before = joblib.hash(augmentation.get_params(deep=False))
    augmentation.fit(pictures(5, 8, 9))
    augmentation.fit_transform(pictures(5, 8, 9)).to_numpy()
    augmentation.transform(pictures(5, 8, 9))
    assert joblib.hash(augmentation.get_params(deep=False)) == before


def test_a_lazy_array_does_not_follow_later_parameters():
    augmentation = RandomTranslation(0.2, random_state=0)
    A = augmentation.fit_transform(pictures(5, 8, 9))
    before = A.to_numpy()
    augmentation.set_params(fraction=0.0, padding_mode="edge", random_state=3)
    np.testing.assert_array_equal(A.to_numpy(), before)


@EACH
def test_fitted_augmentations_can_be_pickled(make):
    X = pictures(5, 8, 9)
    augmentation = make(random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(augmentation))
    np.testing.assert_array_equal(
        again.fit_transform(X).to_numpy(), augmentation.fit_transform(X).to_numpy()
    )
    assert again.transform(X) is X
    assert again.n_features_in_ == augmentation.n_features_in_


@EACH
def test_html_and_text_are_made(make):
    augmentation = make()
    assert type(augmentation).__name__ in repr(augmentation)
    assert type(augmentation).__name__ in estimator_html_repr(augmentation)


def test_parameters_can_be_searched_through_a_choice():
    choice = RandomChoice([RandomRotation(10), None])
    copied = clone(choice)
    assert copied.augmentations[0] is not choice.augmentations[0]
    assert copied.augmentations[0].degrees == 10


@EACH
def test_fit_learns_names_and_shapes_only(make):
    augmentation = make()
    assert augmentation.fit(pictures(5, 8, 9, 3)) is augmentation
    assert augmentation.n_features_in_ == 8 * 9 * 3
    assert augmentation.input_shape_ == (8, 9, 3)
    learned = {n for n in vars(augmentation) if n.endswith("_") and not n.startswith("_")}
    assert learned == {"n_features_in_", "input_shape_"}
    assert list(augmentation.get_feature_names_out())[:2] == ["x0", "x1"]
    assert len(augmentation.get_feature_names_out()) == 216


@EACH
def test_transform_is_the_identity(make):
    augmentation = make(input_shape=(8, 9)).fit(pictures(5, 72))
    X = pictures(3, 72)
    frame = pd.DataFrame(X)
    assert augmentation.transform(X) is X
    assert augmentation.transform(X.reshape(3, 8, 9)).base is X
    assert augmentation.transform(frame) is frame
    np.testing.assert_array_equal(augmentation.transform(X.tolist()), X)
    assert isinstance(augmentation.transform(X.tolist()), np.ndarray)
    tensor = torch.from_numpy(X)
    assert augmentation.transform(tensor) is tensor


def test_transform_of_a_lazy_array_is_itself():
    A = RandomFlip().fit_transform(pictures(5, 8, 9))
    rotation = RandomRotation().fit(pictures(5, 8, 9))
    assert rotation.transform(A) is A


@EACH
def test_transform_before_fit_raises(make):
    with pytest.raises(
        NotFittedError, match=f"This {type(make()).__name__} instance is not fitted"
    ):
        make().transform(pictures(5, 8, 9))


@EACH
def test_transform_of_another_shape_raises(make):
    name = type(make()).__name__
    with pytest.raises(ValueError, match=f"X has 5 features, but {name} is expecting 72 features"):
        make(input_shape=(8, 9)).fit(pictures(5, 72)).transform(pictures(5, 5))
    with pytest.raises(
        InputShapeError,
        match=rf"X has samples of shape \(9, 8\), but {name} was fitted on .*\(8, 9, 1\)",
    ):
        make().fit(pictures(5, 8, 9)).transform(pictures(5, 9, 8))


@pytest.mark.parametrize(
    ("X", "pattern"),
    [
        (np.full((3, 8, 9), np.nan), "contains NaN"),
        (np.full((3, 72), np.inf), "contains infinity"),
        (np.zeros((0, 8, 9)), r"Found array with 0 sample\(s\)"),
        (np.zeros((3, 0, 9)), r"empty axis"),
        (np.zeros(5), "Expected 2D array, got 1D array instead"),
        (np.zeros((2, 3, 4, 5, 6, 7)), "X has 6 axes"),
        (np.zeros((3, 4)) * 1j, "Complex data not supported"),
        (np.array([["a", "b"]]), "could not convert string|dtype='numeric' is not compatible"),
    ],
    ids=str,
)
def test_bad_input_raises(X, pattern):
    for use in ("fit", "fit_transform", "draw"):
        with pytest.raises(ValueError, match=pattern):
            getattr(RandomContrast(), use)(X)


@EACH
def test_a_wrong_input_shape_raises(make):
    name = type(make()).__name__
    with pytest.raises(
        InputShapeError,
        match=rf"X has samples of shape \(72,\) \(72 values\), which do not fit input_shape=\(8, 8\) \(64 values\) of {name}",
    ):
        make(input_shape=(8, 8)).fit(pictures(5, 72))
    with pytest.raises(InputShapeError, match=r"'input_shape' parameter must be a tuple of 1 to 4"):
        make(input_shape=(8, -9)).fit(pictures(5, 72))


@EACH
def test_wrong_channels_raise_a_warning(make):
    make().fit(pictures(5, 3, 8, 9))  # no layout is given: the next step decides
    with pytest.warns(InputLayoutWarning, match="channels='last'"):
        make(channels="first").fit(pictures(5, 8, 9, 3))
    with pytest.warns(InputLayoutWarning, match="channels='first'"):
        make(input_shape=(3, 8, 9)).fit(pictures(5, 3, 8, 9))


@EACH
def test_frames_keep_their_names(make):
    frame = pd.DataFrame(pictures(5, 72)).add_prefix("pixel")
    augmentation = make(input_shape=(8, 9)).fit(frame)
    assert augmentation.feature_names_in_.tolist() == list(frame.columns)
    assert augmentation.get_feature_names_out().tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        augmentation.transform(frame[frame.columns[::-1]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        augmentation.transform(frame.to_numpy())


@EACH
def test_tags_are_right(make):
    tags = get_tags(make())
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    takes_gaps = (RandomBrightness, RandomNoise, RandomChannelDropout)
    looks_at_all = getattr(make(), "snr_db", None) is not None
    assert tags.input_tags.allow_nan == (isinstance(make(), takes_gaps) and not looks_at_all)
    assert not tags.target_tags.required
    assert tags.estimator_type is None
    assert tags.transformer_tags is not None


@EACH
@pytest.mark.parametrize("container", ["default", "pandas", "polars"])
def test_set_output_does_nothing(make, container):
    augmentation = make(random_state=0, input_shape=(8, 9))
    assert augmentation.set_output(transform=container) is augmentation
    X = pictures(5, 72)
    A = augmentation.fit_transform(X)
    assert type(A).__name__ == "AugmentedArray"
    assert augmentation.transform(X) is X


def small_net(**more):
    return ConvNetClassifier(
        input_shape=(8, 9), filters=(2,), hidden_units=(), max_epochs=2, random_state=0, **more
    )


LABELS = np.arange(20) % 2


def test_set_output_of_a_pipeline_passes_through():
    frame = pd.DataFrame(pictures(20, 72)).add_prefix("pixel")
    model = make_pipeline(StandardScaler(), RandomRotation(input_shape=(8, 9)), small_net())
    model.set_output(transform="pandas")
    model.fit(frame, LABELS)
    assert isinstance(model[:-1].transform(frame), pd.DataFrame)
    assert model[:-1].get_feature_names_out().tolist() == list(frame.columns)
    with sklearn.config_context(transform_output="pandas"):
        model.fit(frame, LABELS).predict(frame)


@pytest.mark.parametrize("name", EVERY)
def test_pipelines_train_like_the_parameter(name):
    X = pictures(20, 8, 9)
    net = ConvNetClassifier(filters=(2,), hidden_units=(), max_epochs=2, random_state=0)
    model = make_pipeline(EVERY[name](), clone(net)).fit(X, LABELS)
    within = clone(net).set_params(augmentation=[EVERY[name]()]).fit(X, LABELS)
    plain = clone(net).fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), within.predict_proba(X))
    changed = (model.predict_proba(X) != plain.predict_proba(X)).any()
    assert changed == (name not in CHANNELS)


@pytest.mark.parametrize("random_state", [None, 0])
@pytest.mark.parametrize("more", ["fit", "partial_fit"])
def test_continued_training_draws_again(more, random_state, monkeypatch):
    X, seen = pictures(20, 8, 9, dtype="float32"), []
    run = BatchAugmenter.batch

    def spied(self, images, targets, weights, rows, epoch):
        out = run(self, images, targets, weights, rows, epoch)
        seen[-1].update(zip(rows.tolist(), out[0], strict=True))
        return out

    monkeypatch.setattr(BatchAugmenter, "batch", spied)
    noise = RandomNoise((1, 1), random_state=random_state)
    settings = {"max_epochs": 1, "warm_start": True, "random_state": 0, "augmentation": [noise]}
    net = ConvNetClassifier(filters=(2,), hidden_units=(), **settings)
    for _ in range(3):
        seen.append({})
        getattr(net, more)(X, LABELS, **({"classes": [0, 1]} if more == "partial_fit" else {}))
    for i, one in enumerate(seen):
        assert len(one) == 20
        for other in seen[:i]:
            assert not any((one[row] == other[row]).all() for row in range(20))


def test_a_pipeline_with_a_memory(tmp_path):
    X = pictures(20, 72)
    steps = [RandomTranslation(0.2, input_shape=(8, 9)), RandomNoise(0.2), small_net()]
    plain = make_pipeline(*steps).fit(X, LABELS).predict_proba(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            model = make_pipeline(*steps, memory=str(tmp_path)).fit(X, LABELS)
            np.testing.assert_array_equal(model.predict_proba(X), plain)


def test_a_grid_search_over_a_pipelines_ranges():
    X = pictures(20, 72)
    model = make_pipeline(RandomRotation(input_shape=(8, 9)), small_net())
    search = GridSearchCV(
        model, {"randomrotation__degrees": [0, 30], "randomrotation__p": [0.5, 1]}, cv=2
    )
    search.fit(X, LABELS)
    assert len(search.cv_results_["params"]) == 4


def test_a_transformer_between_freezes_the_draw_with_a_warning():
    X = pictures(20, 72)
    model = make_pipeline(RandomTranslation(0.2, input_shape=(8, 9)), StandardScaler(), small_net())
    with pytest.warns(FrozenAugmentationWarning, match=r"directly before a ConvNet"):
        model.fit(X, LABELS)
    model.predict(X)


def test_a_column_transformer_before_and_around():
    frame = pd.DataFrame(pictures(20, 72)).add_prefix("pixel")
    scaled = ColumnTransformer([("scaled", StandardScaler(), list(frame.columns))])
    make_pipeline(scaled, RandomRotation(input_shape=(8, 9)), small_net()).fit(frame, LABELS)
    around = ColumnTransformer(
        [("moved", RandomTranslation(0.2, input_shape=(8, 9)), list(frame.columns))]
    )
    with pytest.warns(FrozenAugmentationWarning):
        out = around.fit_transform(frame)
    assert out.shape == (20, 72)
    np.testing.assert_array_equal(around.transform(frame), frame.to_numpy())


def test_images_only_is_what_needs_two_axes():
    for name, make in EVERY.items():
        assert (make()._fewest_axes == 2) == (name in IMAGES_ONLY)
