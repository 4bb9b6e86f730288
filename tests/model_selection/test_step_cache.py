"""Steps before the network are fitted once a fold."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn._data.value_texts import hash_of
from skcnn.augmentation import RandomTranslation
from skcnn.model_selection._step_cache import FoldMemory, StepCache, _step_hash
from tests.helpers.pruned_searches import search_of, small
from tests.helpers.steps import Double, Halve


class CountedFits(TransformerMixin, BaseEstimator):
    """A step that counts its fits."""

    fits: list = []

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        CountedFits.fits.append(self.factor)
        self.n_features_in_ = X.shape[1]
        self.mean_ = X.mean()
        return self

    def transform(self, X):
        return X * self.factor - self.mean_


@pytest.fixture
def fits():
    CountedFits.fits = []
    return CountedFits.fits


def test_steps_are_fitted_once_a_fold(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"convnetclassifier__learning_rate": [0.01, 0.02, 0.03]}
    search = search_of(model, space, cv=3).fit(*digits)
    assert len(fits) == 3
    assert set(search.cv_results_["state"]) <= {"COMPLETE", "PRUNED"}


@pytest.mark.parametrize("position", ["outer", "inner"])
def test_steps_of_nested_pipelines_are_fitted_once_a_fold(digits, fits, position):
    inner = [CountedFits(), small()] if position == "inner" else [StandardScaler(), small()]
    outer = CountedFits() if position == "outer" else StandardScaler()
    model = make_pipeline(outer, make_pipeline(*inner))
    space = {"pipeline__convnetclassifier__learning_rate": [0.01, 0.02, 0.03]}
    search_of(model, space).fit(*digits)
    assert len(fits) == 2


def test_steps_are_fitted_again_where_their_parameters_change(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"countedfits__factor": [1.0, 2.0], "convnetclassifier__dropout": [0.1, 0.2]}
    search = search_of(model, space, n_trials=4, pruner=None).fit(*digits)
    factors = [params["countedfits__factor"] for params in search.cv_results_["params"]]
    changes = 1 + sum(a != b for a, b in zip(factors[1:], factors, strict=False))
    assert len(fits) == 2 * changes


def test_steps_after_a_changed_step_are_fitted_again(digits, fits):
    model = make_pipeline(StandardScaler(), CountedFits(), small())
    space = {"standardscaler__with_std": [True, False], "convnetclassifier__dropout": [0.1]}
    search_of(model, space, n_trials=2).fit(*digits)
    assert len(fits) == 4


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CountedFits(), StandardScaler(), small()),
        make_pipeline(
            "passthrough", CountedFits(), RandomTranslation(0.1, random_state=0), small()
        ),
        make_pipeline(CountedFits(), make_pipeline(StandardScaler(), small())),
    ],
    ids=["steps", "augmented", "nested"],
)
def test_scores_are_those_of_steps_fitted_every_time(digits, model):
    names = [name for name in model.get_params() if name.endswith("convnetclassifier__dropout")]
    step = next(name for name in model.get_params() if name.endswith("countedfits__factor"))
    space = {names[0]: [0.1, 0.3], step: [1.0, 2.0]}
    grid = GridSearchCV(model, space, cv=2, refit=False).fit(*digits)
    expected = {
        str(sorted(params.items())): score
        for params, score in zip(
            grid.cv_results_["params"], grid.cv_results_["mean_test_score"], strict=True
        )
    }
    for pruner in (None, "median", "asha"):
        results = search_of(model, space, n_trials=4, pruner=pruner).fit(*digits).cv_results_
        for row in np.flatnonzero(results["state"] == "COMPLETE"):
            key = str(sorted(results["params"][row].items()))
            assert results["mean_test_score"][row] == expected[key]


def test_passthrough_and_step_take_turns(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"countedfits": ["passthrough", CountedFits(2.0)]}
    results = search_of(model, space, n_trials=2, pruner=None).fit(*digits).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    assert fits == [2.0, 2.0]
    assert results["mean_test_score"][0] != results["mean_test_score"][1]


def test_own_memory_is_used(digits, fits, tmp_path):
    model = make_pipeline(CountedFits(), small(), memory=str(tmp_path))
    space = {"convnetclassifier__learning_rate": [0.01, 0.02, 0.03]}
    search = search_of(model, space, refit=True).fit(*digits)
    assert any(tmp_path.rglob("*"))
    assert search.best_estimator_.memory == str(tmp_path)


def test_refit_has_no_memory_of_the_search(digits, fits):
    model = make_pipeline(CountedFits(), small())
    space = {"convnetclassifier__learning_rate": [0.01, 0.02]}
    search = search_of(model, space, n_trials=2, refit=True).fit(*digits)
    assert search.best_estimator_.memory is None
    assert len(fits) == 2 + 1  # two folds and the refit
    expected = clone(model).set_params(**search.best_params_).fit(*digits)
    assert_array_equal(search.predict_proba(digits[0]), expected.predict_proba(digits[0]))


def doubled(X):
    return X * 2


def stepped(function):
    return FunctionTransformer(function)


def test_functions_are_told_apart_by_their_code():
    double, again, triple = (lambda X: X * 2), (lambda X: X * 2), (lambda X: X * 3)
    factor = 2
    bound = lambda X: X * factor  # noqa: E731
    first = _step_hash(stepped(bound))
    assert _step_hash(stepped(double)) == _step_hash(stepped(again))
    assert _step_hash(stepped(double)) != _step_hash(stepped(triple))
    factor = 3
    assert _step_hash(stepped(bound)) != first
    assert _step_hash(CountedFits(2.0)) != _step_hash(CountedFits(2))


def test_steps_have_the_identity_of_parameters():
    for step in (StandardScaler(), CountedFits(3.0), stepped(doubled), stepped(lambda X: X + 1)):
        assert _step_hash(step) == hash_of(clone(step))


def test_candidates_with_other_lambdas_are_fitted_again(digits, fits):
    model = make_pipeline(stepped(doubled), CountedFits(), small())
    space = {"functiontransformer__func": [lambda X: X * 0.0, lambda X: X / 16]}
    results = search_of(model, space, n_trials=2, pruner=None).fit(*digits).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    zero, whole = sorted(results["mean_test_score"])
    assert zero < 0.5 < whole
    assert len(fits) == 4


def test_lambdas_are_fitted_once_a_fold(digits, fits):
    model = make_pipeline(stepped(lambda X: X / 16), CountedFits(), small())
    search_of(model, {"convnetclassifier__learning_rate": [0.01, 0.02]}, n_trials=2).fit(*digits)
    assert len(fits) == 2


class Unhashable:
    """An object that has no copy and no text."""

    def __reduce_ex__(self, protocol):
        raise TypeError("no copy")

    def __repr__(self):
        raise RuntimeError("no text")

    def __deepcopy__(self, memo):
        return self


def test_steps_without_a_hash_are_fitted_every_time(digits, fits):
    X, y = digits
    cache = StepCache()
    fit = lambda step, X, y: (step.fit(X, y), step)  # noqa: E731
    for _ in range(2):
        step = CountedFits()
        step.extra = Unhashable()
        assert _step_hash(step) == ""
        FoldMemory(cache, 0).cache(fit)(step, X, y)
    assert fits == [1.0, 1.0]


def test_cache_keeps_one_chain_a_fold(digits, fits):
    X, y = digits
    cache = StepCache()
    fit = lambda step, X, y: (step.fit_transform(X, y), step)  # noqa: E731
    for factor in (1.0, 1.0, 2.0, 2.0, 1.0):
        FoldMemory(cache, 0).cache(fit)(CountedFits(factor), X, y)
    assert fits == [1.0, 2.0, 1.0]
    FoldMemory(cache, 1).cache(fit)(CountedFits(1.0), X, y)
    assert len(fits) == 4


def test_steps_that_write_into_their_samples_get_their_own(digits):
    X, y = digits
    model = make_pipeline(CountedFits(), StandardScaler(copy=False), Halve(), small())
    space = {"convnetclassifier__learning_rate": [0.003, 0.01, 0.03]}
    grid = GridSearchCV(model, space, cv=2, refit=False).fit(X, y)
    rates = [params["convnetclassifier__learning_rate"] for params in grid.cv_results_["params"]]
    expected = dict(zip(rates, grid.cv_results_["mean_test_score"], strict=True))
    space["halve"] = [Halve(), Double()]  # fitted again after kept samples
    search = search_of(model, space, n_trials=6, pruner=None).fit(X, y)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        if isinstance(params["halve"], Halve):
            assert score == expected[params["convnetclassifier__learning_rate"]]


def test_samples_that_another_step_reads_are_copied(digits):
    X, y = digits
    cache = StepCache()
    fit = lambda step, X, y: (step.fit(X, y).transform(X), step)  # noqa: E731
    first = FoldMemory(cache, 0).cache(fit)(CountedFits(), X, y)[0]
    kept = first.copy()
    first[:] = 0.0
    second = FoldMemory(cache, 0).cache(fit)(CountedFits(), X, y)[0]
    assert_array_equal(second, kept)
    second[:] = 0.0
    assert_array_equal(FoldMemory(cache, 0).cache(fit)(CountedFits(), X, y)[0], kept)
    one, two = (FoldMemory(cache, 1, last=1).cache(fit)(CountedFits(), X, y)[0] for _ in "ab")
    assert one is two


def test_results_that_cannot_be_copied_are_not_kept(digits, fits):
    cache = StepCache()
    fit = lambda step, X, y: (iter(step.fit(X, y).transform(X).tolist()), step)  # noqa: E731
    lists = [
        list(FoldMemory(cache, 0).cache(generated(fit))(CountedFits(), *digits)[0]) for _ in "ab"
    ]
    assert lists[0] == lists[1]
    assert len(fits) == 2


def generated(fit):
    """Return a fit whose samples are a generator, which has no copy."""

    def fitted(*args):
        rows, step = fit(*args)
        return (row for row in rows), step

    return fitted
