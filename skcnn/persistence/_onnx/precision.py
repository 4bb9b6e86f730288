"""Graphs in float16 and int8."""

import logging
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skcnn.persistence._onnx.graphs import all_nodes
from skcnn.persistence._onnx.packages import imported
from skcnn.persistence._onnx.whole import INPUT, Exported

MOST_CALIBRATED = 256  # samples that the ranges of int8 are from
CHUNK = 64  # samples that are computed at once
KEPT_IN_FLOAT = ["Resize", "Softmax", "Sigmoid", "ArgMax"]  # few values, or a loss of labels
STANDARDIZE, LAYERS = "standardize/", "network/network/layers/"  # in names of a network's nodes
QUANTIZED = ["Conv", "Gemm", "MatMul"]


def changed(model: Any, precision: str, what: Exported, X: Any) -> Any:
    """Return a graph in another precision; its input and outputs have the same types."""
    reason = f"precision={precision!r}"
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")  # of values that become the nearest float16
        if precision == "float16":
            return _halved(model, reason)
        return _quantized(model, what.samples(X), reason)


def _halved(model: Any, reason: str) -> Any:
    """Return a graph in float16 but for the values as they are given, up to the standardisation.

    Those may be larger than float16 holds. The converter would round what passes between nodes
    that it is told to leave as they are, so these are a graph of their own.
    """
    float16 = imported("onnxruntime.transformers.float16", reason)
    onnx = imported("onnx", reason)
    first, rest = onnx.ModelProto(), onnx.ModelProto()
    first.CopyFrom(model)
    rest.CopyFrom(model)
    names = nodes_before_networks(model.graph)
    for part, is_first in ((first.graph, True), (rest.graph, False)):
        nodes = [node for node in part.node if (node.name in names) == is_first]
        del part.node[:]
        part.node.extend(nodes)
        _keep_read(part)
    inputs = _inputs(model, first.graph, rest.graph)
    del rest.graph.input[:]
    rest.graph.input.extend(inputs)
    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, *KEPT_IN_FLOAT]
    rest = float16.convert_float_to_float16(rest, keep_io_types=True, op_block_list=blocked)
    for each in first.graph.initializer:  # which both parts may have
        _rename_input(first.graph, each.name, f"first/{each.name}")
        each.name = f"first/{each.name}"
    nodes = [*first.graph.node, *rest.graph.node]
    del rest.graph.node[:]
    rest.graph.node.extend(nodes)
    rest.graph.initializer.extend(first.graph.initializer)
    del rest.graph.input[:], rest.graph.value_info[:]
    rest.graph.input.extend(model.graph.input)
    return rest


def _keep_read(graph: Any) -> None:
    """Leave constants out that no node reads."""
    read = {name for node in all_nodes(graph.node) for name in node.input}
    kept = [each for each in graph.initializer if each.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _inputs(model: Any, first: Any, rest: Any) -> list[Any]:
    """Return what a graph reads: inputs of the whole, and values of the one before it."""
    onnx = imported("onnx", "precision='float16'")
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    types = {each.name: each.type.tensor_type.elem_type for each in inferred}
    read = {name for node in all_nodes(rest.node) for name in node.input}
    made = [name for node in first.node for name in node.output if name in read]
    default = onnx.TensorProto.FLOAT
    return [
        *(each for each in model.graph.input if each.name in read),
        *(onnx.helper.make_tensor_value_info(n, types.get(n, default), None) for n in made),
    ]


def _rename_input(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new


def nodes_before_networks(graph: Any) -> set[str]:
    """Return the names of the nodes up to the end of a network's standardisation.

    They have the values as they are given. A network behind another one begins in float16.
    """
    makers = {name: node for node in graph.node for name in node.output}
    found: set[str] = set()
    for end in graph.node:
        if STANDARDIZE not in end.name:
            continue
        before, waiting = set(), [end]
        while waiting:
            node = waiting.pop()
            if node.name not in before:
                before.add(node.name)
                waiting += [makers[name] for name in node.input if name in makers]
        if not any(LAYERS in name and STANDARDIZE not in name for name in before):
            found |= before
    return found


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
    """Keep this thread's warnings of the root logger, such as advice, from being printed."""
    this = threading.get_ident()

    def is_kept(record: logging.LogRecord) -> bool:
        return record.thread != this or record.levelno > logging.WARNING

    logging.root.addFilter(is_kept)
    try:
        yield
    finally:
        logging.root.removeFilter(is_kept)
