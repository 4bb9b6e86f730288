"""The forms of param_space and initial_params, and what is drawn from each."""

import json
import re
import warnings

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_array_equal
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn.augmentation import RandomRotation, RandomTranslation
from skcnn.layers import Conv, Dense, Flatten
from skcnn.model_selection import ConvNetSearchCV
from skcnn.model_selection._param_space import AutoSpace, CallableSpace, DictSpace, text_of
from skcnn.model_selection._running.study import key_of
from skcnn.model_selection._step_cache import hash_of
from tests.helpers.small_nets import small as small_net


def small(cls=ConvNetClassifier, **params):
    return small_net(cls, **{"max_epochs": 1, **params})


def search_of(estimator=None, space="auto", **params):
    defaults = {"n_trials": 3, "cv": 2, "random_state": 0, "refit": False, "pruner": None}
    return ConvNetSearchCV(small() if estimator is None else estimator, space, **defaults | params)


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
def test_bad_entries_are_told_of(given, message):
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
    first, second = (space.description()["param_space"] for space in spaces)
    assert list(json.loads(first)) == ["a", "b", "c"]
    assert first != second
    assert " at 0x" not in first


def test_key_tells_parameters_apart():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    for first, second in [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": (4,)}, {"a": 4}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": 0.1}, {"a": 0.1 + 1e-16}),
    ]:
        assert key_of(first) != key_of(second)


def test_key_tells_long_values_apart():
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1.0
    assert key_of({"a": long}) != key_of({"a": other})
    many = [PCA(n_components=i, svd_solver="full", whiten=True, tol=0.5) for i in range(40)]
    middle = [*many[:20], PCA(n_components=999, svd_solver="full"), *many[21:]]
    pipes = [Pipeline([(f"step{i}", pca) for i, pca in enumerate(pcas)]) for pcas in (many, middle)]
    assert key_of({"a": pipes[0]}) != key_of({"a": pipes[1]})


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


# Functions


def conditional(trial):
    params = {"optimizer": trial.suggest_categorical("optimizer", ["sgd", "adam"])}
    if params["optimizer"] == "sgd":
        params["momentum"] = trial.suggest_float("momentum", 0.0, 0.9)
    n_blocks = trial.suggest_int("n_blocks", 1, 2)
    params["filters"] = tuple(4 * 2**i for i in range(n_blocks))
    return params


def test_functions_may_branch(digits, capfd):
    search = search_of(space=conditional, n_trials=14).fit(*digits)
    results = search.cv_results_
    by_sgd = np.array([params["optimizer"] == "sgd" for params in results["params"]])
    assert 0 < by_sgd.sum() < 14
    assert_array_equal(results["param_momentum"].mask, ~by_sgd)
    assert not results["param_filters"].mask.any()
    assert {params["filters"] for params in results["params"]} == {(4,), (4, 8)}
    assert "n_blocks" not in results["params"][0]
    assert tuple(capfd.readouterr()) == ("", "")


def test_function_gets_its_trials_number(digits):
    numbers = []

    def space(trial):
        numbers.append(trial.number)
        return {"dropout": trial.suggest_float("dropout", 0, 0.5)}

    search_of(space=space).fit(*digits)
    assert set(numbers) == {0, 1, 2}


@pytest.mark.filterwarnings("ignore:1 of 4 trials failed")
def test_function_that_raises_fails_its_trial(digits):
    def space(trial):
        dropout = trial.suggest_float("dropout", 0, 0.5)
        if trial.number == 2:
            raise RuntimeError("no idea")
        return {"dropout": dropout}

    search = search_of(space=space, n_trials=4).fit(*digits)
    assert list(search.cv_results_["state"]) == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]
    assert "no idea" in search.trials_dataframe().loc[2, "reason"]
    assert search.cv_results_["params"][2] == {}
    assert search.cv_results_["param_dropout"].mask.tolist() == [False, False, True, False]
    with pytest.raises(RuntimeError, match="no idea"):
        search.set_params(error_score="raise").fit(*digits)


@pytest.mark.parametrize("given", [None, [("dropout", 0.1)], 3], ids=str)
def test_function_must_return_a_dict(digits, given):
    with pytest.raises(
        ValueError, match=re.escape(f"must return a dict of parameters. Got {given!r}")
    ):
        search_of(space=lambda trial: given).fit(*digits)


def test_function_with_an_unknown_name_is_scikit_learns_error(digits):
    with pytest.raises(ValueError, match="Invalid parameter 'dropuot'"):
        search_of(space=lambda trial: {"dropuot": trial.suggest_float("d", 0, 1)}).fit(*digits)


