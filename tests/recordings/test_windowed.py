"""WindowedClassifier and WindowedRegressor: windows, means, splits by recording."""

import pickle
import re
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcnn import ConvNetClassifier, ConvNetRegressor, load, save
from skcnn._data.signal_windows import SignalWindows
from skcnn._data.validation_split import split_validation
from skcnn.augmentation import RandomNoise
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing import Spectrogram
from skcnn.recordings import WindowedClassifier, WindowedRegressor
from tests.data.test_epochs import Epochs

SMALL = {"filters": (4,), "hidden_units": (), "max_epochs": 2, "random_state": 0}


def recordings(n=12, n_channels=None, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = []
    for label in y:
        length = int(rng.integers(30, 60))
        wave = np.sin(np.arange(length) * (0.5 + 0.8 * label) + rng.uniform(0, 6))
        values = wave + rng.normal(0, 0.3, length)
        if n_channels:
            values = np.stack([values, *rng.normal(size=(n_channels - 1, length))], axis=1)
        X.append(values.astype(dtype))
    return X, y


def windows_by_hand(X, length, step):
    cut = [
        (row, start)
        for row, each in enumerate(X)
        for start in range(0, len(each) - length + 1, step)
    ]
    return np.array([X[row][start : start + length] for row, start in cut]), np.array(cut)


EXPECTED = {
    WindowedClassifier: {
        "check_fit2d_1feature": "the error speaks of recordings that are too short"
    },
    WindowedRegressor: {"check_regressors_train": "windows of one time step know no linear model"},
}


@parametrize_with_checks(
    [WindowedClassifier(LogisticRegression(), 2), WindowedRegressor(Ridge(), 1)],
    expected_failed_checks=lambda estimator: EXPECTED[type(estimator)],
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("step", [1, 7, 20, 33])
@pytest.mark.parametrize("n_channels", [None, 3])
def test_windows_are_those_cut_by_hand(step, n_channels):
    X, _ = recordings(n_channels=n_channels)
    windows = SignalWindows.cut(X, 20, step)
    values, cut = windows_by_hand(X, 20, step)
    np.testing.assert_array_equal(np.asarray(windows), values)
    np.testing.assert_array_equal(windows.recording, cut[:, 0])
    np.testing.assert_array_equal(windows.start, cut[:, 1])
    np.testing.assert_array_equal(windows[3], values[3])
    np.testing.assert_array_equal(windows[-2:].to_numpy(), values[-2:])
    np.testing.assert_array_equal(list(windows), values)
    copy = pickle.loads(pickle.dumps(windows[-2:]))
    np.testing.assert_array_equal(copy.to_numpy(), values[-2:])
    assert len(copy.recordings) < len(X)
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(windows, copy=False)


@pytest.mark.parametrize("n_channels", [None, 2])
def test_a_convnet_gets_the_windows_that_an_array_would_hold(n_channels):
    X, y = recordings(n_channels=n_channels)
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20, 10).fit(X, y)
    values, cut = windows_by_hand(X, 20, 10)
    plain = ConvNetClassifier(n_spatial_dims=1, **SMALL).fit(values, y[cut[:, 0]])
    expected = plain.predict_proba(values)
    by_recording = [expected[cut[:, 0] == row].mean(0, dtype=float) for row in range(len(X))]
    np.testing.assert_array_equal(model.predict_proba(X), by_recording)
    np.testing.assert_array_equal(model.predict(X), np.argmax(by_recording, axis=1))
    np.testing.assert_array_equal(model.predict_proba(X[5:6])[0], by_recording[5])
    assert model.n_windows_ == len(values)
    assert model.n_channels_in_ == (n_channels or 1)


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint8])
def test_dtypes_and_offsets(dtype):
    X, y = recordings()
    X = [(each * 20 + 100).astype(dtype) for each in X]
    if dtype is np.float64:
        X = [each + 1e9 for each in X]  # float32 cannot tell these apart
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20, 10).fit(X, y)
    values, cut = windows_by_hand(X, 20, 10)
    plain = ConvNetClassifier(**SMALL).fit(values.astype(float), y[cut[:, 0]])
    windows = SignalWindows.cut(X, 20, 10)
    difference = model.estimator_.predict_proba(windows) - plain.predict_proba(values.astype(float))
    assert np.abs(difference).max() < 1e-5


