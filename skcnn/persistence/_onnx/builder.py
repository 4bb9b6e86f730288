"""From a fitted estimator to a graph: networks and transformers by torch, others by skl2onnx."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from torch import Tensor, nn

from skcnn._convnet.classifier import ConvNetClassifier
from skcnn._convnet.features import ConvNetFeatures
from skcnn._convnet.regressor import ConvNetRegressor
from skcnn.exceptions import UnsupportedModelError
from skcnn.persistence._onnx.calibration import calibrated_module
from skcnn.persistence._onnx.graphs import (
    LABEL,
    N_TRACED,
    PROBABILITIES,
    REASON,
    ROWS,
    SCORES,
    VARIABLE,
    joined,
    made_of,
    traced,
)
from skcnn.persistence._onnx.networks import ScaledTargets, network_of
from skcnn.persistence._onnx.packages import imported
from skcnn.persistence._onnx.transformers import REFUSED, TRANSFORMERS, Form, transformer_module

CODES = "codes"
MULTILABEL_THRESHOLD = 0.0  # of logits


class Predictions(nn.Module):
    """What a classifier predicts: codes of classes, or an indicator of labels; probabilities."""

    def __init__(self, network: nn.Module, model: ConvNetClassifier) -> None:
        super().__init__()
        self.network = network
        self.multilabel = model._targets.multilabel
        self.temperature = model.temperature_

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes (n_samples,) or indicators (n_samples, n_labels), and probabilities."""
        outputs = self.network(rows)
        logits = cooled(outputs, self.temperature)
        if self.multilabel:
            return (outputs > MULTILABEL_THRESHOLD).long(), logits.sigmoid()
        return outputs.argmax(1), logits.softmax(1)


class Scores(nn.Module):
    """The decision function of a classifier, a column for two classes."""

    def __init__(self, network: nn.Module, model: ConvNetClassifier) -> None:
        super().__init__()
        self.network = network
        self.is_binary = len(model.classes_) == 2
        self.temperature = model.temperature_

    def forward(self, rows: Tensor) -> Tensor:
        """Return the scores."""
        outputs = cooled(self.network(rows), self.temperature)
        return outputs[:, 1:] - outputs[:, :1] if self.is_binary else outputs


def cooled(outputs: Tensor, temperature: float) -> Tensor:
    """Return logits divided by the temperature of a classifier."""
    return outputs if temperature == 1.0 else outputs / temperature


def unwrapped(model: Any) -> Any:
    """Return the estimator inside FrozenEstimators, and the best one of fitted searches."""
    while True:
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


