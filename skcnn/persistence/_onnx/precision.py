"""Graphs in float16 and int8, and what they lose against the estimator."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from skcnn.persistence._onnx.graphs import LABEL, PROBABILITIES, VARIABLE
from skcnn.persistence._onnx.packages import imported
from skcnn.persistence._onnx.whole import INPUT, Exported

PRECISIONS = ("float32", "float16", "int8")
MOST_CALIBRATED = 256  # samples that the ranges of int8 are from
CHUNK = 64  # samples that are computed at once
KEPT_IN_FLOAT = ["Resize", "Softmax", "Sigmoid", "ArgMax"]  # few values, or a loss of labels
MULTI_OUTPUT_AXES = 3  # of skl2onnx's probabilities: targets, samples, classes
QUANTIZED = ["Conv", "Gemm", "MatMul"]


def changed(model: Any, precision: str, what: Exported, X: Any) -> Any:
    """Return a graph in another precision; its input and outputs have the same types."""
    reason = f"precision={precision!r}"
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")  # of values that become the nearest float16
        if precision == "float16":
            float16 = imported("onnxruntime.transformers.float16", reason)
            blocked = [*float16.DEFAULT_OP_BLOCK_LIST, *KEPT_IN_FLOAT]
            return float16.convert_float_to_float16(
                model, keep_io_types=True, op_block_list=blocked
            )
        return _quantized(model, what.samples(X), reason)


def _quantized(model: Any, samples: np.ndarray, reason: str) -> Any:
    """Return a graph with weights and values of int8, whose ranges are those of the samples."""
    quantization = imported("onnxruntime.quantization", reason)
    onnx = imported("onnx", reason)
    rows = np.unique(
        np.linspace(0, len(samples) - 1, min(len(samples), MOST_CALIBRATED)).astype(int)
    )

    class Samples(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        """Gives the samples in parts."""

        def __init__(self) -> None:
            starts = range(0, len(rows), CHUNK)
            self.parts = iter([samples[rows[start : start + CHUNK]] for start in starts])

        def get_next(self) -> Any:
            """Return the next part."""
            part = next(self.parts, None)
            return None if part is None else {INPUT: part}

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, str(before))
        quantization.quantize_static(
            str(before),
            str(after),
            Samples(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=QUANTIZED,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load(str(after))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings of the root logger, such as advice to preprocess, from being printed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def run(model: Any, samples: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Return the outputs of a graph for samples, computed by onnxruntime on the CPU.

    Each is a list: of one array, or of one for each target of a classifier of several.
    """
    runtime = imported("onnxruntime", "Measuring an exported model")
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    starts = range(0, len(samples), CHUNK)
    parts = [session.run(None, {INPUT: samples[s : s + CHUNK]}) for s in starts]
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

    Beside its columns there is "unit": 1 for probabilities, the standard deviation of numbers.
    """
    row: dict[str, Any] = {"precision": precision, "bytes": model.ByteSize(), "unit": 1.0}
    row |= dict.fromkeys(("n_samples", "largest_difference", "score", "score_before"), np.nan)
    if X is None:
        return row
    outputs = run(model, what.samples(X))
    tell = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    expected = np.asarray(tell(X))
    row["n_samples"] = len(expected)
    if PROBABILITIES in outputs:
        wanted = estimator.predict_proba(X)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        row["largest_difference"] = _largest(outputs[PROBABILITIES], wanted)
    elif VARIABLE in outputs:
        row["largest_difference"] = _largest(outputs[VARIABLE], [expected])
        row["unit"] = float(expected.std()) or 1.0
    if y is not None and hasattr(estimator, "predict"):
        given = outputs[LABEL if LABEL in outputs else VARIABLE][0].reshape(expected.shape)
        score = _accuracy if LABEL in outputs else r2_score
        row["score"], row["score_before"] = float(score(y, given)), float(score(y, expected))
    return row


def _largest(given: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    pairs = zip(given, wanted, strict=True)
    return max(float(np.abs(a.reshape(b.shape).astype(float) - b).max()) for a, b in pairs)


def _accuracy(y: Any, predicted: np.ndarray) -> float:
    """Return the share of samples of which all labels are right."""
    right = np.asarray(y) == predicted
    return float(right.reshape(len(predicted), -1).all(axis=1).mean())


def report_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table, indexed by the precision."""
    return pd.DataFrame(rows).set_index("precision")
