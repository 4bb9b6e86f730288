"""The sections of a model card: sentences and tables."""

import inspect
import platform
from importlib.metadata import version
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from skcnn._convnet.pipelines import find_convnet
from skcnn._data.layouts import InputLayout
from skcnn._utils.text import plural, printable, shorten
from skcnn.exceptions import InputShapeError
from skcnn.persistence._model_card import scores
from skcnn.persistence._origins import base_origins
from skcnn.persistence._parts import parts_of
from skcnn.recordings import WindowedClassifier, WindowedRegressor

FEWEST_SAMPLES, FEWEST_OF_A_CLASS = 100, 10  # below which a test set is called small
MOST_LETTERS = 200  # of a parameter's value
MOST_CLASSES = 100  # in tables
MIN_AXES = 2  # of images
PACKAGES = ("skcnn", "scikit-learn", "torch", "numpy", "scipy", "pandas", "skorch")
TIMES = ["seconds", "samples_per_second"]
Block: TypeAlias = str | pd.DataFrame
INTERVALS = (
    "Intervals are for a confidence of 95 %: Wilson's of shares, percentiles of 1000 bootstrap "
    "samples of the test set for others. They say nothing about another training."
)


OF_CLASSES = "Precision and recall of each class, with the limits of the recall:"


def summary(model: Any, net: Any, description: str) -> list[Block]:
    name = type(model).__name__
    kind = "a classifier" if is_classifier(model) else "a regressor"
    size = "" if net is None else f" with {net.n_parameters_:,} parameters"
    blocks: list[Block] = [f"{name}{size}, {kind}."]
    if isinstance(model, Pipeline):
        steps = " → ".join(type(step).__name__ for _, step in model.steps)
        blocks.append(f"Steps: {steps}.")
    return [*blocks, *([description] if description else [])]


def data(model: Any, net: Any, X: Any, y: np.ndarray) -> list[Block]:
    blocks: list[Block] = []
    if net is not None:
        values = net._value_range
        blocks.append(
            f"The network reads samples of shape {net.input_shape_} (channels "
            f"{net._layout.channels}). Their values in training lay in [{values.low:g}, "
            f"{values.high:g}]."
        )
    blocks.append(f"The test set has {plural(len(y), 'sample')} {_shape(X)}.")
    classes = _classes(model)
    if classes is not None and y.ndim == 1:
        counts = [int((y == label).sum()) for label in classes.tolist()]
        shown = pd.DataFrame({"test samples": counts}, index=pd.Index(classes, name="class"))
        blocks += [f"There are {len(classes)} classes.", shown.head(MOST_CLASSES)]
    return [*blocks, *_warnings(y, classes)]


def _shape(X: Any) -> str:
    ragged = not hasattr(X, "shape") or (isinstance(X, np.ndarray) and X.dtype.kind == "O")
    if not ragged:
        return f"of shape {tuple(X.shape[1:])}"
    shortest, longest = min(map(len, X)), max(map(len, X))
    return f"whose lengths are from {shortest} to {longest}"


def _classes(model: Any) -> np.ndarray | None:
    classes = getattr(model, "classes_", None)
    return classes if is_classifier(model) and isinstance(classes, np.ndarray) else None


def _warnings(y: np.ndarray, classes: np.ndarray | None) -> list[Block]:
    """Return what must be known about a small test set."""
    found: list[Block] = []
    if len(y) < FEWEST_SAMPLES:
        found.append(
            f"Warning: the test set has fewer than {FEWEST_SAMPLES} samples, so the scores are "
            "uncertain."
        )
    if classes is None or y.ndim > 1:
        return found
    counts = {label: int((y == label).sum()) for label in classes.tolist()}
    rare = [f"{label} ({n})" for label, n in counts.items() if n < FEWEST_OF_A_CLASS]
    if rare:
        found.append(
            f"Warning: these classes have fewer than {FEWEST_OF_A_CLASS} test samples: "
            f"{shorten(', '.join(rare), MOST_LETTERS)}."
        )
    return found


def performance(
    model: Any,
    X: Any,
    results: tuple[np.ndarray, np.ndarray],
    tables: dict[str, pd.DataFrame],
    seed: int,
) -> dict[str, list[Block]]:
    """Return the sections of scores and of calibration; results are targets and predictions."""
    y, predicted = results
    if not is_classifier(model):
        metrics = scores.regressor_metrics(y, predicted)
        tables["scores"] = scores.score_table(metrics, None, len(y), seed)
        return {"Scores": [INTERVALS, tables["scores"]]}
    classes = np.asarray(model.classes_)
    probabilities = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    if y.ndim == 1:
        metrics = scores.classifier_metrics(y, predicted, probabilities, classes)
        right = y == predicted
    else:
        metrics, right = scores.multilabel_metrics(y, predicted), (y == predicted).all(axis=1)
    tables["scores"] = scores.score_table(metrics, right, len(y), seed)
    tables["classes"] = scores.class_table(y, predicted, classes)
    found: dict[str, list[Block]] = {
        "Scores": [INTERVALS, tables["scores"], OF_CLASSES, tables["classes"].head(MOST_CLASSES)]
    }
    if probabilities is not None:
        found["Calibration"] = _calibration(y, predicted, probabilities, tables)
    return found


