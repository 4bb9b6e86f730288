"""What a graph predicts for samples, compared with the estimator: differences and scores."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from skcnn._utils.validation import warn_caller
from skcnn.exceptions import UnsupportedModelError
from skcnn.persistence._onnx.graphs import LABEL, PROBABILITIES, VARIABLE
from skcnn.persistence._onnx.packages import imported
from skcnn.persistence._onnx.whole import INPUT, Exported, value_limits
from skcnn.persistence._targets import targets_like

N_MADE = 8
CHUNK = 64  # samples that are computed at once
MULTI_OUTPUT_AXES = 3  # of skl2onnx's probabilities: targets, samples, classes
WARNED = 1e-3  # of float32; of probabilities, or of numbers in their standard deviations
CLEAR = 1e-3  # between the two best probabilities: labels must be the same then
WRONG = {PROBABILITIES: 1e-2, VARIABLE: 1e-1}  # differences of a graph that is plainly wrong
ROUNDED = 1e-4  # a share of the largest number, which is no error: predictions may be constant
MOST_WRONG = 0.01  # the share of samples; few may lie on the steep steps of an isotonic regression
CAUSES = (
    "Values are too large for float32, in which it computes throughout, or one of its parts is "
    "not converted rightly."
)
Outputs = dict[str, list[np.ndarray]]


def run(model: Any, samples: np.ndarray) -> Outputs:
    """Return the outputs of a graph for samples, computed by onnxruntime on the CPU.

    Each is a list: of one array, or of one for each target of a classifier of several.

    Raises
    ------
    UnsupportedModelError
        If onnxruntime cannot run it.
    """
    runtime = imported("onnxruntime", "Measuring an exported model")
    text = model.SerializeToString()
    try:
        session = runtime.InferenceSession(text, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        starts = range(0, len(samples), CHUNK)
        parts = [session.run(None, {INPUT: samples[s : s + CHUNK]}) for s in starts]
    except Exception as error:  # of types of its own
        first = str(error).strip().partition("\n")[0]
        raise UnsupportedModelError(
            f"The estimator cannot be exported: onnxruntime does not run its graph: {first}"
        ) from error
    return {name: _joined([part[k] for part in parts]) for k, name in enumerate(names)}


def _joined(parts: list[Any]) -> list[np.ndarray]:
    """Return what was computed for parts of the samples as a list of arrays."""
    if not isinstance(parts[0], list):  # of several targets there are three axes
        axis = 1 if parts[0].ndim == MULTI_OUTPUT_AXES else 0
        whole = np.concatenate(parts, axis)
        return list(whole) if axis else [whole]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def measured(
    estimator: Any, model: Any, precision: str, what: Exported, X: Any, y: Any
) -> dict[str, Any]:
    """Return a row of the report, see `export_onnx`.

    Raises
    ------
    UnsupportedModelError
        If results are not finite where those of the estimator are, or those of float32 are
        plainly wrong.
    ValueError
        If `y` does not fit the predictions.
    """
    row: dict[str, Any] = {"precision": precision, "bytes": model.ByteSize()}
    row |= dict.fromkeys(("n_samples", "largest_difference", "score", "score_before"), np.nan)
    if X is None:
        return row
    tell = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    told = np.asarray(tell(X))
    targets = y if y is None else targets_like(y, told, estimator, ("X", "y"))
    outputs = run(model, what.samples(X))
    row["n_samples"] = len(told)
    row["largest_difference"] = _compared(estimator, X, told, outputs, precision)
    if targets is not None and hasattr(estimator, "predict"):
        given = _as_one(outputs[LABEL if LABEL in outputs else VARIABLE], told)
        score = _accuracy if LABEL in outputs else _r2
        row["score"], row["score_before"] = (
            float(score(targets, given)),
            float(score(targets, told)),
        )
    return row


def check_made(model: Any, precision: str, what: Exported) -> None:
    """Compare a graph with the estimator on random samples like those of the fit.

    It does nothing where their range is not known.

    Raises
    ------
    UnsupportedModelError
        If the results are plainly wrong, or not finite.
    """
    limits = value_limits(what.model)
    if limits is None:
        return
    rng = np.random.default_rng(0)
    samples = rng.uniform(*limits, (N_MADE, *what.form.shape)).astype(what.dtype)
    estimator = what.model
    tell = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samples that are no data
        told, outputs = np.asarray(tell(samples)), run(model, samples)
        _compared(estimator, samples, told, outputs, precision, "random samples")


def _as_one(parts: list[np.ndarray], told: np.ndarray) -> np.ndarray:
    """Return labels or numbers in the shape of those that the estimator returns."""
    return (parts[0] if len(parts) == 1 else np.stack(parts, 1)).reshape(told.shape)


def _compared(
    estimator: Any,
    X: Any,
    told: np.ndarray,
    outputs: Outputs,
    precision: str,
    of: str = "X",
) -> float:
    """Return the largest difference, and check that it is no sign of a wrong graph."""
    if LABEL not in outputs:
        unit = float(told.std()) or 1.0
        away = _differences(outputs[VARIABLE], [told], precision)
        if precision == "float32":
            most = max(WRONG[VARIABLE] * unit, ROUNDED * float(np.abs(told).max()))
            _check_share(away > most, away > WARNED * unit, away.max(), of)
        return float(away.max())
    away, clear = np.zeros(len(told)), np.ones(told.shape, bool)
    has_probabilities = PROBABILITIES in outputs and hasattr(estimator, "predict_proba")
    if has_probabilities:
        wanted = estimator.predict_proba(X)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        away = _differences(outputs[PROBABILITIES], wanted, precision)
        clear = _clear(wanted, told, np.maximum(CLEAR, 2 * away))
    if precision == "float32":
        others = (_as_one(outputs[LABEL], told) != told) & clear
        others = others.reshape(len(told), -1).any(axis=1)
        wrong = (away > WRONG[PROBABILITIES]) | others
        _check_share(wrong, (away > WARNED) | others, away.max(), of)
    return float(away.max()) if has_probabilities else np.nan


def _differences(given: list[np.ndarray], wanted: list[np.ndarray], precision: str) -> np.ndarray:
    """Return the largest difference of each sample."""
    rows = []
    for a, b in zip(given, wanted, strict=True):
        a, b = a.reshape(b.shape).astype(float), np.asarray(b, float)
        if (np.isfinite(b) & ~np.isfinite(a)).any():
            raise UnsupportedModelError(
                f"The graph in {precision} has results that are not finite, where those of the "
                "estimator are: values are too large for it. Scale X, or take "
                "precision='float32' if it is another one."
            )
        away = np.where(np.isfinite(b), np.abs(a - np.where(np.isfinite(b), b, 0)), 0)
        rows.append(away.reshape(len(b), -1).max(axis=1))
    return np.max(rows, axis=0)


def _clear(wanted: list[np.ndarray], told: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Return of which labels the probability is the largest by more than `least` of a sample."""
    if len(wanted) == 1 and told.ndim > 1 and wanted[0].shape == told.shape:
        return np.abs(2 * wanted[0] - 1) > least[:, None]  # several labels a sample
    gaps = []
    for each in wanted:
        best = np.sort(each, axis=1)[:, -2:]
        gaps.append(best[:, -1] - best[:, 0] if best.shape[1] > 1 else np.ones(len(each)))
    return (np.stack(gaps, 1) > least[:, None]).reshape(told.shape)


def _check_share(wrong: np.ndarray, doubtful: np.ndarray, largest: float, of: str) -> None:
    """Raise if many samples are wrong, and warn if some are doubtful."""
    what = f"The graph's results for {of} differ by up to {largest:.2g} from those of the estimator"
    counted = f"{int(wrong.sum())} of {len(wrong)} samples are plainly wrong"
    if wrong.mean() > MOST_WRONG:
        raise UnsupportedModelError(f"{what}, and {counted}; no file is written. {CAUSES}")
    if doubtful.any():
        labels = f" ({counted})" if wrong.any() else ""
        warn_caller(
            f"{what}{labels}. {CAUSES} Scale X, or give samples with smaller values.", UserWarning
        )


# Scores


def _accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return the share of samples of which all labels are right."""
    right = y == predicted
    return float(right.reshape(len(predicted), -1).all(axis=1).mean())


def _r2(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return R², NaN of a single sample."""
    return float(r2_score(y, predicted)) if len(y) > 1 else np.nan


def report_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table, indexed by the precision."""
    return pd.DataFrame(rows).set_index("precision")
