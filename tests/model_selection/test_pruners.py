"""Pruners by name, and the race between trials."""

import pickle
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

from skcnn.model_selection import _pruners as pruners
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


def naive_prune(study, trial, per_fold):
    """The rule of the race, with a look at all complete trials."""
    complete = sorted(
        (t for t in study.get_trials() if t.state == TrialState.COMPLETE),
        key=lambda other: (-other.value, other.number),
    )
    step = trial.last_step
    if step is None or len(complete) < 3:
        return False

    def fold_scores(other):
        steps = sorted(s for s in other.intermediate_values if (s + 1) % per_fold == 0)
        sums = [other.intermediate_values[s] * (i + 1) for i, s in enumerate(steps)]
        return np.diff(sums, prepend=0.0)

    best, *others = map(fold_scores, complete)
    spreads = [
        np.std(scores - best, ddof=1)
        for scores in others
        if len(scores) == len(best) > 1 and np.any(scores != best)
    ]
    error = float(np.median(spreads)) / (step // per_fold + 1) ** 0.5 if spreads else np.inf
    value = trial.intermediate_values[step]
    if (step + 1) % per_fold == 0:
        return value < complete[0].intermediate_values.get(step, -np.inf) - error
    if step % per_fold < per_fold * 2 / 3 or len(complete) < 5:
        return False
    better = complete[: (len(complete) + 1) // 2]
    lowest = min(other.intermediate_values.get(step, np.inf) for other in better)
    return value < lowest - error < np.inf


@pytest.mark.parametrize("seed", range(6))
def test_race_is_as_a_look_at_all_trials(seed):
    """Other workers complete trials too, in any order, some with copied or missing scores."""
    rng = np.random.default_rng(seed)
    study, pruner = optuna.create_study(direction="maximize"), RacingPruner(3)
    begun, decisions = [], []
    for _ in range(60):
        scores = rng.integers(0, 12, 4) / 12 if rng.random() < 0.8 else np.full(4, 0.75)
        curve = {s: v for s, v in enumerate(np.repeat(means(scores), 3)) if rng.random() < 0.95}
        begun.append((study.ask(), means(scores)[-1], curve))
        if rng.random() < 0.7:
            trial, value, curve = begun.pop(rng.integers(0, len(begun)))
            for step, score in curve.items():
                trial.report(score, step)
            state = TrialState.COMPLETE if rng.random() < 0.9 else TrialState.PRUNED
            study.tell(trial, value if state == TrialState.COMPLETE else None, state)
        for step in (2, 4, 5, 8, 10, 11):
            report = running({step: rng.random()})
            decisions.append(pruner.prune(study, report))
            assert decisions[-1] == naive_prune(study, report, 3)
    assert 0 < sum(decisions) < len(decisions)


def test_each_complete_trial_is_read_once(monkeypatch):
    study, pruner = study_of(FOLDS * 20), RacingPruner(6)
    read, fold_scores = [], pruners._Race._fold_scores

    def counted(self, curve):
        read.append(curve)
        return fold_scores(self, curve)

    monkeypatch.setattr(pruners._Race, "_fold_scores", counted)
    for _ in range(5):
        pruner.prune(study, running({5: 0.5}))
    assert len(read) == 60
    study.add_trial(create_trial(value=0.1, intermediate_values={5: 0.1, 11: 0.1, 17: 0.1}))
    pruner.prune(study, running({5: 0.5}))
    assert len(read) == 61


def test_race_of_another_study_begins_anew():
    pruner = RacingPruner(6)
    assert pruner.prune(study_of(FOLDS), running({5: 0.0}))
    assert not pruner.prune(study_of([(0.0, 0.1), (0.0, 0.2), (0.0, 0.3)]), running({5: 0.0}))
    copied = pickle.loads(pickle.dumps(pruner))  # for another process, without the trials
    assert vars(copied) == {"epochs_per_fold": 6, "_race": None}


def test_infinite_scores_end_no_trial():
    """The spread of a trial with an infinite score is not known."""
    study = study_of([*FOLDS, (-np.inf, 0.5, 0.5)])
    for _ in range(2):
        assert not RacingPruner(6).prune(study, running({5: -100.0}))
        study.add_trial(create_trial(value=0.1, intermediate_values={5: 0.1, 11: 0.1, 17: 0.1}))
