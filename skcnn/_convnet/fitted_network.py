"""What the estimators do with a trained network, its device, and the length of its training."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skcnn._convnet.automatic import (
    resolve_epochs,
    resolve_learning_rate,
    resolve_weight_decay,
    series_batch_size,
    series_epochs,
)
from skcnn._convnet.builder import NetworkBuilder
from skcnn._convnet.fitted_base import fitted_base
from skcnn._convnet.pretrained_input import is_pretrained
from skcnn._convnet.training_parameters import ConvNetParameters
from skcnn._data.feature_cache import resolve_feature_cache
from skcnn._data.images import Images
from skcnn._data.samples import SampleSet
from skcnn._data.validation import check_images
from skcnn._network.frozen_features import FrozenFeatures
from skcnn._network.series_prediction import check_signals
from skcnn._network.split import Trainable
from skcnn._network.trained_part import TrainedPart
from skcnn._utils.device import check_not_forked, resolve_device
from skcnn._utils.plain_state import HasPlainState
from skcnn._utils.precision import exact_kernels
from skcnn._utils.threads import torch_threads
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.augmentation._augmented_array import originals
from skcnn.augmentation._estimator_parameters import make_views
from skcnn.layers._base import Shape
from skcnn.layers._sequence import total_multiply_accumulates

AUTO = "auto"
UNKNOWN_MACS = 2**40  # assumed of a user's module, so that it counts as a large network


class FittedNetwork(HasPlainState, NetworkBuilder, ConvNetParameters, BaseEstimator):
    """An estimator with a network that may be trained."""

    unfreezing_: dict[int, Trainable]

    # Prediction

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the network's outputs for validated `X`, float64."""
        outputs = self._predicted(X).astype(np.float64)
        finite = np.isfinite(outputs)
        if not finite.all():
            self._raise_for(~finite.all(axis=1))
        return outputs

    @in_standard_torch_state
    def _predicted(self, X: Any, finish: Callable[[Tensor], Tensor] | None = None) -> np.ndarray:
        """Return the network's outputs for validated `X`, float32, or what `finish` makes of them.

        `finish` is called with the outputs of some samples at a time.
        """
        self._check_fitted()
        images = check_images(self, originals(X))
        self._value_range.warn_if_rescaled(images)
        self._check_opacity(images)
        check_signals(self._rows, images)
        return self._computed(images, finish)

    def _computed(
        self, images: Images, finish: Callable[[Tensor], Tensor] | None = None
    ) -> np.ndarray:
        """Return the network's outputs for checked samples, or what `finish` makes of them."""
        name, span = type(self).__name__, self._value_range.span
        how = (self.test_time_augmentation, self._layout, span, name, self.offset_)
        views = make_views(*how)
        device = torch.device(self.net_.device)
        check_not_forked(device)
        with torch_threads(self.n_threads, UNKNOWN_MACS), exact_kernels(device):
            if self.feature_cache is not None and not views:
                outputs = self._outputs_of_features(images)
                if outputs is not None:
                    return outputs if finish is None else finish(torch.from_numpy(outputs)).numpy()
            return self.net_.outputs(images, views, finish)

    def _outputs_of_features(self, images: Images) -> np.ndarray | None:
        """Return the same outputs by way of kept features, None if no layers were frozen."""
        engine, trainable = self.net_, [*self.unfreezing_.values()][-1]
        part = TrainedPart(
            engine.module_, self._rows, trainable, 1.0, 1.0, torch.device(engine.device)
        )
        if part.is_whole or part.layers_key is None:
            return None
        whole = engine.predictor(images.layout)
        frozen = FrozenFeatures(part, resolve_feature_cache(self.feature_cache), whole)
        n = len(images)
        samples = frozen.of(SampleSet(images, np.arange(n), np.empty((n, 0)), None))
        return None if samples is None else part.outputs(samples.images, whole)

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # raises, but is slow, as it reads all tags

    @staticmethod
    def _raise_for(is_lost: np.ndarray) -> NoReturn:
        """Raise ValueError for samples whose outputs are infinite or NaN."""
        lost = np.flatnonzero(is_lost)
        raise ValueError(
            f"The network's outputs for {len(lost)} of {len(is_lost)} samples, the first "
            f"at index {lost[0]}, are infinite or NaN: their values are far beyond "
            "those of the training samples, or the weights diverged and training needs "
            "a smaller learning_rate."
        )

    def _hashed_state(self) -> dict[str, Any]:
        """Return what a fitted network computes with, without times and its training's state."""
        if not self.__sklearn_is_fitted__():
            return dict(vars(self))
        module = self.net_.module_
        left_out = ("net_", "history_", "device_", "_seen")
        kept = {k: v for k, v in vars(self).items() if k not in left_out}
        return {**kept, "module": repr(module), "weights": dict(module.state_dict())}

    # Pickling

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._go_to_device()

    @in_standard_torch_state
    def _go_to_device(self) -> None:
        """Move a network that was read to the device of the parameter, if this machine has it."""
        try:
            device = resolve_device(self.device)
        except ValueError:
            return
        if self.__sklearn_is_fitted__() and str(device) != self.net_.device:
            self.net_.move_to(device)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether a network was trained."""
        return hasattr(self, "net_")

    # Automatic values

    def _n_epochs(
        self,
        n_samples: int,
        shape: Shape | None = None,
        is_augmented: bool = False,
        optimizer: str | None = None,
    ) -> int:
        """Return the number of epochs, for a new network's optimizer if it is not given.

        The network's `shape` counts for it and for signals.
        """
        if (
            self.max_epochs == "auto"
            and shape is not None
            and self._has_series_network(shape, self._takes_any_length)
        ):
            macs = total_multiply_accumulates(self._trace(shape, 1))
            return series_epochs(n_samples, series_batch_size(n_samples), macs)
        fine_tunes = is_pretrained(self.pretrained) and self.trainable != "head"
        name = self._optimizer_name(shape) if optimizer is None else optimizer
        return resolve_epochs(self.max_epochs, n_samples, fine_tunes, is_augmented, name)

    def _optimizer_name(self, shape: Shape | None, is_partial: bool = False) -> str:
        """Return the name of a new network's optimizer. The network's `shape` counts for "auto".

        Muon keeps the norms of kernels, which have no weight decay, and needs a learning rate
        that falls.
        """
        if self.optimizer != AUTO:
            return self.optimizer
        has_knobs = self.architecture is None and not is_pretrained(self.pretrained)
        is_plain = self.learning_rate == AUTO and self.weight_decay == AUTO and not self.l1_penalty
        has_axes = shape is not None and len(shape) > 2
        falls = self.lr_schedule not in ("constant", "plateau") and not is_partial
        suits_muon = has_knobs and has_axes and is_plain and self.normalization is not None
        return "muon" if suits_muon and falls else "adamw"

    def _step_settings(self, optimizer: str, is_partial: bool) -> dict[str, Any]:
        """Return the settings of training steps that may change between calls of `fit`."""
        return {
            "lr": self._learning_rate(optimizer, is_partial),
            "weight_decay": resolve_weight_decay(self.weight_decay, optimizer),
            "l1_penalty": self.l1_penalty,
            "gradient_clip": self.gradient_clip,
        }

    def _learning_rate(self, optimizer: str, is_partial: bool) -> float:
        has_weights = is_pretrained(self.pretrained) or fitted_base(self.architecture) is not None
        how = (self.architecture, has_weights, is_partial)
        return resolve_learning_rate(self.learning_rate, optimizer, *how)
