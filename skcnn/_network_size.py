"""What a candidate's network costs, from its parameters alone: nothing is trained."""

from collections.abc import Mapping
from typing import Any

from sklearn.base import clone

from skcnn._folds import convnet_of
from skcnn._validation import InputLayout

SIZES = ("n_parameters", "multiply_accumulates")
COSTS = (*SIZES, "predict_seconds", "fit_seconds", "n_epochs")  # what objectives can be


class NetworkSizer:
    """Counts parameters and multiply-accumulates of a candidate's network.

    Parameters
    ----------
    estimator : estimator
        A ConvNet or a Pipeline that ends in one.
    layout : InputLayout
        How the ConvNet reads a sample.
    n_outputs : int
        Number of the network's outputs.
    """

    def __init__(self, estimator: Any, layout: InputLayout, n_outputs: int) -> None:
        self.estimator = estimator
        self.layout = layout
        self.n_outputs = n_outputs

    def __call__(self, params: Mapping[str, Any]) -> dict[str, int]:
        """Return ``n_parameters`` (trainable) and ``multiply_accumulates`` (of one sample)."""
        candidate = clone(self.estimator).set_params(**clone(dict(params), safe=False))
        net: Any = convnet_of(candidate)
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
        Counts.
    """

    def __init__(self, bounds: Mapping[str, float], sizer: NetworkSizer) -> None:
        self.bounds = dict(bounds)
        self.sizer = sizer

    def violation(self, params: Mapping[str, Any]) -> str:
        """Return what is too large, "" if nothing is."""
        sizes = self.sizer(params)
        return "; ".join(
            f"{name}={sizes[name]} is more than constraints[{name!r}]={bound}"
            for name, bound in self.bounds.items()
            if sizes[name] > bound
        )
