"""One GPU: training and prediction beside loops in torch, and what must hold there.

Without a GPU the section says so; with --quick it then runs on the CPU, without graphs, to be
checked itself.
"""

import statistics

import torch
from _peers import GPU, GPU_ON_CPU, PeerError
from _report import Bound, Table

from sections.cifar import decoded

NET = "mnist"
BATCHES = (128, 1024)
EPOCHS, REPEATS = 4, 5
IMAGES, QUICK_IMAGES = 60_000, 2_048
LOOPS = {
    "plain torch loop": ("plain", "float32"),
    "hand-tuned loop in a CUDA graph": ("graph", "float32"),
    "the same in bfloat16": ("graph", "bfloat16"),
    "torch.compile(mode='reduce-overhead'), bfloat16": ("compiled", "bfloat16"),
}
OURS = {
    "skcnn, auto precision": ("auto", False),
    "skcnn, float32": ("float32", False),
    "skcnn, auto precision, captured steps": ("auto", True),
    "skcnn, float32, captured steps": ("float32", True),
}
LARGE = ((128, 128, 128), (512, 512, 3), (100_000,))
QUICK_LARGE = ((16, 16, 16), (32, 32, 3), (500,))
MOST_GIBIBYTES = 8


def gpu(bench):
    """Measure on the GPU, if there is one."""
    has_gpu = torch.cuda.is_available()
    if not has_gpu:
        print("no GPU", flush=True)
        if not bench.quick:
            return
    where = GPU if has_gpu else GPU_ON_CPU
    data = bench.noise((28, 28, 1), QUICK_IMAGES if bench.quick else IMAGES)
    worker = bench.worker(where)
    for table in _tables(bench, worker, data, has_gpu):
        if not has_gpu:  # its bounds are those of a GPU
            table.bounds.clear()
        yield table


def _tables(bench, worker, data, has_gpu):
    for batch in BATCHES:
        yield _training(worker, data, batch, bench.quick, has_gpu)
    yield _prediction(worker, data)
    yield _folds(worker, bench.quick)
    yield _large(worker, bench.quick)
    if bench.options.cifar is not None:
        yield _cifar(worker, bench)


def _training(worker, data, batch, quick, has_gpu):
    epochs = 1 if quick else EPOCHS
    how = {"data": data, "net": NET, "batch": batch, "epochs": epochs}
    rates, failed = {}, {}
    for name, (precision, graphs) in OURS.items():
        if has_gpu or not graphs:
            answer = worker.ask("train_ours", precision=precision, graphs=graphs, **how)
            rates[name] = answer["rates"]
    for name, (contender, precision) in LOOPS.items():
        if contender == "plain" or has_gpu:
            try:
                answer = worker.ask("train_loop", contender=contender, precision=precision, **how)
                rates[name] = answer["rates"]
            except PeerError as error:
                failed[name] = str(error)
    best = {name: statistics.median(each) for name, each in rates.items()}
    plain = best["plain torch loop"]
    rows = [[name, f"{rate:,.0f}", f"{rate / plain:.2f}"] for name, rate in best.items()]
    rows += [[name, "failed", error[:60]] for name, error in failed.items()]
    return Table(
        f"GPU: training, 28x28x1, batches of {batch}",
        "Images a second: the median epoch after the first.",
        ["contender", "images/s", "of the plain loop"],
        rows,
        {name: [{"rate": rate} for rate in each] for name, each in rates.items()},
        list(_training_bounds(best, batch)),
    )


def _training_bounds(best, batch):
    ours = max(best[name] for name in OURS if name in best)
    graph = [best[name] for name, (kind, _) in LOOPS.items() if kind == "graph" and name in best]
    if batch == BATCHES[0]:
        yield Bound("skcnn / plain loop", ours / best["plain torch loop"], "least", 5)
    if graph:
        yield Bound("skcnn / hand-tuned loop in a graph", ours / max(graph), "least", 0.9)


def _prediction(worker, data):
    answer = worker.ask("predict", data=data, net=NET, repeats=REPEATS)
    n = answer["samples"]
    rows = [
        [f"{n:,} images", f"{n / answer['ours']:,.0f}/s", f"{n / answer['bare']:,.0f}/s"],
        [
            "one image",
            f"{1000 * answer['ours, one']:.2f} ms",
            f"{1000 * answer['bare, one']:.2f} ms",
        ],
    ]
    bounds = [
        Bound("skcnn / bare module", answer["bare"] / answer["ours"], "least", 0.9),
        Bound("one image / bare", answer["ours, one"] / answer["bare, one"], "most", 3),
    ]
    title = "GPU: prediction, from bytes in memory to probabilities"
    return Table(title, "", ["what", "skcnn", "bare module"], rows, {"": [answer]}, bounds)


def _folds(worker, quick):
    answer = worker.ask("folds", epochs=1 if quick else None)
    rows = [[f"{answer['seconds']:.2f}", f"{answer['accuracy']:.4f}"]]
    bounds = [Bound("five folds", answer["seconds"], "most", 2, " s")]
    title = "GPU: digits, five folds of the default network"
    return Table(title, "", ["seconds", "accuracy"], rows, {"": [answer]}, bounds)


def _large(worker, quick):
    answer = worker.ask("large", shapes=QUICK_LARGE if quick else LARGE)
    rows = [
        [name, *(f"{each[key]:.2f}" for key in ("fit", "predict", "gibibytes"))]
        for name, each in answer.items()
    ]
    bounds = [
        Bound(f"{name}, on the device", each["gibibytes"], "most", MOST_GIBIBYTES, " GiB")
        for name, each in answer.items()
        if each["gibibytes"] == each["gibibytes"]  # not NaN
    ]
    columns = ["four samples of", "seconds of a fit", "of a prediction", "GiB"]
    return Table("GPU: large samples by default", "", columns, rows, {"": [answer]}, bounds)


def _cifar(worker, bench):
    how = {"samples": 300, "params": {"max_epochs": 1}} if bench.quick else {}
    answer = worker.ask("cifar", data=decoded(bench), **how)
    fit = answer["fits"][-1]
    rows = [[f"{fit:.2f}", f"{answer['accuracies'][-1]:.4f}", f"{answer['folds']:.2f}"]]
    bounds = [Bound("five folds / one fit", answer["folds"] / fit, "most", 5)]
    columns = ["seconds of a fit", "test accuracy", "seconds of five folds"]
    title = 'GPU: CIFAR-10, recipe("cifar-fast")'
    return Table(title, "The second fit of the process.", columns, rows, {"": [answer]}, bounds)
