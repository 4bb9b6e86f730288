"""One GPU: skcnn beside loops in torch, plain, captured in a CUDA graph, and compiled.

With the setting "device" of "cpu" everything but the graphs runs there, to check the script.
"""

import statistics
import time
from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from _nets import NETS
from _protocol import SETTINGS, load, serve
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from torch_worker import TunedModule, channels_first, plain_module

from skcnn import ConvNetClassifier, recipe
from skcnn._training.cuda import switch
from skcnn.layers import Conv, Pool

DEVICE = torch.device(SETTINGS.get("device", "cuda"))
ON_GPU = DEVICE.type == "cuda"
WARM_STEPS = 3  # before a capture, on a stream of its own
ADAM = {
    "optimizer": "adam", "learning_rate": 0.001, "lr_schedule": "constant", "weight_decay": 0.0,
    "random_state": 0, "device": str(DEVICE), "calibration": None,
}  # fmt: skip


def finished():
    """Return the time once everything on the device is done."""
    if ON_GPU:
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(work, *args):
    start = finished()
    work(*args)
    return finished() - start


def low_precision(precision):
    if precision == "float32":
        return nullcontext()
    return torch.autocast(DEVICE.type, torch.bfloat16, cache_enabled=not ON_GPU)


# Training steps of loops: each returns a function that trains on the samples of an index.


def plain_step(X, y, net, batch, precision):
    """A step as a tutorial writes it, on data that are on the device."""
    module = plain_module(net).to(DEVICE)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001)
    images = channels_first(X, net).to(DEVICE).float().contiguous() / 255
    labels = torch.from_numpy(y).to(DEVICE)

    def step(index):
        optimizer.zero_grad()
        F.cross_entropy(module(images[index]), labels[index]).backward()
        optimizer.step()

    return step


def _tuned(X, y, net, capturable):
    module = TunedModule(net).to(DEVICE, memory_format=torch.channels_last)
    how = {"capturable": True} if capturable else {}
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001, fused=True, **how)
    rows = torch.from_numpy(X.reshape(len(X), -1)).to(DEVICE)
    return module, optimizer, rows, torch.from_numpy(y).to(DEVICE)


def _batch_of(rows, index, net):
    *size, channels = NETS[net]["shape"]
    images = rows.index_select(0, index).view(-1, *(1, *size)[-2:], channels)
    return images.permute(0, 3, 1, 2).float().mul_(1 / 255)  # (B, C, H, W)


def graph_step(X, y, net, batch, precision):
    """The hand-tuned step, captured once and replayed."""
    module, optimizer, rows, labels = _tuned(X, y, net, capturable=True)
    static = torch.arange(batch, device=DEVICE)

    def compute():
        with low_precision(precision):
            logits = module(_batch_of(rows, static, net))
        F.cross_entropy(logits.float(), labels.index_select(0, static)).backward()
        optimizer.step()

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_STEPS):
            optimizer.zero_grad(set_to_none=True)
            compute()
    torch.cuda.current_stream().wait_stream(stream)
    optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        compute()

    def step(index):
        if len(index) == batch:  # the others are left out
            static.copy_(index)
            graph.replay()

    return step


def compiled_step(X, y, net, batch, precision):
    """The hand-tuned step with torch's compiler, which captures graphs of its own."""
    module, optimizer, rows, labels = _tuned(X, y, net, capturable=False)
    how = {"mode": "reduce-overhead"} if ON_GPU else {}
    compiled = torch.compile(module, dynamic=False, **how)

    def step(index):
        if len(index) == batch:
            optimizer.zero_grad(set_to_none=True)
            with low_precision(precision):
                logits = compiled(_batch_of(rows, index, net))
            F.cross_entropy(logits.float(), labels.index_select(0, index)).backward()
            optimizer.step()

    return step


STEPS = {"plain": plain_step, "graph": graph_step, "compiled": compiled_step}


def train_loop(data, net, contender, batch, precision, epochs):
    """Return the images a second of the epochs of a loop, after one to warm up."""
    X, y = load(data)
    torch.manual_seed(0)
    step = STEPS[contender](X, y, net, batch, precision)

    def epoch():
        for index in torch.randperm(len(X), device=DEVICE).split(batch):
            step(index)

    epoch()
    n = len(X) // batch * batch
    return {"rates": [n / seconds_of(epoch) for _ in range(epochs)]}


