"""Devices with too little memory for more than some samples, as torch reports it."""

import torch

from skcnn._network import prediction
from skcnn._training.engine import ConvNetEngine
from skcnn.inspection._hooked_network import HookedNetwork

ERRORS = {
    "CUDA": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 9 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "Python": MemoryError(),
    "cuDNN": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
}


def limited(function, most, refused=None, error=ERRORS["CUDA"]):
    """Return `function` of a batch, which raises for more than `most` samples.

    The numbers of samples for which it raised are appended to `refused`.
    """

    def run(x, *args, **kwargs):
        if len(x) > most:
            if refused is not None:
                refused.append(len(x))
            raise error
        return function(x, *args, **kwargs)

    return run


def limit_predictions(monkeypatch, most, refused=None, error=ERRORS["CUDA"]):
    """Let passes of predictors that are made from now on have at most so many samples."""
    make = prediction.prediction_network

    def make_limited(*args):
        return limited(make(*args), most, refused, error)

    monkeypatch.setattr(prediction, "prediction_network", make_limited)


def limit_training(monkeypatch, most, refused=None, error=ERRORS["CUDA"]):
    """Let training steps of all engines have at most so many samples."""
    infer = ConvNetEngine.infer

    def run(self, x, **kwargs):
        return limited(lambda x: infer(self, x, **kwargs), most, refused, error)(x)

    monkeypatch.setattr(ConvNetEngine, "infer", run)


def limit_inspection(monkeypatch, most, refused=None, error=ERRORS["CUDA"]):
    """Let passes of networks that are inspected have at most so many rows."""
    run = HookedNetwork.run

    def run_limited(self, rows, hooks=None, n_rows=None):
        if (self.chunk if n_rows is None else n_rows) > most:
            if refused is not None:
                refused.append(n_rows)
            raise error
        return run(self, rows, hooks, n_rows)

    monkeypatch.setattr(HookedNetwork, "run", run_limited)
