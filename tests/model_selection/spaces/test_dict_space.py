"""The entries of a dict, and what is drawn from each."""

import re

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_array_equal
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from skcnn._data.value_texts import text_of
from skcnn.augmentation import RandomRotation
from skcnn.layers import Conv, Dense, Flatten
from skcnn.model_selection import _samplers
from skcnn.model_selection._spaces.dict_space import DictSpace
from tests.helpers.spaces import search_of, small


def square(x):
    return x * x


def halve(x):
    return x / 2


def distribution_of(given):
    return DictSpace({"x": given}).distributions["x"]


def drawn(given, n=200):
    """Return what `n` trials of a random sampler mean."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = DictSpace({"x": given})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [space.suggest(study.ask(space.distributions))["x"] for _ in range(n)]


# Entries of a dict


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1, 5), IntDistribution(1, 5)),
        ((1, 5.0), FloatDistribution(1.0, 5.0)),
        ((0.0, 0.5), FloatDistribution(0.0, 0.5)),
        ((-3, 3), IntDistribution(-3, 3)),
        ((np.int64(1), np.int32(5)), IntDistribution(1, 5)),
        ((np.float32(0), np.float64(1)), FloatDistribution(0.0, 1.0)),
        ((1, 512, "log"), IntDistribution(1, 512, log=True)),
        ((1e-4, 1e-1, "log"), FloatDistribution(1e-4, 1e-1, log=True)),
        ((8, 32, 8), IntDistribution(8, 32, step=8)),
        ((0.0, 0.5, 0.1), FloatDistribution(0.0, 0.5, step=0.1)),
        ((0, 1, 0.25), FloatDistribution(0.0, 1.0, step=0.25)),
        ((1, 5, None), IntDistribution(1, 5)),
        (IntDistribution(2, 4), IntDistribution(2, 4)),
        ([1, 2, 3], CategoricalDistribution([1, 2, 3])),
        (["adam", None, True], CategoricalDistribution(["adam", None, True])),
        ([0.5], CategoricalDistribution([0.5])),
        (np.array([1, 2]), CategoricalDistribution([1, 2])),
        ([np.float64(0.5), np.int64(2), np.bool_(True)], CategoricalDistribution([0.5, 2, True])),
        (np.array(["a", "b"]), CategoricalDistribution(["a", "b"])),
    ],
    ids=lambda given: re.sub(r"<.*>", "", str(given))[:50],
)
def test_entries_become_distributions(given, expected):
    assert distribution_of(given) == expected


BAD = [
    (3, "must give 'x' a list of choices, a tuple"),
    ("adam", "must give 'x' a list of choices.*Got 'adam'"),
    (None, "must give 'x' a list of choices.*Got None"),
    ({1, 2}, "must give 'x' a list of choices"),
    ({"low": 1}, "must give 'x' a list of choices"),
    ([], "must give 'x' a list of choices"),
    (np.array([]), "must give 'x' a list of choices"),
    ((), "must give 'x' a list of choices"),
    ((1,), "must give 'x' a list of choices"),
    ((1, 2, 3, 4), "must give 'x' a list of choices"),
    ((5, 1), r"must give 'x' a range \(low, high\) with low < high.*Got \(5, 1\)"),
    ((1, 1), "with low < high"),
    (("adam", "sgd"), r"choices are a list. Got \('adam', 'sgd'\)"),
    ((True, False), "choices are a list"),
    ((False, True), "choices are a list"),
    ((None, 3), "choices are a list"),
    (((4,), (8,)), "choices are a list"),
    ((0, 5, "log"), "with a third entry 'log'.*and low > 0"),
    ((-1.0, 5.0, "log"), "low > 0"),
    ((1, 5, "lgo"), r"Got \(1, 5, 'lgo'\)"),
    ((1, 5, 0), "a step > 0"),
    ((1, 5, -1), "a step > 0"),
    ((1, 5, True), "a step > 0"),
    ((np.nan, 1.0), "with low < high"),
    ((1.0, np.nan), "with low < high"),
    ((0.0, np.inf), "a range"),
    ((-np.inf, 0.0), "a range"),
]


@pytest.mark.parametrize(("given", "message"), BAD, ids=[str(g)[:40] for g, _ in BAD])
def test_bad_entries_raise(given, message):
    with pytest.raises(ValueError, match=f"The 'param_space' parameter .*{message}"):
        DictSpace({"x": given})


def test_bad_entries_stop_the_search_before_any_fit(digits):
    with pytest.raises(ValueError, match="'param_space' parameter must give 'dropout'"):
        search_of(space={"dropout": (0.5, 0.1)}).fit(*digits)
    with pytest.raises(ValueError, match=r"must name at least one parameter. Got \{\}"):
        search_of(space={}).fit(*digits)


@pytest.mark.parametrize(
    "options",
    [
        [(4,), (8,), ((4, 4), 8)],
        [None, (4,), "auto", 3],
        [1, 1.0, True],
        [0, False, 0.0],
        [[Conv(4)], [Flatten(), Dense(3)]],
        [square, halve, None],
        [StandardScaler(), MinMaxScaler(), "passthrough"],
        [{"a": 1}, {"a": 2}],
        ["1", 1],
        [np.arange(3), np.arange(4)],
        [lambda x: x, lambda x: -x],
        [float("nan"), 1.0],
    ],
    ids=["tuples", "mixed", "ones", "zeros", "layers", "functions", "steps", "dicts", "text",
         "arrays", "lambdas", "nan"],
)  # fmt: skip
def test_choices_of_anything_come_back_as_they_were_given(options):
    seen = drawn(options, n=60)
    assert {id(value) for value in seen} <= {id(option) for option in options} or all(
        any(type(value) is type(option) and value == option for option in options) for value in seen
    )
    assert len({(type(value), repr(value)) for value in seen}) == len(
        {(type(option), repr(option)) for option in options}
    )


def test_equal_labels_stay_different_choices():
    first, second = (lambda x: x), (lambda x: -x)
    seen = drawn([first, second], n=40)
    assert {value(1) for value in seen} == {1, -1}
    assert set(drawn([3, 3], n=20)) == {3}


def test_ranges_are_drawn_in_their_type():
    assert set(drawn((1, 3))) == {1, 2, 3}
    assert all(type(value) is int for value in drawn((8, 32, 8)))
    assert set(drawn((8, 32, 8))) == {8, 16, 24, 32}
    floats = drawn((1e-4, 1e-1, "log"))
    assert all(type(value) is float and 1e-4 <= value <= 1e-1 for value in floats)
    assert 0.3 < np.mean(np.array(floats) < 10**-2.5) < 0.7


@pytest.mark.parametrize(
    ("distribution", "low", "high", "kind"),
    [
        (scipy.stats.uniform(2, 3), 2, 5, float),
        (scipy.stats.loguniform(1e-4, 1e-1), 1e-4, 1e-1, float),
        (scipy.stats.randint(1, 5), 1, 4, int),
        (scipy.stats.expon(scale=2), 0, 30, float),
        (scipy.stats.norm(), -5, 5, float),
        (scipy.stats.poisson(3), 0, 20, int),
    ],
    ids=["uniform", "loguniform", "randint", "expon", "norm", "poisson"],
)
def test_scipy_distributions_are_drawn_by_quantiles(distribution, low, high, kind):
    values = drawn(distribution, n=2000)
    assert all(type(value) is kind and low <= value <= high for value in values)
    assert abs(np.mean(values) - distribution.mean()) < 0.1 * distribution.std()
    if kind is int and high == 4:
        assert set(values) == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ((1, 5), 3),
        ((0.0, 1.0), 0.25),
        ([(4,), (8,)], (8,)),
        ([None, "a"], None),
        ([square, halve], halve),
        (scipy.stats.randint(1, 5), 2),
        (scipy.stats.loguniform(1e-4, 1e-1), 1e-2),
    ],
    ids=["int", "float", "tuple", "none", "function", "randint", "loguniform"],
)
def test_initial_values_are_taken_as_they_are(given, value):
    space = DictSpace({"x": given}, [{"x": value}])
    values = space.values_of(0)
    assert space.params_of(values, 0) == {"x": value}
    again = space.params_of(values)["x"]  # as a later trial that is drawn there would
    assert again == value or again == pytest.approx(value, rel=1e-12)


def test_text_is_the_same_in_every_process():
    assert text_of((4, 8)) == "(4, 8)"
    assert text_of(square) == "square"
    assert " at 0x" not in text_of(lambda x: x)
    spaces = [DictSpace({"b": [square], "a": (1, 5), "c": scipy.stats.norm(0, n)}) for n in (1, 2)]
    first, second = (space.description() for space in spaces)
    assert [name for name in first if first[name] != second[name]] == ["param_space['c']"]
    assert first["param_space['a']"]["text"] == "(1, 5)"
    assert " at 0x" not in repr(first)


@pytest.mark.parametrize(
    ("given", "points"),
    [
        ([8, 16, (8, 16)], [8, 16, (8, 16)]),
        ([3, 3, 3.0], [3, 3.0]),
        ((1, 3), [1, 2, 3]),
        ((8, 20, 4), [8, 12, 16, 20]),
        ((0.0, 0.5, 0.25), [0.0, 0.25, 0.5]),
        ((0.1, 0.5, 0.1), [0.1 + i * 0.1 for i in range(5)]),
        (FloatDistribution(2.0, 2.0), [2.0]),
        (scipy.stats.randint(1, 5), [1, 2, 3, 4]),
        (scipy.stats.binom(2, 0.5), [0, 1, 2]),
        (scipy.stats.rv_discrete(values=((0.5, 2), (0.5, 0.5))), [0.5, 2]),
    ],
    ids=["choices", "equal choices", "int", "int steps", "float steps", "decimal steps", "one",
         "randint", "binom", "table"],
)  # fmt: skip
def test_finite_entries_have_points(given, points):
    space = DictSpace({"x": given})
    assert space.n_points == len(points)
    found = [space.params_of(space.point(i))["x"] for i in range(space.n_points)]
    assert found == points
    assert list(map(type, found)) == list(map(type, points))
    assert {repr(value) for value in drawn(given, n=60)} <= {repr(point) for point in points}


@pytest.mark.parametrize(
    "given",
    [(0.0, 1.0), scipy.stats.uniform(), scipy.stats.poisson(3), scipy.stats.randint(0, 10**6)],
    ids=["float", "uniform", "poisson", "many"],
)
def test_infinite_entries_have_no_points(given):
    assert DictSpace({"x": given, "y": [1, 2]}).n_points is None


def test_initial_values_lie_on_the_grid_of_a_step():
    space = DictSpace({"x": (0.0, 0.5, 0.1)}, [{"x": 0.3}])
    assert space.params_of(space.values_of(0), 0) == space.params_of(space.point(3))


def test_finite_space_is_exhausted(digits, monkeypatch):
    monkeypatch.setattr(_samplers, "MOST_DRAWS", 1)
    X, y = digits
    space = {"C": (0.25, 1.0, 0.25), "degree": scipy.stats.randint(1, 5)}
    search = search_of(SVC(), space, n_trials=20)
    with pytest.warns(UserWarning, match="total space of parameters 16 is smaller"):
        found = search.fit(X.reshape(len(X), -1), y).cv_results_["params"]
    assert len(found) == len({tuple(params.items()) for params in found}) == 16
    assert search.trials_dataframe()["copy_of"].isna().all()


def test_too_large_networks_of_a_finite_space_come_last(digits, monkeypatch):
    monkeypatch.setattr(_samplers, "MOST_DRAWS", 1)
    space = {"filters": [(4,), (6,), (300,), (400,)]}
    search = search_of(space=space, n_trials=4, constraints={"n_parameters": 20_000})
    assert list(search.fit(*digits).cv_results_["state"]) == ["COMPLETE"] * 2 + ["INFEASIBLE"] * 2


# Lists of dicts

LINEAR = {"kernel": ["linear"], "C": [1, 2]}
KERNELS = [LINEAR, {"kernel": ["rbf"], "gamma": (0.01, 0.1)}, {}]


def test_list_of_dicts_is_searched_like_a_grid(digits):
    X, y = digits
    grid = [LINEAR, {"kernel": ["rbf"], "gamma": [0.1, 0.01, 0.001]}, {}]
    search = search_of(SVC(), grid, n_trials=6).fit(X.reshape(len(X), -1), y)
    found = search.cv_results_["params"]
    assert len(found) == 6
    assert all(params in found for params in ParameterGrid(grid))


def test_list_of_dicts_draws_and_takes_initial_parameters(digits):
    X, y = digits
    first = [{"kernel": "rbf", "gamma": 0.05}, {"C": 2}]
    search = search_of(SVC(), KERNELS, n_trials=8, initial_params=first, refit=True)
    found = search.fit(X.reshape(len(X), -1), y).cv_results_["params"]
    assert found[:2] == [first[0], {"kernel": "linear", "C": 2}]
    assert {tuple(sorted(params)) for params in found} == {("gamma", "kernel"), ("C", "kernel"), ()}
    assert search.predict(X.reshape(len(X), -1)).shape == y.shape


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"param_space": []}, "must have one or more dicts.*Got \\[\\]"),
        ({"param_space": [LINEAR, 3]}, "must have one or more dicts, and nothing else"),
        ({"param_space": [LINEAR, {"c": [1]}]}, "Invalid parameter 'c'"),
        ({"initial_params": [{"C": 1, "gamma": 0.05}]}, "name parameters of one dict of param_sp"),
        ({"initial_params": [{"gamma": 5.0}]}, "must lie in param_space. Got 5.0 for 'gamma'"),
    ],
    ids=["empty", "number", "name", "mixed", "outside"],
)
def test_bad_lists_of_dicts_raise(digits, params, message):
    with pytest.raises(ValueError, match=message):
        search_of(SVC(), KERNELS).set_params(**params).fit(*digits)


# Dicts in a search


@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        (small(), {"learning_rat": [0.1]}),
        (make_pipeline(StandardScaler(), small()), {"learning_rate": [0.1]}),
        (make_pipeline(StandardScaler(), small()), {"convnetclassifier__learning_rat": [0.1]}),
        (SVC(random_state=0), {"c": [0.1]}),
    ],
    ids=["net", "step", "parameter", "svc"],
)
def test_unknown_names_are_scikit_learns_error(digits, estimator, space):
    name = next(iter(space))
    with pytest.raises(ValueError, match="Invalid parameter") as expected:
        estimator.set_params(**{name: None})
    with pytest.raises(ValueError, match=re.escape(str(expected.value)[:60])):
        search_of(estimator, space).fit(*digits)


def test_pipeline_names_reach_their_steps(digits):
    model = make_pipeline(StandardScaler(), RandomRotation(10), small())
    space = {
        "standardscaler": [StandardScaler(), MinMaxScaler(), "passthrough"],
        "randomrotation__degrees": (5.0, 30.0),
        "convnetclassifier__filters": [(4,), (8,)],
    }
    search = search_of(model, space, n_trials=4, refit=True).fit(*digits)
    assert set(search.cv_results_["state"]) == {"COMPLETE"}
    best, params = search.best_estimator_, search.best_params_
    assert best[1].degrees == params["randomrotation__degrees"]
    assert best[-1].filters == params["convnetclassifier__filters"]
    assert type(best[0]) is type(params["standardscaler"]) or best[0] == "passthrough"
    assert all(
        not hasattr(option, "mean_") for option in space["standardscaler"]
    )  # the given steps are not fitted


def test_choices_of_tuples_and_functions_are_in_the_results(digits):
    space = {"filters": [(4,), (4, 8)], "hidden_units": [(), 8], "normalization": ["batch", None]}
    search = search_of(space=space, n_trials=6).fit(*digits)
    results = search.cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    for name, options in space.items():
        assert all(value in options for value in results[f"param_{name}"])
        assert results[f"param_{name}"].dtype == object


def test_searched_number_of_epochs(digits):
    search = search_of(space={"max_epochs": (1, 4)}, n_trials=4).fit(*digits)
    results = search.cv_results_
    assert_array_equal(results["n_epochs"], 2 * results["param_max_epochs"])
