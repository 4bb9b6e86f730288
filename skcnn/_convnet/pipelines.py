"""The final estimator of a Pipeline or a search, and the samples that reach it."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import check_is_fitted

from skcnn._convnet.base import BaseConvNet
from skcnn._data.images import Images
from skcnn._data.layouts import InputLayout
from skcnn._data.series.layout import SeriesLayout
from skcnn._data.validation import check_images
from skcnn._network.series_net import net_of_length
from skcnn._network.series_prediction import row_lengths
from skcnn._utils.compat import BaseSearchCV
from skcnn.augmentation._augmented_array import AugmentedArray, originals
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._batch_augmenter import Step
from skcnn.augmentation._estimator_parameters import changing_steps, entries_of, is_auto
from skcnn.exceptions import InputShapeError


def final_estimator(estimator: Any, *, fitted: bool = False) -> Any:
    """Return the last step of a Pipeline, also nested, or an `estimator` that is no Pipeline.

    Parameters
    ----------
    estimator : estimator
        A Pipeline, a search or any other estimator.
    fitted : bool, default=False
        Whether to replace fitted searches by their `best_estimator_`.
    """
    while True:
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif fitted and hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def find_convnet(estimator: Any, *, in_searches: bool = False) -> BaseConvNet | None:
    """Return the ConvNet that `estimator` is or ends in, None if there is none.

    Parameters
    ----------
    estimator : estimator
        A ConvNet, a Pipeline that may end in one, or any other estimator.
    in_searches : bool, default=False
        Whether to look into the `estimator` of searches, too.
    """
    final = final_estimator(estimator)
    if in_searches and isinstance(final, BaseSearchCV):
        return find_convnet(final.estimator, in_searches=True)
    return final if isinstance(final, BaseConvNet) else None


def check_convnet(estimator: Any, *, fitted: bool = True) -> BaseConvNet:
    """Return the ConvNet that `estimator` is or ends in.

    Parameters
    ----------
    estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
        A ConvNet, a Pipeline that ends in one, or a fitted search for one.
    fitted : bool, default=True
        Whether the ConvNet must be fitted.

    Raises
    ------
    TypeError
        If there is no ConvNet.
    NotFittedError
        If it is not fitted, but must be.
    """
    net = final_estimator(estimator, fitted=True)
    if fitted and isinstance(net, BaseSearchCV) and find_convnet(net, in_searches=True):
        check_is_fitted(net)  # raises unless the search is fitted, but was not refitted
    if not isinstance(net, BaseConvNet):
        wanted = (
            "a fitted ConvNetClassifier or ConvNetRegressor, a Pipeline that ends in one, or a "
            if fitted
            else "a ConvNetClassifier or ConvNetRegressor, fitted or not, a Pipeline that ends in "
            "one, or a fitted "
        )
        raise TypeError(
            f"estimator must be {wanted}search for one that was refitted. Got "
            f"{type(final_estimator(estimator)).__name__}."
        )
    if fitted:
        check_is_fitted(net)
    return net


def all_convnets(estimator: Any) -> list[BaseConvNet]:
    """Return the ConvNets among `estimator` and its parameters, but not those that are bases."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    inner = [value for name, value in params.items() if "architecture" not in name.split("__")]
    return [each for each in (estimator, *inner) if isinstance(each, BaseConvNet)]


def replace_final(estimator: Any, final: Any) -> Any:
    """Return a copy of a Pipeline with the same fitted steps, but the final estimator `final`.

    The copy has the Pipeline's own class, which may walk its steps in its own way. The final
    estimator of a fitted search is that of its `best_estimator_`.
    """
    if isinstance(estimator, Pipeline):
        copied = copy.copy(estimator)
        *before, (name, last) = estimator.steps
        copied.steps = [*before, (name, replace_final(last, final))]
        return copied
    if hasattr(estimator, "best_estimator_"):
        return replace_final(estimator.best_estimator_, final)
    return final


