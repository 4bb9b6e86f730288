"""Trials and searches that run out of time."""

import itertools
from types import SimpleNamespace

import optuna
import pytest
from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner
from sklearn.exceptions import FitFailedWarning

from skcnn.model_selection._pruners import pruner_for
from skcnn.model_selection._running.study import INTERRUPTED, MOST_ATTEMPTS
from skcnn.model_selection._running.watch import TrialWatch
from tests.helpers.recorded_searches import (
    N_FOLDS,
    X,
    check_complete,
    check_failure,
    check_scores,
    rates_of,
    recorded_net,
    search_and_block,
    search_of,
    trainings,
    y,
)

# Interrupted, on a storage


def test_trial_at_the_timeout_does_not_count(path, tmp_path, acts, clock):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, timeout=60)
    count = itertools.count()

    def act(estimator):
        if next(count) == 4:
            clock.now += 61

    acts(act)
    search.fit(X, y)
    check_complete(search, 2)
    n_trainings = len(trainings(path)[1])
    assert n_trainings == 5  # its second fold was not begun
    assert search.study_.user_attrs[INTERRUPTED] == [2]
    search.fit(X, y)
    check_complete(search, 4)
    check_scores(search)
    assert rates_of(search).count(trainings(path)[1][4]) == 1


def test_timeout_many_times(path, tmp_path, acts, clock):
    """A trial that the timeout ends is not one that kills workers."""
    search = search_of(recorded_net(path), storage=tmp_path / "a", timeout=60, n_trials=2)
    count = itertools.count()

    def act(estimator):
        if next(count) >= N_FOLDS:
            clock.now += 61

    acts(act)
    for _ in range(MOST_ATTEMPTS + 1):
        check_complete(search.fit(X, y), 1)
    acts(None)
    check_complete(search.fit(X, y), 2)


def test_timeouts_do_not_make_a_trial_deadly(children, path, tmp_path, acts, clock):
    """One kill after several timeouts is the first of its attempts."""
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), storage=storage, timeout=60)
    count = itertools.count()

    def act(estimator):
        if next(count) >= N_FOLDS:
            clock.now += 61

    acts(act)
    for _ in range(MOST_ATTEMPTS - 1):
        check_complete(search.fit(X, y), 1)
    acts(None)
    child = children(search_and_block, storage, path, 0)
    child.hear()
    child.kill()
    check_complete(search.fit(X, y), 4)


def test_timeout_before_anything_was_done(path, tmp_path, acts, clock):
    search = search_of(recorded_net(path), storage=tmp_path / "study.journal", timeout=60)

    def act(estimator):
        clock.now += 61

    acts(act)
    with pytest.raises(ValueError, match="timeout=60 seconds passed before a trial"):
        search.fit(X, y)
    acts(None)
    check_complete(search.fit(X, y), 4)


# Trials that fail, on a storage


def test_trial_over_its_seconds(path, tmp_path, acts, clock):
    storage = tmp_path / "study.journal"
    search = search_of(recorded_net(path), constraints={"seconds": 60}, n_trials=3, storage=storage)
    count = itertools.count()

    def act(estimator):
        if next(count) == 0:
            clock.now += 61

    acts(act)
    with pytest.warns(FitFailedWarning, match="more than constraints"):
        search.fit(X, y)
    check_failure(search, "more than constraints['seconds']=60")
    assert len(trainings(path)[1]) == 1 + 2 * N_FOLDS  # its second fold was not begun
    assert search.cv_results_["n_epochs"][0] == 1  # and its first left after an epoch


# Searches


@pytest.mark.parametrize(("n_folds", "stops"), [(3, True), (1, False)])
def test_time_over_after_the_last_fold_does_not_count(n_folds, stops):
    plan = SimpleNamespace(pruner=NopPruner(), is_over=lambda: True, trial_seconds=None)
    watch = TrialWatch(plan, None, n_folds, None)
    assert watch.fold_done(0, 2, 0.5) == stops


# Steps of the pruner


@pytest.mark.parametrize(
    ("pruner", "steps"),
    [(MedianPruner(), range(9)), (SuccessiveHalvingPruner(1), range(1, 10))],
    ids=["median", "asha"],
)
def test_rungs_of_asha_are_numbers_of_epochs(pruner, steps):
    plan = SimpleNamespace(
        pruner=pruner, epochs_per_fold=9, trial_seconds=None, is_over=lambda: False
    )
    reports = []
    trial = SimpleNamespace(
        number=0,
        report=lambda score, step: reports.append(step),
        should_prune=lambda: False,
    )
    watch = TrialWatch(plan, trial, 1, SimpleNamespace(epoch=lambda *args: None))
    for epoch in range(9):
        watch.epoch_done(0, epoch, 9, 0.5)
    assert reports == list(steps)


def test_asha_prunes_after_one_three_and_nine_epochs():
    study = optuna.create_study(direction="maximize", pruner=pruner_for("asha", 10, one_score=True))
    best = [study.ask() for _ in range(3)]
    for epoch in range(1, 11):
        for trial in best:
            trial.report(1.0, epoch)
            trial.should_prune()
    for rung in (1, 3, 9):
        trial = study.ask()
        for epoch in range(1, rung + 1):
            trial.report(1.0 if epoch < rung else 0.0, epoch)
            assert trial.should_prune() == (epoch == rung)
