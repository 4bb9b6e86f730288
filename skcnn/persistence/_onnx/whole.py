"""The whole graph of an estimator: its input as predict takes it, its outputs, its metadata."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from typing import Any

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.pipeline import Pipeline

from skcnn._data.containers import as_array
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.augmentation._base import Augmentation
from skcnn.exceptions import InputShapeError, UnsupportedModelError
from skcnn.persistence._intake import installed_versions
from skcnn.persistence._onnx.builder import GraphBuilder, unwrapped
from skcnn.persistence._onnx.graphs import DYNAMIC, REASON, ROWS, joined, made_of
from skcnn.persistence._onnx.packages import imported
from skcnn.persistence._onnx.refusals import check_parts
from skcnn.persistence._onnx.transformers import Form
from skcnn.persistence._origins import base_origins
from skcnn.persistence._parts import NETWORKS, parts_of
from skcnn.preprocessing import LoadImages, ResizeImages

INPUT = "X"
DTYPES = {"uint8": torch.uint8, "float32": torch.float32, "float64": torch.float64}
BYTES = (0.0, 255.0)  # the limits of a pretrained base for bytes


@dataclass(frozen=True)
class Exported:
    """What is exported of an estimator.

    Attributes
    ----------
    model : estimator
        Without the step that loads images.
    load : LoadImages or None
        That step.
    form : Form
        A sample as the graph takes it.
    dtype : {"uint8", "float32", "float64"}
        Of the graph's input.
    """

    model: Any
    load: LoadImages | None
    form: Form
    dtype: str

    def samples(self, X: Any) -> np.ndarray:
        """Return samples as the graph's input."""
        array = as_array(X) if self.load is None else self.load.transform(X)
        return np.ascontiguousarray(array, self.dtype)


def exported(estimator: Any, X: Any) -> Exported:
    """Return what is exported, with the form of the samples `X`, or else that of the fit.

    Raises
    ------
    UnsupportedModelError
        If a part is refused, see `check_parts`.
    InputShapeError
        If the shape is not known, or not the one that the network was fitted on.
    """
    check_parts(estimator)
    model, load = estimator, None
    loads = isinstance(model, Pipeline) and isinstance(model.steps[0][1], LoadImages)
    if loads and len(model.steps) > 1:
        load, rest = model.steps[0][1], model.steps[1:]
        model = rest[0][1] if len(rest) == 1 else Pipeline(rest)
    first = _first(model)
    if load is not None:
        if load.mode_ == "I;16":
            raise UnsupportedModelError("Images of 16 bits cannot be exported: load them as 'L'.")
        return Exported(model, load, Form(tuple(load.image_shape_), is_bytes=True), "uint8")
    if X is not None:
        array = np.asarray(as_array(X))
        _check_samples(first, array.shape)
        _check_rounding(model, array.dtype)
        shape, dtype = array.shape[1:], "uint8" if array.dtype == np.uint8 else "float32"
    else:
        shape, dtype = _fitted_shape(first), "float32"
        if getattr(first, "_limits", None) == BYTES:
            dtype = "uint8"
    if getattr(first, "offset_", None) is not None:
        dtype = "float64"
    if not shape or min(shape) < 1:
        raise InputShapeError(
            f"X has samples of shape {shape}: an export needs samples of one shape, as an array."
        )
    return Exported(model, load, Form(tuple(map(int, shape)), dtype == "uint8"), dtype)


def _check_samples(first: Any, shape: tuple[int, ...]) -> None:
    """Check that there are samples, of a shape that the first step takes."""
    if not shape or not shape[0]:
        raise InputShapeError("X has no samples: an export needs some, or none at all (X=None).")
    if isinstance(first, NETWORKS):
        if not first._layout.accepts(shape[1:]):
            raise InputShapeError(
                f"X has samples of shape {shape[1:]}, but {type(first).__name__} was fitted on "
                f"samples of shape {first._layout.shape}."
            )
    elif type(first).__module__.startswith("sklearn."):
        n = getattr(first, "n_features_in_", None)
        if n is not None and prod(shape[1:]) != n:  # those of networks inside may be images
            raise InputShapeError(
                f"X has samples of shape {shape[1:]}, but {type(first).__name__} was fitted on "
                f"samples of {n} values."
            )


