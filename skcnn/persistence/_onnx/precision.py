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
from sklearn.metrics import accuracy_score, r2_score

from skcnn.persistence._onnx.graphs import LABEL, PROBABILITIES
from skcnn.persistence._onnx.packages import imported
from skcnn.persistence._onnx.whole import INPUT, Exported

PRECISIONS = ("float32", "float16", "int8")
MOST_CALIBRATED = 256  # samples that the ranges of int8 are from
CHUNK = 64  # samples that are computed at once
KEPT_IN_FLOAT = ["Resize", "Softmax", "Sigmoid", "ArgMax"]  # few values, or a loss of labels
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
    rows = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MOST_CALIBRATED)).astype(int))

    class Samples(quantization.CalibrationDataReader):  # type: ignore[misc,name-defined]
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


def run(model: Any, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of a graph for samples, computed by onnxruntime on the CPU."""
    runtime = imported("onnxruntime", "Measuring an exported model")
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    starts = range(0, len(samples), CHUNK)
    parts = [session.run(None, {INPUT: samples[s : s + CHUNK]}) for s in starts]
    return {
        name: np.concatenate([np.asarray(part[k]) for part in parts])
        for k, name in enumerate(names)
    }


def measured(estimator: Any, model: Any, precision: str, what: Exported, X: Any, y: Any) -> dict:
    """Return a row of the report, see `export_onnx`."""
    row: dict[str, Any] = {"precision": precision, "bytes": model.ByteSize()}
    row |= dict.fromkeys(("n_samples", "largest_difference", "score", "score_before"), np.nan)
    if X is None:
        return row
    outputs = run(model, what.samples(X))
    row["n_samples"] = len(next(iter(outputs.values())))
    row["largest_difference"] = largest_difference(estimator, outputs, X)
    if y is not None and hasattr(estimator, "predict"):
        is_label = LABEL in outputs
        score = accuracy_score if is_label else r2_score
        given = outputs[LABEL] if is_label else outputs["variable"]
        expected = estimator.predict(X)
        row["score"] = float(score(y, given.reshape(np.shape(expected))))
        row["score_before"] = float(score(y, expected))
    return row


def largest_difference(estimator: Any, outputs: dict[str, np.ndarray], X: Any) -> float:
    """Return the largest difference to `predict_proba`, or else `predict` or `transform`."""
    if PROBABILITIES in outputs:
        got, expected = outputs[PROBABILITIES], estimator.predict_proba(X)
        if isinstance(expected, list):  # of several outputs
            expected = np.stack(expected)
            got = got.reshape(expected.shape)
    else:
        tell = estimator.predict if hasattr(estimator, "predict") else estimator.transform
        expected = np.asarray(tell(X))
        got = outputs.get("variable", outputs.get(LABEL))
        got = np.asarray(got).reshape(expected.shape)
    return float(np.abs(got.astype(np.float64) - expected).max())


def report_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table, indexed by the precision."""
    return pd.DataFrame(rows).set_index("precision")