def _calibration(
    y: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray,
    tables: dict[str, pd.DataFrame],
) -> list[Block]:
    if y.ndim == 1:
        confidence, right = probabilities.max(axis=1), y == predicted
        what = "of the predicted class"
    else:
        confidence = np.maximum(probabilities, 1 - probabilities).ravel()
        right = (y == predicted).ravel()
        what = "of each single answer"
    table = scores.reliability_table(confidence, right)
    tables["reliability"] = table.set_index("low")
    error = scores.calibration_error(table)
    words = (
        f"The expected calibration error is {error:.4f}: the mean gap between the probability "
        f"{what} and the share that is right, in {scores.N_BINS} bins of equal width."
    )
    return [words, tables["reliability"]]


def robustness(model: Any, X: Any, y: np.ndarray, tables: dict[str, pd.DataFrame]) -> list[Block]:
    try:
        layout = _layout_of(model, X)
        tables["robustness"] = scores.robustness_table(model, X, y, layout)
    except (TypeError, ValueError, IndexError) as error:
        return [f"Not measured for these samples: {printable(str(error))}"]
    n = min(len(y), scores.MOST_MOVED)
    words = (
        f"Scores for {plural(n, 'test sample')} that are changed before the prediction; what "
        "moves in from outside is zero."
    )
    return [words, tables["robustness"]]


def _layout_of(model: Any, X: Any) -> dict[str, Any]:
    """Return how samples are images, as parameters of `robustness_scores`.

    Raises
    ------
    InputShapeError
        If they are signals or recordings, which are not rotated, or several shapes.
    """
    parts = list(parts_of(model, set(), 0))
    if any(isinstance(part, WindowedClassifier | WindowedRegressor) for part in parts):
        raise InputShapeError("recordings are cut into windows.")
    layouts = [p._layout for p in parts if isinstance(getattr(p, "_layout", None), InputLayout)]
    if any(len(layout.spatial) < MIN_AXES for layout in layouts):
        raise InputShapeError("signals have no height and width.")
    if not layouts or find_convnet(model) is not None:
        return {}
    shape = tuple(np.shape(X)[1:])
    fitting = [layout for layout in layouts if layout.accepts(shape)]
    if not fitting:
        raise InputShapeError(f"no network of the estimator reads samples of shape {shape}.")
    layout = fitting[0]
    return {
        "input_shape": layout.shape if len(shape) == 1 else None,
        "n_spatial_dims": len(layout.spatial),
        "channels": layout.channels,
    }


def training(net: Any, tables: dict[str, pd.DataFrame]) -> list[Block]:
    if net is None:
        return ["The estimator has no network with a history of its own."]
    history = net.history_
    seconds = float(history["seconds"].sum())
    words = (
        f"{plural(len(history), 'epoch')} in {seconds:.1f} seconds on the device {net.device_}. "
        f"The epoch of the smallest loss is {net.best_epoch_}."
    )
    temperature = getattr(net, "temperature_", 1.0)
    if temperature != 1.0:
        words += (
            f" Its logits are divided by the temperature {temperature:.3f}, found on samples that "
            "were held back."
        )
    tables["history"] = history
    known = history.drop(columns=TIMES, errors="ignore").dropna(axis=1, how="all")
    kept = sorted({known.index[0], known.index[-1], *known.index[known.index == net.best_epoch_]})
    return [words, known.loc[kept]]


def parameters(model: Any) -> list[Block]:
    """Return the parameters that differ from their defaults."""
    rows: list[tuple[str, str, str]] = []
    steps = model.steps if isinstance(model, Pipeline) else [("", model)]
    for name, step in steps:
        before = f"{name}__" if name else ""
        rows += [(before + key, value, default) for key, value, default in _changed(step)]
    if not rows:
        return ["All parameters have their defaults."]
    names = [row[0] for row in rows]
    values = {"value": [row[1] for row in rows], "default": [row[2] for row in rows]}
    table = pd.DataFrame(values, index=pd.Index(names, name="parameter"))
    return ["Parameters that differ from their defaults:", table]


def _changed(step: Any) -> list[tuple[str, str, str]]:
    if not hasattr(step, "get_params"):  # "passthrough"
        return []
    signature = inspect.signature(type(step).__init__).parameters
    given = step.get_params(deep=False)
    return [
        (name, _shown(value), "required" if default is inspect.Parameter.empty else repr(default))
        for name, value in given.items()
        if (default := signature[name].default) is not value and repr(default) != repr(value)
    ]


def _shown(value: Any) -> str:
    return shorten(" ".join(printable(repr(value)).split()), MOST_LETTERS)


def origins(model: Any) -> list[Block]:
    found = base_origins(model)
    if not found:
        return ["The model has no pretrained weights."]
    return [pd.DataFrame(found).set_index("architecture")]


def versions() -> pd.DataFrame:
    """Return the versions of the packages that the estimator needs."""
    found = {"Python": platform.python_version()}
    found |= {name: version(name).partition("+")[0] for name in PACKAGES}
    return pd.DataFrame({"version": found}).rename_axis("package")
