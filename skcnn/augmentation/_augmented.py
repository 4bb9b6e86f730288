"""Augmented: fits any estimator on samples and augmented copies of them, drawn once."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, is_regressor
from sklearn.utils import get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted, has_fit_parameter

from skcnn._data.layouts import CHANNELS, N_SPATIAL_DIMS
from skcnn._data.validation import check_sample_array
from skcnn._utils.compat import (
    HasMethods,
    Interval,
    InvalidParameterError,
    check_sample_weight,
    routing_enabled,
    safe_indexing,
)
from skcnn._utils.validation import check_parameters, is_integer
from skcnn.augmentation._augmented_array import AugmentedArray, originals
from skcnn.augmentation._batch_augmenter import Step
from skcnn.augmentation._copies import (
    check_layout_of_estimator,
    copies_of_samples,
    follow_copies,
    make_estimator,
    warn_of_leakage,
    with_copies,
)
from skcnn.augmentation._estimator_parameters import check_steps, training_steps
from skcnn.augmentation._operations import MixingOperation


def _inner_has(method: str) -> Callable[[Any], bool]:
    """Return a check that the wrapped estimator has a method."""

    def check(self: "Augmented") -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class Augmented(MetaEstimatorMixin, BaseEstimator):
    """Fit any estimator on samples and augmented copies of them.

    For support vector machines, forests and others that see every sample once. A ConvNet
    does not need it: it draws its augmentations again in every epoch.

    Parameters
    ----------
    estimator : estimator
        Estimator to fit, such as ``SVC()``.
    augmentation : augmentation, callable or list of them
        Changes of the copies, such as ``[RandomRotation(15), RandomTranslation(0.1)]``.
    n_copies : int or dict, default=5
        Number of augmented copies of each sample, each with its own draw. A dict
        ``{label: number}`` has one for each class; the samples of classes that it does not
        name get no copy. As in `class_weight`, it may name classes that `y` lacks.
    keep_original : bool, default=True
        Whether the samples themselves are in the training data too.
    strength : float, default=1.0
        Factor of all ranges of the augmentations.
    input_shape : tuple of int or None, default=None
        Shape of one sample, to read flat rows as images: ``(height, width)`` or
        ``(height, width, channels)``. The estimator gets the rows in their own shape. A network
        needs the same `input_shape`, `n_spatial_dims` and `channels`.
    n_spatial_dims : {1, 2, 3} or None, default=None
        How many axes of `X` and `input_shape` are spatial: 1 for signals, 2 for images, 3
        for volumes. None reads two sides as an image of one channel, three as an image with
        channels.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X` and `input_shape` is.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws, and of the estimator if its own `random_state` is None.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    classes_ : ndarray of shape (n_classes,)
        Class labels, of a classifier.
    n_features_in_ : int
        Number of values of a sample.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, if all of them are strings.
    input_shape_ : tuple of int
        Shape of a sample with its channel axis.

    See Also
    --------
    ConvNetClassifier : Draws again for every batch.

    Notes
    -----
    Targets, sample weights and other arguments of `fit` with one entry a sample are
    repeated for the copies. Equal samples with equal targets get equal copies, so that a
    weight means repetition. Copies of a sample are not independent of it: search and
    cross-validate the `Augmented` estimator instead of searching inside it, or pass
    `groups`, which are repeated too.

    For a rare class, ``n_copies={label: number}`` adds copies that differ. Repeated samples,
    as of imbalanced-learn's ``RandomOverSampler``, are weights for a ConvNet, which merges
    equal samples.

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

    More copies of a rare class, and none of the others:

    >>> kept = [i for i in range(500) if y[i] != 8 or i < 50]
    >>> rare = Augmented(SVC(), warp, n_copies={8: 9}, input_shape=(8, 8), random_state=0)
    >>> eights = X[500:][y[500:] == 8]
    >>> for estimator in (SVC(), rare):
    ...     print(round((estimator.fit(X[kept], y[kept]).predict(eights) == 8).mean(), 1))
    0.2
    0.6
    """

    _parameter_constraints: dict[str, Any] = {
        "estimator": [HasMethods(["fit"])],
        "augmentation": "no_validation",  # by training_steps
        "n_copies": [Interval(Integral, 0, None, closed="left"), dict],
        "keep_original": ["boolean"],
        "strength": [Interval(Real, 0, None, closed="left")],
        "input_shape": [tuple, list, None],
        "n_spatial_dims": N_SPATIAL_DIMS,
        "channels": CHANNELS,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        augmentation: Any,
        *,
        n_copies: int | dict[Any, int] = 5,
        keep_original: bool = True,
        strength: float = 1.0,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.augmentation = augmentation
        self.n_copies = n_copies
        self.keep_original = keep_original
        self.strength = strength
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the estimator on samples and copies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples in a form that the estimator accepts.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs) or None, default=None
            Targets.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights; a copy has the weight of its sample.
        **fit_params : dict
            Passed to the estimator's `fit`. Values with one entry a sample, such as
            `groups`, are repeated for the copies.

        Returns
        -------
        self : Augmented
            The fitted estimator.

        Raises
        ------
        InputShapeError
            If a network would read the samples as other images, signals or volumes.
        """
        check_parameters(self)
        steps = self._steps(X)
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        given, X = X, originals(X)
        array, layout = check_sample_array(self, X, reset=True)
        check_steps(steps, layout, given, type(self).__name__)
        check_layout_of_estimator(self.estimator, array.shape[1:], layout, type(self).__name__)
        if sample_weight is not None:
            fit_params["sample_weight"] = self._check_weights(sample_weight, array)
        check_consistent_length(array, *([] if y is None else [y]))
        rounds = self._rounds(y, len(array))
        has_copies = len(rounds) + self.keep_original > 1
        if has_copies and fit_params.get("groups") is None:
            warn_of_leakage(self.estimator)
        many: Any = with_copies(
            array,
            layout,
            steps,
            rounds,
            keep_original=self.keep_original,
            weights=fit_params.get("sample_weight"),
            strength=self.strength,
            random_state=self.random_state,
        )
        if isinstance(X, pd.DataFrame):
            many = pd.DataFrame(many, columns=X.columns)
        if routing_enabled():
            fit_params = dict(process_routing(self, "fit", **fit_params).estimator.fit)
        originals_index = [np.arange(len(array))] * self.keep_original
        index = np.concatenate([*originals_index, *rounds])
        fit_params = follow_copies(fit_params, index, len(array))
        targets = [] if y is None else [safe_indexing(indexable(y)[0], index)]
        estimator = make_estimator(self.estimator, self.random_state, holds_back=not has_copies)
        self.estimator_ = estimator.fit(many, *targets, **fit_params)
        return self

    def _steps(self, X: Any) -> list[Step]:
        """Return the steps of the Pipeline before, then those of the parameter."""
        before = X.steps if isinstance(X, AugmentedArray) else ()
        steps = [*before, *training_steps(self.augmentation, type(self).__name__)]
        for step in steps:
            if isinstance(step.augmentation, MixingOperation):
                raise InvalidParameterError(
                    "The 'augmentation' parameter of Augmented, or the Pipeline before it, must "
                    f"not contain {type(step.augmentation).__name__}: shares of targets need a "
                    "ConvNet."
                )
        return steps

    def _rounds(self, y: Any, n_samples: int) -> list[np.ndarray]:
        """Return the numbers of the samples that get a first copy, a second one and so on.

        Raises
        ------
        InvalidParameterError
            If a class has no integer, or a sample would be left out.
        ValueError
            If there are no classes to have numbers of copies.
        """
        given = self.n_copies
        if isinstance(given, dict):
            for label, number in given.items():
                if not is_integer(number) or number < 0:
                    raise InvalidParameterError(
                        "The 'n_copies' parameter of Augmented must be an int, or a dict of ints, "
                        f"of at least 0. Got {number!r} for the class {label!r} instead."
                    )
        counts = copies_of_samples(given, y, n_samples, is_regressor(self.estimator))
        if not self.keep_original and counts.min() == 0:
            where = "for every class " if isinstance(given, dict) else ""
            raise InvalidParameterError(
                f"The 'n_copies' parameter of Augmented must be at least 1 {where}where "
                f"keep_original=False. Got {given!r} instead."
            )
        return [np.flatnonzero(counts > copy) for copy in range(counts.max())]

    def _check_weights(self, sample_weight: Any, array: np.ndarray) -> np.ndarray:
        if not routing_enabled() and not has_fit_parameter(self.estimator, "sample_weight"):
            raise TypeError(
                f"sample_weight was given, but {type(self.estimator).__name__}.fit does not "
                "accept it."
            )
        weights: np.ndarray = check_sample_weight(sample_weight, array)
        return weights

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
        return self._call("predict", X)

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
        return self._call("predict_proba", X)

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
        return self._call("predict_log_proba", X)

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
        return self._call("decision_function", X)

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
        if routing_enabled():
            params = dict(process_routing(self, "score", **params).estimator.score)
        samples = self._read(X)
        return float(self.estimator_.score(samples, y, **params))

    def _call(self, method: str, X: Any) -> Any:
        samples = self._read(X)
        return getattr(self.estimator_, method)(samples)

    def _read(self, X: Any) -> Any:
        """Return checked samples in the container that the estimator was fitted on."""
        check_is_fitted(self)
        X = originals(X)
        array, _ = check_sample_array(self, X, reset=False)
        return X if isinstance(X, pd.DataFrame) else array

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
