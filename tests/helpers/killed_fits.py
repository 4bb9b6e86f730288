"""Fits in processes of their own, which are killed at any moment and begun again."""

import hashlib
import time
from multiprocessing.connection import wait

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier, ConvNetSearchCV
from skcnn._training.engine import ConvNetEngine
from skcnn.augmentation import RandomRotation, RandomTranslation
from tests.helpers.processes import tell_parent, until

TIMES = ("seconds", "samples_per_second")


def digest(model):
    """Return texts of all that a fit determines: weights, predictions, history and epochs."""
    X, _ = samples()
    net = model[-1] if hasattr(model, "steps") else model
    weights = {name: each.numpy() for name, each in net.net_.module_.state_dict().items()}
    history = net.history_.drop(columns=[*TIMES])
    return {
        "weights": sha(*weights.values()),
        "predictions": sha(model.predict_proba(X)),
        "history": sha(history.to_numpy()),
        "epochs": (net.n_iter_, net.best_epoch_, net.unfreezing_),
    }


def sha(*arrays):
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:16]


def samples():
    X, y = load_digits(return_X_y=True)
    return X[:150].reshape(-1, 8, 8), y[:150] % 3


def augmented_net(**params):
    """Return a network with augmentation, early stopping, dropout and a schedule by the loss."""
    net = ConvNetClassifier(
        filters=(4, 8), hidden_units=(8,), conv_dropout=0.1, learning_rate=0.01,
        **{
            "max_epochs": 12, "early_stopping": True, "n_iter_no_change": 8,
            "lr_schedule": "plateau", "random_state": 0, "checkpoint_seconds": 0, "n_threads": 1,
            **params,
        },
    )  # fmt: skip
    return make_pipeline(RandomRotation(10), RandomTranslation(0.1), net)


def fitted(kind, path):
    """Fit, and return what the result is."""
    X, y = samples()
    if kind == "fit":
        return digest(augmented_net(checkpoint=path).fit(X, y))
    model = augmented_net(checkpoint=path, max_epochs=8)
    if kind == "cross_validate":
        found = cross_validate(model, X, y, cv=3, return_estimator=True)
        return [*found["test_score"].tolist(), *map(digest, found["estimator"])]
    space = {"convnetclassifier__dropout": (0.0, 0.5)}
    search = ConvNetSearchCV(model, space, n_trials=3, cv=2, random_state=0, verbose=0)
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    return [scores.tolist(), list(search.cv_results_["state"]), digest(search.best_estimator_)]


def work(kind, path):
    """Fit in a child: tell the parent when it begins, and return the result and the epochs."""
    trained = []
    train_epoch = ConvNetEngine._train_epoch

    def counted(self, *args):
        trained.append(None)
        return train_epoch(self, *args)

    ConvNetEngine._train_epoch = counted
    tell_parent("begins")
    return fitted(kind, path), len(trained)


def finished(start, kind, path):
    """Run a fit in a child to its end; return the result, the epochs and the seconds."""
    child = start(work, kind, path)
    assert child.hear() == "begins"
    begin = time.monotonic()
    result, n_epochs = child.hear()
    seconds = time.monotonic() - begin
    child.join()
    return result, n_epochs, seconds


def killed(start, kind, path, seconds):
    """Run a fit in a child and kill it after `seconds`; return whether it was not over."""
    child = start(work, kind, path)
    assert child.hear() == "begins"
    over = wait([child.connection, child.process.sentinel], timeout=seconds)
    child.kill()
    return not over


def killed_after_writing(start, kind, path):
    """Run a fit in a child, and kill it once it has written a file anew."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    child = start(work, kind, path)
    assert child.hear() == "begins"
    until(lambda: path.exists() and path.stat().st_mtime_ns != before)
    child.kill()


def whole(path):
    """Return the names of the files that are left beside a path."""
    return sorted(each.name for each in path.parent.iterdir())
