"""skorch as its users write it, and scikit-learn's MLPClassifier on flat pixels."""

import functools
import time
import warnings

import numpy as np
import torch
from _nets import NETS
from _protocol import SETTINGS, clocked, load, median_seconds, serve
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from skorch import NeuralNetClassifier
from torch import nn
from torch_worker import plain_module

torch.set_num_threads(SETTINGS["threads"])
MLP = SETTINGS.get("mlp", False)
warnings.simplefilter("ignore", ConvergenceWarning)


def classifier(net, batch, epochs):
    """Return skorch's classifier, silent and without its validation split, or the MLP."""
    if MLP:
        return MLPClassifier(max_iter=epochs, batch_size=batch, random_state=0)
    torch.manual_seed(0)
    return NeuralNetClassifier(
        plain_module, module__net=net, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam,
        lr=0.001, batch_size=batch, max_epochs=epochs, train_split=None, verbose=0,
    )  # fmt: skip


def as_input(X, net):
    """Return float32 pixels in 0 to 1: flat for the MLP, channels first for skorch."""
    X = X.reshape(len(X), *NETS[net]["shape"]).astype(np.float32) / 255
    return X.reshape(len(X), -1) if MLP else np.ascontiguousarray(np.moveaxis(X, -1, 1))


def fit(data, net, batch, epochs, samples=None):
    X, y = load(data, samples)
    work = lambda: classifier(net, batch, epochs).fit(as_input(X, net), y)  # noqa: E731
    return {"seconds": clocked(work), "samples": len(X)}


@functools.cache
def fitted(data, net):
    X, y = load(data, 512)
    return classifier(net, 128, 1).fit(as_input(X, net), y)


def predict(data, net):
    (X, _), model = load(data), fitted(data, net)
    seconds = clocked(lambda: model.predict_proba(as_input(X, net)))
    return {"seconds": seconds, "samples": len(X)}


def predict_one(data, net, repeats):
    X, model = load(data)[0][:1], fitted(data, net)
    return {"seconds": median_seconds(lambda: model.predict_proba(as_input(X, net)), repeats)}


def as_images(X):
    return X.reshape(-1, 1, 8, 8).astype(np.float32)


def cross_validate(net, batch, epochs, folds):
    X, y = load_digits(return_X_y=True)
    steps = [MinMaxScaler()] if MLP else [MinMaxScaler(), FunctionTransformer(as_images)]
    model = make_pipeline(*steps, classifier(net, batch, epochs))
    start = time.perf_counter()
    scores = cross_val_score(model, X, y, cv=folds)
    return {"seconds": time.perf_counter() - start, "accuracy": scores.mean()}


TASKS = {
    "fit": fit, "predict": predict, "predict_one": predict_one, "cross_validate": cross_validate,
}  # fmt: skip

if __name__ == "__main__":
    serve(TASKS, ("scikit-learn", "skorch", "torch"))
