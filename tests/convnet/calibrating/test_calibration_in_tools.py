"""Calibrated networks in clones, files, searches, recordings and resumed fits."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

import skcnn
from skcnn import ConvNetClassifier, ConvNetSearchCV, compare_models
from skcnn._convnet.calibrating.temperature import COLDEST, HOTTEST, best_temperature
from skcnn._training.engine import ConvNetEngine
from skcnn._training.fit_run import FitRun
from skcnn.augmentation import Augmented, RandomFlip, RandomNoise
from skcnn.augmentation._copies import make_estimator
from skcnn.comparison import _runs
from skcnn.exceptions import LeakageWarning, ModelFileError
from skcnn.inspection import saliency
from skcnn.inspection._learning_rate_range import range_test
from skcnn.model_selection import _parallel as parallel
from skcnn.persistence import model_card
from skcnn.recordings import WindowedClassifier
from tests.helpers.calibrated import net, noisy, watch_parts, watch_trainings
from tests.helpers.stopped_fits import assert_same, count_epochs, result_of, stopped
from tests.helpers.training_clock import set_clock

X, Y = noisy(120)
X_VAL, Y_VAL = noisy(60, seed=1)
QUICK = {"max_epochs": 2, "filters": (2,), "hidden_units": ()}
AUTO = {**QUICK, "calibration": "auto"}
MANY = noisy(400)  # of which "auto" calibrates fits of 300 or more


@pytest.fixture(scope="module")
def fitted():
    return net(**QUICK).fit(X, Y)


# Time


def test_a_limit_of_time_is_of_both_networks(monkeypatch):
    set_clock(monkeypatch, 1)
    lengths = []
    train = ConvNetEngine.train

    def watched(self, *args, **how):
        train(self, *args, **how)
        lengths.append(len(self.history))

    monkeypatch.setattr(ConvNetEngine, "train", watched)
    limited = {**QUICK, "max_epochs": 60, "max_seconds": 18.4}
    model = net(**limited).fit(X, Y)
    assert lengths == [9, 9]  # 18 of the 18.4 seconds
    assert model.temperature_ != 1
    lengths.clear()
    net(**limited).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert lengths == [17]
    lengths.clear()
    net(**limited, early_stopping=True, n_iter_no_change=60).fit(X, Y)
    assert lengths == [17]


def test_the_second_network_is_unfrozen_in_the_same_epochs_of_a_shorter_plan(monkeypatch):
    set_clock(monkeypatch, 1)
    trained = []
    keep = FitRun.trained_parts

    def watched(self, *args):
        trained.append(keep(self, *args))
        return trained[-1]

    monkeypatch.setattr(FitRun, "trained_parts", watched)
    limited = {**QUICK, "max_epochs": 60, "max_seconds": 18.4}
    net(**limited, trainable="head", unfreezing={20: "all"}).fit(X, Y)
    assert trained == [{0: "head", 5: "all"}] * 2


# Copies and files


def test_clone_pickle_and_copy(fitted):
    assert clone(fitted).calibration == "temperature"
    assert not hasattr(clone(fitted), "temperature_")
    for again in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_model_files_have_the_temperature(fitted, tmp_path):
    path = tmp_path / "model.safetensors"
    skcnn.save(fitted, path)
    again = skcnn.load(path)
    assert again.temperature_ == fitted.temperature_
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    skcnn.save(again.set_params(calibration=None).fit(X, Y), path)
    assert skcnn.load(path).temperature_ == 1.0


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, COLDEST / 2, HOTTEST * 2])
def test_a_file_with_a_wrong_temperature_is_refused(wrong, fitted, tmp_path):
    crafted = copy.copy(fitted)
    crafted.temperature_ = wrong
    skcnn.save(crafted, tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError, match="temperature of ConvNetClassifier"):
        skcnn.load(tmp_path / "model.safetensors")


def test_a_model_card_says_it(fitted):
    text = model_card(fitted, X_VAL, Y_VAL).to_markdown()
    assert f"divided by the temperature {fitted.temperature_:.3f}" in text
    raw = clone(fitted).set_params(calibration=None).fit(X, Y)
    assert "temperature" not in model_card(raw, X_VAL, Y_VAL).to_markdown()


def test_saliency_is_of_the_network_s_outputs(fitted):
    raw = clone(fitted).set_params(calibration=None).fit(X, Y)
    np.testing.assert_array_equal(saliency(fitted, X[:2]), saliency(raw, X[:2]))


# Meta-estimators


def test_grid_search_chooses_whether_to_calibrate():
    many = noisy(300)
    grid = {"calibration": [None, "temperature"]}
    search = GridSearchCV(net(), grid, scoring="neg_log_loss", cv=2).fit(*many)
    assert search.best_params_ == {"calibration": "temperature"}
    assert search.best_estimator_.temperature_ > 1.5


def test_each_split_of_a_search_is_calibrated(monkeypatch):
    trained = watch_trainings(monkeypatch)
    space = {"learning_rate": [0.01, 0.02]}
    search = ConvNetSearchCV(net(**QUICK), space, n_trials=2, cv=2, random_state=0, pruner=None)
    search.fit(X, Y)
    assert [len(each) for each in trained] == 4 * [60, 48] + [120, 96]
    assert search.best_estimator_.temperature_ != 1.0


def test_a_trial_that_is_pruned_trains_no_second_network(monkeypatch):
    from skcnn.model_selection._callbacks import EpochWatcher

    epochs = count_epochs(monkeypatch)
    ours = net().set_callbacks(EpochWatcher(lambda epoch, n_epochs, snapshot: epoch == 1))
    ours.fit(X, Y)
    assert (ours.n_iter_, len(epochs), ours.temperature_) == (2, 2, 1.0)


def test_folds_are_trained_one_by_one(monkeypatch):
    monkeypatch.setattr(parallel, "joint_training_pays", lambda device: True)
    assert parallel.trains_together(net(calibration=None), 100)
    assert not parallel.trains_together(net(), 100)
    assert not parallel.trains_together(make_pipeline(RandomNoise(0.1), net()), 100)
    assert parallel.trains_together(net(calibration="auto"), 297)  # 59 could be held back
    assert not parallel.trains_together(net(calibration="auto"), 298)
    assert parallel.trains_together(net(calibration="auto", early_stopping=True), 298)


def test_joint_folds_have_the_bits_of_separate_ones(monkeypatch):
    space = {"learning_rate": [0.01, 0.02]}
    how = {"n_trials": 2, "cv": 2, "random_state": 0, "scoring": "neg_log_loss"}
    search = ConvNetSearchCV(net(**QUICK), space, **how, pruner="median")
    separate = search.fit(X, Y).cv_results_["mean_test_score"]
    monkeypatch.setattr(parallel, "joint_training_pays", lambda device: True)
    np.testing.assert_array_equal(search.fit(X, Y).cv_results_["mean_test_score"], separate)


def test_augmented_copies_would_be_on_both_sides():
    flips = Augmented(net(**QUICK), RandomFlip(), n_copies=1, random_state=0)
    with pytest.warns(LeakageWarning, match=r"splits its samples \(calibration\)"):
        flips.fit(X, Y)


@pytest.mark.parametrize(("n_copies", "keep_original"), [(1, True), (2, False), (1, False)])
def test_augmented_copies_are_not_calibrated_by_auto(n_copies, keep_original, monkeypatch):
    parts, many = watch_parts(monkeypatch), noisy(300)
    pipeline = make_pipeline(RandomNoise(0.1), net(**QUICK, calibration="auto"))
    copied = Augmented(
        pipeline, RandomFlip(), n_copies=n_copies, keep_original=keep_original, random_state=0
    ).fit(*many)
    has_copies = n_copies + keep_original > 1
    assert len(parts) == (not has_copies)
    assert (copied.estimator_[-1].temperature_ == 1.0) == has_copies
    assert copied.estimator_[-1].calibration == (None if has_copies else "auto")


@pytest.mark.parametrize("grid", [{"last": [net(**AUTO)]}, {"last__calibration": ["auto"]}])
def test_copies_are_not_calibrated_by_networks_of_a_grid(grid, monkeypatch):
    parts = watch_parts(monkeypatch)
    pipeline = Pipeline([("first", FunctionTransformer()), ("last", net(**AUTO))])
    nested = make_pipeline(FunctionTransformer(), GridSearchCV(pipeline, [grid], cv=GroupKFold(2)))
    search = GridSearchCV(pipeline, [grid], cv=GroupKFold(2))
    copied = Augmented(search, RandomFlip(), n_copies=1, random_state=0)
    copied.fit(*noisy(300), groups=np.arange(300))
    assert not parts
    assert copied.estimator_.best_estimator_[-1].calibration is None
    inside = make_estimator(nested, 0, holds_back=False)[-1].param_grid[0]
    assert [getattr(each, "calibration", each) for each in next(iter(inside.values()))] == [None]
    assert net(**AUTO).calibration == "auto"  # given ones stay as they are


def test_the_range_test_calibrates_nothing(monkeypatch):
    parts = watch_parts(monkeypatch)
    range_test(net(**QUICK), X, Y, low=1e-4, high=0.1, n_steps=50)
    assert not parts


def test_recordings_are_held_back_as_wholes(monkeypatch):
    parts = watch_parts(monkeypatch)
    rng = np.random.default_rng(0)
    recordings = [rng.normal(size=(40, 2)) + (i % 2) for i in range(60)]
    model = WindowedClassifier(net(**QUICK), 10).fit(recordings, np.arange(60) % 2)
    [(train, held_back)] = parts
    of = train.images.groups()
    assert len(held_back) == 48
    assert not {*of[train.index]} & {*of[held_back.index]}
    assert model.estimator_.temperature_ != 1.0


def test_windows_of_unknown_recordings_are_not_calibrated_by_auto(monkeypatch):
    trained = watch_trainings(monkeypatch)
    rng = np.random.default_rng(0)
    recordings = [rng.normal(size=(40, 2)) + (i % 2) for i in range(310)]
    auto = net(**AUTO, n_spatial_dims=1)
    model = WindowedClassifier(make_pipeline(FunctionTransformer(), auto), 20)
    model.fit(recordings, np.arange(310) % 2)
    assert [len(each) for each in trained] == [620]
    assert model.estimator_[-1].temperature_ == 1.0
    trained.clear()
    model = WindowedClassifier(auto, 20).fit(recordings, np.arange(310) % 2)
    assert [len(each) for each in trained] == [620, 496]
    assert model.estimator_.temperature_ != 1.0
    trained.clear()
    WindowedClassifier(auto, 10).fit(recordings[:200], np.arange(200) % 2)
    assert [len(each) for each in trained] == [800]  # of which forty recordings are too few


@pytest.mark.slow  # starts processes
def test_processes_find_the_same_temperatures():
    how = {"cv": 2, "method": "predict_proba"}
    expected = cross_val_predict(net(**QUICK), X, Y, **how)
    found = cross_val_predict(net(**QUICK), X, Y, n_jobs=2, **how)
    np.testing.assert_array_equal(found, expected)


# Searches and comparisons

SEARCH = {"n_trials": 1, "cv": [(np.arange(310), np.arange(310, 400))], "random_state": 0}


@pytest.mark.parametrize(
    ("scoring", "n_second"),
    [
        (None, 0),
        ("accuracy", 0),
        (["f1_macro", "balanced_accuracy"], 0),
        ("neg_log_loss", 1),
        ("roc_auc_ovr", 1),
        (lambda estimator, X, y: estimator.predict_proba(X)[0, 0], 1),
    ],
    ids=["score", "accuracy", "labels", "loss", "auc", "own"],
)
def test_trials_are_calibrated_if_their_scores_need_it(scoring, n_second, monkeypatch):
    parts = watch_parts(monkeypatch)
    refit = "f1_macro" if isinstance(scoring, list) else True
    search = ConvNetSearchCV(net(**AUTO), {"learning_rate": [0.01]}, scoring=scoring, **SEARCH)
    search.set_params(refit=refit).fit(*MANY)
    assert len(parts) == n_second + 1  # the refit always is
    assert search.best_estimator_.calibration == "auto"
    assert search.best_estimator_.temperature_ != 1.0


def test_ranks_of_scores_need_no_calibration(monkeypatch):
    parts, (X, y) = watch_parts(monkeypatch), MANY
    search = ConvNetSearchCV(net(**AUTO), {"learning_rate": [0.01]}, scoring="roc_auc", **SEARCH)
    search.set_params(refit=False).fit(X, y > 0)
    assert not parts


class SureOnly(ConvNetClassifier):
    """Predicts the second class only where it is sure."""

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] > 0.9).astype(int)


def test_labels_of_a_subclass_may_need_probabilities(monkeypatch):
    parts, (X, y) = watch_parts(monkeypatch), MANY
    own = SureOnly(max_epochs=1, filters=(2,), hidden_units=(), random_state=0)
    ConvNetSearchCV(own, {"learning_rate": [0.01]}, **SEARCH, refit=False).fit(X, y > 0)
    assert len(parts) == 1


def test_models_are_calibrated_if_their_scores_need_it(monkeypatch):
    parts = watch_parts(monkeypatch)
    how = {"cv": 5, "random_state": 0, "rope": 1.0}
    models = {"net": net(**AUTO), "pipeline": make_pipeline(RandomNoise(0.1), net(**AUTO))}
    compare_models(models, *MANY, **how)
    assert not parts
    compare_models(models, *MANY, **how, scoring=["accuracy", "neg_log_loss"])
    assert len(parts) == 10


@pytest.mark.parametrize(("scoring", "together"), [("accuracy", 1), ("neg_log_loss", 5)])
def test_models_are_trained_together_if_none_is_calibrated(scoring, together, monkeypatch):
    monkeypatch.setattr(parallel, "joint_training_pays", lambda device: True)
    groups, made = [], _runs._training_groups

    def watched(tasks):
        groups.extend(made(tasks))
        return groups

    monkeypatch.setattr(_runs, "_training_groups", watched)
    X, y = noisy(375)
    models = {"net": net(**AUTO), "constant": DummyClassifier()}
    compare_models(models, X, y, cv=5, random_state=0, scoring=scoring, rope=1.0)
    assert len([group for group in groups if group[0][0] == "net"]) == together


# Resumed fits


# 8 steps an epoch in the first training of three epochs, 6 in the second
@pytest.mark.parametrize(("n_steps", "epochs_left"), [(10, 5), (24, 3), (26, 3), (37, 1)])
@pytest.mark.parametrize("random_state", [0, None])
def test_a_resumed_fit_goes_on_in_either_training(
    n_steps, epochs_left, random_state, tmp_path, monkeypatch
):
    how = {**QUICK, "max_epochs": 3, "random_state": random_state, "checkpoint_seconds": 0}
    path = tmp_path / "fit.ckpt"
    stopped(monkeypatch, net(**how, checkpoint=path), n_steps, X, Y)
    assert path.exists()
    if random_state is None:  # the seed is in the file
        seed = skcnn._files.container.read_container(path)[0]["seed"]
        monkeypatch.setattr("skcnn._convnet.base.draw_seed", lambda random_state: seed)
        expected = net(**how).fit(X, Y)
        monkeypatch.setattr("skcnn._convnet.base.draw_seed", lambda random_state: 77)
    else:
        expected = net(**how).fit(X, Y)
    epochs = count_epochs(monkeypatch)
    ours = net(**how, checkpoint=path).fit(X, Y)
    assert len(epochs) == epochs_left
    assert_same(ours, result_of(expected))
    assert ours.temperature_ == expected.temperature_ != 1.0
    assert [*tmp_path.iterdir()] == []


def test_a_fit_without_calibration_goes_on_as_one_with_it(tmp_path, monkeypatch):
    how = {**QUICK, "checkpoint_seconds": 0, "checkpoint": tmp_path / "fit.ckpt"}
    stopped(monkeypatch, net(**how, calibration=None), 10, X, Y)
    ours = net(**how).fit(X, Y)
    assert ours.temperature_ == net(**QUICK).fit(X, Y).temperature_


class EndAfterTwo(Callback):
    """Ends a training."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_a_training_that_was_ended_goes_on_and_is_repeated_for_as_long(tmp_path, monkeypatch):
    how = {**QUICK, "max_epochs": 5, "callbacks": [EndAfterTwo()]}
    expected = net(**how).fit(X, Y)
    kept = {**how, "checkpoint_seconds": 0, "checkpoint": tmp_path / "fit.ckpt"}
    stopped(monkeypatch, net(**kept), 16 + 8, X, Y)  # in the last epoch of the second network
    ours = net(**kept).fit(X, Y)
    assert_same(ours, result_of(expected))
    assert ours.temperature_ == expected.temperature_ != 1.0
    assert ours.n_iter_ == 2


