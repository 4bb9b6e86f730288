"""Estimators of scikit-learn by skl2onnx, with those of skcnn inside them."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.frozen import FrozenEstimator

from skcnn._convnet.classifier import ConvNetClassifier
from skcnn.exceptions import UnsupportedModelError
from skcnn.persistence._onnx.graphs import (
    LABEL,
    LOCK,
    PROBABILITIES,
    REASON,
    ROWS,
    VARIABLE,
    joined,
    wired,
)
from skcnn.persistence._onnx.packages import imported
from skcnn.persistence._onnx.transformers import TRANSFORMERS, Form
from skcnn.persistence._parts import NETWORKS

ML_OPSET = 3  # of the operators for scikit-learn
CLASSIFIERS = (ConvNetClassifier, CalibratedClassifierCV)
OPTIONS = {"zipmap": [True, False, "columns"]}  # by which skl2onnx tells classifiers


def sklearn_graph(builder: Any, model: Any, n_values: int, raw_scores: bool = False) -> Any:
    """Return the graph of a fitted estimator of scikit-learn for rows of float32.

    Parameters
    ----------
    builder : GraphBuilder
        Makes the graphs of estimators of skcnn inside it.
    model : estimator
        The estimator.
    n_values : int
        Values of a row.
    raw_scores : bool, default=False
        Whether the output "probabilities" has the decision function instead.

    Raises
    ------
    UnsupportedModelError
        If skl2onnx does not convert it.
    """
    skl2onnx = imported("skl2onnx", REASON)
    types = imported("skl2onnx.common.data_types", REASON)
    options: dict[str, Any] = {}
    if is_classifier(model):
        options = {"zipmap": False} | ({"raw_scores": True} if raw_scores else {})
    name = type(model).__name__
    if isinstance(model, VotingClassifier):  # the parameter is of transform only
        model = copy.copy(model)
        model.flatten_transform = False
    if isinstance(model, VotingClassifier | VotingRegressor) and model.weights is not None:
        model = copy.copy(model)
        model.weights = np.asarray(model.weights)  # skl2onnx takes no list
    try:
        with _own_converters(builder), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = skl2onnx.convert_sklearn(
                model,
                initial_types=[(ROWS, types.FloatTensorType([None, n_values]))],
                target_opset={"": builder.opset, "ai.onnx.ml": ML_OPSET},
                options={id(model): options} if options else None,
            )
    except UnsupportedModelError:  # of a part that is converted here
        raise
    except Exception as error:  # of many types, such as NameError and RuntimeError
        first = str(error).strip().partition("\n")[0]
        raise UnsupportedModelError(
            f"{name} cannot be exported: skl2onnx does not convert it: {first}"
        ) from error
    given = [each.name for each in graph.graph.output]
    names = [LABEL, PROBABILITIES] if is_classifier(model) else [VARIABLE]
    wires = {ROWS: ROWS, **dict(zip(given, names, strict=False))}
    return joined([(graph, wires)], [ROWS], names[: len(given)], builder.opset)


@contextmanager
def _own_converters(builder: Any) -> Iterator[None]:
    """Let skl2onnx convert estimators of skcnn inside the block.

    Calibrated classifiers are converted here too: skl2onnx takes the nearest threshold of an
    isotonic regression, where scikit-learn interpolates.
    """
    skl2onnx = imported("skl2onnx", REASON)
    names = imported("skl2onnx._supported_operators", REASON).sklearn_operator_name_map
    own = [*NETWORKS, *_classes(TRANSFORMERS), FrozenEstimator, CalibratedClassifierCV]
    with LOCK:
        before = {cls: names[cls] for cls in own if cls in names}
        try:
            for cls in own:
                skl2onnx.update_registered_converter(
                    cls,
                    f"Skcnn{cls.__name__}",
                    lambda operator: _set_types(builder, operator),
                    lambda scope, operator, container: _convert(
                        builder, scope, operator, container
                    ),
                    options=OPTIONS if cls in CLASSIFIERS else None,
                )
            yield
        finally:
            for cls in own:
                names.pop(cls, None)
            names.update(before)


def _classes(bases: tuple[type, ...]) -> list[type]:
    """Return classes and all that are derived from them."""
    found: list[type] = []
    for cls in bases:
        found += [cls, *_classes(tuple(cls.__subclasses__()))]
    return list(dict.fromkeys(found))


def _set_types(builder: Any, operator: Any) -> None:
    """Set the types of what an estimator returns, as skl2onnx asks for them."""
    types = imported("skl2onnx.common.data_types", REASON)
    model, source = operator.raw_operator, operator.inputs[0].type
    n, n_values = source.shape[0], int(source.shape[1])
    inner = model.estimator if isinstance(model, FrozenEstimator) else model
    if is_classifier(inner):
        classes = np.asarray(inner.classes_)
        label = types.StringTensorType if classes.dtype.kind in "UO" else types.Int64TensorType
        operator.outputs[0].type = label([n])
        operator.outputs[1].type = types.FloatTensorType([n, len(classes)])
    elif is_regressor(inner):
        operator.outputs[0].type = types.FloatTensorType([n, getattr(inner, "n_outputs_", 1)])
    else:
        _, form = builder.transformation(inner, Form((n_values,)))
        operator.outputs[0].type = types.FloatTensorType([n, form.n_values])


def _convert(builder: Any, scope: Any, operator: Any, container: Any) -> None:
    """Add the graph of an estimator of skcnn to the one that skl2onnx makes."""
    model, source = operator.raw_operator, operator.inputs[0]
    form = Form((int(source.type.shape[1]),))
    inner = model.estimator if isinstance(model, FrozenEstimator) else model
    names = [each.onnx_name for each in operator.outputs]
    graph = _nested(builder, inner, form)
    wires = {
        ROWS: source.onnx_name,
        **dict(zip((each.name for each in graph.graph.output), names, strict=True)),
    }
    part = wired(graph, f"{scope.get_unique_operator_name('skcnn')}/", wires)
    container.nodes.extend(part.node)
    container.initializers.extend(part.initializer)
    container.node_domain_version_pair_sets.add(("", builder.opset))


def _nested(builder: Any, model: Any, form: Form) -> Any:
    """Return the graph of an estimator with the outputs that skl2onnx expects."""
    if is_classifier(model):
        return builder.predictions(model, form)
    if is_regressor(model):
        return builder.predictions_as_columns(model, form)
    graph, _ = builder.transformation(model, form)
    return builder.unchanged(form) if graph is None else graph
