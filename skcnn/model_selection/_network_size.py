"""The size of a candidate's network, computed from its parameters without a training."""

from collections.abc import Mapping
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skcnn._convnet.pipelines import find_convnet, fit_before_final
from skcnn._data.layouts import InputLayout, infer_layout, layout_of_input_shape
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.series.reading import read_series
from skcnn._data.validation import check_sample_array, series_to_fit
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
    sample : tuple of int
        Shape of a sample as the ConvNet of `estimator` gets it. A candidate reads it by its own
        parameters.
    n_outputs : int
        Number of outputs of the network.
    series : SeriesLayout or None, default=None
        How the ConvNet reads signals of unequal length.
    """

    def __init__(
        self,
        estimator: Any,
        sample: tuple[int, ...],
        n_outputs: int,
        series: SeriesLayout | None = None,
    ) -> None:
        self.estimator = estimator
        self.series = series
        self.sample = sample
        self.n_outputs = n_outputs

    def __call__(self, params: Mapping[str, Any]) -> dict[str, int]:
        """Return ``n_parameters`` (trainable) and ``multiply_accumulates`` (of one sample)."""
        candidate = clone(self.estimator).set_params(**clone(dict(params), safe=False))
        net: Any = find_convnet(candidate)
        check_parameters(net)
        shape = self._layout(net).shape if self.series is None else self.series.shape
        if self.series is not None:
            net.set_params(input_shape=self.series.open_shape)
        table = net.summary(shape, self.n_outputs)
        return {
            "n_parameters": int(table["parameters"].sum()),
            "multiply_accumulates": int(table["multiply_accumulates"].sum()),
        }

    def _layout(self, net: Any) -> InputLayout:
        """Return how a candidate reads its samples."""
        how = (net.n_spatial_dims, net.channels, type(net).__name__)
        if net.input_shape is not None:  # the steps before may give each candidate another shape
            return layout_of_input_shape(net.input_shape, *how)
        return infer_layout(self.sample, None, *how, doubt=False)


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


def read_shape(cv: CrossValidation) -> tuple[tuple[int, ...], InputLayout]:
    """Return a sample's shape after the steps of a Pipeline, and how the ConvNet reads it."""
    X, y, rows = cv.X, cv.y, cv.splits[0][0]
    params = check_method_params(X, dict(cv.fit_params), indices=rows)
    if isinstance(cv.estimator, Pipeline):
        X, y = safe_split(cv.estimator, X, y, rows)
        X, y = fit_before_final(cv.estimator, X, y, params)
    net: Any = find_convnet(cv.estimator)
    reader = clone(net)
    check_parameters(reader)
    series = series_to_fit(reader, originals(X))
    if series is not None:
        layout = read_series(reader, series, None, with_offset=True).layout
        return layout.shape, layout
    array, layout = check_sample_array(reader, originals(X), reset=True, doubt=False, lazy=True)
    return array.shape[1:], layout
