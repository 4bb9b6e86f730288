"""AugmentationDisplay: samples beside several draws of their augmentations."""

from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_scalar

from skcnn._convnet.base import BaseConvNet
from skcnn._convnet.pipelines import copy_samples
from skcnn._data.containers import as_array
from skcnn._data.layouts import InputLayout
from skcnn._data.validation import read_samples
from skcnn._plotting.display import Display
from skcnn._plotting.pictures import PictureGrid, channels_first, value_limits
from skcnn._utils.compat import safe_indexing
from skcnn._utils.random_state import draw_seed
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn.augmentation._array_values import numbers_of, span_of
from skcnn.augmentation._augmented import Augmented
from skcnn.augmentation._augmented_array import originals
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step, check_axes
from skcnn.augmentation._estimator_parameters import entries_of, is_auto, training_steps


def _augmentations_of(estimator: Any, X: Any) -> tuple[list[Any], list[Any], float, Any]:
    """Return augmentations, estimators that may have an input_shape, strength, transformed X."""
    entries: list[Any] = []
    readers: list[Any] = []
    strength = 1.0
    parts = [estimator]
    while isinstance(parts[-1], Pipeline):
        parts = [*parts[:-1], *(step for _, step in parts[-1].steps)]
    for number, part in enumerate(parts):
        if isinstance(part, Augmentation):
            entries.append(part)
        elif isinstance(part, BaseConvNet | Augmented):
            own = part.augmentation
            entries += entries_of(vars(part).get("augmentation_") if is_auto(own) else own)
            convnet = isinstance(part, BaseConvNet)
            strength = part.augmentation_strength if convnet else part.strength
            readers.insert(0, part)
        elif number < len(parts) - 1 and hasattr(part, "transform"):  # a sampler has none
            X = part.transform(copy_samples(X))  # which it may write into
        elif len(parts) == 1 and (isinstance(part, list | tuple) or _is_function(part)):
            entries += part if isinstance(part, list | tuple) else [part]
    if not entries:
        raise TypeError(
            "estimator must be or contain augmentations, such as [RandomRotation(15)] or a "
            "Pipeline of them; of a search pass best_estimator_, and fit a network with "
            f"augmentation='auto' before. Got {estimator!r}."
        )
    return entries, readers + entries, strength, X


def _is_function(part: Any) -> bool:
    return callable(part) and not isinstance(part, BaseEstimator)


def _read(
    X: Any,
    readers: list[Any],
    input_shape: Any,
    n_spatial_dims: int | None,
    channels: str | None,
) -> tuple[np.ndarray, InputLayout]:
    """Return the samples and their layout."""
    if input_shape is None:
        reader = next(filter(_knows_its_shape, readers), readers[0])
        input_shape = getattr(reader, "input_shape", None)
        if n_spatial_dims is None:
            n_spatial_dims = getattr(reader, "n_spatial_dims", None)
        channels = channels or getattr(reader, "channels", "last")
    owner = "AugmentationDisplay"
    return read_samples(X, input_shape, n_spatial_dims, channels or "last", owner)


def _knows_its_shape(reader: Any) -> bool:
    names = ("input_shape", "n_spatial_dims")
    return any(getattr(reader, name, None) is not None for name in names)


class AugmentationDisplay(Display):
    """A grid of samples, one a row, each followed by several draws of its augmentation.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_channels, *spatial)
        The original samples.
    draws : ndarray of shape (n_draws, n_samples, n_channels, *spatial)
        The augmented samples.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes with the whole grid.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    RandomAffine : An augmentation.

    Notes
    -----
    `MixUp` and `CutMix` mix the samples that are shown. Three channels are drawn as
    colours, a single one as grey; of any other number the first is drawn. Signals are curves,
    one colour for each channel; of volumes the middle slice is drawn. Black and white are the
    smallest and largest value of the original samples; curves have a common scale.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn.inspection import AugmentationDisplay
    >>> from skcnn.augmentation import RandomRotation, RandomTranslation
    >>> X = load_digits().images
    >>> augmentation = [RandomRotation(20), RandomTranslation(0.1)]
    >>> display = AugmentationDisplay.from_estimator(augmentation, X, n_draws=3)
    >>> display.draws.shape
    (3, 4, 1, 8, 8)
    """

    def __init__(self, *, samples: np.ndarray, draws: np.ndarray) -> None:
        self.samples = samples
        self.draws = draws

    @classmethod
    @in_standard_torch_state
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_samples: int = 4,
        n_draws: int = 6,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str | None = None,
        random_state: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw the first samples, and several draws of their augmentation in training.

        Parameters
        ----------
        estimator : Pipeline, ConvNet, Augmented, augmentation or list of augmentations
            Source of the augmentations. Transformers of a Pipeline before them must be
            fitted.
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples.
        n_samples : int, default=4
            Rows of the grid.
        n_draws : int, default=6
            Draws of each sample.
        input_shape : tuple of int or None, default=None
            Shape of one sample, to read flat rows as images. None takes that of the ConvNet,
            or of the first augmentation that has one or has `n_spatial_dims`.
        n_spatial_dims : {1, 2, 3} or None, default=None
            How many axes are spatial: 1 for signals, 2 for images, 3 for volumes. None takes
            that of the same estimator as `input_shape`.
        channels : {"last", "first"} or None, default=None
            Position of the channel axis. None takes that of the same estimator as
            `input_shape`.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : AugmentationDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no augmentation in `estimator`.
        MissingDependencyError
            If `ax` is None and matplotlib is not installed.
        """
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        entries, readers, strength, X = _augmentations_of(estimator, originals(X))
        steps = training_steps(entries, "AugmentationDisplay")
        X = as_array(X)
        span = span_of(numbers_of(X))
        X = safe_indexing(X, np.arange(min(n_samples, len(X))))
        array, layout = _read(X, readers, input_shape, n_spatial_dims, channels)
        if random_state is not None:
            steps = [Step(step.augmentation, None) for step in steps]
        seed = draw_seed(random_state)
        check_axes(steps, layout)
        augmenter = BatchAugmenter(steps, layout.spatial, span, seed, strength)
        samples = channels_first(array, layout)
        wide = array.dtype == np.float64
        batch = torch.from_numpy(np.ascontiguousarray(samples, np.float64 if wide else np.float32))
        rows, nothing = np.arange(len(array)), torch.zeros(len(array))
        draws = [
            augmenter.batch(batch, nothing, None, rows, epoch)[0].numpy()
            for epoch in range(n_draws)
        ]
        return cls(samples=samples, draws=np.array(draws)).plot(ax=ax)

    def _draw(self, ax: Any) -> Any:
        n_draws, n_samples = self.draws.shape[:2]
        grid = PictureGrid(n_samples, n_draws + 1, self.samples.shape[1:], ax)
        low, high = value_limits(self.samples)
        if self.samples.ndim == 3:  # a curve must not leave its box
            low, high = min(low, self.draws.min()), max(high, self.draws.max())
        for column, pictures in enumerate((self.samples, *self.draws)):
            for row, picture in enumerate(pictures):
                grid.draw(row, column, picture, (low, high))
        grid.set_labels(columns=["original", *(f"draw {i}" for i in range(1, n_draws + 1))])
        return grid.ax
