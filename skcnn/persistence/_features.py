"""What is saved of a fitted ConvNetFeatures, and how it is restored."""

from typing import Any

import torch

from skcnn._convnet.feature_network import POOLINGS, FeatureNetwork, with_pooling
from skcnn._convnet.features import ConvNetFeatures
from skcnn._network.network import ConvNet
from skcnn._utils.compat import parameter_names
from skcnn._utils.device import resolve_device
from skcnn.exceptions import ModelFileError, UnsupportedModelError
from skcnn.layers._dense import Flatten
from skcnn.persistence._checks import check_attributes, declared
from skcnn.persistence._convnets import (
    OPTIONAL_NAMES,
    has_size_of,
    kept_names,
    kept_size,
    restored_limits,
    restored_size,
    restored_value_range,
)
from skcnn.persistence._network_state import checked_rows, kept_weights, restored_module
from skcnn.persistence._registry import trust

ATTRIBUTES = {
    "_builder",
    "_layout",
    "_n_features_out",
    "_network",
    "_pooling",
    "_rows",
    "_value_range",
    "channel_names_",
    "feature_names_in_",
    "input_shape_",
    "layer_",
    "n_features_in_",
    "offset_",
    "sampling_rate_",
}
KEPT = declared(
    "n_features_in_?=count feature_names_in_?=strings(F) channel_names_?=strings(C) "
    "sampling_rate_?=real layout=samples offset=none|finite(C) low=real high=real limits=any "
    "layers=tuple pooling=any weights=any"
)


def keep_features(model: Any) -> dict[str, Any]:
    """Return what is saved of a ConvNetFeatures, nothing if it is not fitted.

    Raises
    ------
    UnsupportedModelError
        If its network is a module of a callable, or it has attributes that are not saved.
    """
    if not model.__sklearn_is_fitted__():
        return {}
    unknown = vars(model).keys() - {*parameter_names(ConvNetFeatures), *ATTRIBUTES}
    if unknown:
        raise UnsupportedModelError(
            f"the attribute {min(unknown)!r} of ConvNetFeatures cannot be saved"
        )
    if model._rows is None:
        raise UnsupportedModelError(
            "the network of ConvNetFeatures is a module of a callable or of another package, of "
            "which model files hold no features"
        )
    return {
        **kept_size(model),
        **kept_names(model),
        "layout": model._layout,
        "offset": model.offset_,
        "low": model._value_range.low,
        "high": model._value_range.high,
        "limits": model._builder._limits,
        "pooling": model._pooling,
        "layers": tuple(row.spec for row in model._rows),
        "weights": kept_weights(model.module_),
    }


def restore_features(model: Any, kept: dict[str, Any], architecture: Any) -> None:
    """Check what was saved of a ConvNetFeatures, and set its attributes.

    Raises
    ------
    ModelFileError
        If the parts do not fit each other.
    """
    try:
        model._check_parameters()
    except ValueError as error:
        raise ModelFileError(f"ConvNetFeatures has an illegal parameter: {error}") from error
    if not kept:
        return
    check_attributes(kept, KEPT, "ConvNetFeatures")
    layout, offset = kept["layout"], kept["offset"]
    legal = has_size_of(kept, layout) and (offset is None or offset.shape == (layout.n_channels,))
    pooling = kept["pooling"]
    legal = legal and (pooling is None or (type(pooling) is str and pooling in POOLINGS))
    if not legal or not kept["layers"]:
        raise ModelFileError("the parts of ConvNetFeatures must fit each other")
    rows = checked_rows((*kept["layers"], Flatten()), layout)[:-1]
    module = restored_module(rows, None, layout, 0, kept["weights"])
    assert isinstance(module, ConvNet)
    vars(model).update(
        restored_size(kept),
        offset_=offset,
        _value_range=restored_value_range(kept),
    )
    vars(model).update({name: kept[name] for name in OPTIONAL_NAMES if name in kept})
    model._builder = model._make_builder()
    model._builder.offset_, model._builder._value_range = offset, model._value_range
    model._builder._limits = restored_limits(kept)
    module = with_pooling(module, rows, pooling)
    network = FeatureNetwork(module, layout.network_shape, _device(model))
    model._set_network(network, rows, rows[-1].name, pooling)


def _device(model: Any) -> torch.device:
    """Return the device of the parameter, the CPU where this machine lacks it."""
    try:
        return resolve_device(model.device)
    except ValueError:
        return torch.device("cpu")


trust(ConvNetFeatures, keep=keep_features, restore=restore_features)
