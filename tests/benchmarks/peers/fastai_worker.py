"""fastai's Learner on tensors."""

import re
import sys

import torch
from _protocol import SETTINGS, clocked, load, serve
from torch import library as operators

torch.set_num_threads(SETTINGS["threads"])
_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")


def import_torchvision():
    """Import torchvision, also where its own operators are built for another torch.

    fastai imports it; nothing here calls its operators, so that any schema will do.
    """
    library = operators.Library("torchvision", "FRAGMENT")
    while True:
        try:
            import torchvision  # noqa: F401
        except RuntimeError as error:
            missing = _MISSING.search(str(error))
            if missing is None:
                raise
            library.define(f"{missing[1]}(Tensor boxes) -> Tensor")
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]
        else:
            return library  # what it defines lasts as long as it does


LIBRARY = import_torchvision()

import fastai.callback.progress  # noqa: E402, F401  (gives a Learner its no_bar)
from fastai.basics import Adam, CrossEntropyLossFlat, DataLoaders, Learner  # noqa: E402
from torch.utils.data import TensorDataset  # noqa: E402
from torch_worker import channels_first, plain_module  # noqa: E402


def train(X, y, net, batch, epochs):
    torch.manual_seed(0)
    images = channels_first(X, net).float().contiguous() / 255
    labels = torch.from_numpy(y)
    # fit wants a validation set: one batch
    sets = (TensorDataset(images[:n], labels[:n]) for n in (len(X), batch))
    loaders = DataLoaders.from_dsets(*sets, bs=batch, num_workers=0, device="cpu")
    learner = Learner(
        loaders, plain_module(net), loss_func=CrossEntropyLossFlat(), opt_func=Adam, lr=0.001
    )
    with learner.no_bar(), learner.no_logging():
        learner.fit(epochs)


def fit(data, net, batch, epochs, samples=None):
    X, y = load(data, samples)
    return {"seconds": clocked(train, X, y, net, batch, epochs), "samples": len(X)}


if __name__ == "__main__":
    serve({"fit": fit}, ("fastai", "torch"))