def test_augmentation_before_a_convnet_is_drawn_for_each_batch():
    X, y = recordings()
    inner = make_pipeline(RandomNoise(0.1, random_state=0), ConvNetClassifier(**SMALL))
    model = WindowedClassifier(inner, 20, 10).fit(X, y)
    values, cut = windows_by_hand(X, 20, 10)
    plain = clone(inner).fit(values, y[cut[:, 0]])
    np.testing.assert_array_equal(
        model.estimator_.predict_proba(values), plain.predict_proba(values)
    )


def test_channels_first_and_arrays_are_the_same_recordings():
    X, y = recordings(n_channels=2)
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20).fit(X, y)
    first = WindowedClassifier(ConvNetClassifier(**SMALL), 20, channels="first")
    first.fit([each.T for each in X], y)
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(first.predict_proba([each.T for each in X]), expected)
    column = np.empty(len(X), object)
    column[:] = X
    np.testing.assert_array_equal(model.predict_proba(column), expected)
    np.testing.assert_array_equal(model.predict_proba(pd.Series(X)), expected)
    equal = np.stack([each[:30] for each in X])
    np.testing.assert_array_equal(model.predict_proba(equal), model.predict_proba(list(equal)))


def test_predictions_of_windows_with_their_times():
    X, y = recordings()
    model = WindowedClassifier(LogisticRegression(), 20, 5, sampling_rate=10)
    table = model.fit(X, np.array(["low", "high"])[y]).predict_windows(X)
    values, cut = windows_by_hand(X, 20, 5)
    assert [*table] == [
        *("recording", "start", "stop", "start_seconds", "stop_seconds"),
        *("prediction", "probability_high", "probability_low"),
    ]
    np.testing.assert_array_equal(table[["recording", "start"]], cut)
    np.testing.assert_array_equal(table["stop_seconds"], (cut[:, 1] + 20) / 10)
    np.testing.assert_array_equal(
        table[["probability_high", "probability_low"]], model.estimator_.predict_proba(values)
    )
    np.testing.assert_array_equal(table["prediction"], model.estimator_.predict(values))


def test_without_probabilities_windows_vote():
    X, y = recordings()
    model = WindowedClassifier(RidgeClassifier(), 20, 5).fit(X, y)
    assert not hasattr(model, "predict_proba")
    table = model.predict_windows(X)
    assert "probability_0" not in table
    shares = table.groupby("recording")["prediction"].mean()
    np.testing.assert_array_equal(model.predict(X), (shares > 0.5).astype(int))


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_regressor_returns_means(n_outputs):
    X, _ = recordings()
    y = np.array([each.std() for each in X])
    y = y if n_outputs is None else np.stack([y, -y], axis=1)
    model = WindowedRegressor(Ridge(), 20, 5).fit(X, y)
    values, cut = windows_by_hand(X, 20, 5)
    each = model.estimator_.predict(values)
    expected = [each[cut[:, 0] == row].mean(0, dtype=float) for row in range(len(X))]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12)
    table = model.predict_windows(X)
    names = ["prediction"] if n_outputs is None else ["prediction_0", "prediction_1"]
    np.testing.assert_array_equal(table[names].to_numpy(), each.reshape(len(each), -1))
    assert "start_seconds" not in table


def test_sample_weight_is_that_of_all_windows():
    X, y = recordings()
    weights = np.arange(len(X)) % 3
    model = WindowedClassifier(LogisticRegression(), 20, 5).fit(X, y, weights)
    values, cut = windows_by_hand(X, 20, 5)
    plain = LogisticRegression().fit(values, y[cut[:, 0]], weights[cut[:, 0]])
    np.testing.assert_array_equal(model.estimator_.coef_, plain.coef_)
    with pytest.raises(TypeError, match="sample_weight was given, but KNeighbors"):
        WindowedClassifier(KNeighborsClassifier(), 20).fit(X, y, weights)


