"""What callbacks remember between epochs."""

import copy

import numpy as np
import pytest
import torch
from sklearn.callback import ProgressBar
from skorch.callbacks import EarlyStopping

from skcnn._training.checkpointing.callback_state import CallbackStates
from skcnn._training.checkpointing.values import decoded, encoded
from skcnn.exceptions import ModelFileError, UnsupportedModelError
from skcnn.model_selection._callbacks import EpochWatcher


class Remembers:
    def __init__(self):
        self.numbers = [1]
        self.names = {"a": 1}
        self.weights = torch.ones(2)
        self.describe = print


def kept(states):
    node, arrays = encoded(states.get())
    return decoded(node, dict(arrays))


def test_attributes_are_set_and_lists_keep_their_identity():
    callback = Remembers()
    states = CallbackStates([ProgressBar(), callback])
    numbers, names = callback.numbers, callback.names
    before = kept(states)
    callback.numbers.append(2)
    callback.names["b"] = 2
    callback.weights = callback.weights * 2
    callback.new = 5
    after = kept(states)
    states.check(before)
    assert not states.set(before, 1, 3)
    assert (callback.numbers, callback.names) == ([1], {"a": 1})
    assert callback.numbers is numbers
    assert callback.names is names
    assert torch.equal(callback.weights, torch.ones(2))
    assert not hasattr(callback, "new")
    assert callback.describe is print
    states.set(after, 2, 3)
    assert (callback.numbers, callback.names, callback.new) == ([1, 2], {"a": 1, "b": 2}, 5)
    callback.numbers.append(3)
    assert after[0]["state"]["numbers"] == [1, 2]  # which may be written again


def test_a_state_is_a_copy():
    callback = Remembers()
    states = CallbackStates([callback])
    state = states.get()
    callback.numbers.append(2)
    callback.weights += 1
    assert state[0]["state"]["numbers"] == [1]
    assert torch.equal(state[0]["state"]["weights"], torch.ones(2))


def test_skorch_s_early_stopping_is_kept():
    callback = EarlyStopping("train_loss")
    callback.on_train_begin(None)
    states = CallbackStates([callback])
    callback.misses_, callback.dynamic_threshold_ = 3, np.float64(0.5)
    state = kept(states)
    other = EarlyStopping("train_loss")
    other.on_train_begin(None)
    CallbackStates([other]).set(state, 1, 2)
    assert (other.misses_, other.dynamic_threshold_) == (3, 0.5)


def test_changed_objects_are_refused():
    callback = Remembers()
    states = CallbackStates([callback])
    callback.describe = repr
    with pytest.raises(UnsupportedModelError, match="Remembers has changed its attribute 'descri"):
        states.get()


def test_states_of_other_callbacks_are_refused():
    states = CallbackStates([Remembers()])
    state = kept(states)
    for wrong in ([], [*state, *state], [{"kind": "Other", "state": {}}]):
        with pytest.raises(ModelFileError, match="its callbacks are not those"):
            states.check(wrong)
    state[0]["state"] = 5
    with pytest.raises(ModelFileError, match="its callbacks are not those"):
        states.check(state)


def test_the_watcher_of_a_search_is_told_the_epochs_before():
    heard = []

    def listener(epoch, n_epochs, snapshot):
        heard.append((epoch, n_epochs, snapshot))
        return epoch == 1

    watcher = EpochWatcher(listener)
    watcher.scores.update({0: np.float64(0.5), 1: float("nan")})
    state = kept(CallbackStates([watcher]))
    other = EpochWatcher(listener)
    other.listener = listener
    assert CallbackStates([other]).set(copy.deepcopy(state), 3, 7)
    assert heard == [(0, 7, None), (1, 7, None)]
    assert other.scores[0] == 0.5
    assert np.isnan(other.scores[1])
