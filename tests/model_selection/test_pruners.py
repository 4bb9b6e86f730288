"""Pruners by name, and the race between trials."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.pruners import (
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.trial import TrialState, create_trial

from skcnn.model_selection._pruners import RacingPruner, needs_all_folds, pruner_for

# Pruners


@pytest.mark.parametrize(
    ("name", "kind", "all_folds"),
    [
        (None, NopPruner, False),
        ("auto", RacingPruner, False),
        ("median", MedianPruner, False),
        ("hyperband", HyperbandPruner, True),
        ("asha", SuccessiveHalvingPruner, True),
    ],
)
@pytest.mark.parametrize("n_epochs", [1, 10])
def test_names_are_pruners(name, kind, all_folds, n_epochs):
    pruner = pruner_for(name, n_epochs, True)
    assert type(pruner) is kind
    assert needs_all_folds(pruner) == all_folds


def test_given_pruner_is_copied():
    given = MedianPruner(n_startup_trials=3)
    assert type(pruner_for(given, 4, True)) is MedianPruner
    assert pruner_for(given, 4, True) is not given


def test_wrapped_pruners_are_looked_into():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert needs_all_folds(PatientPruner(SuccessiveHalvingPruner(), 1))
        assert not needs_all_folds(PatientPruner(MedianPruner(), 1))
        assert not needs_all_folds(PatientPruner(None, 1))


def test_pruners_need_one_score():
    assert type(pruner_for("auto", 3, False)) is NopPruner
    assert type(pruner_for(None, 3, False)) is NopPruner
    for given in ("median", "hyperband", "asha", MedianPruner()):
        with pytest.raises(ValueError, match="'pruner' parameter must be 'auto' or None unless"):
            pruner_for(given, 3, False)


def test_wilcoxon_pruner_is_not_accepted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = WilcoxonPruner()
    with pytest.raises(ValueError, match="must not be a WilcoxonPruner"):
        pruner_for(given, 3, True)


# The race


def means(scores):
    return [float(np.mean(scores[: i + 1])) for i in range(len(scores))]


def study_of(fold_scores, curves=None):
    """Return a study of complete trials with `per_fold=6` steps, scored at the folds' ends."""
    study = optuna.create_study(direction="maximize")
    for i, scores in enumerate(fold_scores):
        values = {6 * fold + 5: mean for fold, mean in enumerate(means(scores))}
        if curves is not None:
            values |= curves[i]
        study.add_trial(create_trial(value=values[max(values)], intermediate_values=values))
    return study


def running(values):
    return create_trial(state=TrialState.RUNNING, intermediate_values=values)


FOLDS = [(0.9, 0.8, 0.7), (0.8, 0.8, 0.6), (0.5, 0.9, 0.7)]


def standard_error(n_folds):
    """Of the best, the first: the median spread of the others' differences to it."""
    first, *others = (np.array(scores) for scores in FOLDS)
    return np.median([np.std(scores - first, ddof=1) for scores in others]) / n_folds**0.5


@pytest.mark.parametrize("n_folds", [1, 2])
def test_trial_is_pruned_if_it_is_behind_by_more_than_a_standard_error(n_folds):
    step = 6 * n_folds - 1
    limit = means(FOLDS[0])[n_folds - 1] - standard_error(n_folds)
    pruner, study = RacingPruner(6), study_of(FOLDS)
    assert pruner.prune(study, running({step: limit - 1e-9}))
    assert not pruner.prune(study, running({step: limit + 1e-9}))


def test_race_needs_complete_trials():
    hopeless = running({5: -100.0})
    assert not RacingPruner(6).prune(study_of(FOLDS[:2]), hopeless)
    assert RacingPruner(6).prune(study_of(FOLDS), hopeless)
    assert not RacingPruner(6).prune(study_of(FOLDS), running({}))
    assert not RacingPruner(6).prune(study_of([(0.5,), (0.6,), (0.7,)]), hopeless)  # one fold


@pytest.mark.parametrize(
    ("step", "late"), [(0, False), (2, False), (3, False), (4, True), (10, True)]
)
def test_curves_count_late_in_a_training(step, late):
    curves = [{step: value} for value in (0.7, 0.6, 0.5, 0.1, 0.1)]
    folds = [(score, score) for score in (0.9, 0.8, 0.7, 0.2, 0.1)]
    pruner, study = RacingPruner(6), study_of(folds, curves)
    assert pruner.prune(study, running({step: 0.49})) == late  # behind the better three
    assert not pruner.prune(study, running({step: 0.51}))
    assert not pruner.prune(study_of(folds[:4], curves[:4]), running({step: 0.0}))


def test_copies_of_the_best_do_not_narrow_the_race():
    """A space of few choices repeats its best; a copy's difference to it says nothing."""
    pruner = RacingPruner(6)
    behind = running({5: 0.9 - 0.9 * standard_error(1)})
    assert not pruner.prune(study_of(FOLDS), behind)
    assert not pruner.prune(study_of([*FOLDS, *FOLDS[:1] * 5]), behind)
