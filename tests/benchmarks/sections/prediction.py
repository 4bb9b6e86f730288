"""Predictions: ten thousand images, and one."""

from _peers import KERAS_JAX, KERAS_TENSORFLOW, MLP, PLAIN, SKCNN, SKORCH
from _report import Bound, Table
from _workers import Run, median, paired_ratio
from peers._nets import NETS

NET = "mnist"
IMAGES, QUICK_IMAGES = 10_000, 2_000
REPEATS, QUICK_REPEATS = 100, 20
LARGE = 512
LEAST_RATIO, MOST_RATIO = 1.5, 3


def prediction(bench):
    """Measure many images, then one."""
    data = bench.noise(NETS[NET]["shape"], QUICK_IMAGES if bench.quick else IMAGES)
    yield _many(bench, {"data": data, "net": NET})
    yield _one(bench, {"data": data, "net": NET})


def _many(bench, args):
    runs = [Run("skcnn, predict_proba", SKCNN, "predict", args)]
    for c in (KERAS_TENSORFLOW, KERAS_JAX):
        runs.append(Run(f"{c.name}, predict", c, "predict", {**args, "batch": None}))
        runs.append(Run(f"{c.name}, batch {LARGE}", c, "predict", {**args, "batch": LARGE}))
    runs.append(
        Run(f"torch in inference mode, batch {LARGE}", PLAIN, "predict", {**args, "batch": LARGE})
    )
    runs.append(Run("skorch, predict_proba", SKORCH, "predict", args))
    runs.append(Run("MLPClassifier, flat pixels", MLP, "predict", args))
    readings = bench.alternate(runs)
    ours = next(iter(readings.values()))
    rows = [
        [
            label,
            f"{values[0]['samples'] / median(values):,.0f}",
            f"{paired_ratio(values, ours):.2f}",
        ]
        for label, values in readings.items()
    ]
    bounds = [
        Bound(f"skcnn / {label}", paired_ratio(values, ours), "least", LEAST_RATIO)
        for label, values in readings.items()
        if label.startswith(KERAS_TENSORFLOW.name)
    ]
    return Table(
        f"Predicting {ours[0]['samples']:,} images of 28x28",
        "Probabilities from bytes in memory: conv 32, pool, conv 64, pool, dense 10 (the MLP: one "
        "hidden layer of 100).",
        ["contender", "images/s", "skcnn / it"],
        rows,
        readings,
        bounds,
    )


def _one(bench, args):
    args = {**args, "repeats": QUICK_REPEATS if bench.quick else REPEATS}
    call, predict = {**args, "how": "call"}, {**args, "how": "predict"}
    runs = [
        Run("skcnn's bare module", SKCNN, "predict_one", call),
        Run("skcnn, predict_proba", SKCNN, "predict_one", predict),
        Run("Keras on TensorFlow, predict", KERAS_TENSORFLOW, "predict_one", predict),
        Run("Keras on TensorFlow, call of the model", KERAS_TENSORFLOW, "predict_one", call),
        Run("torch in inference mode", PLAIN, "predict_one", args),
        Run("skorch, predict_proba", SKORCH, "predict_one", args),
        Run("MLPClassifier, flat pixels", MLP, "predict_one", args),
    ]
    readings = bench.alternate(runs)
    bare = readings["skcnn's bare module"]
    rows = [
        [label, f"{1000 * median(values):.2f}", f"{paired_ratio(values, bare):.1f}"]
        for label, values in readings.items()
    ]
    ratio = paired_ratio(readings["skcnn, predict_proba"], bare)
    return Table(
        "Predicting one image of 28x28",
        f"Each figure is the median of {args['repeats']} calls in a round. The bare module gets a "
        "tensor that is ready, in inference mode.",
        ["contender", "ms", "/ bare module"],
        rows,
        readings,
        [Bound("skcnn / its bare module", ratio, "most", MOST_RATIO)],
    )
