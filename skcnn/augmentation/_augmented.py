"""Augmented: originals plus copies, drawn once, for estimators that know no augmentation.

The ConvNets need it not; they draw afresh for every batch.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    has_fit_parameter,
)

from skcnn._data.images import InputLayout
from skcnn._data.samples import row_hashes
from skcnn._data.validation import check_sample_array
from skcnn._utils.random_state import derive_seeds, draw_seed
from skcnn._utils.validation import check_parameters, warn_caller
from skcnn.augmentation._augmented_array import AugmentedArray, draw_values, originals, span_of
from skcnn.augmentation._augmenter import MixingOperation, Step
from skcnn.augmentation._steps import check_steps, training_steps
from skcnn.exceptions import LeakageWarning


def _inner_has(method: str) -> Callable[[Any], bool]:
    """Return a check that the wrapped estimator has a method."""

    def check(self: "Augmented") -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class Augmented(MetaEstimatorMixin, BaseEstimator):
    """Fit any estimator on samples and augmented copies of them.

    For support vector machines, forests and others that see every sample once. A ConvNet
    does not need it: its augmentations are drawn afresh in every epoch.

    Parameters
    ----------
    estimator : estimator
        What to fit, such as ``SVC()``.
    augmentation : augmentation, callable or list of them
        Changes of the copies, such as ``[RandomRotation(15), RandomTranslation(0.1)]``.
    n_copies : int, default=5
        Augmented copies of each sample, each with a draw of its own.
    keep_original : bool, default=True
        Whether the samples themselves are in the training data too.
    strength : float, default=1.0
        Factor of all ranges of the augmentations.
    input_shape : tuple of int or None, default=None
        Shape of one sample, to read flat rows as images: ``(height, width)`` or
        ``(height, width, channels)``. The estimator sees the rows as they came.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X` and `input_shape` is.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws, and of the estimator where its own `random_state` is None.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    classes_ : ndarray of shape (n_classes,)
        Class labels, of a classifier.
    n_features_in_ : int
        Number of values of a sample.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, where it had any that are strings.
    input_shape_ : tuple of int
        Shape of a sample with its channel axis.

    See Also
    --------
    ConvNetClassifier : Draws afresh for every batch.

    Notes
    -----
    Targets, sample weights and other arguments of `fit` with one entry a sample follow
    the copies. Samples that are equal, with equal targets, get equal copies, so that a
    weight means repetition. Copies of a sample are not independent of it: search and
    cross-validate the `Augmented` estimator, rather than search inside it, or pass
    `groups`, which follow the copies too.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.svm import SVC
    >>> from skcnn.augmentation import Augmented, RandomAffine
    >>> X, y = load_digits(return_X_y=True)
    >>> warp = RandomAffine(10, translation=0.05, zoom=0.05)
    >>> model = Augmented(SVC(), [warp], n_copies=5, input_shape=(8, 8), random_state=0)
    >>> for estimator in (SVC(), model):
    ...     print(round(estimator.fit(X[:500], y[:500]).score(X[500:], y[500:]), 2))
    0.93
    0.95
    """

    _parameter_constraints: dict[str, Any] = {
        "estimator": [HasMethods(["fit"])],
        "augmentation": "no_validation",  # by training_steps
        "n_copies": [Interval(Integral, 0, None, closed="left")],
        "keep_original": ["boolean"],
        "strength": [Interval(Real, 0, None, closed="left")],
        "input_shape": [tuple, list, None],
        "channels": [StrOptions({"last", "first"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        augmentation: Any,
        *,
        n_copies: int = 5,
        keep_original: bool = True,
        strength: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.augmentation = augmentation
        self.n_copies = n_copies
        self.keep_original = keep_original
        self.strength = strength
        self.input_shape = input_shape
        self.channels = channels
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the estimator on samples and copies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples in a form that the estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Targets.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights; each copy has its sample's.
        **fit_params : dict
            Passed to the estimator's `fit`. What has one entry a sample, such as groups,
            follows the copies.

        Returns
        -------
        self : Augmented
            The fitted estimator.
        """
        check_parameters(self)
        steps = self._steps(X)
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        given, X = X, originals(X)
        array, layout = check_sample_array(self, X, self.input_shape, self.channels, reset=True)
        check_steps(steps, layout, given, type(self).__name__)
        if sample_weight is not None:
            fit_params["sample_weight"] = self._check_weights(sample_weight, array)
        self._warn_of_leakage(fit_params)
        copies = [array] if self.keep_original else []
        if self.n_copies > 0:
            copies += self._copies(array, layout, steps, fit_params.get("sample_weight"))
        many: Any = np.concatenate(copies)
        if isinstance(X, pd.DataFrame):
            many = pd.DataFrame(many, columns=X.columns)
        if _routing_enabled():
            fit_params = dict(process_routing(self, "fit", **fit_params).estimator.fit)
        index = np.tile(np.arange(len(array)), len(copies))
        follow = {
            name: _safe_indexing(value, index) if _has_rows(value, len(array)) else value
            for name, value in fit_params.items()
        }
        check_consistent_length(array, *([] if y is None else [y]))
        targets = [] if y is None else [_safe_indexing(indexable(y)[0], index)]
        self.estimator_ = self._make_estimator().fit(many, *targets, **follow)
        return self

    def _make_estimator(self) -> Any:
        """Return a clone; where it has no seed of its own, it gets one from ours."""
        estimator = clone(self.estimator)
        if self.random_state is not None:
            unset = {
                name
                for name, value in estimator.get_params().items()
                if value is None and name.split("__")[-1] == "random_state"
            }
            seeds = derive_seeds(draw_seed(self.random_state), 1, len(unset))
            estimator.set_params(
                **{n: s % 2**31 for n, s in zip(sorted(unset), seeds, strict=True)}
            )
        return estimator

    def _steps(self, X: Any) -> list[Step]:
        """Return the steps of the Pipeline before and of the parameter."""
        before = X.steps if isinstance(X, AugmentedArray) else ()
        steps = [*before, *training_steps(self.augmentation, type(self).__name__)]
        for step in steps:
            if isinstance(step.augmentation, MixingOperation):
                raise InvalidParameterError(
                    "The 'augmentation' parameter of Augmented, or the Pipeline before it, must "
                    f"not contain {type(step.augmentation).__name__}: shares of targets need a "
                    "ConvNet."
                )
        if self.n_copies == 0 and not self.keep_original:
            raise InvalidParameterError(
                "The 'n_copies' parameter of Augmented must be at least 1 where "
                "keep_original=False. Got 0 instead."
            )
        return steps

    def _warn_of_leakage(self, fit_params: dict[str, Any]) -> None:
        """Warn where the estimator splits its samples without knowing which are copies."""
        if self.n_copies + self.keep_original < 2 or fit_params.get("groups") is not None:
            return
        splitting = sorted(
            name
            for name, value in self.estimator.get_params().items()
            if name.split("__")[-1] == "cv"
            or (name.split("__")[-1] == "early_stopping" and value is True)
        )
        if splitting:
            warn_caller(
                f"{type(self.estimator).__name__} splits its samples ({', '.join(splitting)}), "
                "and copies of a sample may be on both sides: its own scores are too good. "
                "Put Augmented inside the search, or pass groups with a number for each "
                "sample to a splitter that keeps groups together.",
                LeakageWarning,
            )

    def _check_weights(self, sample_weight: Any, array: np.ndarray) -> np.ndarray:
        if not _routing_enabled() and not has_fit_parameter(self.estimator, "sample_weight"):
            raise TypeError(
                f"sample_weight was given, but {type(self.estimator).__name__}.fit takes none."
            )
        weights: np.ndarray = _check_sample_weight(sample_weight, array)
        return weights

    def _copies(
        self,
        array: np.ndarray,
        layout: InputLayout,
        steps: list[Step],
        weights: np.ndarray | None,
    ) -> list[np.ndarray]:
        """Return arrays like `array`, every sample with draws that follow from its values."""
        rows = np.ascontiguousarray(array.reshape(len(array), -1).astype(np.float64))
        counted = array if weights is None or not weights.any() else array[weights != 0]
        seed = draw_seed(self.random_state)
        return [
            draw_values(
                array,
                layout,
                steps,
                seed,
                span=span_of(counted),
                rows=row_hashes(rows + 0.0),  # minus zero is zero
                epoch=copy,
                strength=self.strength,
            )
            for copy in range(self.n_copies)
        ]

    # What the fitted estimator can do

    @property
    def classes_(self) -> np.ndarray:
        """Class labels, of a classifier."""
        return self.estimator_.classes_

    @available_if(_inner_has("predict"))
    def predict(self, X: Any) -> Any:
        """Return the estimator's predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, not augmented.

        Returns
        -------
        ndarray
            As from the estimator's `predict`.
        """
        return self._ask("predict", X)

    @available_if(_inner_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Return the estimator's probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, not augmented.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            As from the estimator's `predict_proba`.
        """
        return self._ask("predict_proba", X)

    @available_if(_inner_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the estimator's probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, not augmented.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            As from the estimator's `predict_log_proba`.
        """
        return self._ask("predict_log_proba", X)

    @available_if(_inner_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Return the estimator's decision values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, not augmented.

        Returns
        -------
        ndarray
            As from the estimator's `decision_function`.
        """
        return self._ask("decision_function", X)

    @available_if(_inner_has("score"))
    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the estimator's score.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, not augmented.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Targets.
        **params : dict
            Passed to the estimator's `score`, such as `sample_weight`.

        Returns
        -------
        float
            As from the estimator's `score`.
        """
        if _routing_enabled():
            params = dict(process_routing(self, "score", **params).estimator.score)
        check_is_fitted(self)
        return float(self.estimator_.score(originals(X), y, **params))

    def _ask(self, method: str, X: Any) -> Any:
        check_is_fitted(self)
        X = originals(X)
        check_sample_array(self, X, reset=False)
        return getattr(self.estimator_, method)(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata go to the estimator.

        Returns
        -------
        MetadataRouter
            The routing of `fit` and `score`.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        mapping.add(caller="score", callee="score")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the estimator was fitted."""
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags, as far as augmentation allows."""
        tags = get_tags(self.estimator)
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = False
        tags.input_tags.pairwise = False
        tags.array_api_support = False
        tags.transformer_tags = None
        return tags


def _has_rows(value: Any, n_samples: int) -> bool:
    """Return whether a fit parameter has one entry a sample."""
    return _is_array_like(value) and _num_samples(value) == n_samples


def _is_array_like(value: Any) -> bool:
    """Return whether `value` is a list or an array of at least one axis."""
    return isinstance(value, list | tuple) or len(getattr(value, "shape", ())) > 0