def test_callable_space_reads_parameters_from_values():
    space = CallableSpace(conditional, [{"optimizer": "adam", "n_blocks": 2}])
    assert space.params_of({"optimizer": "adam", "n_blocks": 2})["filters"] == (4, 8)
    assert space.values_of(0) == {"optimizer": "adam", "n_blocks": 2}
    assert space.suggest(FixedTrial({"optimizer": "sgd", "momentum": 0.5, "n_blocks": 1})) == {
        "optimizer": "sgd", "momentum": 0.5, "filters": (4,),
    }  # fmt: skip
    assert " at 0x" not in space.description()["param_space"]
    assert "conditional" in space.description()["param_space"]


# initial_params


def test_initial_params_of_a_dict_come_first(digits):
    initial = [{"dropout": 0.125, "filters": (8,)}, {"dropout": 0.25}]
    space = {"dropout": (0.0, 0.5), "filters": [(4,), (8,)]}
    search = search_of(space=space, n_trials=4, initial_params=initial).fit(*digits)
    params = search.cv_results_["params"]
    assert params[0] == initial[0]
    assert params[1]["dropout"] == 0.25
    assert params[1]["filters"] in [(4,), (8,)]
    assert params[2]["dropout"] not in (0.125, 0.25)


def test_initial_params_of_the_automatic_space_come_second(digits):
    initial = ({"filters": (4, 8), "kernel_size": 5}, {"dropout": 0.0, "hidden_units": ()})
    search = search_of(n_trials=3, initial_params=initial).fit(*digits)
    params = search.cv_results_["params"]
    assert (params[0]["filters"], params[0]["dropout"]) == ((4,), 0.25)
    assert (params[1]["filters"], params[1]["kernel_size"]) == ((4, 8), 5)
    assert params[1]["dropout"] == 0.25
    assert (params[2]["filters"], params[2]["hidden_units"], params[2]["dropout"]) == ((4,), (), 0)


def test_initial_values_of_a_function_come_first(digits):
    initial = [{"optimizer": "sgd", "momentum": 0.5, "n_blocks": 2}]
    search = search_of(space=conditional, initial_params=initial).fit(*digits)
    expected = {"optimizer": "sgd", "momentum": 0.5, "filters": (4, 8)}
    assert search.cv_results_["params"][0] == expected


BAD_INITIAL = [
    ({"dropout": (0.0, 0.5)}, [{"drop": 0.1}], r"name parameters of param_space.*\['dropout'\].*Got 'drop' in initial_params\[0\]"),
    ({"dropout": (0.0, 0.5)}, [{}, {"filters": 3}], r"Got 'filters' in initial_params\[1\]"),
    ({"dropout": (0.0, 0.5)}, [{"dropout": 0.7}], "must lie in param_space. Got 0.7 for 'dropout'"),
    ({"dropout": (0.0, 0.5)}, [{"dropout": "low"}], "must lie in param_space. Got 'low'"),
    ({"dropout": (0.0, 0.5)}, [{"dropout": None}], "must lie in param_space. Got None"),
    ({"filters": [(4,), (8,)]}, [{"filters": (5,)}], r"must lie in param_space. Got \(5,\)"),
    ({"activation": ["relu", "elu"]}, [{"activation": "tanh"}], "must lie in param_space. Got 'tanh'"),
    ({"batch_size": (8, 32, 8)}, [{"batch_size": 9}], "must lie in param_space. Got 9"),
    ({"dropout": scipy.stats.uniform(0, 0.5)}, [{"dropout": 0.7}], "must lie in param_space. Got 0.7"),
    ({"dropout": (0.0, 0.5)}, [3], "must be a list of dicts. Got 3"),
    ("auto", [{"depth": 0.5}], r"Got 'depth' in initial_params\[0\]"),
    ("auto", ["small"], "must be a list of dicts. Got 'small'"),
    (conditional, [3], "must be a list of dicts. Got 3"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("space", "initial", "message"), BAD_INITIAL, ids=[f"{i}" for i in range(len(BAD_INITIAL))]
)
def test_bad_initial_params_are_told_of(digits, space, initial, message):
    with pytest.raises(ValueError, match=f"The 'initial_params' parameter .*{message}"):
        search_of(space=space, initial_params=initial).fit(*digits)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "sgd", "momentum": 5.0}, "5.0.* is out of (the )?range"),
        ({"optimizer": "adma"}, "'adma' not in"),
    ],
    ids=["range", "choice"],
)
def test_initial_values_outside_of_a_function_are_told_of(digits, values, message):
    search = search_of(space=conditional, initial_params=[values], n_trials=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(*digits)
    assert any(re.search(message, str(warning.message)) for warning in caught)


def test_initial_values_that_a_function_does_not_ask_for_are_told_of(digits):
    initial = [{"optimiser": "sgd", "n_blocks": 1}]
    search = search_of(space=conditional, initial_params=initial, n_trials=2)
    with pytest.raises((ValueError, Warning), match="optimiser"):
        search.fit(*digits)


# The automatic space


def auto_space(own=None, spatial=(8, 8), n_samples=60, augmented=False, initial=(), prefix=""):
    net = ConvNetClassifier(**own or {})
    return AutoSpace(prefix, spatial, n_samples, net.get_params(deep=False), augmented, initial)


def test_first_trial_is_the_estimator_as_it_is(digits):
    X, y = digits
    net = small(filters=((4, 4), 8), kernel_size=(3, 1), dropout=0.1, learning_rate=0.02)
    search = search_of(net, n_trials=1, refit=True).fit(X, y)
    first = search.cv_results_["params"][0]
    assert first == {name: getattr(net, name) for name in first}
    assert_array_equal(search.predict_proba(X), net.fit(X, y).predict_proba(X))


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"filters": ()},
        {"filters": 8},
        {"hidden_units": ()},
        {"hidden_units": 16},
        {"pooling": None, "stride": 2},
        {"pool_size": (2, 1), "pool_stride": 1},
        {"stride": (2, 1), "kernel_size": (3, 5)},
        {"activation": "identity"},
        {"optimizer": "rmsprop", "learning_rate": 10.0, "weight_decay": 0.0},
        {"batch_size": None},
        {"batch_size": 7, "dropout": 0.9, "normalization": "group"},
    ],
    ids=str,
)
def test_any_estimator_is_a_place_in_the_space(own):
    ConvNetClassifier(**own).summary(input_shape=(8, 8, 1), n_outputs=3)  # a legal network
    space = auto_space(own)
    values = space.values_of(0)
    assert set(values) == set(space.distributions)
    for name, value in values.items():
        distribution = space.distributions[name]
        assert distribution._contains(distribution.to_internal_repr(value)), name
    net = ConvNetClassifier(**own)
    first = space.params_of(values, 0)
    assert first == {name: getattr(net, name) for name in first}


