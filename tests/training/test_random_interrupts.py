"""Ctrl-C and lack of memory at random moments: the state of the estimator and the process."""

import random
import signal
import sys
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from skcnn._utils import memory, process_settings, threads
from tests.helpers.small_fits import data, tiny

EPOCHS = 4
HOW = {"max_epochs": EPOCHS, "lr_schedule": "constant", "filters": (2,), "hidden_units": ()}
X, Y = data(n=24)


def predictions(model):
    return model.predict_proba(X)


@pytest.fixture(scope="module")
def after_epochs():
    """Predictions after each number of epochs, and after a call of partial_fit."""
    models = {n: tiny(**HOW | {"max_epochs": n}).fit(X, Y) for n in range(1, EPOCHS + 1)}
    found = {n: predictions(model) for n, model in models.items()}
    found["2, partial"] = found[2]
    return found | {"3, partial": predictions(models[2].partial_fit(X, Y))}


def n_calls(action):
    """Return how many functions an action calls and leaves."""
    return run_until(action, None, None)


def run_until(action, moment, raises):
    """Run `action`, and `raises` once so many functions were called or left; return their number."""
    n = 0

    def profile(frame, event, argument):
        nonlocal n
        n += 1
        if n == moment:
            raises()

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return n


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def no_memory():
    raise MemoryError


def state_of_process():
    return {
        "handler": signal.getsignal(signal.SIGINT),
        "threads": torch.get_num_threads(),
        "thread blocks": [*threads._blocks],
        "settings": [*process_settings._blocks],
        "memory": memory._n_inside,
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
    }


def check_new_fit(moment, raises, after_epochs):
    model, before = tiny(**HOW), state_of_process()
    with suppress(KeyboardInterrupt, MemoryError):
        run_until(lambda: model.fit(X, Y), moment, raises)
        assert model.n_iter_ == EPOCHS
    if raises is ctrl_c:  # which waits for the end of what cleans up
        assert state_of_process() == before
    if not hasattr(model, "net_"):
        with pytest.raises(NotFittedError):
            model.predict(X)
        return
    np.testing.assert_array_equal(predictions(model), after_epochs[model.n_iter_])
    assert len(model.history_) == len(model.net_.history) == model.n_iter_
    assert not model.net_.module_.training
    assert model.partial_fit(X, Y).n_iter_ == len(model.history_)


def check_partial_fit(moment, raises, after_epochs):
    model, before = tiny(**HOW | {"max_epochs": 2}).fit(X, Y), state_of_process()
    with suppress(KeyboardInterrupt, MemoryError):
        run_until(lambda: model.partial_fit(X, Y), moment, raises)
    if raises is ctrl_c:  # which waits for the end of what cleans up
        assert state_of_process() == before
    np.testing.assert_array_equal(predictions(model), after_epochs[f"{model.n_iter_}, partial"])
    assert len(model.history_) == len(model.net_.history) == model.n_iter_


def check_second_fit(moment, raises, after_epochs):
    model = tiny(**HOW | {"max_epochs": 1}).fit(X[:12], Y[:12])
    before, state = predictions(model), state_of_process()
    with suppress(KeyboardInterrupt, MemoryError):
        run_until(lambda: model.set_params(**HOW).fit(X, Y), moment, raises)
    if raises is ctrl_c:
        assert state_of_process() == state
    if not hasattr(model, "net_"):
        assert not {"n_iter_", "history_", "n_parameters_"} & {*vars(model)}
        with pytest.raises(NotFittedError):
            model.predict(X)
        return
    assert len(model.history_) == len(model.net_.history) == model.n_iter_
    is_old = np.array_equal(predictions(model), before)
    assert is_old or np.array_equal(predictions(model), after_epochs[model.n_iter_])


CHECKS = {
    "fit": (check_new_fit, lambda: tiny(**HOW).fit(X, Y)),
    "second fit": (check_second_fit, lambda: tiny(**HOW).fit(X, Y)),
    "partial_fit": (check_partial_fit, lambda: tiny(**HOW).partial_fit(X, Y, classes=[0, 1])),
}
RAISES = {"ctrl-c": ctrl_c, "no memory": no_memory}
each_case = [
    pytest.mark.parametrize("name", CHECKS),
    pytest.mark.parametrize("raises", RAISES.values(), ids=RAISES),
    # Python ignores an exception that comes in the end of a generator
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # a batch of few samples is computed in parts for lack of memory
    pytest.mark.filterwarnings("ignore::skcnn.exceptions.OutOfMemoryWarning"),
]


@contextmanager
def handler_put_back():
    """Put Ctrl-C's handler back, which an error inside `signal.signal` leaves in place."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def check_moments(name, raises, after_epochs, n, seed):
    check, action = CHECKS[name]
    for moment in random.Random(seed).sample(range(1, n_calls(action) + 1), n):
        with handler_put_back():
            check(moment, raises, after_epochs)


def each(test):
    for mark in each_case:
        test = mark(test)
    return test


@each
def test_an_error_at_any_moment_leaves_a_finished_epoch(name, raises, after_epochs):
    check_moments(name, raises, after_epochs, 8, seed=0)


@pytest.mark.slow
@each
def test_an_error_at_many_moments_leaves_a_finished_epoch(name, raises, after_epochs):
    check_moments(name, raises, after_epochs, 400, seed=1)


def test_ctrl_c_at_any_line_drops_all_of_the_earlier_fit_or_nothing():
    model = tiny(**HOW).fit(X, Y)
    fitted = {name: value for name, value in vars(model).items() if name.endswith("_")}
    n_lines = run_to_line(model._forget, None, None)
    for moment in range(1, n_lines + 1):
        vars(model).update(fitted)
        with pytest.raises(KeyboardInterrupt):
            run_to_line(model._forget, moment, ctrl_c)
        assert sum(name in vars(model) for name in fitted) in {0, len(fitted)}


def run_to_line(action, moment, raises):
    """Call a method, `raises` before its line at that moment, and return how many lines it ran."""
    n = 0

    def trace(frame, event, argument):
        nonlocal n
        if frame.f_code is not action.__code__:
            return None
        if event == "line":
            n += 1
            if n == moment:
                raises()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return n
