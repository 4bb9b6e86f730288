"""What a Pipeline or a search ends in: its ConvNet, and what reaches it.

Fits nothing.
"""

from math import prod
from typing import Any

import numpy as np
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skcnn._base import BaseConvNet
from skcnn._lazy import originals
from skcnn._validation import Images, check_images


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


def convnet_of(estimator: Any) -> BaseConvNet | None:
    """Return the ConvNet that `estimator` is or ends in, or None."""
    net = final_step(estimator)
    return net if isinstance(net, BaseConvNet) else None


def before_final(pipeline: Any, X: Any) -> Any:
    """Return `X` as the last step of a Pipeline, also a nested one, is given it to predict."""
    while isinstance(pipeline, Pipeline):
        if len(pipeline.steps) > 1:
            X = pipeline[:-1].transform(X)
        pipeline = pipeline.steps[-1][1]
    return X


def best_of_search(estimator: Any) -> Any:
    """Return what a fitted search found, or what is no fitted search itself."""
    return getattr(estimator, "best_estimator_", estimator)


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
    net = convnet_of(best_of_search(estimator))
    if net is None:
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
    X = before_final(best_of_search(estimator), originals(X))
    images = check_images(net, originals(X))
    net._value_range.warn_if_rescaled(images.rows)
    return net, images


def n_parameters_of(estimator: Any) -> int | None:
    """Return how many numbers a fitted model learned, None where that is not counted.

    Of a ConvNet the trainable parameters, of linear models and scikit-learn's dense
    networks coefficients and intercepts; of a Pipeline or a search those of its end.
    """
    model = final_step(estimator)
    while best_of_search(model) is not model:
        model = final_step(best_of_search(model))
    if isinstance(model, BaseConvNet):
        return model.n_parameters_
    if getattr(model, "coef_", None) is not None:  # kernel machines have an intercept only
        fitted = getattr(model, "fit_intercept", True)
        intercept = getattr(model, "intercept_", ()) if fitted else ()
        return prod(np.shape(model.coef_)) + np.size(intercept)  # the shape: it may be sparse
    layers = [*getattr(model, "coefs_", []), *getattr(model, "intercepts_", [])]
    return sum(map(np.size, layers)) if layers else None
