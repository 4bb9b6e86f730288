"""Studies that are resumed, or belong to another search."""

import itertools
import pickle
import warnings

import numpy as np
import optuna
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from optuna.samplers import RandomSampler
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn.model_selection._fingerprint import differences
from skcnn.model_selection._running.storage import JournalFile, open_storage
from skcnn.preprocessing import KernelFilter
from tests.helpers.processes import names
from tests.helpers.recorded_searches import (
    KINDS,
    N_FOLDS,
    X,
    assert_same_results,
    check_complete,
    check_trained_once,
    net,
    recorded_net,
    search_of,
    storage_of,
    trainings,
    y,
)

# Taken up again


@pytest.mark.parametrize(("first", "last"), [(4, 8), (11, 14)])
def test_resumed_search_is_as_one_that_was_not_interrupted(path, tmp_path, first, last):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, pruner="auto")
    check = search.set_params(n_trials=first).fit(X, y).cv_results_
    assert len(check["params"]) == first
    resumed = search.set_params(n_trials=last).fit(X, y).cv_results_
    assert len(resumed["params"]) == last
    whole = search_of(net(), n_trials=last, pruner="auto").fit(X, y).cv_results_
    assert_same_results(resumed, whole)
    assert_same_results(
        search_of(net(), n_trials=last, storage=tmp_path / "b", pruner="auto")
        .fit(X, y)
        .cv_results_,
        whole,
    )
    assert len(trainings(path)[1]) <= last * N_FOLDS


def test_finished_study_trains_nothing(path, tmp_path):
    search = search_of(recorded_net(path), storage=tmp_path / "study.journal")
    first = search.fit(X, y).cv_results_
    n_trainings = len(trainings(path)[1])
    again = search.fit(X, y).cv_results_
    assert len(trainings(path)[1]) == n_trainings
    assert_same_results(first, again)
    assert_array_equal(first["mean_fit_time"], again["mean_fit_time"])
    fewer = search.set_params(n_trials=2).fit(X, y).cv_results_
    assert len(fewer["params"]) == 4


def test_text_labels_are_the_same_data_in_another_process(children, tmp_path):
    storage = tmp_path / "study.journal"
    child = children(search_text_labels, storage)
    assert child.hear() == 2
    assert search_text_labels(storage, n_trials=3) == 3


