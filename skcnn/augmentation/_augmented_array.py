"""AugmentedArray: the lazy array that an augmentation's ``fit_transform`` returns.

It holds the original samples and the steps to be applied to them. Values are drawn when
they are asked for: by a ConvNet again for every batch, by other estimators once.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.layouts import InputLayout, layout_of_shape, warn_of_doubtful_axes
from skcnn._data.signal_windows import SignalWindows
from skcnn._utils.compat import safe_indexing
from skcnn._utils.random_state import draw_seed
from skcnn._utils.validation import is_integer, warn_caller
from skcnn.augmentation._array_values import draw_values, numbers_of, span_of
from skcnn.augmentation._batch_augmenter import Step
from skcnn.augmentation._operations import MixingOperation
from skcnn.exceptions import FrozenAugmentationWarning, InputLayoutWarning, InputShapeError


@dataclass(frozen=True, eq=False, repr=False)
class AugmentedArray:
    """Samples that are augmented when they are used, as `fit_transform` returns them.

    Indexing rows gives another such array. ``np.asarray`` gives one draw, the same every
    time, and warns, because an estimator that asks for it sees this single draw in all
    epochs; `to_numpy` gives a draw without the warning.

    Attributes
    ----------
    original : ndarray, ImageFiles, SignalWindows, EpochsArray, DataFrame or list
        The samples without augmentation, of shape (n_samples, ...). A list has signals of
        unequal length.
    rows : ndarray of shape (n_samples,)
        Numbers of the samples in the array that `fit_transform` returned. Together with
        the seed they decide the draws.
    steps : tuple of Step
        The augmentations and their own seeds.
    seed : int
        Seed of the steps without a seed of their own.
    layout : InputLayout or None
        How a sample is an image; None if no step has an `input_shape`, `n_spatial_dims` or
        `channels`.
    span : float
        Largest minus smallest of all values, the unit of noise.
    """

    original: Any
    rows: np.ndarray
    steps: tuple[Step, ...]
    seed: int
    layout: InputLayout | None
    span: float

    @classmethod
    def of(cls, original: Any) -> "AugmentedArray":
        """Return an array of the samples with no augmentation yet."""
        rows = np.arange(len(original))
        if isinstance(original, ImageFiles | SignalWindows):
            low, high = original.value_range()  # known afterwards, so that a fit decodes no more
            span = high - low or 1.0
        else:
            is_series = isinstance(original, list)
            span = span_of(original if is_series else numbers_of(original))
        return cls(original, rows, (), secrets.randbits(63), None, span)

    def then(self, step: Step, layout: InputLayout | None) -> "AugmentedArray":
        """Return the same samples with one more augmentation.

        Raises
        ------
        InputShapeError
            If the steps read the samples as images of different shapes.
        """
        known = self.layout or layout
        if known is not None and layout is not None and known != layout:
            raise InputShapeError(
                f"{type(step.augmentation).__name__} reads samples of shape {layout.shape} "
                f"(channels {layout.channels}), but the augmentation before it reads "
                f"{known.shape} (channels {known.channels}): give both the same "
                "input_shape, n_spatial_dims and channels."
            )
        return replace(self, steps=(*self.steps, step), layout=known)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the samples; (n_samples,) for signals of unequal length."""
        if isinstance(self.original, list):
            return (len(self.rows),)
        return tuple(self.original.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    @property
    def dtype(self) -> np.dtype:
        """Type of the values; object for signals of unequal length."""
        if isinstance(self.original, list):
            return np.dtype(object)
        if hasattr(self.original, "dtypes"):
            return numbers_of(self.original.iloc[:0]).dtype
        return np.dtype(self.original.dtype)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        parts: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
        first: Any = parts[0] if parts else None
        whole = all(
            part is Ellipsis or (isinstance(part, slice) and part == slice(None))
            for part in parts[1:]
        )
        if whole and is_integer(first):
            return self._select([first]).to_numpy()[0]
        if whole and (isinstance(first, slice) or np.ndim(first) == 1):
            return self._select(first)
        self._warn_of_one_draw()
        return self.to_numpy()[key]

    def _select(self, rows: Any) -> "AugmentedArray":
        rows = np.arange(len(self))[rows]
        return replace(self, original=safe_indexing(self.original, rows), rows=self.rows[rows])

    def __iter__(self) -> Iterator[np.ndarray]:
        self._warn_of_one_draw()
        return iter(self.to_numpy())

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"An augmented array has no attribute {name!r}: its values are not drawn yet. "
            "to_numpy() returns one draw as an array."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("The values of an augmented array are computed: copy=False fails.")
        self._warn_of_one_draw()
        values = self.to_numpy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def _warn_of_one_draw(self) -> None:
        operations = [step.augmentation for step in self.steps]
        mixing = [type(o).__name__ for o in operations if isinstance(o, MixingOperation)]
        unmixed = (
            f" Only a ConvNet mixes targets: {', '.join(mixing)} is left out." if mixing else ""
        )
        warn_caller(
            f"{self._names()}: an estimator that does not draw augmentations itself asked "
            "for their values and gets one draw, the same in all its epochs. Put "
            "augmentations directly before a ConvNet, after all other transformers; or "
            f"wrap any other estimator in skcnn.augmentation.Augmented.{unmixed}",
            FrozenAugmentationWarning,
        )

    def __repr__(self) -> str:
        return f"AugmentedArray(shape={self.shape}, dtype={self.dtype}, {self._names()})"

    def _names(self) -> str:
        return ", ".join(repr(step.augmentation) for step in self.steps)

    def to_numpy(self, random_state: Any = None) -> np.ndarray:
        """Return one draw as an array of the original shape and dtype.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            Seed of the draw, also for steps with a `random_state` of their own. None
            takes the seeds of the steps and of the array.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            Whole numbers are rounded and kept within the limits of their type. For signals of
            unequal length an array of arrays.
        """
        steps: Sequence[Step] = self.steps
        seed = self.seed
        if random_state is not None:
            seed = draw_seed(random_state)
            steps = [Step(step.augmentation, None) for step in steps]
        if isinstance(self.original, list):
            return self._signals(steps, seed)
        array = numbers_of(self.original)
        layout = self.layout
        if layout is None:
            layout = layout_of_shape(array.shape[1:], "last")
            warn_of_doubtful_axes(array.shape[1:], "last")
            if array.ndim == 2:
                steps = self._without_image_steps(steps)
        return draw_values(array, layout, steps, seed, span=self.span, rows=self.rows)

    def _signals(self, steps: Sequence[Step], seed: int) -> np.ndarray:
        """Return one draw of signals of unequal length, in an array of objects."""
        assert self.layout is not None
        channels = self.layout.channels
        drawn = np.empty(len(self.rows), object)
        for row, signal in enumerate(self.original):
            sides = signal.shape if signal.ndim == 2 else (len(signal), 1)
            layout, key = InputLayout(sides, channels), self.rows[row : row + 1]
            values = draw_values(signal[None], layout, steps, seed, span=self.span, rows=key)
            drawn[row] = values[0]
        return drawn

    def _without_image_steps(self, steps: Sequence[Step]) -> list[Step]:
        """Return the steps without those for images only; flat rows are read as signals."""
        kept = [step for step in steps if step.augmentation._fewest_axes == 1]
        left_out = [type(s.augmentation).__name__ for s in steps if s not in kept]
        if left_out:
            warn_caller(
                f"{', '.join(left_out)} has no effect on flat rows, which are read as "
                "signals: set its input_shape=(height, width) or give X of shape "
                "(n_samples, height, width).",
                InputLayoutWarning,
            )
        return kept


def originals(X: Any) -> Any:
    """Return the samples without augmentation."""
    return X.original if isinstance(X, AugmentedArray) else X
