"""Makes the space that a search asks for, with the bounds of the automatic one."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skcnn._convnet.automatic import pooled_filters
from skcnn._convnet.pipelines import find_convnet, trains_augmented
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._utils.compat import InvalidParameterError
from skcnn._utils.validation import did_you_mean
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import Shape
from skcnn.model_selection._cross_validation import CrossValidation
from skcnn.model_selection._network_size import Limits, NetworkSizer
from skcnn.model_selection._spaces.auto_space import AutoSpace
from skcnn.model_selection._spaces.base import ParamSpace
from skcnn.model_selection._spaces.callable_space import CallableSpace
from skcnn.model_selection._spaces.dict_space import DictSpace, ListSpace
from skcnn.model_selection._spaces.networks import BlockNetworks, Networks
from skcnn.model_selection._spaces.signal_networks import SignalNetworks

MOST_TIMES_OWN = 8  # multiply-accumulates of an automatic network, times the estimator's own
MOST_TIMES_OWN_OF_SIGNALS = 3  # whose own network is large


def make_space(
    search: Any,
    cv: CrossValidation,
    layout: InputLayout | None,
    limits: Limits | None,
    sizer: NetworkSizer | None,
) -> ParamSpace:
    """Return the space that a search draws from.

    Parameters
    ----------
    search : ConvNetSearchCV
        The search.
    cv : CrossValidation
        Data, splits and scorer.
    layout : InputLayout or None
        How the ConvNet reads a sample; needed by the automatic space.
    limits : Limits or None
        The user's bounds.
    sizer : NetworkSizer or None
        Computes the size of a network; needed by the automatic space.
    """
    if callable(search.param_space):
        return CallableSpace(search.param_space, search.initial_params)
    if isinstance(search.param_space, Mapping):
        _check_dict(search.estimator, search.param_space)
        return DictSpace(search.param_space, search.initial_params)
    if isinstance(search.param_space, list | tuple):
        _check_list(search.estimator, search.param_space)
        return ListSpace(search.param_space, search.initial_params)
    assert layout is not None
    assert sizer is not None
    return _auto_space(search.initial_params, cv, layout, limits, sizer)


def _check_dict(estimator: Any, space: Mapping[str, Any]) -> None:
    if not space:
        raise InvalidParameterError(
            "The 'param_space' parameter must name at least one parameter. Got {}."
        )
    _check_names(estimator, space)


def _check_list(estimator: Any, spaces: Sequence[Any]) -> None:
    if not spaces or not all(isinstance(space, Mapping) for space in spaces):
        raise InvalidParameterError(
            "The 'param_space' parameter must have one or more dicts, and nothing else, where "
            f"it is a list. Got {spaces!r}."
        )
    for space in spaces:
        _check_names(estimator, space)


def _check_names(estimator: Any, space: Mapping[str, Any]) -> None:
    """Raise scikit-learn's error for an unknown parameter, with a similar name."""
    names = clone(estimator).get_params(deep=True)
    for name in space:
        if name in names:
            continue
        inside = [known for known in names if known.endswith(f"__{name}")]
        hint = f" Did you mean {inside[0]!r}?" if inside else did_you_mean(name, names)
        try:
            clone(estimator).set_params(**{name: None})
        except ValueError as error:
            raise ValueError(f"{error}{hint}") from None


def _auto_space(
    initial: Any,
    cv: CrossValidation,
    layout: InputLayout,
    limits: Limits | None,
    sizer: NetworkSizer,
) -> AutoSpace:
    """Return the automatic space of the ConvNet that the estimator is or ends in."""
    net: Any = find_convnet(cv.estimator)
    prefix, estimator = "", cv.estimator
    while isinstance(estimator, Pipeline):
        prefix += f"{estimator.steps[-1][0]}__"
        estimator = estimator.steps[-1][1]
    augmented = trains_augmented(cv.estimator, cv.X, layout, at_strength=1.0)  # which is searched
    n_samples = len(cv.splits[0][0])
    shape, any_length = layout.traced_shape, isinstance(layout, SeriesLayout)
    networks: Networks = BlockNetworks(
        layout.spatial, n_samples, augmented, any_length, partial(_resolved, net, shape, any_length)
    )
    most_times = MOST_TIMES_OWN
    if net._has_series_network(shape, any_length):
        searches_epochs = net.max_epochs == "auto"
        networks = SignalNetworks(shape, any_length, n_samples, augmented, searches_epochs)
        most_times = MOST_TIMES_OWN_OF_SIGNALS
    return AutoSpace(
        prefix,
        networks,
        net.get_params(deep=False),
        initial,
        _limits_of_auto(net, limits, sizer, most_times),
    )


def _resolved(
    net: Any, shape: Shape, any_length: bool, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return parameters with the estimator's optimizer and network in the place of "auto"."""
    changed = clone(net).set_params(**params)
    known = {**params, "optimizer": changed._optimizer_name(shape)}
    if changed.architecture is None:
        pool, units = changed._head(shape, any_length)
        known |= {"global_pooling": pool, "hidden_units": units}
        if changed._has_image_network(shape):
            known["filters"] = pooled_filters(shape[1:])[:-1]
    return known


def _limits_of_auto(
    net: Any, limits: Limits | None, sizer: NetworkSizer, most_times: int
) -> Limits | None:
    """Return the user's limits, with a bound relative to the estimator's own network."""
    bounds = {} if limits is None else limits.bounds
    if net.architecture is not None or "multiply_accumulates" in bounds:
        return limits
    try:
        own = sizer({})["multiply_accumulates"]
    except ArchitectureError:  # the space can still draw networks that fit
        return Limits(bounds, sizer)
    return Limits({**bounds, "multiply_accumulates": most_times * own}, sizer)
