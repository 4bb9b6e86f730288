"""augmentation="auto" in fits: what is set, kept, continued and used by other tools."""

import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline

import skcnn
from skcnn import ConvNetClassifier, ConvNetRegressor, ConvNetSearchCV, compare_models
from skcnn._convnet.augmenting import choice
from skcnn._convnet.calibrating.rules import HELD_BACK
from skcnn._utils.worker_threads import own_seconds
from skcnn.augmentation import RandomFlip, RandomNoise, RandomRotation
from skcnn.exceptions import ComparisonWarning, InputShapeError, ModelFileError
from skcnn.persistence._choice import (
    kept_augmentation_choice,
    restored_augmentation,
    restored_augmentation_choice,
)
from tests.helpers.arrows import shapes
from tests.helpers.device import DEVICE
from tests.helpers.stopped_fits import stopped
from tests.helpers.tiny_base import NAME, install_tiny_base
from tests.helpers.weights import assert_same_weights

X, Y = shapes(["left", "right"], n=48)
NEVER = {"flip horizontal"}


@pytest.fixture(autouse=True)
def checks(monkeypatch):
    """Replace the check, which refuses a horizontal flip, and count its calls."""
    calls = []

    def decide(net, samples, candidates):
        calls.append(len(samples))
        for each in candidates:
            if not each.reason:
                each.score, each.changed_score = 0.9, 0.1 if each.name in NEVER else 0.8
                each.decide(each.name not in NEVER, "by the test")

    monkeypatch.setattr(choice, "decide", decide)
    monkeypatch.setattr(choice, "_REMEMBERED", {})
    return calls


def net(cls=ConvNetClassifier, **params):
    defaults = {
        "augmentation": "auto", "filters": (2,), "hidden_units": (), "max_epochs": 2,
        "batch_size": 16, "random_state": 0, "device": DEVICE, "n_threads": 1,
    }  # fmt: skip
    return cls(**{**defaults, **params})


def names(model):
    return [type(each).__name__ for each in model.augmentation_]


def test_the_fit_is_that_with_the_augmentations_it_chose(checks):
    model = net()
    params = model.get_params()
    model.fit(X, Y)
    assert model.get_params() == params
    flip, motion = model.augmentation_
    assert flip.axis == "vertical"
    assert (motion.degrees, motion.translation, motion.zoom) == (0, 0.08, 0.1)
    table = model.augmentation_choice_
    assert table["chosen"].tolist() == [True, False, True]
    assert table["changed_score"].tolist()[1:] == [0.1, 0.8]
    same = net(augmentation=model.augmentation_).fit(X, Y)
    assert_same_weights(model, same)
    assert same.augmentation_choice_ is None
    assert names(same) == names(model)
    assert not hasattr(clone(model), "augmentation_")
    again = pickle.loads(pickle.dumps(model))
    assert names(again) == names(model)
    assert checks == [48]


def test_given_augmentations_are_an_attribute_too():
    def brighter(batch):
        return batch + 1

    given = [RandomNoise(0.1, random_state=np.random.RandomState(0)), brighter, None]
    model = net(augmentation=given).fit(X, Y)
    noise, function = model.augmentation_
    assert noise is not given[0]
    assert noise.std == 0.1
    assert function is brighter
    assert net(augmentation=RandomFlip()).fit(X, Y).augmentation_[0].axis == "horizontal"
    assert net(augmentation=None).fit(X, Y).augmentation_ == []


@pytest.mark.parametrize("random_state", [None, 1, np.random.RandomState(0)])
def test_the_choice_does_not_depend_on_the_seed_or_the_order(random_state, checks):
    net().fit(X, Y)
    rows = np.random.default_rng(0).permutation(48)
    net(random_state=random_state).fit(X[rows], Y[rows])
    net(max_epochs=1, filters=(3,)).fit(X, Y)
    assert checks == [48]  # known from the first fit


def test_other_samples_targets_and_weights_are_checked_again(checks):
    net().fit(X, Y)
    net().fit(X[:40], Y[:40])
    net().fit(X, np.roll(Y, 1))
    net().fit(X, Y, sample_weight=np.arange(48))
    net(ConvNetRegressor).fit(X, np.arange(48.0))
    assert checks == [48, 40, 48, 47, 48]


