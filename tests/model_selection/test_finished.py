"""Trials that have finished since the last look."""

import optuna
from optuna.trial import TrialState, create_trial

from skcnn.model_selection._finished import NewlyFinished


def numbers(trials):
    return [trial.number for trial in trials]


def test_each_finished_trial_is_returned_once():
    study = optuna.create_study()
    reader = NewlyFinished()
    assert reader.among(study.get_trials()) == []
    asked = [study.ask() for _ in range(4)]
    study.enqueue_trial({})
    study.tell(asked[2], 1.0)
    assert numbers(reader.among(study.get_trials())) == [2]
    assert numbers(reader.unfinished) == [0, 1, 3, 4]
    assert reader.among(study.get_trials()) == []
    study.tell(asked[3], state=TrialState.FAIL)
    study.tell(asked[0], state=TrialState.PRUNED)
    study.add_trial(create_trial(value=0.5))
    assert numbers(reader.among(study.get_trials())) == [0, 3, 5]
    assert numbers(reader.unfinished) == [1, 4]


def test_finished_trials_are_not_looked_at_again():
    class Watched(list):
        def __iter__(self):
            raise AssertionError("all trials are read")

        def __getitem__(self, place):
            looked_at.append(place)
            return super().__getitem__(place)

    study, looked_at = optuna.create_study(), []
    study.add_trials([create_trial(value=0.0)] * 50)
    running = study.ask()
    reader = NewlyFinished()
    assert len(reader.among(Watched(study.get_trials()))) == 50
    study.add_trial(create_trial(value=0.0))
    looked_at.clear()
    assert numbers(reader.among(Watched(study.get_trials()))) == [51]
    assert looked_at == [running.number, slice(51, None)]