class GraphBuilder:
    """Makes the graphs of an estimator and of those inside it.

    Every graph reads rows of values, (n, n_values), with the name "rows". Those of predictions
    have the outputs "label" and "probabilities", or "variable"; those of transformers "variable".

    Parameters
    ----------
    opset : int
        The version of ONNX's operators.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset

    def predictions(self, model: Any, form: Form, dtype: torch.dtype = torch.float32) -> Any:
        """Return the graph of `predict`, and of `predict_proba` if there is one."""
        model = unwrapped(model)
        if isinstance(model, Pipeline):
            return self._pipeline(model, form, dtype, self.predictions)
        if isinstance(model, ConvNetClassifier):
            network, multilabel = network_of(model, dtype), model._targets.multilabel
            outputs = [LABEL if multilabel else CODES, PROBABILITIES]
            graph = self._traced(Predictions(network, model), form, dtype, outputs, model)
            return graph if multilabel else self._labelled(graph, model.classes_)
        if isinstance(model, ConvNetRegressor):
            module = ScaledTargets(network_of(model, dtype), model)
            return self._traced(module, form, dtype, [VARIABLE], model)
        if isinstance(model, CalibratedClassifierCV):
            return self._calibrated(model, form, dtype)
        if isinstance(model, (ConvNetFeatures, *TRANSFORMERS, *REFUSED)):
            graph, _ = self.transformation(model, form, dtype)
            return self.unchanged(form) if graph is None else graph
        return self._by_skl2onnx(model, form, dtype)

    def scores(self, model: Any, form: Form, dtype: torch.dtype = torch.float32) -> Any:
        """Return the graph of `decision_function`, or of `predict_proba` without one.

        Two classes have one column, that of the second class.
        """
        model = unwrapped(model)
        if isinstance(model, Pipeline):
            return self._pipeline(model, form, dtype, self.scores)
        if isinstance(model, ConvNetClassifier):
            module = Scores(network_of(model, dtype), model)
            return self._traced(module, form, dtype, [SCORES], model)
        raw = hasattr(model, "decision_function") and not isinstance(model, CalibratedClassifierCV)
        if raw:
            graph = self._by_skl2onnx(model, form, dtype, raw_scores=True)
        else:
            graph = self.predictions(model, form, dtype)
        return self._last_column(graph, len(model.classes_))

    def transformation(
        self, step: Any, form: Form, dtype: torch.dtype = torch.float32
    ) -> tuple[Any, Form]:
        """Return the graph of `transform`, and the form of its results."""
        step = unwrapped(step)
        if isinstance(step, ConvNetFeatures):
            network = network_of(step, dtype)
            graph = self._traced(network, form, dtype, [VARIABLE], step)
            return graph, Form((step._network.n_features,))
        if isinstance(step, (*TRANSFORMERS, *REFUSED)):
            module, result = transformer_module(step, form)
            if isinstance(module, nn.Identity):
                return None, result
            return self._traced(module, form, dtype, [VARIABLE], step), result
        if isinstance(step, Pipeline):
            parts, result, kind = self._steps(step.steps, form, dtype)
            return self._in_a_row(parts, [VARIABLE], kind, form), result
        graph = self._by_skl2onnx(step, form, dtype)
        n_values = graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        return graph, Form((n_values,))

    def predictions_as_columns(self, model: Any, form: Form) -> Any:
        """Return the graph of a regressor for skl2onnx: float32, (n_samples, n_outputs)."""
        model = unwrapped(model)
        module = Columns(ScaledTargets(network_of(model, torch.float32), model), model.n_outputs_)
        return self._traced(module, form, torch.float32, [VARIABLE], model)

    def unchanged(self, form: Form) -> Any:
        """Return a graph that returns its rows."""
        return self._traced(nn.Identity(), form, torch.float32, [VARIABLE], None)

    # Parts

    def _steps(
        self, steps: Sequence[tuple[str, Any]], form: Form, dtype: torch.dtype
    ) -> tuple[list[Any], Form, torch.dtype]:
        """Return the graphs of transformers in a row, and what is behind them."""
        parts = []
        for _, step in steps:
            if step is None or isinstance(step, str):  # "passthrough"
                continue
            graph, form = self.transformation(step, form, dtype)
            if graph is not None:
                parts.append(graph)
                dtype = torch.float32
        return parts, form, dtype

    def _pipeline(self, model: Pipeline, form: Form, dtype: torch.dtype, last: Any) -> Any:
        parts, form, dtype = self._steps(model.steps[:-1], form, dtype)
        end = last(model.steps[-1][1], form, dtype)
        return self._in_a_row([*parts, end], [each.name for each in end.graph.output], dtype, form)

    def _in_a_row(
        self, parts: list[Any], outputs: list[str], dtype: torch.dtype, form: Form
    ) -> Any:
        """Return graphs one behind another; all but the last have the output "variable"."""
        if not parts:
            return self.unchanged(form)
        wires = []
        for number, _ in enumerate(parts):
            source = ROWS if number == 0 else f"rows_{number}"
            is_last = number == len(parts) - 1
            ends = {n: n for n in outputs} if is_last else {VARIABLE: f"rows_{number + 1}"}
            wires.append({ROWS: source, **ends})
        return joined(list(zip(parts, wires, strict=True)), [ROWS], outputs, self.opset)

    def _traced(
        self, module: nn.Module, form: Form, dtype: torch.dtype, outputs: list[str], model: Any
    ) -> Any:
        rows = torch.zeros((N_TRACED, form.n_values), dtype=dtype)
        name = type(model).__name__
        return traced(module.eval(), [rows], [ROWS], outputs, self.opset, name)

    def _labelled(self, graph: Any, classes: np.ndarray) -> Any:
        """Return a graph with the labels in the place of their codes."""
        helper = imported("onnx.helper", REASON)
        onnx = imported("onnx", REASON)
        values, kind = label_values(classes, onnx.TensorProto)
        gather = helper.make_node("Gather", ["classes", CODES], [LABEL], name="labels")
        lookup = made_of(
            [gather],
            [(CODES, onnx.TensorProto.INT64, ["n"])],
            [(LABEL, kind, ["n"])],
            {"classes": values},
            self.opset,
        )
        first = {ROWS: ROWS, CODES: CODES, PROBABILITIES: PROBABILITIES}
        parts = [(graph, first), (lookup, {CODES: CODES, LABEL: LABEL})]
        return joined(parts, [ROWS], [LABEL, PROBABILITIES], self.opset)

    def _calibrated(self, model: CalibratedClassifierCV, form: Form, dtype: torch.dtype) -> Any:
        module = calibrated_module(model).eval()
        inner = [each.estimator for each in model.calibrated_classifiers_]
        graphs = [self.scores(each, form, dtype) for each in inner]
        names = [f"{SCORES}_{number}" for number, _ in enumerate(graphs)]
        n_columns = [1 if len(each.classes_) == 2 else len(each.classes_) for each in inner]
        examples = [torch.zeros((N_TRACED, n)) for n in n_columns]
        name = type(model).__name__
        last = traced(module, examples, names, [CODES, PROBABILITIES], self.opset, name)
        parts = [
            (graph, {ROWS: ROWS, SCORES: name}) for graph, name in zip(graphs, names, strict=True)
        ]
        ends = {each: each for each in (*names, CODES, PROBABILITIES)}
        whole = joined([*parts, (last, ends)], [ROWS], [CODES, PROBABILITIES], self.opset)
        return self._labelled(whole, np.asarray(model.classes_))

    def _last_column(self, graph: Any, n_classes: int) -> Any:
        """Return a graph with the output "scores", one column for two classes."""
        helper = imported("onnx.helper", REASON)
        float32 = imported("onnx", REASON).TensorProto.FLOAT
        columns = np.array([1]) if n_classes == 2 else np.arange(n_classes)
        node = helper.make_node("Gather", ["given", "columns"], [SCORES], axis=1, name="scores")
        last = made_of(
            [node],
            [("given", float32, ["n", n_classes])],
            [(SCORES, float32, ["n", len(columns)])],
            {"columns": columns},
            self.opset,
        )
        given = {"given": "given", SCORES: SCORES}
        first = {ROWS: ROWS, PROBABILITIES: "given"}
        return joined([(graph, first), (last, given)], [ROWS], [SCORES], self.opset)

    def _by_skl2onnx(
        self, model: Any, form: Form, dtype: torch.dtype, raw_scores: bool = False
    ) -> Any:
        from skcnn.persistence._onnx.sklearn_graphs import sklearn_graph

        graph = sklearn_graph(self, model, form.n_values, raw_scores)
        outputs = [each.name for each in graph.graph.output]
        if dtype == torch.float32:
            return graph
        cast = self._traced(ToFloat(), Form((form.n_values,)), dtype, [VARIABLE], model)
        return self._in_a_row([cast, graph], outputs, dtype, form)


class Columns(nn.Module):
    """Numbers as float32 with an axis for the outputs."""

    def __init__(self, inner: nn.Module, n_outputs: int) -> None:
        super().__init__()
        self.inner = inner
        self.n_outputs = n_outputs

    def forward(self, rows: Tensor) -> Tensor:
        """Return (n_samples, n_outputs)."""
        return self.inner(rows).float().reshape(-1, self.n_outputs)


class ToFloat(nn.Module):
    """Rows as float32."""

    def forward(self, rows: Tensor) -> Tensor:
        """Return the rows."""
        return rows.float()


def label_values(classes: np.ndarray, types: Any) -> tuple[np.ndarray, int]:
    """Return classes as an array that ONNX holds, and ONNX's number of its type.

    Raises
    ------
    UnsupportedModelError
        If they are neither integers, floats, booleans nor strings.
    """
    kind = classes.dtype.kind
    if kind in "iu":
        return classes.astype(np.int64), types.INT64
    if kind == "b":
        return classes, types.BOOL
    if kind == "f":
        return classes.astype(np.float64), types.DOUBLE
    if kind in "UO" and all(isinstance(label, str) for label in classes.tolist()):
        return classes.astype(object), types.STRING
    raise UnsupportedModelError(
        "Classes must be integers, floats, booleans or strings to be exported. Got the dtype "
        f"{classes.dtype}."
    )
