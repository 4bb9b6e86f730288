"""What is saved of a fitted ConvNet, and how it is restored."""

from math import prod
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from skcnn._architectures.packages import MakeModule, makes_module, module_maker
from skcnn._convnet.calibrating.temperature import COLDEST, HOTTEST
from skcnn._convnet.classifier import ConvNetClassifier
from skcnn._convnet.fitted_base import fitted_base
from skcnn._convnet.fitted_network import UNKNOWN_MACS
from skcnn._convnet.pretrained_input import is_pretrained
from skcnn._convnet.pretrained_module import pretrained_module_maker
from skcnn._convnet.regressor import ConvNetRegressor
from skcnn._convnet.resuming.opening import MARK
from skcnn._data.layouts import InputLayout
from skcnn._data.seen_samples import SeenSamples
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.targets import ClassTargets
from skcnn._data.value_range import ValueRange
from skcnn._files.values import check_names
from skcnn._network.split import Trainable, blocks_of, is_trainable
from skcnn._training.engine import ConvNetEngine
from skcnn._training.monitor import COLUMNS, PLANNED
from skcnn._utils.compat import parameter_names
from skcnn._utils.validation import is_integer, is_number
from skcnn.exceptions import ModelFileError, UnsupportedModelError
from skcnn.layers._image_input import Interpolation
from skcnn.layers._sequence import TracedLayer, total_multiply_accumulates
from skcnn.persistence._checks import check_attributes, declared
from skcnn.persistence._choice import (
    kept_augmentation_choice,
    kept_choice,
    restored_augmentation,
    restored_augmentation_choice,
    restored_choice,
)
from skcnn.persistence._network_state import (
    FIXED,
    OF_PARTS,
    STATE,
    called_module,
    network_state,
    restored_engine,
    restored_loss,
    restored_module,
    traced_layers,
)
from skcnn.persistence._registry import trust

COMMON = {
    "_layout",
    "_limits",
    "_macs",
    "_rows",
    "_seen",
    "_value_range",
    "_weights_epoch",
    "augmentation_",
    "augmentation_choice_",
    "best_epoch_",
    "channel_names_",
    "choice_",
    "device_",
    "feature_names_in_",
    "history_",
    "input_shape_",
    "n_features_in_",
    "n_iter_",
    "n_outputs_",
    "n_parameters_",
    "net_",
    "offset_",
    "sampling_rate_",
    "unfreezing_",
}
OWN = {
    ConvNetClassifier: {"_targets", "classes_", "temperature_"},
    ConvNetRegressor: {"_target_mean", "_target_scale", "_target_shape"},
}
KEPT = declared(
    "layout=samples offset=none|finite(C) outputs=count low=real high=real history=any "
    "epochs=any best_epoch=int weights_epoch=int device=text seen=any layers=tuple|none "
    "network=any limits?=any unfreezing?=any choice?=any augmentation?=any augmentation_choice?=any"
)
NAMES = declared(
    "n_features_in_?=count feature_names_in_?=strings(F) channel_names_?=strings(C) "
    "sampling_rate_?=real"
)
OPTIONAL_NAMES = ("feature_names_in_", "channel_names_", "sampling_rate_")
LABELS = declared("classes=labels(K) multilabel=bool temperature?=real")
TARGETS = declared("shape=tuple mean=any scale=any")


