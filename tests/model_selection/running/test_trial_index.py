"""The index of a study's trials, against a look at all of them."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from sklearn.dummy import DummyClassifier

from skcnn.model_selection._running.abandoned import interrupt
from skcnn.model_selection._running.records import TrialRecorder
from skcnn.model_selection._running.study import (
    INTERRUPTED,
    KEY,
    RETRY_OF,
    best_value,
    finished_trials,
    interrupted_numbers,
    is_counted,
)
from skcnn.model_selection._running.trial_index import TrialIndex
from skcnn.model_selection._spaces.base import INITIAL
from tests.helpers.searches import search_of

SPACE = {"random_state": (0, 10**6)}
KEYS = ["a", "b", "c", "d", "e"]


def check(index, study, before):
    """Compare an index with the study, all of whose trials are read."""
    trials = study.get_trials()
    interrupted = interrupted_numbers(study)
    counted = [trial for trial in trials if is_counted(trial, interrupted)]
    finished = finished_trials(study)
    complete = [trial for trial in finished if trial.state == TrialState.COMPLETE]
    sign = 1 if study.directions[0] == optuna.study.StudyDirection.MAXIMIZE else -1
    best = max(complete, key=lambda t: (sign * t.values[0], -t.number), default=None)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    assert index.n_counted == len(counted)
    assert index.n_finished == len(finished)
    assert index.best_value == best_value(study)
    assert (index.best and index.best.number) == (best and best.number)
    assert index.n_since_best == sum(best is None or t.number > best.number for t in finished)
    assert index.is_waiting() == any(trial.state == TrialState.WAITING for trial in trials)
    assert index.is_running() == any(trial.state == TrialState.RUNNING for trial in counted)
    assert [trial.number for trial in index.running] == [trial.number for trial in running]
    for key in KEYS:
        same = [trial.number for trial in counted if trial.user_attrs.get(KEY) == key]
        assert index.has(key) == bool(same)
        for number in (0, before, len(trials)):
            first = index.first_with(key, before=number)
            earlier = [each for each in same if each < number]
            assert (None if first is None else first.number) == next(iter(earlier), None)
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    left = [number for number in sorted(interrupted) if number not in retried]
    retry = index.next_retry()
    assert (None if retry is None else retry.number) == next(iter(left), None)
    begun = [trial.user_attrs[INITIAL] for trial in trials if INITIAL in trial.user_attrs]
    assert index.next_initial == max(begun, default=-1) + 1


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("seed", range(4))
def test_index_is_as_all_trials_after_any_steps(direction, seed):
    study = optuna.create_study(direction=direction)
    rng = np.random.default_rng(seed)
    index, late = TrialIndex(study), TrialIndex(study)
    running, returned, n_initial, retried = [], [], 0, 0
    for step in range(60):
        action = rng.integers(0, 8)
        if action == 0:
            study.enqueue_trial({}, user_attrs={INITIAL: n_initial})
            n_initial += 1
        elif action == 1 and len(left := interrupted_numbers(study)) > retried:
            study.enqueue_trial({}, user_attrs={RETRY_OF: left[retried]})
            retried += 1
        elif action <= 3:
            running.append(study.ask())
            if rng.random() < 0.8:
                running[-1].set_user_attr(KEY, KEYS[rng.integers(0, 5)])
        elif running:
            trial = running.pop(rng.integers(0, len(running)))
            if action == 4:
                interrupt(study, trial.number)
            elif action == 5:
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, float(rng.integers(0, 4)))
        returned += [trial.number for trial in index.refresh()]
        assert sorted(returned) == [trial.number for trial in finished_trials(study)]
        check(index, study, int(rng.integers(0, step + 2)))
    late.refresh()
    check(late, study, 30)


def test_marked_trial_that_still_runs_does_not_count():
    """Its worker died between the mark and the end of the trial."""
    study = optuna.create_study()
    trial = study.ask()
    trial.set_user_attr(KEY, "a")
    study.set_user_attr(INTERRUPTED, [trial.number])
    index = TrialIndex(study)
    index.refresh()
    check(index, study, 1)
    assert not index.has("a")
    assert [each.number for each in index.running] == [0]


@pytest.mark.parametrize("n_before", [4, 60])
def test_scans_of_the_storage_do_not_grow_with_the_trials(n_before, tmp_path, monkeypatch, digits):
    """A worker reads every finished trial once and asks the storage as often as at first."""
    search = search_of(DummyClassifier(), SPACE, storage=tmp_path / "journal", sampler="random")
    search.set_params(n_trials=n_before).fit(*digits)
    added, scans, add = [], [], TrialIndex._add

    def counted(self, trial):
        added.append(trial.number)
        add(self, trial)

    refresh = TrialIndex.refresh

    def scanned(self):
        scans.append(1)
        return refresh(self)

    monkeypatch.setattr(TrialIndex, "_add", counted)
    monkeypatch.setattr(TrialIndex, "refresh", scanned)
    search.set_params(n_trials=n_before + 3).fit(*digits)
    assert sorted(added) == list(range(n_before + 3))
    assert len(scans) == 3 * 4 + 1  # claim, duplicates, before and after the record; the end


def test_recorder_and_claims_share_an_index(digits, monkeypatch):
    seen_by_recorder = []
    tell = TrialRecorder._tell

    def watched(self, *args):
        tell(self, *args)
        seen_by_recorder.append(self.index.n_finished)

    monkeypatch.setattr(TrialRecorder, "_tell", watched)
    search_of(DummyClassifier(), SPACE, n_trials=3).fit(*digits)
    assert seen_by_recorder == [1, 2, 3]
