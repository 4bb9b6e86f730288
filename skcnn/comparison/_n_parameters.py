"""The number of parameters that a fitted model learned."""

from math import prod
from typing import Any

import numpy as np

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.pipelines import final_estimator
from skcnn.augmentation._augmented import Augmented


def n_parameters_of(estimator: Any) -> int | None:
    """Return the number of parameters of a fitted model, None for models without a count.

    ConvNets have trainable parameters; linear models and scikit-learn's dense networks
    have coefficients and intercepts. A Pipeline or a fitted search has the parameters of
    its final estimator, `Augmented` and TransformedTargetRegressor those of the estimator
    inside.
    """
    # sklearn.compose imports all of sklearn.linear_model, which `import skcnn` avoids
    from sklearn.compose import TransformedTargetRegressor

    model = final_estimator(estimator, fitted=True)
    if isinstance(model, TransformedTargetRegressor):
        return n_parameters_of(model.regressor_)
    if isinstance(model, Augmented):
        return n_parameters_of(model.estimator_)
    if isinstance(model, BaseConvNet):
        return model.n_parameters_
    if getattr(model, "coef_", None) is not None:  # kernel machines have an intercept only
        fitted = getattr(model, "fit_intercept", True)
        intercept = getattr(model, "intercept_", ()) if fitted else ()
        return prod(np.shape(model.coef_)) + np.size(intercept)  # coef_ may be sparse
    layers = [*getattr(model, "coefs_", []), *getattr(model, "intercepts_", [])]
    return sum(map(np.size, layers)) if layers else None
