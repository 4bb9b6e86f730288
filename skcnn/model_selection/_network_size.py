"""The size of a candidate's network, computed from its parameters without a training."""

from collections.abc import Mapping
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skcnn._convnet.pipelines import find_convnet, fit_before_final
from skcnn._data.layouts import InputLayout
from skcnn._data.validation import check_sample_array
from skcnn._utils.compat import check_method_params, num_samples, safe_split
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
    X, y, rows = cv.X, cv.y, cv.splits[0][0]
    params = check_method_params(X, dict(cv.fit_params), indices=rows)
    if isinstance(cv.estimator, Pipeline):
        X, y = safe_split(cv.estimator, X, y, rows)
        X, y = fit_before_final(cv.estimator, X, y, params)
    net: Any = find_convnet(cv.estimator)
    return check_sample_array(
        clone(net), originals(X), net.input_shape, net.channels, reset=True, doubt=False, lazy=True
    )[1]
