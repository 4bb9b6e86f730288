"""Random states of a search, and what leaves them alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from optuna.samplers import RandomSampler
from scipy.stats import loguniform
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tests.helpers.searches import assert_same_results, by_rate, search_of
from tests.helpers.small_nets import small

# Random state


@pytest.mark.parametrize("space", ["auto", {"dropout": (0.0, 0.5)}], ids=["auto", "dict"])
def test_same_seed_same_search(digits, space):
    net = small(random_state=None, max_epochs=1)
    searches = [search_of(net, space, n_trials=3, pruner="auto") for _ in range(2)]
    first, second = (search.fit(*digits) for search in searches)
    assert_same_results(first.cv_results_, second.cv_results_)
    assert_array_equal(first.predict_proba(digits[0]), second.predict_proba(digits[0]))
    other = search_of(net, space, n_trials=3, pruner="auto", random_state=1).fit(*digits)
    assert other.cv_results_["params"][1:] != first.cv_results_["params"][1:]


def test_tpe_is_reproducible_too(digits):
    space = {"C": (0.01, 10.0, "log"), "tol": (1e-5, 1e-2, "log")}
    model = LogisticRegression(max_iter=3000)
    first, second = (search_of(model, space, n_trials=14).fit(*digits) for _ in range(2))
    assert_same_results(first.cv_results_, second.cv_results_)


def test_longer_search_begins_as_the_shorter(digits):
    space = {"dropout": (0.0, 0.5)}
    short = search_of(space=space, n_trials=2).fit(*digits).cv_results_["params"]
    assert search_of(space=space, n_trials=4).fit(*digits).cv_results_["params"][:2] == short


def test_random_state_instances_move_on(digits):
    def fit(random_state):
        space = {"dropout": (0.0, 0.5)}
        search = search_of(small(), space, random_state=random_state, n_trials=2)
        return search.fit(*digits).cv_results_["params"]

    shared = np.random.RandomState(3)
    first, second = fit(shared), fit(shared)
    assert first != second
    again = np.random.RandomState(3)
    assert [fit(again), fit(again)] == [first, second]


def test_no_seed_differs(digits):
    space = {"dropout": (0.0, 0.5)}
    params = [
        search_of(space=space, random_state=None, n_trials=2).fit(*digits).cv_results_["params"]
        for _ in range(2)
    ]
    assert params[0] != params[1]


def test_global_random_state_is_left_alone(digits):
    import torch

    np.random.seed(7)
    torch.manual_seed(7)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    search_of(space="auto", n_trials=2, random_state=None).fit(*digits)
    assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_estimators_own_seed_is_kept(digits):
    search = search_of(make_pipeline(StandardScaler(), small(random_state=5)), {}, n_trials=1)
    search.set_params(param_space={"convnetclassifier__dropout": [0.1]}).fit(*digits)
    assert search.best_estimator_[-1].random_state == 5
    seeded = search.set_params(estimator__convnetclassifier__random_state=None).fit(*digits)
    assert isinstance(seeded.best_estimator_[-1].random_state, int)
    assert seeded.estimator[-1].random_state is None
    unseeded = seeded.set_params(random_state=None).fit(*digits)
    assert unseeded.best_estimator_[-1].random_state is None


def test_given_sampler_is_not_changed(digits):
    sampler = RandomSampler(seed=3)
    space = {"dropout": (0.0, 0.5)}
    first, second = (
        search_of(space=space, sampler=sampler).fit(*digits).cv_results_["params"] for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_named_samplers(digits, sampler):
    search = search_of(LogisticRegression(max_iter=3000), {"C": (0.1, 9.0)}, sampler=sampler)
    rates = search.set_params(n_trials=12).fit(*digits).cv_results_["param_C"]
    assert len(set(rates)) == 12


# Refit


def test_two_jobs_give_each_candidate_the_same_score(digits):
    X, y = digits
    serial = search_of().fit(X, y)
    parallel = search_of(n_jobs=2).fit(X, y)
    assert len(parallel.cv_results_["params"]) == 4
    ours, theirs = by_rate(parallel), by_rate(serial)
    assert_allclose([ours[rate] for rate in ours], [theirs[rate] for rate in ours], rtol=0)


# Values and splitters without a seed


def unseeded_search(**params):
    model = Pipeline([("scale", StandardScaler()), ("clf", SVC())])
    space = {
        "scale": ["passthrough", PCA(svd_solver="randomized", n_components=4)],
        "clf": [
            RandomForestClassifier(5),
            small(random_state=None, max_epochs=1, input_shape=None),
            RandomizedSearchCV(
                LogisticRegression(max_iter=3000),
                {"C": loguniform(0.001, 1)},
                n_iter=2,
                cv=StratifiedKFold(2, shuffle=True),
            ),
        ],
    }
    cv = StratifiedKFold(2, shuffle=True)
    return search_of(model, space, sampler="random", n_trials=5, cv=cv, **params)


def outcome(search):
    """Return scores of folds and kinds of values."""
    results = search.cv_results_
    kinds = [type(params["clf"]).__name__ for params in results["params"]]
    return kinds, np.transpose([results[f"split{fold}_test_score"] for fold in (0, 1)]).tolist()


def test_unseeded_values_and_splitters_are_reproducible(digits):
    first, second = (unseeded_search().fit(*digits) for _ in range(2))
    assert outcome(first) == outcome(second)
    final = first.best_estimator_["clf"]
    assert isinstance(final.random_state, int)
    assert final.random_state == second.best_estimator_["clf"].random_state
    assert first.best_params_["clf"].random_state is None
    assert first.cv.random_state is None
    assert outcome(unseeded_search(random_state=1).fit(*digits)) != outcome(first)


def test_unseeded_values_and_splitters_are_the_same_in_two_processes(digits):
    first = unseeded_search(refit=False).fit(*digits)
    assert outcome(unseeded_search(refit=False, n_jobs=2).fit(*digits)) == outcome(first)
