"""Loops in torch: as a tutorial writes them, and tuned by hand; the matrix-product peak."""

import contextlib
import functools
import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from _nets import N_CLASSES, NETS, n_values, shapes
from _protocol import SETTINGS, clocked, load, median_seconds, serve
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from torch import nn

torch.set_num_threads(SETTINGS["threads"])
TUNED = SETTINGS.get("tuned", False)
BFLOAT16 = SETTINGS.get("precision") == "bfloat16"
PEAK_SECONDS = 0.25


def plain_module(net):
    """The network as a tutorial writes it."""
    before, parts = NETS[net]["shape"][-1], []
    one_axis = len(NETS[net]["shape"]) == 2
    conv, pooling = (nn.Conv1d, nn.MaxPool1d) if one_axis else (nn.Conv2d, nn.MaxPool2d)
    for filters, kernel, pool in NETS[net]["blocks"]:
        parts += [conv(before, filters, kernel, padding=kernel // 2), nn.ReLU(), pooling(pool)]
        before = filters
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(n_values(*shapes(net)[-1]), N_CLASSES))


class TunedModule(nn.Module):
    """The same function: pool before ReLU, flattening without a copy, signals as images."""

    def __init__(self, net):
        super().__init__()
        before, convs, self.pools = NETS[net]["shape"][-1], [], []
        lift = len(NETS[net]["shape"]) == 2
        for filters, kernel, pool in NETS[net]["blocks"]:
            size = (1, kernel) if lift else (kernel, kernel)
            convs.append(nn.Conv2d(before, filters, size, padding=tuple(k // 2 for k in size)))
            self.pools.append((1, pool) if lift else pool)
            before = filters
        self.convs = nn.ModuleList(convs)
        self.dense = nn.Linear(n_values(*shapes(net)[-1]), N_CLASSES)

    def forward(self, x):
        for conv, pool in zip(self.convs, self.pools, strict=True):
            x = F.relu(F.max_pool2d(conv(x), pool))
        return self.dense(x.permute(0, 2, 3, 1).flatten(1))


def channels_first(X, net):
    """Return a view of the bytes as (n_samples, n_channels, *spatial)."""
    return torch.from_numpy(X).view(len(X), *NETS[net]["shape"]).movedim(-1, 1)


def train_plain(X, y, net, batch, epochs):
    torch.manual_seed(0)
    module = plain_module(net)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001)
    images = channels_first(X, net).float().contiguous() / 255
    labels = torch.from_numpy(y)
    for _ in range(epochs):
        for index in torch.randperm(len(X)).split(batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(module(images[index]), labels[index])
            loss.backward()
            optimizer.step()


def train_tuned(X, y, net, batch, epochs):
    torch.manual_seed(0)
    module = TunedModule(net).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001, fused=True)
    rows, labels = torch.from_numpy(X.reshape(len(X), -1)), torch.from_numpy(y)
    *size, channels = NETS[net]["shape"]
    height, width = (1, *size)[-2:]
    autocast = torch.autocast("cpu", torch.bfloat16) if BFLOAT16 else contextlib.nullcontext()
    for _ in range(epochs):
        for index in torch.randperm(len(X)).split(batch):
            images = rows.index_select(0, index).view(-1, height, width, channels)
            images = images.permute(0, 3, 1, 2).float().mul_(1 / 255)  # (B, C, H, W)
            optimizer.zero_grad(set_to_none=True)
            with autocast:
                logits = module(images)
            F.cross_entropy(logits.float(), labels.index_select(0, index)).backward()
            optimizer.step()


def fit(data, net, batch, epochs, samples=None):
    X, y = load(data, samples)
    train = train_tuned if TUNED else train_plain
    return {"seconds": clocked(train, X, y, net, batch, epochs), "samples": len(X)}


def cross_validate(net, batch, epochs, folds):
    """Time the training of all folds alone: no estimator, no scaling, no scores."""
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.uint8).reshape(len(X), *NETS[net]["shape"])
    parts = [(X[train], y[train]) for train, _ in StratifiedKFold(folds).split(X, y)]
    start = time.perf_counter()
    for images, labels in parts:
        train_tuned(images, labels, net, batch, epochs)
    return {"seconds": time.perf_counter() - start}


@functools.cache
def module_of(net):
    return plain_module(net).eval()


def probabilities(X, net, batch):
    module = module_of(net)
    with torch.inference_mode():
        images = channels_first(X, net).float().contiguous() / 255
        return torch.cat([module(part).softmax(1) for part in images.split(batch)]).numpy()


def predict(data, net, batch):
    X, _ = load(data)
    return {"seconds": clocked(probabilities, X, net, batch), "samples": len(X)}


def predict_one(data, net, repeats):
    X = load(data)[0][:1]
    return {"seconds": median_seconds(lambda: probabilities(X, net, 1), repeats)}


def peak(sizes):
    """Return the best multiply-accumulates a second of square matrix products."""
    dtype = torch.bfloat16 if BFLOAT16 else torch.float32
    best = {}
    for n in sizes:
        a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
        end = time.perf_counter() + PEAK_SECONDS
        seconds = [clocked(torch.mm, a, b)]
        while time.perf_counter() < end:
            seconds.append(clocked(torch.mm, a, b))
        best[n] = n**3 / min(seconds)
    return {"macs": max(best.values()), "sizes": best}


TASKS = {
    "fit": fit, "predict": predict, "predict_one": predict_one, "peak": peak,
    "cross_validate": cross_validate,
}  # fmt: skip

if __name__ == "__main__":
    serve(TASKS, ("torch", "numpy"))
