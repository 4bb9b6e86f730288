"""skcnn as a contender: whole fits, predictions, the cost of small fits."""

import functools
import statistics
import time

import numpy as np
import torch
from _nets import NETS
from _protocol import SETTINGS, clocked, load, median_seconds, serve
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skcnn import ConvNetClassifier
from skcnn.layers import Conv, Pool

torch.set_num_threads(SETTINGS["threads"])
ADAM = {
    "optimizer": "adam", "learning_rate": 0.001, "lr_schedule": "constant", "weight_decay": 0.0,
    "random_state": 0, "calibration": None,
}  # fmt: skip


def layers(net):
    parts = []
    for filters, kernel, pool in NETS[net]["blocks"]:
        parts += [Conv(filters, kernel, activation="relu"), Pool(pool)]
    return tuple(parts)


def classifier(net, **params):
    params = {"precision": SETTINGS.get("precision", "auto"), **ADAM, **params}
    return ConvNetClassifier(architecture=layers(net), **params)


def fit(data, net, batch, epochs, samples=None):
    X, y = load(data, samples)
    model = classifier(net, batch_size=batch, max_epochs=epochs)
    seconds = clocked(model.fit, X, y)
    rates = model.history_["samples_per_second"]
    return {
        "seconds": seconds, "samples": len(X),
        "epoch_rate": statistics.median(rates), "best_epoch_rate": max(rates),
    }  # fmt: skip


@functools.cache
def fitted(data, net):
    X, y = load(data, 512)
    return classifier(net, max_epochs=1).fit(X, y)


def predict(data, net, batch=None):
    (X, _), model = load(data), fitted(data, net)
    return {"seconds": clocked(model.predict_proba, X), "samples": len(X)}


def predict_one(data, net, how, repeats):
    """Time the estimator's predict_proba, or the bare module on a tensor that is ready."""
    X, model = load(data)[0][:1], fitted(data, net)
    if how == "predict":
        return {"seconds": median_seconds(lambda: model.predict_proba(X), repeats)}
    module = model.net_.module_.eval()
    image = torch.from_numpy(np.moveaxis(X.reshape(1, *NETS[net]["shape"]), -1, 1)).float()
    with torch.inference_mode():
        return {"seconds": median_seconds(lambda: module(image), repeats)}


def accuracy(data, recipe, seed, goal):
    """Time a whole fit; the score is taken after it."""
    X, y, X_test, y_test = load(data)
    model = ConvNetClassifier(**recipe, calibration=None, random_state=seed)
    seconds = clocked(model.fit, X, y)
    return {"seconds": seconds, "accuracy": model.score(X_test, y_test), "epochs": model.n_iter_}


def cross_validate(net, batch, epochs, folds):
    X, y = load_digits(return_X_y=True)
    side = NETS[net]["shape"][:2]
    model = make_pipeline(
        MinMaxScaler(), classifier(net, input_shape=side, batch_size=batch, max_epochs=epochs)
    )
    start = time.perf_counter()
    scores = cross_val_score(model, X, y, cv=folds)
    return {"seconds": time.perf_counter() - start, "accuracy": scores.mean()}


def one_batch_fit(net, samples, repeats):
    """Time fits of one epoch of one batch, and the same step in torch alone."""
    X, y = digits(samples)
    model = classifier(net, batch_size=samples, max_epochs=1)
    fit_seconds = median_seconds(lambda: model.fit(X, y), repeats)
    module = model.net_.module_.train()
    images, labels = torch.from_numpy(X[:, None]), torch.from_numpy(y).long()
    optimizer = torch.optim.Adam(module.parameters(), fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(module(images), labels).backward()
        optimizer.step()

    torch.set_num_threads(1)  # as the fit of so small a net
    step_seconds = median_seconds(step, 5 * repeats)
    torch.set_num_threads(SETTINGS["threads"])
    return {"seconds": fit_seconds - step_seconds, "fit": fit_seconds, "step": step_seconds}


def epochs_fit(net, batch, epochs):
    model = classifier(net, batch_size=batch, max_epochs=epochs)
    return {"seconds": clocked(model.fit, *digits())}


def digits(samples=None):
    X, y = load_digits(return_X_y=True)
    return X.astype(np.uint8).reshape(-1, 8, 8)[:samples], y[:samples]


TASKS = {
    "fit": fit, "predict": predict, "predict_one": predict_one, "accuracy": accuracy,
    "cross_validate": cross_validate, "one_batch_fit": one_batch_fit, "epochs_fit": epochs_fit,
}  # fmt: skip

if __name__ == "__main__":
    serve(TASKS, ("torch", "numpy", "scikit-learn", "skorch"))
