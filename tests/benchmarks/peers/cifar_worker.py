"""skcnn's recipe for CIFAR-10: a fit and its test accuracy."""

import io
import tarfile
import time

import numpy as np
import torch
from _protocol import SETTINGS, load, serve
from PIL import Image

import skcnn

torch.set_num_threads(SETTINGS["threads"])


def decode(archive, file):
    """Turn train/CLASS/*.jpg and test/CLASS/*.jpg of a tar archive into an npz file."""
    images, labels = {"train": [], "test": []}, {"train": [], "test": []}
    with tarfile.open(archive) as members:
        for member in members:
            part, label, name = (["", "", "", *member.name.split("/")])[-3:]
            if part not in images or not member.isfile() or name.startswith("."):
                continue
            picture = Image.open(io.BytesIO(members.extractfile(member).read())).convert("RGB")
            images[part].append(np.asarray(picture))
            labels[part].append(label)
    arrays = (images["train"], labels["train"], images["test"], labels["test"])
    np.savez(file, *map(np.array, arrays))
    return {"train": len(images["train"]), "test": len(images["test"])}


def fit(data, recipe, seed, params=None, samples=None):
    X, y, X_test, y_test = load(data, samples)
    own = skcnn.recipe(recipe)
    model = skcnn.ConvNetClassifier(**own, calibration=None, random_state=seed)
    model.set_params(**params or {})
    start = time.perf_counter()
    model.fit(X, y)
    fitted = time.perf_counter()
    score = model.score(X_test, y_test)
    scored = time.perf_counter()
    return {
        "seconds": fitted - start, "score_seconds": scored - fitted, "accuracy": score,
        "epochs": model.n_iter_,
    }  # fmt: skip


if __name__ == "__main__":
    serve({"decode": decode, "fit": fit}, ("torch", "pillow"))