def leaking_recordings(n=24, seed=0):
    """Return recordings whose windows are alike, with labels that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(0, 3) + rng.normal(0, 0.05, size=int(rng.integers(60, 90))) for _ in range(n)]
    return X, rng.permutation(np.arange(n) % 2)


def test_scores_by_recording_are_honest_where_scores_by_window_are_not():
    X, y = leaking_recordings()
    values, cut = windows_by_hand(X, 20, 5)
    forest = RandomForestClassifier(20, random_state=0)
    cv = ShuffleSplit(5, random_state=0)
    naive = cross_val_score(forest, values, y[cut[:, 0]], cv=cv).mean()
    honest = cross_val_score(WindowedClassifier(forest, 20, 5), X, y, cv=cv).mean()
    assert naive > 0.9
    assert honest < 0.7


def test_early_stopping_splits_off_whole_recordings(monkeypatch):
    X, y = leaking_recordings()
    seen = {}

    def watch(net, samples, *args):
        train, valid = split(net, samples, *args)
        groups = samples.images.groups()
        seen["train"], seen["valid"] = groups[train.index], groups[valid.index]
        return train, valid

    split = ConvNetClassifier._split
    monkeypatch.setattr(ConvNetClassifier, "_split", watch)
    net = ConvNetClassifier(**SMALL | {"max_epochs": 4}, early_stopping=True)
    for inner in (net, make_pipeline(RandomNoise(0.1), net)):
        WindowedClassifier(inner, 20, 5).fit(X, y)
        assert not set(seen["train"]) & set(seen["valid"])
        assert sorted(set(seen["train"]) | set(seen["valid"])) == list(range(len(X)))
        assert sorted(y[sorted(set(seen["valid"]))]) == [0, 1]  # a tenth of 24, of both classes


@pytest.fixture
def splits(monkeypatch):
    """Collect training and validation samples as windows, weights and groups."""
    seen = []

    def watch(samples, *how):
        train, valid = split_validation(samples, *how)
        seen.append([(samples.images.take(torch.from_numpy(s.index)), s) for s in (train, valid)])
        return train, valid

    monkeypatch.setattr("skcnn._convnet.base.split_validation", watch)
    return seen


def test_windows_that_are_also_in_training_do_not_validate(splits):
    X, y = recordings()
    silence = np.zeros(40, np.float32)
    X = [
        np.concatenate([silence, each]) if label else each for each, label in zip(X, y, strict=True)
    ]
    net = ConvNetClassifier(**SMALL, early_stopping=True)
    for seed in range(4):
        net.set_params(random_state=seed)
        model = WindowedClassifier(net, 20, 20).fit(X, y)
        assert np.isfinite(model.estimator_.history_["valid_loss"]).all()
        (train, train_set), (valid, _) = splits.pop()
        silent = (train == 0).flatten(1).all(1).numpy()
        assert silent.sum() == 1
        assert train_set.weights[silent] / train_set.weights.min() == 12  # of six recordings
        assert not (valid == 0).flatten(1).all(1).any()
    twice = [each[-20:] for each in X[:4] for _ in range(2)]  # once with either label
    with pytest.raises(ValueError, match="all windows of the validation recordings"):
        WindowedClassifier(net, 20).fit(twice, [0, 1] * 4)


def test_a_window_with_two_labels_is_no_validation_sample(splits):
    X, y = recordings()
    shared = np.ones(20, np.float32)
    X = [np.concatenate([shared, each]) for each in X]
    WindowedClassifier(ConvNetClassifier(**SMALL, early_stopping=True), 20).fit(X, y)
    (train, train_set), (valid, _) = splits.pop()
    assert sorted(train_set.targets[(train == 1).flatten(1).all(1).numpy()]) == [0, 1]
    assert not (valid == 1).flatten(1).all(1).any()


def test_the_order_of_recordings_does_not_matter_for_early_stopping():
    X, y = recordings()
    X[3] = np.concatenate([X[5][:20], X[3]])  # windows of two recordings
    net = ConvNetClassifier(**SMALL, early_stopping=True, validation_fraction=0.3)
    expected = WindowedClassifier(net, 20).fit(X, y).predict_proba(X)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(X))
        model = WindowedClassifier(net, 20).fit([X[i] for i in order], y[order])
        np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_time_steps_in_no_window_and_weights_of_zero_do_not_count():
    X, y = recordings(dtype=np.float64)
    X = [each[: len(each) // 10 * 10] + 1e9 for each in X]
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20, 10).fit(X, y)
    assert abs(model.estimator_.offset_[0] - 1e9) < 2
    longer = [np.append(each, 0.0) for each in X]
    again = clone(model).fit(longer, y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    weights = np.ones(len(X))
    weights[0] = 0
    few = clone(model).fit(X[1:], y[1:])
    far = clone(model).fit([X[0] - 1e9, *X[1:]], y, sample_weight=weights)
    np.testing.assert_array_equal(far.predict_proba(X), few.predict_proba(X))
    gaps = clone(model).set_params(step=30).fit([np.r_[x[:20], 0.0, x[21:]] for x in X], y)
    assert abs(gaps.estimator_.offset_[0] - 1e9) < 2


def test_bytes_of_windows_do_not_depend_on_unused_steps():
    X, y = recordings()
    X = [np.round(each[: len(each) // 10 * 10] * 20 + 100) for each in X]
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20, 10).fit(X, y)
    longer = clone(model).fit([np.append(each, 0.5).astype(np.float32) for each in X], y)
    np.testing.assert_array_equal(longer.predict_proba(X), model.predict_proba(X))


def test_values_beyond_float32_are_named():
    X, y = recordings(dtype=np.float64)
    with pytest.raises(ValueError, match="too large for dtype\\('float32'\\)"):
        WindowedClassifier(ConvNetClassifier(**SMALL), 20).fit([each * 1e39 for each in X], y)


def test_memory_maps_stay_on_the_disk(tmp_path):
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.full(500_000, number, np.float32))
    maps = [np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number in range(2)]
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 100, 200_000)
    tracemalloc.start()
    try:
        model.fit(maps, [0, 1])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**21  # of 4 MB


def test_weights_reach_the_end_of_a_pipeline():
    X, y = recordings()
    weights = 1 / np.array([len(each) for each in X])
    plain = ConvNetClassifier(**SMALL)
    inner = make_pipeline("passthrough", make_pipeline("passthrough", plain))
    model = WindowedClassifier(inner, 20, 5).fit(X, y, weights)
    expected = WindowedClassifier(plain, 20, 5).fit(X, y, weights)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_epochs_of_mne_are_recordings():
    array = np.random.default_rng(0).normal(size=(6, 3, 40))
    epochs = Epochs(array)
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20).fit(epochs, [0, 1] * 3)
    assert model.n_channels_in_ == 3
    moved = list(np.moveaxis(array, 1, -1))
    np.testing.assert_array_equal(model.predict_proba(epochs), model.predict_proba(moved))


def test_names_of_columns_are_those_of_the_last_fit():
    X, y = recordings()
    frame = pd.DataFrame(np.stack([each[:30] for each in X])).rename(columns=str)
    model = WindowedClassifier(LogisticRegression(), 20).fit(frame, y)
    assert len(model.feature_names_in_) == 30
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (GridSearchCV(LogisticRegression(), {"C": [1, 2]}), "GridSearchCV has the parameter cv="),
        (CalibratedClassifierCV(LogisticRegression()), "has the parameter cv=None"),
        (
            make_pipeline(PCA(2), CalibratedClassifierCV(LogisticRegression())),
            "its 'calibratedclassifiercv', CalibratedClassifierCV,",
        ),
        (MLPClassifier(early_stopping=True), "MLPClassifier has early_stopping=True"),
        (
            make_pipeline(PCA(4), ConvNetClassifier(early_stopping=True)),
            "its 'convnetclassifier', ConvNetClassifier, has early_stopping=True",
        ),
        (ConvNetClassifier(channels="first"), "leave channels='last'"),
        (HistGradientBoostingClassifier(), "has early_stopping='auto'"),
        (GradientBoostingClassifier(n_iter_no_change=2), "has n_iter_no_change=2"),
        (MLPClassifier(early_stopping=np.True_), "has early_stopping=np.True_"),
        (
            make_pipeline(Spectrogram(50), ConvNetClassifier(pretrained="auto")),
            "has pretrained='auto'",
        ),
        (
            make_pipeline(PCA(4), ConvNetClassifier(calibration="temperature")),
            "has calibration='temperature'",
        ),
    ],
)
def test_estimators_that_would_split_recordings_are_refused(inner, message):
    X, y = recordings()
    with pytest.raises(ValueError, match=re.escape(message)):
        WindowedClassifier(inner, 20).fit(X, y)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([np.zeros(30), np.zeros(19)], "1 of 2 recordings are shorter than a window of length=20"),
        ([np.zeros((30, 2)), np.zeros((30, 3))], "numbers of channels [2, 3]"),
        ([np.zeros(30), np.zeros((30, 2))], "signals with 1 and 2 axes"),
        (np.zeros((2, 30, 2, 2)), "an array of shape (2, 30, 2, 2)"),
        ([], "X has no recordings"),
        (np.zeros(30), "for one recording pass a list of it"),
        ([np.zeros(30), np.full(30, np.nan)], "NaN or infinity, the first in row 1"),
        ([np.zeros(30), "a.wav"], "Row 1"),
    ],
)
def test_bad_recordings_have_their_message(X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        WindowedClassifier(LogisticRegression(), 20).fit(X, [0, 1])


def test_predict_keeps_to_what_fit_saw():
    X, y = recordings(n_channels=2)
    model = WindowedClassifier(LogisticRegression(), 20)
    with pytest.raises(ValueError, match="Found array with dim 3"):
        model.fit(X, y)  # windows with channels are for estimators that take them
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20, 10).fit(X, y)
    with pytest.raises(InputShapeError, match=r"no axis of channels, but .* with 2 channels"):
        model.predict([np.zeros(30)])
    expected = model.predict_windows(X)
    model.set_params(length=25, step=3)  # counts from the next fit on
    pd.testing.assert_frame_equal(model.predict_windows(X), expected)
    with pytest.raises(ValueError, match="one label for each recording"):
        model.fit(X, np.eye(2)[y])
    with pytest.raises(ValueError, match="'length' parameter"):
        clone(model).set_params(length=0).fit(X, y)


@pytest.mark.slow
def test_searches_and_n_jobs_split_recordings():
    X, y = recordings(16)
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20, 10)
    grid = {"step": [10, 20], "estimator__filters": [(2,)]}
    one, two = (
        GridSearchCV(model, grid, cv=2, n_jobs=n, scoring="neg_log_loss").fit(X, y) for n in (1, 2)
    )
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_pickle_and_safe_file_give_the_same_bits(tmp_path):
    X, y = recordings(n_channels=2)
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20, 10, sampling_rate=50).fit(X, y)
    number = WindowedRegressor(ConvNetRegressor(**SMALL), 20).fit(X, y + 0.5)
    for each, method in ((model, "predict_proba"), (number, "predict")):
        expected = getattr(each, method)(X)
        save(each, tmp_path / "model.skcnn")
        for copy in (pickle.loads(pickle.dumps(each)), load(tmp_path / "model.skcnn")):
            np.testing.assert_array_equal(getattr(copy, method)(X), expected)
            pd.testing.assert_frame_equal(copy.predict_windows(X), each.predict_windows(X))
            assert copy.n_windows_ == each.n_windows_


def test_overlapping_windows_take_no_memory():
    X = [np.zeros((100_000, 4), np.float32)]
    windows = SignalWindows.cut(X, 1000, 1)
    assert windows.shape == (99_001, 1000, 4)  # 1.5 GiB as an array
    assert windows.recording.nbytes + windows.start.nbytes < 2_000_000
    assert np.shares_memory(windows.recordings[0], X[0])


def test_recordings_are_not_copied():
    X, _ = recordings()
    model = WindowedClassifier(ConvNetClassifier(**SMALL), 20)
    assert all(np.shares_memory(a, b) for a, b in zip(model._windows(X).recordings, X, strict=True))