def search_text_labels(storage, n_trials=2):
    labels = np.array([f"digit {label}" for label in y], dtype=object)
    frame = pd.DataFrame(X.reshape(len(X), -1), columns=[f"pixel {i}" for i in range(64)])
    search = search_of(net(input_shape=(8, 8)), storage=storage, n_trials=n_trials)
    return len(search.fit(frame, labels).cv_results_["params"])


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The journal of a search; nothing that is refused changes it."""
    storage = tmp_path_factory.mktemp("known") / "study.journal"
    search_of(net(), storage=storage, n_trials=2).fit(X, y)
    return storage


def other_space(trial):
    return {"learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)}


@pytest.mark.parametrize(
    ("params", "estimator", "data", "named"),
    [
        ({}, {}, (X[:-1], y[:-1]), r"X was array of shape \(80, .*is now array of shape \(79, "),
        ({}, {}, (X + 1, y), r"X was array of shape \(80, 8, 8\) and dtype float64 with other co"),
        ({}, {}, (X, y[::-1]), r"y was array of shape \(80,\) .* with other content"),
        ({"cv": 3}, {}, (X, y), "cv was 2 splits.*is now 3 splits"),
        ({"cv": KFold(2)}, {}, (X, y), "cv was"),
        ({"scoring": "balanced_accuracy"}, {}, (X, y), "scoring was None, is now 'balanced_accu"),
        (
            {"param_space": {"learning_rate": (1e-4, 0.05, "log")}},
            {},
            (X, y),
            r"param_space\['learning_rate'\] was \(0.0001, 0.1, 'log'\), is now \(0.0001, 0.05, 'l",
        ),
        (
            {"param_space": {"weight_decay": (1e-4, 0.1)}},
            {},
            (X, y),
            r"param_space\['weight_decay'\] was not there, is now \(0.0001, 0.1\); "
            r"param_space\['learning_rate'\] was \(0.0001, 0.1, 'log'\), is now not there\. Its",
        ),
        ({"param_space": other_space}, {}, (X, y), "param_space was .* is now function .*other_"),
        ({"param_space": "auto"}, {}, (X, y), "param_space was .* is now auto"),
        ({"objectives": ["score", "n_epochs"]}, {}, (X, y), "objectives was"),
        ({"initial_params": [{"learning_rate": 0.01}]}, {}, (X, y), "initial_params was"),
        ({}, {"max_epochs": 3}, (X, y), "estimator.*max_epochs"),
        ({}, {"weight_decay": 0.5}, (X, y), "estimator.*weight_decay"),
        ({}, {"optimizer": "sgd"}, (X, y), "estimator.*optimizer"),
        ({}, {"filters": (5,)}, (X, y), "estimator.*filters"),
        ({}, {"random_state": 1}, (X, y), "estimator.*random_state"),
    ],
    ids=[
        "fewer samples",
        "other samples",
        "other targets",
        "other number of folds",
        "other folds",
        "scoring",
        "range",
        "names",
        "function",
        "auto",
        "objectives",
        "initial",
        "epochs",
        "weight decay",
        "optimizer",
        "filters",
        "seed",
    ],
)
def test_resume_of_another_search(known, params, estimator, data, named):
    before = known.read_bytes()
    search = search_of(net(**estimator), storage=known, **params)
    with pytest.raises(ValueError, match=f"(?s)'ConvNetSearchCV'.*another search: .*{named}"):
        search.fit(*data)
    assert known.read_bytes() == before


def test_resume_of_another_estimator(known):
    search = search_of(make_pipeline(StandardScaler(), net()), storage=known)
    search.set_params(param_space={"convnetclassifier__learning_rate": (1e-4, 1e-1, "log")})
    with pytest.raises(ValueError, match=r"estimator was ConvNetClassifier, .*is now Pipeline"):
        search.fit(X, y)


def test_resume_of_a_pipeline_with_another_step_of_the_same_parameters(tmp_path):
    storage = tmp_path / "study.journal"
    space = {"logisticregression__C": (0.1, 1.0)}
    flat = X.reshape(len(X), -1)

    def model(function):
        return make_pipeline(FunctionTransformer(function), LogisticRegression(max_iter=5000))

    search_of(model(np.sqrt), param_space=space, storage=storage, n_trials=1).fit(flat, y)
    search = search_of(model(np.square), param_space=space, storage=storage, n_trials=2)
    with pytest.raises(ValueError, match="functiontransformer__func was"):
        search.fit(flat, y)


PLAIN, ZERO = (FunctionTransformer(function) for function in (lambda X: X, lambda X: X * 0))
KERNELS = [KernelFilter(9 * np.eye(35, k=k), padding="same") for k in (0, 1)]


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (PLAIN, ZERO, r"estimator's step__func was <lambda> with other content\. Its scores"),
        (*KERNELS, r"step__kernel was array of shape \(35, 35\) and dtype float64 with other con"),
    ],
    ids=["lambdas", "kernels"],
)
@pytest.mark.parametrize("searched", [True, False])
def test_resume_with_a_step_that_looks_the_same(tmp_path, first, second, named, searched):
    for step in (first, second):
        model = Pipeline([("step", step), ("model", DummyClassifier())])
        space = {"step": [step]} if searched else {"model__strategy": ["prior"]}
        search = search_of(model, param_space=space, storage=tmp_path / "a", n_trials=1)
        if searched:
            search.estimator.set_params(step="passthrough")
            named = r"param_space\['step'\] no longer has "
        if step is first:
            search.fit(X, y)
    with pytest.raises(ValueError, match=named):
        search.fit(X, y)


@pytest.mark.parametrize(
    ("n_jobs", "kind"),
    [
        (1, "journal"),
        (1, "sqlite"),
        pytest.param(2, "journal", marks=pytest.mark.slow),
        pytest.param(2, "sqlite", marks=pytest.mark.slow),
    ],
)
def test_resume_with_wider_ranges_and_more_choices(tmp_path, request, kind, n_jobs):
    storage = storage_of(kind, tmp_path, request)
    spaces = [
        {"C": (1.0, 2.0), "solver": ["lbfgs"], "tol": [1e-3]},
        {"C": (0.5, 9.0), "solver": ["lbfgs"], "tol": [1e-3]},
        {"C": (0.5, 9.0), "solver": ["lbfgs", "newton-cg", ("nothing",)], "tol": [1e-3, 1e-2]},
    ]
    flat, results = X.reshape(len(X), -1), []
    for n_trials, space in zip((2, 4, 6), spaces, strict=True):
        search = search_of(
            LogisticRegression(max_iter=5000),
            param_space=space,
            storage=storage,
            n_trials=n_trials,
            error_score=0.0,
            n_jobs=None if n_trials < 6 else n_jobs,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitFailedWarning)  # of the solver "nothing"
            results.append(search.fit(flat, y).cv_results_)
    assert results[0]["params"] == results[1]["params"][:2] == results[2]["params"][:2]
    for few, more in itertools.pairwise(results):
        scores, n = few["mean_test_score"], len(few["params"])
        assert_array_equal(more["mean_test_score"][:n], scores)
    assert len(results[2]["params"]) == 6
    lost = (
        r"\['C'\] was \(0.5, 9.0\), is now \(1.0, 2.0\); .* no longer has 'newton-cg', \('nothing',"
    )
    with pytest.raises(ValueError, match=lost):
        search.set_params(param_space=spaces[0]).fit(flat, y)
    search.set_params(param_space={**spaces[2], "tol": [1e-2, 1e-3]})
    with pytest.raises(
        ValueError, match=r"was \[0.001, 0.01\], .*: append choices at the end\. Its"
    ):
        search.fit(flat, y)


def test_messages_name_only_what_differs():
    known = {"cv": "2 splits [ab]", "estimator": "A", "estimator's a": "1", "X": "rows [ab]"}
    now = {"cv": "2 splits [ab]", "estimator": "B", "estimator's b": "1", "X": "rows [cd]"}
    assert differences(known, known) == []
    assert differences(known, now) == ["estimator was A, is now B", "X was rows with other content"]
    assert differences({"a": "1"}, {"b": "2"}) == [
        "b was not there, is now 2",
        "a was 1, is now not there",
    ]


@pytest.mark.parametrize(
    "estimator",
    [{"verbose": 1}, {"n_threads": 1}, {"device": "cpu"}],
    ids=["verbose", "n_threads", "device"],
)
def test_resume_with_settings_that_do_not_change_scores(tmp_path, capsys, estimator):
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=1).fit(X, y)
    search = search_of(net(**estimator), storage=storage, n_trials=2, verbose=2).fit(X, y)
    check_complete(search, 2)


def test_resume_with_other_sampler_and_pruner(tmp_path):
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=2).fit(X, y)
    search = search_of(net(), storage=storage, n_trials=3, sampler="random", pruner="median")
    check_complete(search.fit(X, y), 3)


def test_resumed_sampler_of_the_user_does_not_repeat_itself(path, tmp_path):
    storage, sampler = tmp_path / "study.journal", RandomSampler(seed=0)
    search = search_of(recorded_net(path), storage=storage, sampler=sampler, n_trials=2)
    search.fit(X, y)
    search.set_params(n_trials=4).fit(X, y)
    check_complete(search, 4)
    check_trained_once(search, path)


def test_resume_is_off(known):
    before = known.read_bytes()
    search = search_of(net(), storage=known, resume=False)
    with pytest.raises(ValueError, match=r"'ConvNetSearchCV' already\. Pass resume=True"):
        search.fit(X, y)
    assert known.read_bytes() == before
    search.set_params(study_name="another", storage=known.with_name("b.journal")).fit(X, y)
    assert search.study_.study_name == "another"


def test_study_without_a_fingerprint_and_trials_is_taken(tmp_path):
    storage = tmp_path / "study.journal"
    opened = JournalFile(storage)
    optuna.create_study(storage=opened.storage, study_name="mine", direction="maximize")
    opened.close()
    search = search_of(net(), storage=storage, study_name="mine", n_trials=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2


@pytest.mark.parametrize(
    ("n_trials", "direction"), [(0, "minimize"), (1, "minimize"), (1, "maximize")]
)
def test_study_of_plain_optuna(tmp_path, n_trials, direction):
    storage = tmp_path / "study.journal"
    opened = JournalFile(storage)
    study = optuna.create_study(
        storage=opened.storage, study_name="mine", direction=direction, sampler=RandomSampler(0)
    )
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=n_trials)
    opened.close()
    search = search_of(net(), storage=storage, study_name="mine")
    with pytest.raises(ValueError, match="'mine' of the storage was not made by ConvNetSearchCV"):
        search.fit(X, y)


def test_studies_of_several_names(storage):
    one = search_of(net(), storage=storage, n_trials=2, study_name="one").fit(X, y)
    two = search_of(net(), storage=storage, n_trials=3, study_name="two", cv=3).fit(X, y)
    check_complete(one, 2)
    check_complete(two, 3)
    check_complete(one.set_params(n_trials=4).fit(X, y), 4)
    assert len(two.study_.trials) == 3
    stored = open_storage(storage, "one")
    assert sorted(optuna.get_all_study_names(stored.storage)) == ["one", "two"]
    stored.close()


@pytest.mark.parametrize("kind", KINDS)
def test_fitted_search_can_be_pickled(tmp_path, request, kind):
    storage = storage_of(kind, tmp_path, request)
    search = search_of(net(), storage=storage, n_trials=2, refit=True).fit(X, y)
    again = pickle.loads(pickle.dumps(search))
    assert_array_equal(again.predict(X), search.predict(X))
    assert_same_results(again.cv_results_, search.cv_results_)
    assert len(again.study_.trials) == 2
    check_complete(again.set_params(n_trials=3).fit(X, y), 3)


def test_killed_in_the_middle_of_a_line(tmp_path):
    """A journal whose last line is not whole goes on, or is refused with its name."""
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=2).fit(X, y)
    whole = storage.read_bytes()
    storage.write_bytes(whole + whole.splitlines()[-1][:10])
    search = search_of(net(), storage=storage, n_trials=3)
    check_complete(search.fit(X, y), 3)
    check_complete(search.fit(X, y), 3)


# Storages and studies of something else


@pytest.mark.parametrize(
    "content",
    [b"important data without a newline", b"a,b\n1,2\n", b"{}\n", b'{"op_coda": 1}\n'],
    ids=["text", "csv", "json", "nearly"],
)
def test_files_of_another_kind_are_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="which is another kind of file"):
        search_of(net(), storage=path).fit(X, y)
    assert path.read_bytes() == content
    assert names(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize(
    ("first", "then", "named"),
    [
        ({"error_score": 0.0}, {"error_score": 9.0}, "error_score was 0.0, is now 9.0"),
        (
            {"constraints": {"n_parameters": 10**6}},
            {"constraints": {"n_parameters": 1500}},
            "constraints was",
        ),
        ({"pruner": "asha"}, {"pruner": "median"}, "all folds at a time, is now"),
    ],
    ids=["error_score", "constraints", "folds together"],
)
def test_resume_with_scores_that_mean_something_else(tmp_path, first, then, named):
    storage = tmp_path / "study.journal"
    search_of(net(), storage=storage, n_trials=1, **first).fit(X, y)
    with pytest.raises(ValueError, match=named):
        search_of(net(), storage=storage, n_trials=2, **then).fit(X, y)


def test_initial_functions_are_the_same_the_next_time(tmp_path):
    storage = tmp_path / "study.journal"
    pipeline = make_pipeline(FunctionTransformer(), LogisticRegression(max_iter=5000))
    space = {"functiontransformer__func": [np.sqrt, np.square], "logisticregression__C": (0.1, 1.0)}
    given = {"functiontransformer__func": np.square, "logisticregression__C": 0.5}
    flat = X.reshape(len(X), -1)
    for n_trials in (1, 2):
        search = search_of(
            pipeline, param_space=space, storage=storage, n_trials=n_trials, initial_params=[given]
        ).fit(flat, y)
    assert search.cv_results_["params"][0] == given