def test_only_so_many_choices_are_remembered(checks, monkeypatch):
    monkeypatch.setattr(choice, "MOST_REMEMBERED", 2)
    for n in (30, 36, 42, 42, 30):
        net(max_epochs=1).fit(X[:n], Y[:n])
    assert checks == [30, 36, 42, 30]


def test_numbers_get_what_the_check_allows():
    model = net(ConvNetRegressor).fit(X, np.arange(48.0))
    assert names(model) == ["RandomFlip", "RandomAffine"]
    many = net(ConvNetRegressor).fit(X, np.ones((48, 2)) * np.arange(48.0)[:, None])
    assert names(many) == ["RandomFlip", "RandomAffine"]


def test_signals_stay_as_they_are(checks):
    signals = X.reshape(48, 64)
    model = net().fit(signals, Y)
    assert model.augmentation_ == []
    assert model.augmentation_choice_.empty
    assert_same_weights(model, net(augmentation=None).fit(signals, Y))
    unequal = [signal[: 40 + i % 9] for i, signal in enumerate(signals)]
    assert net(filters="auto", hidden_units=(128,)).fit(unequal, Y).augmentation_ == []
    assert net(input_shape=(8, 8)).fit(signals, Y).augmentation_ != []
    assert checks == [48]


def test_missing_values_are_refused():
    with pytest.raises(InputShapeError, match="must not be 'auto' with missing='mask'"):
        net(missing="mask").fit(X, Y)


def test_other_words_are_refused():
    with pytest.raises(ValueError, match=r"from batch to batch, or 'auto'\. Got 'automatic'"):
        net(augmentation="automatic").fit(X, Y)


def test_a_strength_of_zero_chooses_nothing(checks):
    model = net(augmentation_strength=0).fit(X, Y)
    assert (model.augmentation_, checks) == ([], [])
    assert_same_weights(model, net(augmentation=None).fit(X, Y))


def test_a_continued_training_keeps_the_choice(checks):
    model = net(warm_start=True).fit(X, Y)
    first = model.augmentation_choice_
    model.fit(X[:30], Y[:30])
    assert model.n_iter_ == 4
    assert model.augmentation_choice_ is first
    model.partial_fit(X[:20], Y[:20])
    assert names(model) == ["RandomFlip", "RandomAffine"]
    assert checks == [48]
    model.set_params(augmentation=None).fit(X, Y)
    assert (model.augmentation_, model.augmentation_choice_) == ([], None)
    before = model.n_iter_
    model.set_params(augmentation="auto").fit(X[:30], Y[:30])
    assert checks == [48, 30]
    assert model.n_iter_ == before + 2


def test_partial_fit_chooses_in_its_first_call(checks):
    model = net().partial_fit(X[:20], Y[:20], classes=["left", "right", "up"])
    table = model.augmentation_choice_
    model.partial_fit(X[20:], Y[20:])
    assert model.augmentation_choice_ is table
    assert checks == [20]
    assert model.n_iter_ == 2


def test_a_failed_fit_leaves_no_choice():
    model = net().fit(X, Y)
    with pytest.raises(ValueError, match="only one class"):
        model.fit(X, np.ones(48))
    assert not hasattr(model, "augmentation_")
    assert model.augmentation == "auto"


@pytest.mark.parametrize(("optimizer", "factor"), [("muon", 4), ("adamw", 3)])
def test_automatic_epochs_are_several_times_as_many(optimizer, factor):
    how = {"max_epochs": "auto", "optimizer": optimizer}
    plain = net(augmentation=None, **how).fit(X, Y).n_iter_
    assert net(**how).fit(X, Y).n_iter_ == factor * plain


def test_augmentations_of_a_pipeline_come_before():
    model = make_pipeline(RandomFlip("vertical"), RandomNoise(), net()).fit(X, Y)
    assert names(model[-1]) == ["RandomAffine"]
    assert model[-1].augmentation_choice_["reason"].tolist()[2] == "the Pipeline flips"
    assert model[-1].net_.n_parameters