def value_limits(model: Any) -> tuple[float, float] | None:
    """Return the smallest and the largest value in the fit, None if they are not known."""
    parts = list(parts_of(model, set(), 0))
    networks = [p for p in parts if isinstance(p, NETWORKS) and hasattr(p, "_value_range")]
    first = _first(model)
    if not isinstance(first, NETWORKS):
        changes = any(isinstance(part, Pipeline | TransformerMixin) for part in parts)
        if not networks or changes:  # not the values that the network got
            return None
        first = networks[0]
    values = getattr(first, "_value_range", None)
    return None if values is None else (float(values.low), float(values.high))


def _check_rounding(model: Any, dtype: np.dtype[Any]) -> None:
    """Raise UnsupportedModelError for integers that ResizeImages rounds, and a graph would not."""
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    rounds = any(isinstance(step, ResizeImages) for step in steps)
    if rounds and dtype.kind in "iu" and dtype != np.uint8:
        raise UnsupportedModelError(
            f"ResizeImages cannot be exported for X of dtype {dtype}, whose results it rounds: "
            "pass X as bytes or floats, in training too."
        )


def _first(model: Any) -> Any:
    """Return the first step that changes samples, in wrappers too."""
    while True:
        model = unwrapped(model)
        if isinstance(model, Pipeline):
            kept = [s for _, s in model.steps if not (s is None or isinstance(s, str))]
            moving = [s for s in kept if not isinstance(s, Augmentation)]
            if not kept:
                return model
            model = (moving or kept)[0]
        elif hasattr(model, "calibrated_classifiers_"):
            model = model.calibrated_classifiers_[0].estimator
        else:
            return model


def _fitted_shape(first: Any) -> tuple[int, ...]:
    """Return the shape of a sample, as `fit` most likely got it.

    Raises
    ------
    InputShapeError
        If the fit did not record it.
    """
    if isinstance(first, NETWORKS) or hasattr(first, "_layout"):
        layout = first._layout
        if first.input_shape is not None:
            return (layout.n_values,)
        return layout.spatial if layout.n_channels == 1 else layout.shape
    if hasattr(first, "n_features_in_"):
        return (int(first.n_features_in_),)
    raise InputShapeError(
        f"The shape of the samples of {type(first).__name__} is not known: pass X, some samples "
        "in the form that predict takes."
    )


@in_standard_torch_state
def whole_graph(what: Exported, opset: int) -> Any:
    """Return the graph from samples to predictions."""
    onnx = imported("onnx", REASON)
    helper = imported("onnx.helper", REASON)
    builder = GraphBuilder(opset)
    dtype = DTYPES[what.dtype]
    graph = builder.predictions(what.model, what.form, dtype)
    outputs = [each.name for each in graph.graph.output]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(what.dtype))
    n_values = prod(what.form.shape)
    entry = made_of(
        [helper.make_node("Reshape", [INPUT, "flat"], [ROWS], name="rows")],
        [(INPUT, kind, [DYNAMIC, *what.form.shape])],
        [(ROWS, kind, [DYNAMIC, n_values])],
        {"flat": np.array([-1, n_values])},
        opset,
    )
    parts = [(entry, {INPUT: INPUT, ROWS: ROWS}), (graph, {ROWS: ROWS, **{n: n for n in outputs}})]
    whole = joined(parts, [INPUT], outputs, opset)
    whole.producer_name, whole.producer_version = "skcnn", version("skcnn")
    onnx.checker.check_model(whole)
    return whole


def metadata(estimator: Any, what: Exported) -> dict[str, str]:
    """Return what a file says about the estimator, as texts; lists and dicts are JSON."""
    facts: dict[str, Any] = {
        "estimator": type(estimator).__name__,
        "packages": installed_versions(),
        "input": {"shape": ["n", *what.form.shape], "dtype": what.dtype},
        "bases": base_origins(estimator),
    }
    if what.load is not None:
        height, width = what.load.image_shape_[:2]
        size = {"height": int(height), "width": int(width)}
        facts["image"] = {**size, "mode": what.load.mode_, "resize": what.load.resize}
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, np.ndarray):
        facts["classes"] = [str(c) if isinstance(c, bytes) else c for c in classes.tolist()]
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in facts.items()
    }
