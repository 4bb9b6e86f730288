"""What is saved of a trained network: layers, weights, training settings and optimizer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skcnn._architectures.packages import MakeModule
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._files.values import check_names
from skcnn._network.network import (
    ConvNet,
    Standardize,
    WrappedNet,
    make_standardize,
    wrap_callable,
)
from skcnn._network.series_net import SeriesNet
from skcnn._training.engine import ConvNetEngine
from skcnn._training.engine_state import training_only
from skcnn._training.losses import (
    CLASSIFICATION_LOSSES,
    REGRESSION_LOSSES,
    BrierScore,
    CrossEntropy,
    RegressionLoss,
    classification_loss,
)
from skcnn._training.optimizers import KEPT_STATES, OPTIMIZERS
from skcnn._utils.random_state import private_random_state
from skcnn._utils.validation import is_number
from skcnn.exceptions import ArchitectureError, ModelFileError, SkcnnError, UnsupportedModelError
from skcnn.layers._base import LayerSpec
from skcnn.layers._normalization import BATCH_NORMS, fix_statistics, fixed_statistics
from skcnn.layers._sequence import TracedLayer, trace

# For one sample; what a file claims must not make a prediction take all memory.
MOST_LAYER_VALUES = 2**31
AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
SETTINGS = ("lr", "momentum", "nesterov", "weight_decay", "l1_penalty", "gradient_clip")
STATE = {"loss", "settings", "weights", "frozen", "groups", "states", "trained"}
FIXED = {"fixed_statistics"}  # not in files of networks without such normalisations
OF_PARTS = {"frozen_for_part", "rate_shares"}  # not in files of networks that were trained whole


def network_state(engine: ConvNetEngine) -> dict[str, Any]:
    """Return what is saved of an engine, as plain values and arrays. Its callbacks are not.

    Raises
    ------
    UnsupportedModelError
        If the module has a state that is no array of finite numbers.
    """
    optimizer = engine.optimizer_.state_dict()
    names = [name for name, p in engine.module_.named_parameters() if not p.requires_grad]
    shares = vars(engine).get("_rate_shares", {})
    of_part = {"frozen_for_part": sorted(engine.frozen_names), "rate_shares": dict(shares)}
    fixed = fixed_statistics(engine.module_)
    return {
        **(of_part if any(of_part.values()) else {}),
        **({"fixed_statistics": fixed} if fixed else {}),
        "loss": _kept_loss(engine.criterion_),
        "settings": {
            "optimizer": engine.optimizer_name,
            **{name: getattr(engine, name) for name in SETTINGS},
            "autocast": _dtype_name(engine.autocast),
            "compile": engine.compile_module,
        },
        "weights": kept_weights(engine.module_),
        "frozen": names,
        "trained": sorted(vars(engine)["_optimized"]),
        "groups": optimizer["param_groups"],
        "states": {number: _kept(state) for number, state in optimizer["state"].items()},
    }


def kept_weights(module: nn.Module) -> dict[str, np.ndarray]:
    """Return the weights and statistics of a module as arrays."""
    return {name: _as_array(name, tensor) for name, tensor in module.state_dict().items()}


def _kept(state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _as_array(name, value) if isinstance(value, Tensor) else value
        for name, value in state.items()
    }


def _dtype_name(dtype: torch.dtype | None) -> str | None:
    return None if dtype is None else str(dtype).removeprefix("torch.")


def _as_array(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, Tensor) or value.dtype == torch.bfloat16 or value.is_complex():
        raise UnsupportedModelError(f"the network's state {name!r} is no array of real numbers")
    if value.is_floating_point() and not bool(value.isfinite().all()):
        raise UnsupportedModelError(f"the network's values {name!r} are not all finite")
    return value.detach().cpu().contiguous().numpy()


def _kept_loss(loss: nn.Module) -> dict[str, Any]:
    if isinstance(loss, RegressionLoss):
        return {"kind": loss.kind}
    assert isinstance(loss, CrossEntropy | BrierScore)
    kind = CLASSIFICATION_LOSSES[isinstance(loss, BrierScore)]
    return {"kind": kind, "multilabel": loss.multilabel, "smoothing": loss.label_smoothing}


def restored_loss(kept: Any, multilabel: bool | None) -> nn.Module:
    """Return the loss module of a classifier, or of a regressor where `multilabel` is None."""
    if type(kept) is not dict:
        raise ModelFileError("the network's loss is damaged")
    if multilabel is None:
        check_names(kept, {"kind"}, "the network's loss")
        _check(type(kept["kind"]) is str and kept["kind"] in REGRESSION_LOSSES, "loss")
        return RegressionLoss(kept["kind"])
    check_names(kept, {"kind", "multilabel", "smoothing"}, "the network's loss")
    _check(type(kept["kind"]) is str and kept["kind"] in CLASSIFICATION_LOSSES, "loss")
    smoothing = kept["smoothing"]
    _check(kept["multilabel"] is multilabel and is_number(smoothing), "loss")
    _check(0 <= smoothing < 1, "loss")
    return classification_loss(kept["kind"], multilabel, smoothing)


def traced_layers(layers: Any, layout: InputLayout, n_outputs: int) -> list[TracedLayer]:
    """Return the layers of a file with their shapes.

    Raises
    ------
    ModelFileError
        If they do not fit the samples or the number of outputs, or would take too much memory.
    """
    rows = checked_rows(layers, layout)
    _check(rows[-1].output_shape == (n_outputs,), "number of outputs")
    return rows


def checked_rows(layers: Any, layout: InputLayout) -> list[TracedLayer]:
    """Return the layers of a file with their shapes, whatever the outputs are."""
    legal = type(layers) is tuple and all(isinstance(each, LayerSpec) for each in layers)
    _check(legal and len(layers) > 0, "layers")
    try:
        rows = trace(layers, layout.traced_shape)
        values = sum(row.spec.n_output_values(row.input_shape) for row in rows)
    except (SkcnnError, ValueError, OverflowError) as error:
        raise ModelFileError(f"its layers do not fit its samples: {error}") from error
    if values > MOST_LAYER_VALUES:
        raise ModelFileError(f"its layers return {values} values for a sample, too many")
    return rows


def restored_module(
    rows: list[TracedLayer] | None,
    make: MakeModule | None,
    layout: InputLayout,
    n_outputs: int,
    weights: dict[str, np.ndarray],
) -> nn.Module:
    """Return a module with the weights of a file, which are compared before memory is taken.

    Without rows `make` makes it.
    """
    if rows is None:
        if make is None:
            raise ModelFileError("the network's architecture is damaged")
        module: nn.Module = called_module(make, layout, n_outputs)
        _check_weights(module, weights)
    else:
        network = SeriesNet if isinstance(layout, SeriesLayout) else ConvNet
        standardize = _plain_standardize(layout, 2)  # arithmetic loads torch's compiler there
        with torch.device("meta"):
            try:
                _check_weights(network(rows, standardize), weights)
            except (RuntimeError, OverflowError, TypeError, ArchitectureError) as error:
                raise ModelFileError(f"its layers cannot be built: {error}") from error
        module = network(rows, _plain_standardize(layout, 2))
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(torch.from_numpy(weights.pop(name)))
    return module


def _plain_standardize(layout: InputLayout, least_axes: int) -> Standardize:
    mean, std = torch.zeros(layout.n_channels), torch.ones(layout.n_channels)
    return make_standardize(mean, std, layout, least_axes)


def called_module(make: MakeModule, layout: InputLayout, n_outputs: int) -> WrappedNet:
    """Return the module that a callable makes, with any weights."""
    standardize = _plain_standardize(layout, 1)
    with private_random_state(0, torch.device("cpu")):
        return wrap_callable(make, layout.traced_shape, n_outputs, standardize)


def _check_weights(module: nn.Module, weights: Any) -> None:
    """Check names, shapes and dtypes of the weights, and that they are finite."""
    _check(type(weights) is dict, "weights")
    expected = module.state_dict()
    check_names(weights, {*expected}, "the network's weights")
    for name, tensor in expected.items():
        array = weights[name]
        shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype.name != dtype:
            raise ModelFileError(
                f"its weights {name!r} must have the shape {shape} and the dtype {dtype}. Got "
                f"{getattr(array, 'shape', None)} and {getattr(array, 'dtype', None)}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFileError(f"its weights {name!r} are not all finite")


def restored_engine(module: nn.Module, loss: nn.Module, state: dict[str, Any]) -> ConvNetEngine:
    """Return an engine on the CPU that can predict and train on."""
    settings = state["settings"]
    names = {"optimizer", *SETTINGS, "autocast", "compile"}
    _check(type(settings) is dict, "settings")
    check_names(settings, names, "the training settings")
    numbers = [settings[name] for name in ("lr", "momentum", "weight_decay", "l1_penalty")]
    numbers += [settings["gradient_clip"] or 0.0]
    _check(all(is_number(value) and value >= 0 for value in numbers), "settings")
    _check(type(settings["nesterov"]) is bool and type(settings["compile"]) is bool, "settings")
    _check(settings["optimizer"] in OPTIMIZERS, "settings")
    _check(settings["autocast"] in (None, *AUTOCAST), "settings")
    parameters = dict(module.named_parameters())
    for_part, shares = state.get("frozen_for_part", []), state.get("rate_shares", {})
    for key, given in (
        ("frozen", state["frozen"]),
        ("trained", state["trained"]),
        ("part", for_part),
    ):
        legal = type(given) is list and all(type(name) is str for name in given)
        _check(legal and {*given} <= parameters.keys(), key)
    _check({*for_part} <= {*state["frozen"]}, "part")
    _check(type(shares) is dict and shares.keys() <= parameters.keys(), "rates")
    _check(all(type(share) is float and 0 < share <= 1 for share in shares.values()), "rates")
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in state["trained"])
    engine = ConvNetEngine(
        module,
        loss,
        optimizer_name=settings["optimizer"],
        **{name: settings[name] for name in SETTINGS},
        autocast=AUTOCAST.get(settings["autocast"]),
        compile_module=settings["compile"],
    )
    engine.__dict__.update(_frozen_names=frozenset(for_part), _rate_shares=shares)
    _fix_statistics(module, state.get("fixed_statistics", []))
    engine.initialize()
    with training_only(module, state["trained"]):
        _restore_optimizer(engine.optimizer_, state, settings["optimizer"])
    for name, parameter in parameters.items():
        parameter.requires_grad_(name not in state["frozen"])
    module.eval()
    return engine


def _fix_statistics(module: nn.Module, names: Any) -> None:
    """Fix the statistics of the batch normalisations of the given names."""
    norms = {name for name, part in module.named_modules() if isinstance(part, BATCH_NORMS)}
    legal = type(names) is list and all(type(name) is str for name in names)
    _check(legal and {*names} <= norms, "fixed statistics")
    fix_statistics(module, names)


def _restore_optimizer(optimizer: Any, state: dict[str, Any], name: str) -> None:
    """Load the optimizer's groups and states, which must be like those of a new optimizer."""
    fresh = optimizer.state_dict()["param_groups"]
    groups, states = state["groups"], state["states"]
    _check(type(groups) is list and len(groups) == len(fresh), "optimizer")
    for group, like in zip(groups, fresh, strict=True):
        _check(type(group) is dict, "optimizer")
        check_names(group, {*like}, "the optimizer's settings")
        _check(group["params"] == like["params"], "optimizer")
        _check(all(_is_like(group[key], like[key]) for key in like), "optimizer")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    _check(type(states) is dict, "optimizer")
    restored = {}
    for number, kept in states.items():
        _check(type(number) is int and 0 <= number < len(parameters), "optimizer")
        _check(type(kept) is dict and kept.keys() in KEPT_STATES[name], "optimizer")
        restored[number] = {
            key: _restored_state(key, value, parameters[number]) for key, value in kept.items()
        }
    optimizer.load_state_dict({"state": restored, "param_groups": groups})


def _is_like(value: Any, like: Any) -> bool:
    """Return whether a setting is of the kind of another, and finite."""
    if isinstance(like, tuple | list):
        legal = type(value) is type(like) and len(value) == len(like)
        return legal and all(map(_is_like, value, like))
    if like is None or isinstance(like, bool):
        return value is like
    return is_number(value)


def _restored_state(name: str, value: Any, parameter: Tensor) -> Any:
    """Return one state of a parameter: the number of steps, or values in the parameter's shape.

    Compiled steps read the states without a check.
    """
    if name == "step" and not isinstance(value, np.ndarray):
        _check(is_number(value) and value >= 0, "optimizer")
        return value
    shape = () if name == "step" else tuple(parameter.shape)
    legal = isinstance(value, np.ndarray) and value.shape == shape and value.dtype == np.float32
    _check(legal and bool(np.isfinite(value).all()), "optimizer")
    tensor = torch.from_numpy(value)
    if name == "step":
        return tensor
    # in the layout of the parameter, which the fused steps read both by
    return torch.empty_like(parameter.detach()).copy_(tensor)


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise ModelFileError(f"the network's {what} are damaged")
