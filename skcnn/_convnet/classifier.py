"""ConvNetClassifier."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from scipy.special import expit, log_softmax
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels
from torch import Tensor, nn

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.calibrating.calibration import calibrated
from skcnn._convnet.calibrating.rules import AUTO, check_continued, has_partial_fit
from skcnn._convnet.declaration import documented, legal_values
from skcnn._convnet.training_parameters import ClassifierParameters
from skcnn._data.samples import SampleSet
from skcnn._data.targets import ClassTargets, check_labels
from skcnn._data.weights import class_weight_per_code
from skcnn._training.checkpointing.checkpoint import Checkpoint
from skcnn._training.fit_plan import FitPlan
from skcnn._training.fit_run import FitRun
from skcnn._training.losses import classification_loss
from skcnn.augmentation._batch_augmenter import Step


@documented
class ConvNetClassifier(ClassifierMixin, ClassifierParameters, BaseConvNet):
    """Convolutional network classifier for images, signals and volumes.

    Blocks of convolution, normalisation, activation and pooling are followed by dense
    layers. Training is mini-batch gradient descent on softmax outputs, or on sigmoid
    outputs for multilabel targets.

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels in sorted order, or 0 to n_outputs_ - 1 for multilabel targets.
    temperature_ : float
        What the logits are divided by, 1.0 if they are not calibrated.
    <attributes>

    See Also
    --------
    ConvNetRegressor : The same network for continuous targets.
    skcnn.augmentation.Augmented : Augmented copies, also of rare classes only.
    skcnn.layers : Layers for explicit architectures.

    Notes
    -----
    Without augmentation, a sample weight of 2 gives exactly the result of repeating the
    sample, because repeated samples are merged and their weights summed. So oversampling by
    repetition, such as imbalanced-learn's ``RandomOverSampler``, equals `class_weight`. With
    augmentation each repeated sample has draws of its own; ``Augmented(n_copies={label: k})``
    adds augmented copies of the samples of a class. The order of the samples does
    not change the result. The predictions for a sample are the same bits in any batch.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skcnn import ConvNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = ConvNetClassifier(input_shape=(8, 8), max_epochs=10, random_state=0)
    >>> model.fit(X_train, y_train).score(X_test, y_test) > 0.97
    True

    Signals of length 32 with two channels:

    >>> signals = X_train.reshape(-1, 32, 2)
    >>> model = ConvNetClassifier(n_spatial_dims=1, max_epochs=1, random_state=0)
    >>> model.fit(signals, y_train).input_shape_
    (32, 2)

    Signals of unequal length:

    >>> unequal = [signal[: 20 + row % 13] for row, signal in enumerate(signals)]
    >>> model.fit(unequal, y_train).input_shape_
    (None, 2)

    Probabilities of a network that label smoothing makes unsure, without and with calibration:

    >>> model = ConvNetClassifier(
    ...     input_shape=(8, 8), filters=(8, 16), max_epochs=6, label_smoothing=0.2, random_state=0
    ... )
    >>> for calibration in (None, "auto"):
    ...     _ = model.set_params(calibration=calibration).fit(X_train[:500], y_train[:500])
    ...     print(model.predict_proba(X_test).max(axis=1).mean() > 0.85)
    False
    True

    Small shifts and zooms, but no flips, since mirrored digits are not recognised:

    >>> model = ConvNetClassifier(
    ...     input_shape=(8, 8), augmentation="auto", max_epochs=1, random_state=0
    ... )
    >>> model.fit(X_train[:100], y_train[:100]).augmentation_
    [RandomAffine(degrees=0, padding_mode='edge', translation=0.08)]

    A published network by its name, and its number of parameters for 1,000 classes:

    >>> model = ConvNetClassifier(architecture="resnet18")
    >>> int(model.summary((224, 224, 3), n_outputs=1000)["parameters"].sum())
    11689512
    """

    _parameter_constraints = legal_values(ClassifierParameters)
    _uncalibrated: ClassVar[dict[str, float]] = {"temperature_": 1.0}

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
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels of any kind, or a 0/1 matrix for multilabel targets.
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
        self : ConvNetClassifier
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
        check_continued(self, X_val is not None)
        return self._train(X, y, sample_weight, X_val, y_val, sample_weight_val)

    @available_if(has_partial_fit)
    @with_callbacks
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on this part of the data, at a constant learning rate.

        No samples are held back: `temperature_` stays what it was, and the method is not
        available with ``calibration="temperature"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            As for `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            As for `fit`.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that occur in any call. Required in the first call unless the
            targets are multilabel.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples, relative to each other within this call.

        Returns
        -------
        self : ConvNetClassifier
            The estimator, trained for one more epoch.
        """
        self._check_parameters()
        one_column = np.ndim(y) < 2 or np.shape(y)[1] == 1
        if classes is None and not self.__sklearn_is_fitted__() and one_column:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._train(X, y, sample_weight, classes=classes, is_partial=True)

    def _read_targets(
        self, y: Any, weights: np.ndarray | None, n_samples: int, classes: Any, fresh: bool
    ) -> np.ndarray:
        labels, multilabel = check_labels(y, n_samples)
        if fresh:
            self._targets = self._learn_classes(labels, multilabel, weights, classes)
            self.classes_ = self._targets.classes
            self.n_outputs_ = len(self.classes_)
            self.temperature_ = 1.0
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call to partial_fit, "
                f"{self.classes_}."
            )
        if multilabel != self._targets.multilabel:
            kinds = ("single labels", "a multilabel indicator matrix")
            raise ValueError(
                f"y is {kinds[multilabel]}, but the classifier was fitted on "
                f"{kinds[self._targets.multilabel]}."
            )
        if multilabel and labels.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {labels.shape[1]} labels, but the classifier was fitted on "
                f"{self.n_outputs_}."
            )
        return self._targets.encode(labels, weights)

    def _learn_classes(
        self, labels: np.ndarray, multilabel: bool, weights: np.ndarray | None, classes: Any
    ) -> ClassTargets:
        if multilabel:
            return ClassTargets(np.arange(labels.shape[1]), multilabel=True)
        if classes is not None:
            present = unique_labels(classes)
        else:
            present = np.unique(labels if weights is None else labels[weights > 0])
        if len(present) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes in the data, "
                f"but the data contains only one class: {present.tolist()[0]!r}."
            )
        return ClassTargets(present, multilabel=False)

    def _finish_targets(self, samples: SampleSet, *, fresh: bool, training: bool) -> SampleSet:
        factors = class_weight_per_code(
            self.class_weight if training else None,
            self._targets,
            samples.targets,
            samples.weights,
        )
        weights = samples.weights
        if factors is not None:
            each = factors[samples.targets]
            weights = each if weights is None else weights * each
            if not weights.all():  # a class of weight zero is left out
                kept = np.flatnonzero(weights)
                samples, weights = samples.select(kept), weights[kept]
        return samples.with_weights(weights)

    @property
    def _stratified(self) -> bool:
        return not self._targets.multilabel

    def _make_loss(self) -> nn.Module:
        return classification_loss(self.loss, self._targets.multilabel, self.label_smoothing)

    def _score_outputs(self, outputs: np.ndarray, samples: SampleSet) -> float:
        predicted = outputs > 0 if self._targets.multilabel else outputs.argmax(1)
        return float(accuracy_score(samples.targets, predicted, sample_weight=samples.weights))

    def _calibrated(
        self,
        plan: FitPlan,
        samples: SampleSet,
        steps: list[Step],
        seed: int,
        checkpoint: Checkpoint | None,
    ) -> AbstractContextManager[FitPlan]:
        return calibrated(self, plan, samples, steps, seed, checkpoint)

    def _keep(self, run: FitRun, before: pd.DataFrame | None) -> None:
        super()._keep(run, before)
        # no network that goes on has samples to find another one on: the old one is the best guess
        if run.monitor.rows and self.calibration != AUTO:
            self.temperature_ = 1.0

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit, or signals of any length after signals of unequal
            length.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels. For multilabel targets, 1 if the probability exceeds a half, else 0.
        """
        self._check_fitted()
        if self._targets.multilabel:
            indicators = self._predicted(X, _indicators)
            self._check_found(indicators.min(axis=1))
            return indicators.astype(int)
        codes = self._predicted(X, _codes)
        self._check_found(codes)
        return self.classes_[codes]

    def _check_found(self, found: np.ndarray) -> None:
        """Check that no sample is marked by a negative number."""
        if found.min() < 0:
            self._raise_for(found < 0)

    def _logits(self, X: Any) -> np.ndarray:
        """Return the logits of which the probabilities are made."""
        outputs = self._outputs(X)
        if self.temperature_ != 1.0:
            outputs /= self.temperature_
        return outputs

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits, divided by `temperature_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit, or signals of any length after signals of unequal
            length.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples,)
            For two classes, the log-odds of the second class.
        """
        outputs = self._logits(X)
        if len(self.classes_) == 2 and not self._targets.multilabel:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit, or signals of any length after signals of unequal
            length.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns are in the order of `classes_`. Rows sum to one, except for
            multilabel targets, where each label has its own probability.
        """
        outputs = self._logits(X)
        return expit(outputs) if self._targets.multilabel else _softmax(outputs)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit, or signals of any length after signals of unequal
            length.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Natural logarithms.
        """
        outputs = self._logits(X)
        if self._targets.multilabel:
            return -np.logaddexp(0, -outputs)
        return log_softmax(outputs, axis=1)

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _codes(outputs: Tensor) -> Tensor:
    """Return the place of each row's first maximum, -1 for rows with infinite values or NaN."""
    outputs = outputs.float()
    return outputs.argmax(1).masked_fill(~outputs.isfinite().all(1), -1)


def _indicators(outputs: Tensor) -> Tensor:
    """Return 1 for positive and 0 for other values, -1 in rows with infinite values or NaN."""
    outputs = outputs.float()
    finite = outputs.isfinite().all(1, keepdim=True)
    return (outputs > 0).to(torch.int8).masked_fill(~finite, -1)


def _softmax(outputs: np.ndarray) -> np.ndarray:
    """Return the softmax of each row, bit for bit scipy.special.softmax with less overhead."""
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