def test_a_fit_that_goes_on_without_calibration_leaves_no_file(tmp_path, monkeypatch):
    how = {**QUICK, "checkpoint_seconds": 0, "checkpoint": tmp_path / "fit.ckpt"}
    stopped(monkeypatch, net(**how), 16 + 8, X, Y)
    first, second = sorted(tmp_path.iterdir())
    assert second.name == "fit.ckpt"
    assert first.name.endswith("-second.ckpt")
    net(**how, calibration=None).fit(X, Y)
    assert [*tmp_path.iterdir()] == []


def test_automatic_calibration_goes_on_after_a_kill(tmp_path, monkeypatch):
    many = noisy(300)
    expected = net(**AUTO).fit(*many)
    kept = {**AUTO, "checkpoint_seconds": 0, "checkpoint": tmp_path / "fit.ckpt"}
    stopped(monkeypatch, net(**kept), 2 * 19 + 20, *many)
    epochs = count_epochs(monkeypatch)
    ours = net(**kept).fit(*many)
    assert len(epochs) == 1
    assert ours.temperature_ == expected.temperature_ != 1.0
    assert [*tmp_path.iterdir()] == []


def test_a_training_with_validation_writes_no_end(tmp_path, monkeypatch):
    how = {**QUICK, "checkpoint_seconds": 0, "checkpoint": tmp_path / "fit.ckpt"}
    raw = net(**QUICK, calibration=None).fit(X, Y)
    ours = net(**how).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert ours.temperature_ == best_temperature(raw.decision_function(X_VAL), Y_VAL)
    assert [*tmp_path.iterdir()] == []
