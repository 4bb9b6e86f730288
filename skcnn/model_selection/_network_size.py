"""The size of a candidate's network, computed from its parameters without a training."""

from collections.abc import Mapping
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from skcnn._convnet.pipelines import find_convnet
from skcnn._data.layouts import InputLayout
from skcnn._data.validation import check_sample_array
from skcnn._utils.compat import check_method_params, num_samples, routing_enabled, safe_split
from skcnn._utils.validation import check_parameters
from skcnn.augmentation._augmented_array import originals
from skcnn.model_selection._cross_validation import CrossValidation

SIZES = ("n_parameters", "multiply_accumulates")
COSTS = (*SIZES, "predict_seconds", "fit_seconds", "n_epochs")  # objectives besides scores


class NetworkSizer:
    """Counts parameters and multiply-accumulates of a candidate's network.

    Parameters
    ----------
    estimator : estimator
        A ConvNet or a Pipeline that ends in one.
    layout : InputLayout
        How the ConvNet reads a sample.
    n_outputs : int
        Number of outputs of the network.
    """

    def __init__(self, estimator: Any, layout: InputLayout, n_outputs: int) -> None:
        self.estimator = estimator
        self.layout = layout
        self.n_outputs = n_outputs

    def __call__(self, params: Mapping[str, Any]) -> dict[str, int]:
        """Return ``n_parameters`` (trainable) and ``multiply_accumulates`` (of one sample)."""
        candidate = clone(self.estimator).set_params(**clone(dict(params), safe=False))
        net: Any = find_convnet(candidate)
        net.channels = self.layout.channels
        table = net.summary(self.layout.shape, self.n_outputs)
        return {
            "n_parameters": int(table["parameters"].sum()),
            "multiply_accumulates": int(table["multiply_accumulates"].sum()),
        }


class Limits:
    """Upper bounds of a network's size.

    Parameters
    ----------
    bounds : mapping
        Names of `SIZES` and the largest value allowed.
    sizer : NetworkSizer
        Computes the sizes.
    """

    def __init__(self, bounds: Mapping[str, float], sizer: NetworkSizer) -> None:
        self.bounds = dict(bounds)
        self.sizer = sizer

    def violation(self, params: Mapping[str, Any]) -> str:
        """Return which sizes exceed their bounds, "" if none does."""
        sizes = self.sizer(params)
        return "; ".join(
            f"{name}={sizes[name]} is more than constraints[{name!r}]={bound}"
            for name, bound in self.bounds.items()
            if sizes[name] > bound
        )


def read_outputs(net: Any, X: Any, y: Any) -> int:
    """Check a ConvNet's parameters and all targets; return the number of its outputs."""
    if num_samples(X) == 0:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required by ConvNetSearchCV."
        )
    reader = clone(net)
    check_parameters(reader)
    reader._read_targets(y, None, num_samples(X), None, True)
    return reader.n_outputs_


def read_shape(cv: CrossValidation) -> InputLayout:
    """Return how the ConvNet reads its samples, after the steps of a Pipeline."""
    estimator = clone(cv.estimator)
    X, y = cv.X, cv.y
    params = check_method_params(X, dict(cv.fit_params), indices=cv.splits[0][0])
    if isinstance(estimator, Pipeline):
        X, y = safe_split(estimator, X, y, cv.splits[0][0])
    while isinstance(estimator, Pipeline):
        if len(estimator.steps) > 1:
            before = estimator[:-1]
            X = before.fit_transform(X, y, **_params_of(before, params))
        estimator = estimator.steps[-1][1]
    net: Any = estimator
    return check_sample_array(
        net, originals(X), net.input_shape, net.channels, reset=True, doubt=False
    )[1]


def _params_of(steps: Pipeline, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a Pipeline's fit that its first steps take."""
    if routing_enabled():
        names = get_routing_for_object(steps).consumes("fit_transform", params.keys())
    else:
        names = {name for name in params if name.partition("__")[0] in steps.named_steps}
    return {name: params[name] for name in names}
