"""The final estimator of a Pipeline or a search, and the samples that reach it."""

from collections.abc import Callable
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skcnn._convnet.base import BaseConvNet
from skcnn._data.images import Images
from skcnn._data.validation import check_images
from skcnn._utils.compat import BaseSearchCV
from skcnn.augmentation._augmented_array import originals


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
    """Return the ConvNets among `estimator` and its parameters."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    return [each for each in (estimator, *params.values()) if isinstance(each, BaseConvNet)]


def replace_final(estimator: Any, final: Any) -> Any:
    """Return a Pipeline with the same fitted steps, but the final estimator `final`."""
    if not isinstance(estimator, Pipeline):
        return final
    *before, (name, last) = estimator.steps
    return Pipeline([*before, (name, replace_final(last, final))])


def _transform(steps: Any, X: Any) -> Any:
    return steps.transform(X)


def transform_before_final(
    estimator: Any, X: Any, transform: Callable[[Any, Any], Any] = _transform
) -> Any:
    """Return `X` transformed by all steps before the final estimator.

    Parameters
    ----------
    estimator : estimator
        A Pipeline or a fitted search, also nested, or any other estimator.
    X : array-like
        Samples.
    transform : callable, default=_transform
        Takes a Pipeline's steps before the last one and samples; returns the transformed
        samples.
    """
    while True:
        if isinstance(estimator, Pipeline):
            X = transform(estimator[:-1], X) if len(estimator.steps) > 1 else X
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return X


def network_samples(estimator: Any, X: Any) -> tuple[BaseConvNet, Images]:
    """Return the fitted ConvNet and `X` as its `predict` receives it.

    Parameters
    ----------
    estimator : estimator
        As for `check_convnet`. A Pipeline's earlier steps transform `X`.
    X : array-like
        As for the estimator's `predict`.
    """
    net = check_convnet(estimator)
    X = transform_before_final(estimator, originals(X))
    images = check_images(net, originals(X))
    net._value_range.warn_if_rescaled(images)
    return net, images