def keep_convnet(model: Any) -> dict[str, Any]:
    """Return what is saved of a ConvNet, nothing if it is not fitted.

    Raises
    ------
    UnsupportedModelError
        If it has attributes or weights that are not saved.
    """
    if not hasattr(model, "net_"):
        return {}
    own = OWN[type(model)]
    unknown = vars(model).keys() - {*parameter_names(type(model)), *COMMON, *own, MARK}
    if unknown:
        raise UnsupportedModelError(
            f"the attribute {min(unknown)!r} of {type(model).__name__} cannot be saved"
        )
    if model._rows is None and fitted_base(model.architecture) is not None:
        raise UnsupportedModelError(
            f"the 'architecture' of {type(model).__name__} is a fitted network whose module a "
            "callable or another package made. Model files hold no such base: give the callable "
            "itself as the architecture, or pickle the model for your own use"
        )
    if model._rows is None and not makes_module(model.architecture):
        raise UnsupportedModelError(
            "the network is one of a callable or of another package, which the parameter "
            "'architecture' no longer names: set it back with set_params"
        )
    if model._rows is None and isinstance(model.architecture, str):
        _check_module(model)
    seen = model._seen
    kept = {
        **kept_size(model),
        "layout": model._layout,
        "offset": model.offset_,
        "outputs": model.n_outputs_,
        "low": model._value_range.low,
        "high": model._value_range.high,
        "limits": model._limits,
        "unfreezing": dict(model.unfreezing_),
        "choice": kept_choice(model.choice_),
        "augmentation": model.augmentation_,
        "augmentation_choice": kept_augmentation_choice(model.augmentation_choice_),
        "epochs": model.history_.index.to_numpy(np.int64),
        "history": {
            name: model.history_[name].to_numpy(float).copy() for name in _columns(model.history_)
        },
        "best_epoch": int(model.best_epoch_),
        "weights_epoch": int(model._weights_epoch),
        "device": model.device_,
        "seen": None if seen is None else (seen.trained, seen.validated),
        "layers": None if model._rows is None else tuple(row.spec for row in model._rows),
        "network": network_state(model.net_),
    }
    kept |= kept_names(model)
    if isinstance(model, ConvNetClassifier):
        return kept | {
            "classes": model.classes_,
            "multilabel": model._targets.multilabel,
            "temperature": model.temperature_,
        }
    return kept | {
        "shape": model._target_shape,
        "mean": model._target_mean,
        "scale": model._target_scale,
    }


def restore_convnet(model: Any, kept: dict[str, Any], architecture: Any) -> None:
    """Check what was saved of a ConvNet, and set its attributes.

    Raises
    ------
    ModelFileError
        If the parts do not fit each other.
    """
    name = type(model).__name__
    try:
        model._check_parameters()
    except ValueError as error:
        raise ModelFileError(f"{name} has an illegal parameter: {error}") from error
    if kept:
        _check_parts(kept, name, isinstance(model, ConvNetClassifier))
        vars(model).update(_attributes(model, kept))
        model._go_to_device()


def _check_parts(kept: dict[str, Any], name: str, is_classifier: bool) -> None:
    """Check the kinds of what was saved, and that samples and offset have one shape."""
    check_attributes(kept, KEPT | NAMES | (LABELS if is_classifier else TARGETS), name)
    layout, offset, state = kept["layout"], kept["offset"], kept["network"]
    _check(has_size_of(kept, layout), name, "number of features")
    legal = type(state) is dict and state.keys() - FIXED in (STATE, STATE | OF_PARTS)
    _check(legal, name, "network")
    _check(offset is None or offset.shape == (layout.n_channels,), name, "offset")


def _attributes(model: Any, kept: dict[str, Any]) -> dict[str, Any]:
    """Return the fitted attributes of a ConvNet, with its network on the CPU."""
    n_outputs = int(kept["outputs"])
    read_targets = _labels if isinstance(model, ConvNetClassifier) else _numbers
    targets, history = read_targets(kept, n_outputs), _history(kept)
    rows, engine = _network(model, kept, n_outputs)
    _fill_skorch_history(engine, history)
    return {
        **{name: kept[name] for name in OPTIONAL_NAMES if name in kept},
        **restored_size(kept),
        "offset_": kept["offset"],
        "n_outputs_": n_outputs,
        "_value_range": restored_value_range(kept),
        "_limits": restored_limits(kept),
        "unfreezing_": _trained_parts(kept, rows),
        "choice_": restored_choice(kept.get("choice")),
        "augmentation_": restored_augmentation(kept.get("augmentation", model.augmentation)),
        "augmentation_choice_": restored_augmentation_choice(kept.get("augmentation_choice")),
        **targets,
        "_rows": rows,
        "_macs": UNKNOWN_MACS if rows is None else total_multiply_accumulates(rows),
        "net_": engine,
        "history_": history,
        "n_iter_": len(history),
        "best_epoch_": kept["best_epoch"],
        "_weights_epoch": kept["weights_epoch"],
        "_seen": _seen(kept["seen"]),
        "device_": kept["device"],
        "n_parameters_": engine.n_parameters,
    }


def _network(
    model: Any, kept: dict[str, Any], n_outputs: int
) -> tuple[list[TracedLayer] | None, ConvNetEngine]:
    """Return the traced layers, None for a module that a callable made, and the engine."""
    layout, state, rows = kept["layout"], kept["network"], None
    if kept["layers"] is not None:
        rows = traced_layers(kept["layers"], layout, n_outputs)
    loss = restored_loss(state["loss"], kept.get("multilabel"))
    module = restored_module(rows, _module_maker(model), layout, n_outputs, state["weights"])
    return rows, restored_engine(module, loss, state)


