"""Samplers by name, and draws that are screened."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler, TPESampler

from skcnn.model_selection import _samplers
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


@pytest.mark.parametrize("name", ["tpe", "random"])
def test_names_are_samplers_with_a_seed_a_trial(name):
    kind = RandomSampler if name == "random" else TPESampler
    assert type(sampler_for(name, 0, 0)) is kind
    first, again = (draws(sampler_for(name, 3, 7)) for _ in range(2))
    assert first == again
    assert draws(sampler_for(name, 3, 8)) != first
    assert draws(sampler_for(name, 4, 7)) != first


def test_without_a_seed_draws_differ():
    assert draws(sampler_for("tpe", None, 0)) != draws(sampler_for("tpe", None, 0))


def test_given_sampler_is_used():
    sampler = RandomSampler(seed=0)
    assert sampler_for(sampler, 5, 3) is sampler


def test_tpe_learns_after_the_random_trials():
    space = {"x": FloatDistribution(0, 1)}
    study = optuna.create_study(direction="maximize")
    for i in range(60):
        study.sampler = sampler_for("tpe", 0, i)
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


def test_last_draw_is_taken_if_none_is_accepted():
    tried = []
    screened = ScreenedSampler(RandomSampler(seed=0), SPACE, lambda values: tried.append(values))
    [drawn] = draws(screened, n=1)
    assert len(tried) == MOST_DRAWS
    assert drawn == tried[-1]


def test_untried_point_is_taken_if_no_draw_is_accepted():
    point = {"x": 0.5, "n": 2}
    screened = ScreenedSampler(
        RandomSampler(seed=0), SPACE, lambda values: False, untried=lambda: point
    )
    assert draws(screened, n=1) == [point]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_choices_of_one_are_screened_too(sampler, monkeypatch):
    monkeypatch.setattr(_samplers, "STARTUP_TRIALS", 2)
    space = {
        "only": CategoricalDistribution(["a"]),
        "none": CategoricalDistribution([None]),
        "five": IntDistribution(5, 5),
        "x": FloatDistribution(0, 1),
    }
    seen = []
    screened = ScreenedSampler(
        sampler_for(sampler, 0, 0), space, lambda values: seen.append(values) or True
    )
    study = optuna.create_study(sampler=screened)
    for _ in range(5):
        trial = study.ask(space)
        study.tell(trial, trial.params["x"])
        assert (trial.params["only"], trial.params["none"], trial.params["five"]) == ("a", None, 5)
    assert all(values["five"] == 5 and values["only"] == "a" for values in seen)


def test_enqueued_values_are_not_drawn():
    study = optuna.create_study(
        sampler=ScreenedSampler(RandomSampler(seed=0), SPACE, lambda values: False)
    )
    study.enqueue_trial({"x": 0.25})
    params = study.ask(SPACE).params
    assert params["x"] == 0.25
    assert params["n"] in range(4)