def test_names_have_the_prefix_of_the_step():
    params = auto_space(prefix="net__").params_of(auto_space().values_of(0))
    assert all(name.startswith("net__") for name in params)
    assert params["net__kernel_size"] == 3


def test_given_architecture_leaves_training_parameters(digits):
    net = small(architecture=[Conv(4), Flatten(), Dense(8)])
    search = search_of(net, n_trials=3).fit(*digits)
    names = {name for params in search.cv_results_["params"] for name in params}
    assert names == {"optimizer", "learning_rate", "weight_decay", "batch_size"}
    assert set(search.cv_results_["state"]) == {"COMPLETE"}


@pytest.mark.parametrize(
    "estimator",
    [
        small(augmentation=[RandomTranslation(0.1)]),
        make_pipeline(RandomTranslation(0.1), small()),
        make_pipeline(StandardScaler(), make_pipeline(RandomTranslation(0.1), small())),
    ],
    ids=["parameter", "pipeline", "nested"],
)
def test_strength_of_an_augmentation_is_searched(digits, estimator):
    search = search_of(estimator, n_trials=3, sampler="random").fit(*digits)
    results = search.cv_results_
    names = [name for name in results["params"][0] if name.endswith("augmentation_strength")]
    assert len(names) == 1
    strengths = results[f"param_{names[0]}"]
    assert strengths[0] == 1.0
    assert len(set(strengths)) == 3
    assert set(results["state"]) == {"COMPLETE"}


def test_without_augmentation_there_is_no_strength(digits):
    search = search_of(make_pipeline(StandardScaler(), small()), n_trials=2).fit(*digits)
    assert not any("augmentation" in name for name in search.cv_results_["params"][1])


@pytest.mark.parametrize(
    "shape",
    [(30,), (8, 8), (5, 41), (6, 6, 6), (6, 6, 3), (5, 4, 4, 2), (1,), (2, 3), (1, 20, 2)],
    ids=str,
)
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor])
def test_no_trial_fails_for_its_shape(shape, cls):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, *shape)), np.arange(24) % 2
    net = cls(input_shape=shape, max_epochs=1, random_state=0)
    constraints = {"multiply_accumulates": 3_000_000}
    search = search_of(net, n_trials=5, constraints=constraints, error_score="raise")
    search.fit(X.reshape(24, -1), y if cls is ConvNetClassifier else y.astype(float))
    assert {*search.cv_results_["state"]} <= {"COMPLETE", "INFEASIBLE"}
    assert search.cv_results_["state"].tolist().count("COMPLETE") >= 3


