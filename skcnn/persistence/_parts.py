"""The estimators inside of an estimator."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from skcnn._convnet.classifier import ConvNetClassifier
from skcnn._convnet.features import ConvNetFeatures
from skcnn._convnet.regressor import ConvNetRegressor

MOST_DEEP = 50  # estimators inside each other
NETWORKS = (ConvNetClassifier, ConvNetRegressor, ConvNetFeatures)


def parts_of(value: Any, seen: set[int], depth: int) -> Iterator[Any]:
    """Yield an estimator and those in it; `seen` holds their ids, `depth` counts from 0."""
    if id(value) in seen or depth > MOST_DEEP:
        return
    if isinstance(value, list | tuple):
        inside: list[Any] = list(value)
    elif isinstance(value, Mapping):
        inside = list(value.values())
    elif isinstance(value, type):
        return
    elif isinstance(value, NETWORKS):  # those inside are its architecture
        seen.add(id(value))
        yield value
        return
    elif hasattr(value, "get_params"):
        seen.add(id(value))
        yield value
        inside = [vars(value)["best_estimator_"]] if hasattr(value, "best_estimator_") else []
        inside = inside or list(vars(value).values())
    elif type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__"):
        inside = list(vars(value).values())  # such as the pairs of calibrated classifiers
    elif isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        inside = list(value)
    else:
        return
    for part in inside:
        yield from parts_of(part, seen, depth + 1)