def _module_maker(model: Any) -> MakeModule | None:
    """Return what makes the module of a callable or of another package, without weights."""
    if not makes_module(model.architecture):
        return None
    if isinstance(model.architecture, str) and is_pretrained(model.pretrained):
        how = (model.image_size, model.standardize)
        return pretrained_module_maker(model.architecture, None, *how)
    return module_maker(model.architecture)


def _check_module(model: Any) -> None:
    """Check that the parameters still describe the module of another package.

    Raises
    ------
    UnsupportedModelError
        If they were changed after the fit.
    """
    make = _module_maker(model)
    assert make is not None
    made = called_module(make, model._layout, model.n_outputs_)
    if _structure(made) != _structure(model.net_.module_):
        raise UnsupportedModelError(
            f"architecture={model.architecture!r} makes another network than the fitted one: set "
            "the parameters 'architecture', 'pretrained', 'image_size' and 'standardize' back to "
            "those of the fit"
        )


def _structure(module: nn.Module) -> tuple[Any, ...]:
    """Return the types of a module's parts, the shapes of its weights and sizes of its images."""
    parts = list(module.named_modules())
    return (
        [(name, type(part)) for name, part in parts],
        [part.size for _, part in parts if isinstance(part, Interpolation)],
        {name: tensor.shape for name, tensor in module.state_dict().items()},
    )


def _labels(kept: dict[str, Any], n_outputs: int) -> dict[str, Any]:
    """Return the attributes of a classifier's labels, which must be sorted."""
    classes, multilabel = kept["classes"], bool(kept["multilabel"])
    owner = "ConvNetClassifier"
    _check(len(classes) == n_outputs and n_outputs >= (1 if multilabel else 2), owner, "classes")
    kinds = {type(label) for label in classes.tolist()}
    _check(len(kinds) == 1 and kinds <= {bool, int, float, str, bytes}, owner, "classes")
    _check(bool((classes[:-1] < classes[1:]).all()), owner, "order of the classes")
    if multilabel:
        _check(np.array_equal(classes, np.arange(n_outputs)), owner, "classes")
    temperature = float(kept.get("temperature", 1.0))
    _check(COLDEST <= temperature <= HOTTEST, owner, "temperature")
    return {
        "_targets": ClassTargets(classes, multilabel),
        "classes_": classes,
        "temperature_": temperature,
    }


def _numbers(kept: dict[str, Any], n_outputs: int) -> dict[str, Any]:
    """Return the attributes of a regressor's targets."""
    shape, mean, scale = kept["shape"], kept["mean"], kept["scale"]
    legal = shape == () if n_outputs == 1 and shape == () else shape == (n_outputs,)
    _check(legal, "ConvNetRegressor", "shape of the targets")
    for values in (mean, scale):
        is_array = isinstance(values, np.ndarray | np.float64) and values.dtype == np.float64
        _check(is_array and values.shape == shape, "ConvNetRegressor", "scale of the targets")
        _check(bool(np.isfinite(values).all()), "ConvNetRegressor", "scale of the targets")
    _check(bool((scale > 0).all()), "ConvNetRegressor", "scale of the targets")
    return {"_target_shape": shape, "_target_mean": mean, "_target_scale": scale}


def restored_limits(kept: dict[str, Any]) -> tuple[float, float] | None:
    """Return the values that a pretrained base gets as 0 and 1."""
    limits = kept.get("limits")
    legal = type(limits) is tuple and len(limits) == 2 and all(map(is_number, limits))
    legal = legal and limits[0] < limits[1]  # type: ignore[index]
    _check(limits is None or legal, "the ConvNet", "limits of values")
    return limits


def _trained_parts(kept: dict[str, Any], rows: list[TracedLayer] | None) -> dict[int, Trainable]:
    """Return what was trained when, which names parts that the network has."""
    parts = kept.get("unfreezing", {0: "all"})
    legal = type(parts) is dict and 0 in parts
    _check(legal and all(is_integer(n) and n >= 0 for n in parts), "the ConvNet", "trained parts")
    for value in parts.values():
        _check(is_trainable(value), "the ConvNet", "trained parts")
        if rows is not None:
            n_blocks = len(blocks_of(rows))
            _check(isinstance(value, str) or value <= n_blocks, "the ConvNet", "trained parts")
    return parts


