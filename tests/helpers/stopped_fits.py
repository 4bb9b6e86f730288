"""Fits that are stopped after some training steps in this process, and what their results are."""

import numpy as np
import torch

from skcnn._training.engine import ConvNetEngine

TIMES = ["seconds", "samples_per_second"]


class Stop(BaseException):
    """Ends a fit as a kill would, but for what a fit does after exceptions."""


def stop_after(monkeypatch, n_steps, error=Stop):
    """Let the training raise `error` in the step after so many steps, until the test undoes it."""
    done = []
    clip = ConvNetEngine.clip_gradient

    def counted(self):
        if len(done) == n_steps:
            raise error
        done.append(None)
        clip(self)

    monkeypatch.setattr(ConvNetEngine, "clip_gradient", counted)


def stopped(monkeypatch, model, n_steps, *data, error=Stop, **arguments):
    """Fit, stop after so many steps, and return the model."""
    with monkeypatch.context() as patched:
        stop_after(patched, n_steps, error)
        try:
            model.fit(*data, **arguments)
        except error:
            return model
    raise AssertionError("the fit was over before")


def count_epochs(monkeypatch):
    """Return a list that gets an entry in each epoch of any training."""
    epochs = []
    train_epoch = ConvNetEngine._train_epoch

    def counted(self, *args):
        epochs.append(None)
        return train_epoch(self, *args)

    monkeypatch.setattr(ConvNetEngine, "_train_epoch", counted)
    return epochs


def result_of(net):
    """Return all that a fit determines, as arrays and plain values."""
    return {
        **{name: _array(each) for name, each in net.net_.module_.state_dict().items()},
        "history": net.history_.drop(columns=TIMES).to_numpy(),
        "epochs": (net.n_iter_, net.best_epoch_, net._weights_epoch, net.unfreezing_),
    }


def _array(tensor):
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()


def assert_same(net, expected):
    """Assert that two results are equal bit for bit."""
    found = result_of(net)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