def test_grid_search_compares_none_with_auto(checks):
    search = GridSearchCV(net(max_epochs=1), {"augmentation": [None, "auto"]}, cv=2).fit(X, Y)
    assert len(search.cv_results_["params"]) == 2
    assert checks[:2] == [24, 24]
    with parallel_config("threading"):
        found = cross_validate(net(max_epochs=1), X, Y, cv=2, n_jobs=2, return_estimator=True)
    assert [names(each) for each in found["estimator"]] == [["RandomFlip", "RandomAffine"]] * 2


def test_a_search_tries_strengths_of_the_choice(checks):
    search = ConvNetSearchCV(net(), n_trials=3, cv=2, random_state=0).fit(X, Y)
    assert "augmentation_strength" in search.best_params_
    assert names(search.best_estimator_) in (["RandomFlip", "RandomAffine"], [])
    assert len(checks) <= 3  # two folds and all samples


def test_models_are_compared():
    nets = {"as they are": net(augmentation=None), "auto": net()}
    with pytest.warns(ComparisonWarning, match="2 splits"):
        comparison = compare_models(nets, X, Y, cv=2)
    assert comparison.models == ["as they are", "auto"]


def test_calibration_uses_the_choice(checks):
    model = net(calibration="temperature", max_epochs=3).fit(X, Y)
    assert model.temperature_ != 1
    assert 0 < HELD_BACK < 1
    assert checks == [48]


def test_pretrained_auto_compares_with_the_choice(checks, monkeypatch, tmp_path):
    install_tiny_base(monkeypatch, tmp_path)
    colours = np.repeat(X[..., None], 3, axis=-1)
    model = net(architecture=NAME, pretrained="auto", filters="auto").fit(colours, Y)
    assert model.choice_["chosen"].sum() == 1
    assert names(model) == ["RandomFlip", "RandomAffine"]
    assert checks == [48]
    assert (model.augmentation, model.pretrained) == ("auto", "auto")


def test_a_killed_fit_goes_on_with_the_same_choice(tmp_path, monkeypatch):
    path = tmp_path / "fit"
    kept = {"checkpoint": path, "checkpoint_seconds": 0, "max_epochs": 3}
    stopped(monkeypatch, net(**kept), 4, X, Y)
    assert path.exists()
    monkeypatch.setattr(choice, "_REMEMBERED", {})
    resumed = net(**kept).fit(X, Y)
    assert_same_weights(resumed, net(max_epochs=3).fit(X, Y))
    assert not path.exists()


def test_the_check_counts_for_the_limit_of_time(monkeypatch):
    began, checked = [], []
    plan, decide = ConvNetClassifier._plan, choice.decide

    def watch_plan(self, *args):
        began.append(args[-1])
        return plan(self, *args)

    def watch_decide(*args):
        checked.append(own_seconds())
        decide(*args)

    monkeypatch.setattr(ConvNetClassifier, "_plan", watch_plan)
    monkeypatch.setattr(choice, "decide", watch_decide)
    net(max_seconds=1000, max_epochs=1).fit(X, Y)
    assert began[0] < checked[0]


# Model files


def test_model_files_keep_the_choice(tmp_path):
    for number, model in enumerate([net(), net(augmentation=[RandomRotation(5)])]):
        model.fit(X, Y)
        skcnn.save(model, tmp_path / f"{number}")
        again = skcnn.load(tmp_path / f"{number}")
        assert repr(again.augmentation_) == repr(model.augmentation_)
        assert again.augmentation == model.augmentation or number
        if number == 0:
            pd.testing.assert_frame_equal(again.augmentation_choice_, model.augmentation_choice_)
        assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    signals = net().fit(X.reshape(48, 64), Y)
    skcnn.save(signals, tmp_path / "signals")
    table = skcnn.load(tmp_path / "signals").augmentation_choice_
    pd.testing.assert_frame_equal(table, signals.augmentation_choice_)


def test_other_tables_and_lists_in_files_raise():
    kept = kept_augmentation_choice(net().fit(X, Y).augmentation_choice_)
    assert restored_augmentation_choice(kept) is not None
    with pytest.raises(ModelFileError, match="augmentation_choice_ of the ConvNet must be a table"):
        restored_augmentation_choice({**kept, "score": kept["score"][:1]})
    with pytest.raises(ModelFileError, match="augmentation_ of the ConvNet must list"):
        restored_augmentation([RandomFlip(), "flip"])
    assert restored_augmentation(None) == []