def layers(net):
    parts = []
    for filters, kernel, pool in NETS[net]["blocks"]:
        parts += [Conv(filters, kernel, activation="relu"), Pool(pool)]
    return tuple(parts)


def classifier(net, **params):
    return ConvNetClassifier(architecture=layers(net), **{**ADAM, **params})


def train_ours(data, net, batch, precision, epochs, graphs):
    """Return the images a second of the epochs of a fit but the first, and of the whole fit."""
    X, y = load(data)
    with switch.captured_steps(graphs):
        model = classifier(net, batch_size=batch, max_epochs=epochs + 1, precision=precision)
        seconds = seconds_of(model.fit, X, y)
    rates = model.history_["samples_per_second"].tolist()[1:]
    return {"rates": rates, "whole": len(X) * (epochs + 1) / seconds, "device": model.device_}


def predict(data, net, repeats):
    """Return seconds of predictions: ours and the bare module's, of all images and of one."""
    X, y = load(data)
    model = classifier(net, max_epochs=1, precision="float32").fit(X[:1024], y[:1024])
    module = model.net_.module_.eval()
    images = channels_first(X, net)

    def bare(images):
        with torch.inference_mode():
            parts = [module(part.to(DEVICE)) for part in images.split(4096)]
            return torch.cat(parts).softmax(1).cpu()

    works = {
        "ours": lambda: model.predict_proba(X),
        "bare": lambda: bare(images),
        "ours, one": lambda: model.predict_proba(X[:1]),
        "bare, one": lambda: bare(images[:1]),
    }
    for work in works.values():
        work()
    return {
        name: statistics.median(seconds_of(work) for _ in range(repeats))
        for name, work in works.items()
    } | {"samples": len(X)}


def folds(epochs=None):
    """Return the seconds of five folds of the default network on digits."""
    X, y = load_digits(return_X_y=True)
    model = ConvNetClassifier(
        input_shape=(8, 8), calibration=None, random_state=0, device=str(DEVICE)
    )
    if epochs is not None:
        model.set_params(max_epochs=epochs)
    start = finished()
    scores = cross_val_score(model, X, y, cv=5)
    return {"seconds": finished() - start, "accuracy": scores.mean()}


def cifar(data, samples=None, params=None):
    """Return seconds and accuracy of the recipe, twice, and the seconds of five folds."""
    X, y, X_test, y_test = load(data, samples)
    params = {**recipe("cifar-fast"), "calibration": None, "device": str(DEVICE), **(params or {})}
    fits, scores = [], []
    for seed in range(2):  # the first one warms up
        model = ConvNetClassifier(**params, random_state=seed)
        fits.append(seconds_of(model.fit, X, y))
        scores.append(model.score(X_test, y_test))
    start = finished()
    cross_val_score(ConvNetClassifier(**params, random_state=0), X, y, cv=5)
    return {"fits": fits, "accuracies": scores, "folds": finished() - start}


def large(shapes):
    """Return seconds and gibibytes on the device of fits and predictions of large samples."""
    rows = {}
    for shape in shapes:
        rng = np.random.default_rng(0)
        X = rng.integers(0, 256, (4, *shape), dtype=np.uint8)
        params = {"n_spatial_dims": 3} if len(shape) == 3 and shape[-1] > 3 else {}
        if len(shape) == 1:
            X = X[..., None]
            params = {"n_spatial_dims": 1}
        if ON_GPU:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        model = ConvNetClassifier(max_epochs=1, random_state=0, device=str(DEVICE), **params)
        fit = seconds_of(model.fit, X, [0, 1, 0, 1])
        predicted = seconds_of(model.predict, X)
        most = torch.cuda.max_memory_reserved() / 2**30 if ON_GPU else float("nan")
        rows["x".join(map(str, shape))] = {"fit": fit, "predict": predicted, "gibibytes": most}
    return rows


TASKS = {
    "train_loop": train_loop, "train_ours": train_ours, "predict": predict, "folds": folds,
    "cifar": cifar, "large": large,
}  # fmt: skip

if __name__ == "__main__":
    serve(TASKS, ("torch", "numpy"))
