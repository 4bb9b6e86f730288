"""What a Pipeline or a search ends in: its ConvNet, and what reaches it.

Fits nothing.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skcnn._convnet.base import BaseConvNet
from skcnn._data.images import Images
from skcnn._data.validation import check_images
from skcnn.augmentation._augmented import Augmented
from skcnn.augmentation._augmented_array import originals


def final_step(estimator: Any) -> Any:
    """Return a Pipeline's last step, or what is no Pipeline itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def end_of(estimator: Any) -> Any:
    """Return what an estimator ends in, also inside unfitted searches."""
    model = final_step(estimator)
    while isinstance(model, BaseSearchCV):
        model = final_step(model.estimator)
    return model


def nets_in(estimator: Any) -> list[BaseConvNet]:
    """Return the ConvNet that an estimator is, or those among its parameters."""
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    return [each for each in (estimator, *params.values()) if isinstance(each, BaseConvNet)]


def convnet_of(estimator: Any) -> BaseConvNet | None:
    """Return the ConvNet that `estimator` is or ends in, or None."""
    net = final_step(estimator)
    return net if isinstance(net, BaseConvNet) else None


def best_of_search(estimator: Any) -> Any:
    """Return what a fitted search found, or what is no fitted search itself."""
    return getattr(estimator, "best_estimator_", estimator)


def fitted_end(estimator: Any) -> Any:
    """Return what a fitted estimator ends in, also inside fitted searches."""
    model = final_step(estimator)
    while best_of_search(model) is not model:
        model = final_step(best_of_search(model))
    return model


def _transformed(steps: Any, X: Any) -> Any:
    return steps.transform(X)


def before_final(estimator: Any, X: Any, through: Callable[[Any, Any], Any] = _transformed) -> Any:
    """Return `X` as what an estimator ends in is given it to predict.

    Parameters
    ----------
    estimator : estimator
        A Pipeline or a fitted search, also nested, or neither.
    X : array-like
        Samples.
    through : callable, default=_transformed
        Takes the steps before a Pipeline's last one and samples; returns what the last one
        is given.
    """
    while True:
        if isinstance(estimator, Pipeline):
            X = through(estimator[:-1], X) if len(estimator.steps) > 1 else X
            estimator = estimator.steps[-1][1]
        elif best_of_search(estimator) is not estimator:
            estimator = best_of_search(estimator)
        else:
            return X


def convnet_in(estimator: Any) -> BaseConvNet:
    """Return the ConvNet, fitted or not, of a Pipeline or of a fitted search, or itself.

    Raises
    ------
    TypeError
        If there is none.
    """
    net = fitted_end(estimator)
    if not isinstance(net, BaseConvNet):
        raise TypeError(
            "estimator must be a ConvNetClassifier or ConvNetRegressor, fitted or not, a "
            "Pipeline that ends in one, or a fitted search for one that was refitted. Got "
            f"{type(final_step(estimator)).__name__}."
        )
    return net


def fitted_convnet(estimator: Any) -> BaseConvNet:
    """Return the fitted ConvNet that an estimator is or ends in.

    Parameters
    ----------
    estimator : ConvNetClassifier, ConvNetRegressor, Pipeline or search
        A fitted ConvNet, a fitted Pipeline that ends in one, or a fitted search for one.

    Raises
    ------
    TypeError
        If there is no ConvNet.
    NotFittedError
        If it is not fitted.
    """
    net = fitted_end(estimator)
    if isinstance(net, BaseSearchCV) and isinstance(end_of(net), BaseConvNet):
        check_is_fitted(net)  # else it was not refitted
    if not isinstance(net, BaseConvNet):
        raise TypeError(
            "estimator must be a fitted ConvNetClassifier or ConvNetRegressor, a Pipeline "
            "that ends in one, or a search for one that was refitted. Got "
            f"{type(final_step(estimator)).__name__}."
        )
    check_is_fitted(net)
    return net


def network_samples(estimator: Any, X: Any) -> tuple[BaseConvNet, Images]:
    """Return the fitted ConvNet and `X` as it is given it to predict.

    Parameters
    ----------
    estimator : estimator
        As for `fitted_convnet`. A Pipeline's earlier steps transform `X`.
    X : array-like
        As for the estimator's `predict`.
    """
    net = fitted_convnet(estimator)
    X = before_final(estimator, originals(X))
    images = check_images(net, originals(X))
    net._value_range.warn_if_rescaled(images)
    return net, images


def n_parameters_of(estimator: Any) -> int | None:
    """Return how many numbers a fitted model learned, None where that is not counted.

    Of a ConvNet the trainable parameters, of linear models and scikit-learn's dense
    networks coefficients and intercepts; of a Pipeline or a search those of its end,
    of `Augmented` and TransformedTargetRegressor those of their estimator.
    """
    model = fitted_end(estimator)
    # here, since it brings all of sklearn.linear_model: a fifth of `import skcnn`
    from sklearn.compose import TransformedTargetRegressor

    if isinstance(model, TransformedTargetRegressor):
        return n_parameters_of(model.regressor_)
    if isinstance(model, Augmented):
        return n_parameters_of(model.estimator_)
    if isinstance(model, BaseConvNet):
        return model.n_parameters_
    if getattr(model, "coef_", None) is not None:  # kernel machines have an intercept only
        fitted = getattr(model, "fit_intercept", True)
        intercept = getattr(model, "intercept_", ()) if fitted else ()
        return prod(np.shape(model.coef_)) + np.size(intercept)  # the shape: it may be sparse
    layers = [*getattr(model, "coefs_", []), *getattr(model, "intercepts_", [])]
    return sum(map(np.size, layers)) if layers else None