def restored_value_range(kept: dict[str, Any]) -> ValueRange:
    """Return the range of the values of X in fit."""
    low, high = kept["low"], kept["high"]
    legal = type(low) is float and type(high) is float and -np.inf < low <= high < np.inf
    _check(legal, "the ConvNet", "range of values")
    return ValueRange(low, high)


def _columns(history: Any) -> tuple[str, ...]:
    """Return the columns of a table of epochs, one more if it has that of a time limit."""
    return (*COLUMNS, PLANNED) if PLANNED in history else COLUMNS


def _history(kept: dict[str, Any]) -> pd.DataFrame:
    """Return the table of the epochs."""
    epochs, columns = kept["epochs"], kept["history"]
    legal = isinstance(epochs, np.ndarray) and epochs.dtype == np.int64 and epochs.ndim == 1
    _check(legal and type(columns) is dict, "the ConvNet", "history")
    check_names(columns, {*_columns(columns)}, "the history")
    like_epochs = [
        isinstance(column, np.ndarray) and (column.dtype, column.shape) == (float, epochs.shape)
        for column in columns.values()
    ]
    n_epochs = len(epochs)
    _check(all(like_epochs) and n_epochs > 0, "the ConvNet", "history")
    _check(np.array_equal(epochs, np.arange(1, n_epochs + 1)), "the ConvNet", "history")
    for name in ("best_epoch", "weights_epoch"):
        _check(0 <= kept[name] <= n_epochs, "the ConvNet", name)
    index = pd.RangeIndex(1, n_epochs + 1, name="epoch")
    return pd.DataFrame({name: columns[name] for name in _columns(columns)}, index=index)


def _fill_skorch_history(engine: Any, history: pd.DataFrame) -> None:
    """Write the epochs into the history that skorch's callbacks read."""
    best: dict[str, float] = {}
    for row in history.to_dict("records"):
        engine.history.new_epoch()
        engine.history.record("epoch", len(engine.history))
        engine.history.new_batch()
        for name in COLUMNS:
            if row[name] == row[name]:  # no NaN, as in training
                engine.history.record(name, row[name])
        for name in ("train_loss", "valid_loss"):
            if row[name] == row[name]:
                engine.history.record(f"{name}_best", row[name] < best.get(name, np.inf))
                best[name] = min(best.get(name, np.inf), row[name])


def _seen(kept: Any) -> SeenSamples | None:
    if kept is None:
        return None
    legal = type(kept) is tuple and len(kept) == 2
    for hashes in kept if legal else ():
        legal = legal and isinstance(hashes, np.ndarray) and hashes.dtype == np.uint64
        legal = legal and hashes.ndim == 1 and bool((hashes[:-1] < hashes[1:]).all())
    _check(legal, "the ConvNet", "hashes of earlier samples")
    return SeenSamples(*kept)


def kept_names(model: Any) -> dict[str, Any]:
    """Return the names of features and channels, if there are any."""
    return {name: vars(model)[name] for name in OPTIONAL_NAMES if name in vars(model)}


def kept_size(model: Any) -> dict[str, Any]:
    """Return the number of features; signals of unequal length have none."""
    is_fixed = not isinstance(model._layout, SeriesLayout)
    return {"n_features_in_": model.n_features_in_} if is_fixed else {}


def has_size_of(kept: dict[str, Any], layout: InputLayout) -> bool:
    """Return whether the number of features is that of the samples."""
    if isinstance(layout, SeriesLayout):
        return "n_features_in_" not in kept and "feature_names_in_" not in kept
    return "n_features_in_" in kept and int(kept["n_features_in_"]) == prod(layout.shape)


def restored_size(kept: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that say which shape samples have."""
    layout = kept["layout"]
    if isinstance(layout, SeriesLayout):
        return {"input_shape_": layout.open_shape, "_layout": layout}
    n_features = int(kept["n_features_in_"])
    return {"n_features_in_": n_features, "input_shape_": layout.shape, "_layout": layout}


def _check(condition: bool, owner: str, what: str) -> None:
    if not condition:
        raise ModelFileError(f"the {what} of {owner} must fit its other parts")


# functions, folders and files
NOT_KEPT = {"callbacks": (None,), "checkpoint": (None,), "feature_cache": (None, "memory")}
for cls in (ConvNetClassifier, ConvNetRegressor):
    trust(cls, fixed=NOT_KEPT, keep=keep_convnet, restore=restore_convnet)