class _Received(BaseEstimator):
    """A final estimator that keeps what its Pipeline passes to `fit` and `predict`.

    Parameters
    ----------
    replaced : estimator
        The estimator in whose place it is; it takes the same metadata.
    """

    def __init__(self, replaced: Any) -> None:
        self.replaced = replaced

    def fit(self, X: Any, y: Any = None, **params: Any) -> "_Received":
        """Keep the samples and the targets."""
        self.data = X, y
        return self

    def predict(self, X: Any, **params: Any) -> Any:
        """Return the samples."""
        return X

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: the steps before it decide whether a Pipeline is fitted."""
        return True

    def get_metadata_routing(self) -> Any:
        """Return the requests of the replaced estimator."""
        return get_routing_for_object(self.replaced)


class CopySamples(TransformerMixin, BaseEstimator):
    """A step that copies its samples, for the steps after it may write into them."""

    def fit(self, X: Any, y: Any = None) -> "CopySamples":
        """Learn nothing."""
        return self

    def transform(self, X: Any) -> Any:
        """Return a copy."""
        return copy_samples(X)


def copy_samples(X: Any) -> Any:
    """Return a copy of samples, or samples themselves that cannot be written into."""
    if isinstance(X, np.ndarray) and not X.flags.writeable:
        return X
    return X.detach().clone() if isinstance(X, torch.Tensor) else copy.deepcopy(X)


def with_copied_samples(estimator: Any) -> Any:
    """Return a fitted estimator whose Pipeline never writes into the samples it is given.

    Steps such as ``StandardScaler(copy=False)`` do. They would transform the same samples
    again in the next prediction.
    """
    if isinstance(estimator, Pipeline):
        copied = copy.copy(estimator)
        name = "copy"
        while name in estimator.named_steps:
            name += "_"
        copied.steps = [(name, CopySamples()), *estimator.steps]
        return copied
    if hasattr(estimator, "best_estimator_"):
        copied = copy.copy(estimator)
        copied.best_estimator_ = with_copied_samples(estimator.best_estimator_)
        return copied
    return estimator


def transform_before_final(estimator: Any, X: Any) -> Any:
    """Return `X` as the final estimator receives it in a prediction.

    The Pipeline's own `predict` walks the fitted steps. `X` is not written into.

    Parameters
    ----------
    estimator : estimator
        A Pipeline or a fitted search, also nested, or any other estimator.
    X : array-like
        Samples.
    """
    if not has_steps(estimator):
        return X
    received = _Received(final_estimator(estimator, fitted=True))
    return replace_final(estimator, received).predict(copy_samples(X))


def fit_before_final(
    estimator: Any, X: Any, y: Any, params: Mapping[str, Any] | None = None
) -> tuple[Any, Any]:
    """Return samples and targets as the final estimator receives them in a fit.

    The Pipeline's own `fit` fits clones of the steps, which may also resample. `X` is not
    written into.

    Parameters
    ----------
    estimator : estimator
        A Pipeline, also nested, a fitted search, or any other estimator.
    X, y : array-like
        Samples and targets.
    params : mapping or None, default=None
        Further arguments of `fit`.
    """
    if not has_steps(estimator):
        return X, y
    received = _Received(final_estimator(estimator, fitted=True))
    walked = replace_final(estimator, received)
    _clone_steps(walked)
    walked.fit(copy_samples(X), y, **(params or {}))
    return received.data


def trains_augmented(
    estimator: Any, X: Any, layout: InputLayout | None = None, at_strength: float | None = None
) -> bool:
    """Return whether the ConvNet that `estimator` is or ends in trains on augmented samples.

    Parameters
    ----------
    estimator : estimator
        A ConvNet, a Pipeline that may end in one, or any other estimator.
    X : array-like
        The samples.
    layout : InputLayout or None, default=None
        How the ConvNet reads them, if that is known: ``augmentation="auto"`` leaves signals as
        they are. What it chooses for others is not known before a fit, and counts as a change.
    at_strength : float or None, default=None
        In place of the parameter `augmentation_strength`.
    """
    net = find_convnet(estimator)
    steps = [Step(each, None) for each in _augmentations(estimator)]
    if isinstance(X, AugmentedArray):
        steps += X.steps
    own = None if net is None else net.augmentation
    if net is not None and at_strength is None:
        at_strength = net.augmentation_strength
    strength = 1.0 if at_strength is None else at_strength
    if is_auto(own):
        if strength > 0 and (layout is None or len(layout.spatial) > 1):
            return True
    elif net is not None:
        steps += [Step(each, None) for each in entries_of(own)]
    return bool(changing_steps(steps, strength))


def _augmentations(estimator: Any) -> list[Augmentation]:
    """Return the augmentations among the steps of a Pipeline, also nested."""
    if isinstance(estimator, Pipeline):
        return [each for _, step in estimator.steps for each in _augmentations(step)]
    return [estimator] if isinstance(estimator, Augmentation) else []


def has_steps(estimator: Any) -> bool:
    """Return whether there are steps before the final estimator."""
    while True:
        if isinstance(estimator, Pipeline):
            if len(estimator.steps) > 1:
                return True
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return False


def _clone_steps(pipeline: Pipeline) -> None:
    """Replace all steps but the final estimator by clones, in a copy of a Pipeline."""
    pipeline.set_callbacks()  # the user's own wait for the user's own fits
    *before, (name, last) = pipeline.steps
    cloned = [(n, s if s is None or isinstance(s, str) else clone(s)) for n, s in before]
    pipeline.steps = [*cloned, (name, last)]
    if isinstance(last, Pipeline):
        _clone_steps(last)


def network_input(estimator: Any, X: Any) -> tuple[BaseConvNet, Any]:
    """Return the fitted ConvNet and `X` as its `predict` receives it, not yet validated.

    Parameters
    ----------
    estimator : estimator
        As for `check_convnet`. A Pipeline's earlier steps transform `X`.
    X : array-like
        As for the estimator's `predict`.
    """
    net = check_convnet(estimator)
    return net, originals(transform_before_final(estimator, originals(X)))


def network_samples(estimator: Any, X: Any) -> tuple[BaseConvNet, Images]:
    """Return the fitted ConvNet and the validated samples that its `predict` receives.

    Parameters
    ----------
    estimator : estimator
        As for `check_convnet`. A Pipeline's earlier steps transform `X`.
    X : array-like
        As for the estimator's `predict`.
    """
    net, X = network_input(estimator, X)
    images = check_images(net, X)
    net._value_range.warn_if_rescaled(images)
    return of_one_length(net, images)


def of_one_length(net: BaseConvNet, images: Images) -> tuple[BaseConvNet, Images]:
    """Return a network for signals of unequal length as one for the length of `images`.

    Other networks, and their samples, are returned as they are.

    Raises
    ------
    InputShapeError
        If the signals have several lengths.
    """
    if not isinstance(images.layout, SeriesLayout):
        return net, images
    lengths = row_lengths(images)
    length, longest = int(lengths.min()), int(lengths.max())
    if length < longest:
        raise InputShapeError(
            f"X has signals of {length} to {longest} samples, whose layers have maps of unequal "
            "sizes. Pass signals of one length at a time, such as X[:1]."
        )
    n_channels, channels = images.layout.n_channels, images.layout.channels
    rows = images.rows[:, 1:].reshape(-1, length, n_channels)
    rows = rows if channels == "last" else rows.movedim(-1, 1)
    shape = (length, n_channels) if channels == "last" else (n_channels, length)
    alone: Any = copy.copy(net)
    alone._layout = InputLayout(shape, channels, images.layout.masks)
    alone.net_ = net.net_.snapshot()
    assert net._rows is not None
    module, alone._rows = net_of_length(net.net_.module_, net._rows, length)
    alone.net_.__dict__["module_"] = module.eval()
    return alone, Images(rows.reshape(len(rows), -1).contiguous(), alone._layout)
