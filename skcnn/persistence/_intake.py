"""What `save`, the exports and `model_card` take of an estimator, and the versions they write."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skcnn.exceptions import UnsupportedModelError

PACKAGES = ("skcnn", "numpy", "scikit-learn", "torch")


def inner_estimator(estimator: Any) -> Any:
    """Return the best estimator of a search, else the estimator itself."""
    from skcnn.model_selection._search import ConvNetSearchCV

    if not isinstance(estimator, ConvNetSearchCV):
        return estimator
    if not hasattr(estimator, "best_estimator_"):
        raise UnsupportedModelError("the search has no best_estimator_: fit it with refit=True")
    return estimator.best_estimator_


def fitted_estimator(estimator: Any) -> Any:
    """Return the inner estimator.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    """
    model = inner_estimator(estimator)
    check_is_fitted(model)
    return model


@contextmanager
def exporting(estimator: Any) -> Iterator[Any]:
    """Give the fitted estimator while no other thread exports."""
    from skcnn.persistence._onnx.graphs import LOCK

    model = fitted_estimator(estimator)
    with LOCK:
        yield model


def installed_version(name: str) -> str:
    """Return the version of a package, without the build of torch's."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:  # run from its source folder
        return "unknown"


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that a file names."""
    return {name: installed_version(name) for name in PACKAGES}
