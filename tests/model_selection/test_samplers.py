"""Samplers by name, draws that are screened, pruners by name and the race between trials."""

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import (
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from skcnn.model_selection._pruners import RacingPruner, needs_lockstep, pruner_for
from skcnn.model_selection._samplers import MOST_DRAWS, ScreenedSampler, sampler_for

SPACE = {"x": FloatDistribution(0, 1), "n": IntDistribution(0, 3)}


@pytest.fixture(autouse=True)
def quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def draws(sampler, n=5, space=SPACE):
    study = optuna.create_study(sampler=sampler)
    return [study.ask(space).params for _ in range(n)]


# Samplers


@pytest.mark.parametrize("name", ["auto", "tpe", "random"])
def test_names_are_samplers_with_a_seed_a_trial(name):
    kind = RandomSampler if name == "random" else TPESampler
    assert type(sampler_for(name, 0, 0, 10)) is kind
    first, again = (draws(sampler_for(name, 3, 7, 10)) for _ in range(2))
    assert first == again
    assert draws(sampler_for(name, 3, 8, 10)) != first
    assert draws(sampler_for(name, 4, 7, 10)) != first


def test_without_a_seed_draws_differ():
    assert draws(sampler_for("auto", None, 0, 10)) != draws(sampler_for("auto", None, 0, 10))


def test_given_sampler_is_taken_as_it_is():
    sampler = RandomSampler(seed=0)
    assert sampler_for(sampler, 5, 3, 10) is sampler


def test_tpe_learns_after_the_random_trials():
    space = {"x": FloatDistribution(0, 1)}
    study = optuna.create_study(direction="maximize")
    for i in range(60):
        study.sampler = sampler_for("auto", 0, i, 10)
        trial = study.ask(space)
        study.tell(trial, -((trial.params["x"] - 0.3) ** 2))
    late = np.array([trial.params["x"] for trial in study.trials[30:]])
    assert np.median(np.abs(late - 0.3)) < 0.1  # 0.25 at random


# Screening


def test_draws_are_repeated_until_one_is_accepted():
    tried = []

    def accept(values):
        tried.append(dict(values))
        return values["n"] == 2 and values["x"] > 0.5

    screened = ScreenedSampler(RandomSampler(seed=0), SPACE, accept)
    drawn = draws(screened)
    assert all(values["n"] == 2 and values["x"] > 0.5 for values in drawn)
    assert len(tried) > 5
    assert all(set(values) == {"x", "n"} for values in tried)


def test_what_is_never_accepted_is_drawn_in_the_end():
    tried = []
    screened = ScreenedSampler(RandomSampler(seed=0), SPACE, lambda values: tried.append(values))
    [drawn] = draws(screened, n=1)
    assert len(tried) == MOST_DRAWS
    assert drawn == tried[-1]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_choices_of_one_are_screened_too(sampler):
    space = {
        "only": CategoricalDistribution(["a"]),
        "none": CategoricalDistribution([None]),
        "five": IntDistribution(5, 5),
        "x": FloatDistribution(0, 1),
    }
    seen = []
    screened = ScreenedSampler(
        sampler_for(sampler, 0, 0, 2), space, lambda values: seen.append(values) or True
    )
    study = optuna.create_study(sampler=screened)
    for _ in range(5):
        trial = study.ask(space)
        study.tell(trial, trial.params["x"])
        assert (trial.params["only"], trial.params["none"], trial.params["five"]) == ("a", None, 5)
    assert all(values["five"] == 5 and values["only"] == "a" for values in seen)


def test_what_is_in_line_is_not_drawn():
    study = optuna.create_study(
        sampler=ScreenedSampler(RandomSampler(seed=0), SPACE, lambda values: False)
    )
    study.enqueue_trial({"x": 0.25})
    params = study.ask(SPACE).params
    assert params["x"] == 0.25
    assert params["n"] in range(4)


# Pruners


@pytest.mark.parametrize(
    ("name", "kind", "in_lockstep"),
    [
        (None, NopPruner, False),
        ("auto", RacingPruner, False),
        ("racing", RacingPruner, False),
        ("median", MedianPruner, False),
        ("hyperband", HyperbandPruner, True),
        ("asha", SuccessiveHalvingPruner, True),
    ],
)
@pytest.mark.parametrize("n_epochs", [1, 10])
def test_names_are_pruners(name, kind, in_lockstep, n_epochs):
    pruner = pruner_for(name, n_epochs, True)
    assert type(pruner) is kind
    assert needs_lockstep(pruner) == in_lockstep


def test_given_pruner_is_copied():
    given = MedianPruner(n_startup_trials=3)
    assert type(pruner_for(given, 4, True)) is MedianPruner
    assert pruner_for(given, 4, True) is not given


def test_wrapped_pruners_are_looked_into():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert needs_lockstep(PatientPruner(SuccessiveHalvingPruner(), 1))
        assert not needs_lockstep(PatientPruner(MedianPruner(), 1))
        assert not needs_lockstep(PatientPruner(None, 1))


def test_pruners_need_one_score():
    assert type(pruner_for("auto", 3, False)) is NopPruner
    assert type(pruner_for(None, 3, False)) is NopPruner
    for given in ("racing", "median", "hyperband", MedianPruner()):
        with pytest.raises(ValueError, match="'pruner' parameter must be 'auto' or None unless"):
            pruner_for(given, 3, False)


def test_wilcoxon_is_refused():
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
def test_trial_is_out_where_it_is_behind_by_more_than_a_standard_error(n_folds):
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
