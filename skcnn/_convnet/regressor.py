"""ConvNetRegressor."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks
from sklearn.metrics import r2_score
from torch import nn

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.declaration import documented, legal_values
from skcnn._convnet.training_parameters import RegressorParameters
from skcnn._data.samples import SampleSet
from skcnn._data.targets import check_numbers, warn_if_other_scale
from skcnn._training.losses import RegressionLoss

# a smaller deviation, as a share of the mean, is rounding of float64
CONSTANT = 1e-14


@documented
class ConvNetRegressor(RegressorMixin, RegressorParameters, BaseConvNet):
    """Convolutional network regressor for images, signals and volumes.

    The network of :class:`ConvNetClassifier` with one or several linear outputs.

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    ConvNetClassifier : The same network for class labels.

    Notes
    -----
    Each output's targets are standardised to mean 0 and standard deviation 1 for
    training. The losses in `history_` are in these units, predictions are in those of `y`.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn import ConvNetRegressor
    >>> rng = np.random.default_rng(0)
    >>> column = rng.integers(0, 8, size=400)
    >>> X = rng.normal(scale=0.1, size=(400, 8, 8))
    >>> X[np.arange(400), :, column] += 1.0
    >>> model = ConvNetRegressor(max_epochs=20, random_state=0).fit(X[:300], column[:300])
    >>> model.score(X[300:], column[300:]) > 0.9
    True

    With a limit of an hour `history_` says how many epochs were planned:

    >>> model.set_params(max_epochs=2, max_seconds=3600).fit(X, column)
    ConvNetRegressor(max_epochs=2, max_seconds=3600, random_state=0)
    >>> model.history_["planned_epochs"].tolist()
    [2.0, 2.0]
    """

    _parameter_constraints = legal_values(RegressorParameters)
    _of_classes = False

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Images, signals or volumes, as a NumPy array, DataFrame, tensor or memory map
            of bytes, integers or floats. Or a list or array of objects of signals of unequal
            length, (length_i,) or (length_i, n_channels), or ``mne.Epochs``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Continuous targets.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples. A weight of zero leaves a sample out. The weights also
            apply to the score of a validation set that is split off.
        X_val, y_val : array-like or None, default=None
            Validation samples for `history_` and early stopping. With None and
            `early_stopping`, `validation_fraction` of the samples are split off.
        sample_weight_val : array-like of shape (n_validation_samples,) or None, default=None
            Weights of the validation samples in their loss and score.

        Returns
        -------
        self : ConvNetRegressor
            The fitted estimator.

        Raises
        ------
        ArchitectureError
            If the network does not fit its input.
        TrainingDivergedError
            If the loss becomes infinite or NaN. The weights after the last finished epoch are
            kept, if there is one.
        OutOfMemoryError
            If the device has too little memory for a batch that cannot be computed in parts.
        """
        return self._train(X, y, sample_weight, X_val, y_val, sample_weight_val)

    @with_callbacks
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on this part of the data, at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            As for `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            As for `fit`. The first call determines how targets are standardised.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples, relative to each other within this call.

        Returns
        -------
        self : ConvNetRegressor
            The estimator, trained for one more epoch.
        """
        return self._train(X, y, sample_weight, is_partial=True)

    def _read_targets(
        self, y: Any, weights: np.ndarray | None, n_samples: int, classes: Any, fresh: bool
    ) -> np.ndarray:
        numbers = check_numbers(y, n_samples)
        shape = numbers.shape[1:]
        if fresh:
            self._target_shape = shape
            self.n_outputs_ = shape[0] if shape else 1
        elif shape != self._target_shape:
            raise ValueError(
                f"y has shape {numbers.shape}, but {type(self).__name__} was fitted on "
                f"targets of shape {('n_samples', *self._target_shape)}."
            )
        return numbers

    def _finish_targets(self, samples: SampleSet, *, fresh: bool, training: bool) -> SampleSet:
        if fresh:
            mean = np.average(samples.targets, axis=0, weights=samples.weights)
            variance = np.average((samples.targets - mean) ** 2, axis=0, weights=samples.weights)
            std = np.sqrt(variance)
            self._target_mean = mean
            self._target_scale = np.where(std > CONSTANT * np.abs(mean), std, 1.0)
        scaled = (samples.targets - self._target_mean) / self._target_scale
        return samples.with_targets(scaled.astype(np.float32)).with_weights(samples.weights)

    def _compare_targets(self, train: SampleSet, valid: SampleSet) -> None:
        warn_if_other_scale(train.targets, valid.targets)

    def _make_loss(self) -> nn.Module:
        return RegressionLoss(self.loss)

    def _score_outputs(self, outputs: np.ndarray, samples: SampleSet) -> float:
        if len(samples) < 2:
            return float("nan")
        expected = samples.targets.reshape(outputs.shape)
        return float(r2_score(expected, outputs, sample_weight=samples.weights))

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted numbers, in the units of the training targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit, or signals of any length after signals of unequal
            length.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the shape of `y` in `fit`.
        """
        outputs = self._outputs(X).reshape(-1, *self._target_shape)
        return outputs * self._target_scale + self._target_mean

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