def test_images_and_their_flat_rows_are_searched_alike():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 6, 6, 3)), np.arange(30) % 3
    net = ConvNetClassifier(max_epochs=1, random_state=0)
    images = search_of(net, n_trials=2).fit(X, y)
    rows = search_of(net.set_params(input_shape=(6, 6, 3)), n_trials=2).fit(X.reshape(30, -1), y)
    assert images.cv_results_["params"] == rows.cv_results_["params"]
    first = search_of(net.set_params(input_shape=None, channels="first"), n_trials=2)
    first.fit(np.moveaxis(X, -1, 1), y)
    assert first.cv_results_["params"] == images.cv_results_["params"]


def test_space_is_that_of_what_the_pipeline_hands_on():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 64)), np.arange(40) % 2
    model = make_pipeline(PCA(n_components=12, random_state=0), ConvNetClassifier(max_epochs=1))
    search = search_of(model, n_trials=3, error_score="raise").fit(X, y)
    assert set(search.cv_results_["state"]) == {"COMPLETE"}


@pytest.mark.slow
def test_naive_spaces_fail_where_the_automatic_does_not():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 5, 41)), np.arange(40) % 2
    net = ConvNetClassifier(max_epochs=1, random_state=0)
    naive = {
        "filters": [(4,), (4, 8), (4, 8, 8)],
        "kernel_size": (2, 7),
        "padding": ["valid"],
        "stride": (1, 3),
        "pool_size": (2, 3),
    }
    with pytest.warns(FitFailedWarning, match="of 25 trials failed"):
        failed = search_of(net, naive, n_trials=25, sampler="random").fit(X, y)
    auto = search_of(net, n_trials=25, constraints={"multiply_accumulates": 3_000_000}).fit(X, y)
    assert np.mean(failed.cv_results_["state"] == "FAIL") > 0.5
    assert "FAIL" not in auto.cv_results_["state"]


# An estimator's own borders, and functions that are not what they were


@pytest.mark.parametrize(
    "own",
    [{"padding": "valid"}, {"padding": 0}, {"padding_mode": "mirror"}, {"stride": 2}],
    ids=str,
)
def test_networks_fit_whatever_the_estimators_own_borders(own):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 5, 9)), np.arange(24) % 2
    net = ConvNetClassifier(filters=(4,), hidden_units=(), max_epochs=1, random_state=0, **own)
    bound = {"multiply_accumulates": 300_000}
    search = search_of(net, n_trials=8, sampler="random", error_score="raise", constraints=bound)
    results = search.fit(X, y).cv_results_
    assert set(results["state"]) == {"COMPLETE"}
    if "padding" in own:
        assert [p["padding"] for p in results["params"]] == [own["padding"]] + ["same"] * 7


def test_functions_that_draw_by_themselves_keep_what_was_trained(digits):
    rng = np.random.default_rng(0)

    def space(trial):
        trial.suggest_float("x", 0, 1)
        return {"dropout": float(rng.uniform(0, 0.5))}

    search = search_of(small(), space, n_trials=3, refit=False).fit(*digits)
    drawn = np.random.default_rng(0).uniform(0, 0.5, 3).tolist()
    assert [params["dropout"] for params in search.cv_results_["params"]] == drawn


def test_functions_that_draw_by_themselves_cannot_be_resumed(digits, tmp_path):
    rng = np.random.default_rng(0)

    def space(trial):
        trial.suggest_float("x", 0, 1)
        return {"dropout": float(rng.uniform(0, 0.5))}

    for n_trials in (2, 4):
        search = search_of(small(), space, n_trials=n_trials, storage=tmp_path / "study.journal")
        if n_trials == 2:
            search.fit(*digits)
    with pytest.raises(ValueError, match="must return the same parameters whenever"):
        search.fit(*digits)


def test_equal_tuples_are_equal_however_they_were_made():
    inner = (4, 4)
    assert hash_of((inner, inner)) == hash_of(((4, 4), (*inner,)))
    assert hash_of((4, 4)) != hash_of([4, 4])
    assert hash_of(1) != hash_of(True) != hash_of(1.0)
    assert hash_of(np.float64(0.5)) == hash_of(0.5)


def test_strength_is_searched_with_an_augmentation_around_the_search(digits):
    search = search_of(small(input_shape=(8, 8)), n_trials=2)
    model = make_pipeline(RandomTranslation(0.1, input_shape=(8, 8)), search).fit(*digits)
    assert "augmentation_strength" in model[-1].cv_results_["params"][1]
