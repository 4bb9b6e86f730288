"""SearchDisplay: what is drawn for which trials, and what wrong searches get."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV

from skcnn import ConvNetClassifier
from skcnn._plotting.palette import BLUE, ORANGE, RED
from skcnn.exceptions import MissingDependencyError
from skcnn.model_selection import ConvNetSearchCV, SearchDisplay

NAN = np.nan


def make_trials(**columns):
    """Return trials; what is not given is complete, trained for one epoch, on no front."""
    n = len(next(iter(columns.values())))
    filled = {"state": ["COMPLETE"] * n, "n_trained": [1.0] * n, "front": [False] * n, **columns}
    if "last_value" not in filled:
        filled["last_value"] = filled["score"]
    return pd.DataFrame(filled, index=pd.RangeIndex(n, name="trial"))


def history(x="trial", minimized=False, **columns):
    name = "fit_seconds" if minimized else "score"
    display = SearchDisplay(
        trials=make_trials(**columns), objectives=(name,), minimized=(minimized,)
    )
    return display.plot(x=x)


def points_of(display):
    """Return {(colour, is a triangle): points} of what is scattered."""
    found = {}
    for dots in display.ax_.collections:
        if len(dots.get_offsets()):
            triangle = len(dots.get_paths()[0].vertices) == 4
            found[to_hex(dots.get_facecolor()[0]).upper(), triangle] = dots.get_offsets().tolist()
    return found


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_history_has_a_point_a_trial_and_the_best_so_far():
    display = history(score=[0.8, 0.7, 0.9, 0.85])
    assert points_of(display) == {(BLUE, False): [[0, 0.8], [1, 0.7], [2, 0.9], [3, 0.85]]}
    (line,) = display.ax_.get_lines()
    assert_array_equal(line.get_xdata(), [0, 1, 2, 3])
    assert_array_equal(line.get_ydata(), [0.8, 0.8, 0.9, 0.9])
    assert line.get_drawstyle() == "steps-post"
    assert legend_of(display) == ["complete", "best so far"]
    assert display.ax_.get_xlabel() == "trial"
    assert display.ax_.get_ylabel() == "mean test score"


def test_states_are_told_apart_and_only_complete_trials_are_the_best():
    display = history(
        state=["FAIL", "COMPLETE", "PRUNED", "INFEASIBLE", "COMPLETE"],
        last_value=[NAN, 0.8, 0.95, NAN, 0.9],
    )
    assert legend_of(display) == ["complete", "pruned", "failed", "infeasible", "best so far"]
    points = points_of(display)
    assert points[BLUE, False] == [[1, 0.8], [4, 0.9]]
    assert points[ORANGE, False] == [[2, 0.95]]
    (line,) = display.ax_.get_lines()
    assert_array_equal(line.get_ydata(), [NAN, 0.8, 0.8, 0.8, 0.9])
    shown = [dots for dots in display.ax_.collections if len(dots.get_offsets())]
    markers = {tuple(map(tuple, dots.get_paths()[0].vertices)) for dots in shown}
    assert len(markers) == 4


def test_trials_without_a_value_lie_at_the_edge():
    display = history(state=["COMPLETE", "COMPLETE", "FAIL"], last_value=[0.8, 0.9, NAN])
    low, high = display.ax_.get_ylim()
    ((_, place),) = points_of(display)[RED, False]
    assert low < place < 0.8
    assert high > 0.9


def test_a_very_bad_trial_does_not_squash_the_scale():
    display = history(score=[0.9, 0.91, 0.89, 0.1, -1e9, 0.92])
    low, high = display.ax_.get_ylim()
    assert 0.7 < low < 0.89
    assert 0.92 < high < 0.95
    points = points_of(display)
    (first, place), (second, other) = points[BLUE, True]
    assert (first, second) == (3, 4)
    assert low < place == other < 0.89
    assert len(points[BLUE, False]) == 4
    assert legend_of(display) == ["complete", "best so far", "beyond the scale"]


def test_values_of_pruned_trials_do_not_widen_the_scale():
    states = ["COMPLETE"] * 3 + ["PRUNED"]
    display = history(state=states, last_value=[0.9, 0.91, 0.92, 0.1])
    assert display.ax_.get_ylim()[0] > 0.8
    assert set(points_of(display)) == {(BLUE, False), (ORANGE, True)}


@pytest.mark.parametrize("scores", [[0.5], [0.9, 0.9, 0.9, 0.1], [0.0, 0.0], [-np.inf, 0.9]])
def test_few_or_equal_values_have_a_scale(scores):
    low, high = history(score=scores).ax_.get_ylim()
    assert np.isfinite([low, high]).all()
    assert low < min(np.array(scores)[np.isfinite(scores)]) < high


def test_costs_have_their_best_at_the_bottom():
    display = history(
        minimized=True, fit_seconds=[3.0, 2.0, 2.5, 2.1, 9.0], last_value=[3.0, 2.0, 2.5, 2.1, 9.0]
    )
    (line,) = display.ax_.get_lines()
    assert_array_equal(line.get_ydata(), [3.0, 2.0, 2.0, 2.0, 2.0])
    ((trial, place),) = points_of(display)[BLUE, True]
    assert trial == 4
    assert 3 < place < display.ax_.get_ylim()[1] < 9
    assert display.ax_.get_ylabel() == "seconds to fit a fold"


def test_history_against_epochs_adds_those_of_all_trials():
    display = history(
        "n_epochs",
        state=["COMPLETE", "PRUNED", "FAIL", "COMPLETE"],
        last_value=[0.8, 0.75, NAN, 0.9],
        n_trained=[6.0, 2.0, NAN, 0.0],
    )
    assert_array_equal(display.ax_.get_lines()[0].get_xdata(), [6, 8, 8, 8])
    assert display.ax_.get_xlabel() == "training epochs of all trials so far"


def test_legend_lies_above_the_points():
    display = history(
        state=["COMPLETE", "PRUNED", "FAIL", "INFEASIBLE", *["COMPLETE"] * 4],
        last_value=[0.8, 0.81, NAN, NAN, 0.82, 0.83, 0.84, 0.1],
    )
    assert len(legend_of(display)) == 6
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.y0 >= display.ax_.get_window_extent().y1
    assert legend.y1 <= display.figure_.bbox.y1
    assert legend.x0 >= 0
    assert legend.x1 <= display.figure_.bbox.x1


def test_importances_are_bars_with_the_largest_on_top():
    importances = pd.Series({"depth": 0.2, "width": 0.7, "kernel": 0.1})
    display = SearchDisplay(trials=make_trials(score=[0.8]), importances=importances)
    display.plot(kind="importances")
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == [
        "kernel",
        "depth",
        "width",
    ]
    assert_allclose([bar.get_width() for bar in display.ax_.patches], [0.1, 0.2, 0.7])
    assert display.ax_.get_xlabel() == "importance for the mean test score"


def pareto(objectives=("score", "n_parameters"), minimized=(False, True), **columns):
    display = SearchDisplay(
        trials=make_trials(**columns), objectives=objectives, minimized=minimized
    )
    return display.plot(kind="pareto")


def test_pareto_front_is_a_step_line_through_its_trials():
    display = pareto(
        score=[0.9, 0.8, 0.85, NAN, 0.84],
        n_parameters=[5000.0, 100.0, 1000.0, 10.0, 2000.0],
        front=[True, True, True, False, False],
        state=["COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "COMPLETE"],
    )
    (line,) = display.ax_.get_lines()
    assert_array_equal(line.get_xydata(), [[100, 0.8], [1000, 0.85], [5000, 0.9]])
    assert line.get_drawstyle() == "steps-post"
    assert points_of(display) == {(BLUE, False): [[2000, 0.84]]}
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_yscale() == "linear"
    assert display.ax_.get_xlabel() == "parameters"
    assert legend_of(display) == ["complete", "Pareto front"]


def test_front_of_two_scores_falls_where_the_other_has_to_be_higher():
    display = pareto(
        ("accuracy", "recall"),
        (False, False),
        accuracy=[0.9, 0.8],
        recall=[0.5, 0.7],
        last_value=[0.9, 0.8],
        front=[True, True],
    )
    assert display.ax_.get_lines()[0].get_drawstyle() == "steps-pre"
    assert display.ax_.get_xlabel() == "mean test recall"


def test_the_whole_front_is_on_the_scale_and_what_is_worse_at_its_edge():
    display = pareto(
        score=[0.91, 0.92, 0.93, 0.3, 0.1],
        n_parameters=[1000.0, 1100.0, 1200.0, 10.0, 50.0],
        front=[True, True, True, True, False],
    )
    low = display.ax_.get_ylim()[0]
    assert 0.1 < low < 0.3
    ((size, place),) = points_of(display)[BLUE, True]
    assert size == 50
    assert low < place < 0.3
    assert legend_of(display)[-1] == "beyond the scale"


def test_plot_draws_in_given_axes():
    figure, ax = pyplot.subplots()
    display = SearchDisplay(trials=make_trials(score=[0.8, 0.9]))
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert display.figure_ is figure


# Of real searches


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(24, 9))
    return X, np.arange(24) % 2


def make_search(space, **params):
    net = ConvNetClassifier(filters=2, hidden_units=(), max_epochs=2)
    return ConvNetSearchCV(net, space, **{"cv": 2, "random_state": 0, "n_trials": 4, **params})


RATES = {"learning_rate": (1e-3, 1e-1, "log"), "dropout": (0.0, 0.5)}


@pytest.fixture(scope="module")
def search(data):
    return make_search(RATES, pruner=None).fit(*data)


def test_from_estimator_draws_the_trials_of_the_search(search):
    display = SearchDisplay.from_estimator(search)
    scores = search.cv_results_["mean_test_score"]
    assert_array_equal(display.trials["last_value"], scores)
    drawn = display.ax_.get_lines()[0]
    assert_array_equal(drawn.get_ydata(), np.maximum.accumulate(scores))
    assert drawn.get_ydata()[-1] == search.best_score_


def one_rate(trial):
    return {"learning_rate": trial.suggest_categorical("learning_rate", [0.01])}


def test_epochs_of_a_copy_are_not_counted_twice(data):
    search = make_search(one_rate, n_trials=3, pruner=None).fit(*data)
    display = SearchDisplay.from_estimator(search, x="n_epochs")
    assert display.trials["n_trained"].tolist() == [4, 0, 0]
    assert_array_equal(display.ax_.get_lines()[0].get_xdata(), [4, 4, 4])


def test_pruned_trials_have_their_last_score_and_failed_ones_none(data):
    from optuna.pruners import ThresholdPruner

    net = ConvNetClassifier(filters=2, hidden_units=(), padding="valid", random_state=0)
    pruner = ThresholdPruner(
        lower=2.0, n_warmup_steps=1
    )  # in the second epoch, unless it is the last
    search = ConvNetSearchCV(
        net,
        {"max_epochs": [1, 2, 3], "kernel_size": [3, 50]},
        n_trials=3,
        initial_params=[
            {"max_epochs": 1, "kernel_size": 3},
            {"max_epochs": 3, "kernel_size": 3},
            {"max_epochs": 1, "kernel_size": 50},
        ],
        cv=[(np.arange(16), np.arange(16, 24))],
        pruner=pruner,
    )
    with pytest.warns(FitFailedWarning, match="1 of 3 trials failed"):
        search.fit(*data)
    display = SearchDisplay.from_estimator(search)
    assert display.trials["state"].tolist() == ["COMPLETE", "PRUNED", "FAIL"]
    reported = search.study_.trials[1].intermediate_values
    assert display.trials["last_value"].tolist()[:2] == [
        search.best_score_,
        reported[max(reported)],
    ]
    assert np.isnan(display.trials["last_value"][2])


def test_importances_are_deterministic_and_name_drawn_values(search):
    first = SearchDisplay.from_estimator(search, kind="importances")
    second = SearchDisplay.from_estimator(search, kind="importances")
    assert set(first.importances.index) == set(RATES)
    assert first.importances.sum() == pytest.approx(1)
    pd.testing.assert_series_equal(first.importances, second.importances)


def test_importances_need_complete_trials_of_different_values(data):
    one = make_search(RATES, n_trials=1).fit(*data)
    with pytest.raises(ValueError, match=r"at least two complete trials .* Got 1 complete of 1"):
        SearchDisplay.from_estimator(one, kind="importances")
    same = make_search(one_rate, n_trials=2).fit(*data)
    with pytest.raises(ValueError, match="Got 2 complete of 2 trials, all of the same value"):
        SearchDisplay.from_estimator(same, kind="importances")


def test_importances_need_a_value_that_all_trials_drew(data):
    def space(trial):
        if trial.number == 0:
            return {"learning_rate": trial.suggest_float("first", 1e-3, 1e-2)}
        return {"learning_rate": trial.suggest_float("second", 1e-2, 1e-1)}

    search = make_search(space, n_trials=2, pruner=None)
    scores = iter([0.1, 0.1, 0.2, 0.2, 0.3])
    search.set_params(scoring=lambda *_: next(scores)).fit(*data)
    with pytest.raises(ValueError, match="needs a value that all complete trials drew"):
        SearchDisplay.from_estimator(search, kind="importances")


def test_front_is_that_of_the_search(data):
    search = make_search("auto", objectives=["score", "n_parameters"], n_trials=3).fit(*data)
    display = SearchDisplay.from_estimator(search, kind="pareto")
    front = search.pareto_front_
    assert display.trials.index[display.trials["front"]].tolist() == sorted(front.index)
    assert_allclose(np.sort(display.ax_.get_lines()[0].get_xdata()), np.sort(front["n_parameters"]))
    named = SearchDisplay.from_estimator(search, kind="importances")
    assert {"depth", "width", "kernel"} <= {*named.importances.index}


def test_three_objectives_have_a_history_but_no_picture_of_the_front(data):
    objectives = ["n_epochs", "score", "n_parameters"]
    search = make_search(RATES, objectives=objectives, n_trials=2).fit(*data)
    display = SearchDisplay.from_estimator(search, x="n_epochs")
    assert display.ax_.get_ylabel() == "training epochs"
    assert display.trials["last_value"].tolist() == [4, 4]
    with pytest.raises(ValueError, match=r"two objectives.*Got 3: .*pareto_front_ has"):
        display.plot(kind="pareto")


def test_any_other_estimator_has_a_history_of_trials_but_no_epochs(data):
    search = ConvNetSearchCV(Ridge(), {"alpha": (0.1, 10.0)}, n_trials=3, cv=2, random_state=0)
    display = SearchDisplay.from_estimator(search.fit(*data))
    assert display.trials["last_value"].notna().all()
    with pytest.raises(ValueError, match="x='n_epochs' draws a search of a ConvNet"):
        display.plot(x="n_epochs")


def test_one_objective_has_no_front(search):
    with pytest.raises(ValueError, match=r"two objectives, such as .* Got 1: \['score'\]\.$"):
        SearchDisplay.from_estimator(search, kind="pareto")


def test_importances_are_computed_by_from_estimator_only(search):
    with pytest.raises(ValueError, match=r"from_estimator\(search, kind='importances'\)"):
        SearchDisplay.from_estimator(search).plot(kind="importances")


@pytest.mark.parametrize("name", ["kind", "x"])
def test_unknown_options_are_named(search, name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter must be one of .* Got 'no'"):
        SearchDisplay.from_estimator(search, **{name: "no"})
    with pytest.raises(ValueError, match=r"Got 'trials' instead\. Did you mean 'trial'\?"):
        SearchDisplay.from_estimator(search, x="trials")
    with pytest.raises(ValueError, match=r"Got \['history'\] instead\.$"):
        SearchDisplay.from_estimator(search, kind=["history"])


def test_from_estimator_needs_a_fitted_search():
    with pytest.raises(NotFittedError, match="This ConvNetSearchCV instance is not fitted yet"):
        SearchDisplay.from_estimator(make_search(RATES))


def test_from_estimator_refuses_other_estimators():
    other = GridSearchCV(LogisticRegression(), {})
    with pytest.raises(TypeError, match=r"must be a fitted ConvNetSearchCV\. Got GridSearchCV"):
        SearchDisplay.from_estimator(other)


def test_missing_matplotlib_is_named(monkeypatch):
    display = SearchDisplay(trials=make_trials(score=[0.8]))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "skcnn\[plots\]"'):
        display.plot()
