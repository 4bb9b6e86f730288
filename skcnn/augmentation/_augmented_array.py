"""The light array that an augmentation's ``fit_transform`` hands to the next step.

It holds the original samples and what is to be done to them; nothing is drawn until
somebody asks for values. A ConvNet unwraps it and draws afresh for every batch; anybody else
gets one draw.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils import _safe_indexing, check_array
from torch import Tensor

from skcnn._data.images import Images, InputLayout, chunk_rows
from skcnn._data.validation import layout_of_shape, warn_of_swapped_channels
from skcnn._utils.device import safe_after_fork
from skcnn._utils.random_state import draw_seed
from skcnn._utils.validation import warn_caller
from skcnn.augmentation._augmenter import Augmenter, MixingOperation, Operation, Step
from skcnn.exceptions import FrozenAugmentationWarning, InputLayoutWarning, InputShapeError


@dataclass(frozen=True, eq=False, repr=False)
class AugmentedArray:
    """Samples that are augmented when they are used, as `fit_transform` returns them.

    Indexing rows gives another such array. ``np.asarray`` gives one draw, the same
    every time, with a warning, because an estimator that asks for it sees that single
    draw in all epochs; `to_numpy` gives a draw without the warning.

    Attributes
    ----------
    original : ndarray or DataFrame of shape (n_samples, ...)
        The samples as they came.
    rows : ndarray of shape (n_samples,)
        Numbers of the samples in the array that `fit_transform` returned; with the
        seed they decide the draws.
    steps : tuple of Step
        The augmentations and their own seeds.
    seed : int
        Of the steps without one.
    layout : InputLayout or None
        How a sample is an image, as far as a step was told.
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
        """Return the samples without any augmentation yet."""
        rows = np.arange(len(original))
        span = span_of(_numbers_of(original))
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
                "input_shape and channels."
            )
        return replace(self, steps=(*self.steps, step), layout=known)

    # What makes it an array-like

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the samples."""
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
        """Type of the values."""
        if hasattr(self.original, "dtypes"):
            return _numbers_of(self.original.iloc[:0]).dtype
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
        if whole and isinstance(first, int | np.integer) and not isinstance(first, bool):
            return self._select([first]).to_numpy()[0]
        if whole and (isinstance(first, slice) or np.ndim(first) == 1):
            return self._select(first)
        self._warn_of_one_draw()
        return self.to_numpy()[key]

    def _select(self, rows: Any) -> "AugmentedArray":
        rows = np.arange(len(self))[rows]
        return replace(self, original=_safe_indexing(self.original, rows), rows=self.rows[rows])

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
            f"{self._names()}: an estimator that does not know skcnn's augmentations asked "
            "for their values and gets one draw, the same in all its epochs. Put "
            "augmentations directly before a ConvNet, after all other transformers; or "
            f"wrap any other estimator in skcnn.augmentation.Augmented.{unmixed}",
            FrozenAugmentationWarning,
        )

    def __repr__(self) -> str:
        return f"AugmentedArray(shape={self.shape}, dtype={self.dtype}, {self._names()})"

    def _names(self) -> str:
        return ", ".join(repr(step.augmentation) for step in self.steps)

    # Values

    def to_numpy(self, random_state: Any = None) -> np.ndarray:
        """Return one draw as an array of the original shape and dtype.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            Seed of the draw, also of steps with a `random_state` of their own. None
            takes those and the array's own.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            Whole numbers are rounded and kept within the limits of their type.
        """
        steps: Sequence[Step] = self.steps
        seed = self.seed
        if random_state is not None:
            seed = draw_seed(random_state)
            steps = [Step(step.augmentation, None) for step in steps]
        array = _numbers_of(self.original)
        layout = self.layout
        if layout is None:
            layout = layout_of_shape(array.shape[1:], "last")
            warn_of_swapped_channels(layout)
            if array.ndim == 2:
                steps = self._without_image_steps(steps)
        return draw_values(array, layout, steps, seed, span=self.span, rows=self.rows)

    def _without_image_steps(self, steps: Sequence[Step]) -> list[Step]:
        """Leave out what cannot be done to signals, which flat rows are taken for."""
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


def draw_values(
    array: np.ndarray,
    layout: InputLayout,
    steps: Sequence[Step],
    seed: int,
    *,
    span: float,
    rows: np.ndarray,
    epoch: int = 0,
    strength: float = 1.0,
) -> np.ndarray:
    """Return one draw of `array`, of its shape and dtype.

    Parameters
    ----------
    array : ndarray of shape (n_samples, ...)
        Samples of any real dtype. Doubles and long integers are augmented in double
        precision.
    layout : InputLayout
        How a sample is an image.
    steps : sequence of Step
        What to do.
    seed : int
        Of steps without one of their own.
    span : float
        Largest minus smallest value of all samples there are.
    rows : ndarray of shape (n_samples,)
        Numbers or keys of the samples.
    epoch : int, default=0
        Another epoch is another draw.
    strength : float, default=1.0
        Factor of all ranges.
    """
    check_axes(steps, layout)
    augmenter = Augmenter(steps, layout.spatial, span, seed, strength)
    return values_as(
        array, layout, lambda images, part: augmenter.images(images, rows[part], epoch)
    )


@safe_after_fork()
def values_as(
    array: np.ndarray, layout: InputLayout, change: Callable[[Tensor, slice], Tensor]
) -> np.ndarray:
    """Return ``change(images, part)`` of all parts of `array`, of its shape and dtype.

    Images are float64 for doubles and long integers, else float32; whole numbers are
    rounded at the end and kept within the limits of their type.
    """
    flat = np.ascontiguousarray(array).reshape(len(array), layout.n_values)
    bits = np.finfo(flat.dtype).bits if flat.dtype.kind == "f" else 2 * flat.dtype.itemsize * 8
    floats = np.float64 if bits > 32 else np.float32
    out = np.empty_like(flat)
    size = min(chunk_rows(flat.shape[1]), 1024)
    for start in range(0, len(flat), size):
        part = slice(start, min(start + size, len(flat)))
        images = Images(torch.from_numpy(flat[part].astype(floats)), layout)
        values = change(images.as_batch(images.rows), part)
        out[part] = _as_dtype(_as_rows(values, layout), flat.dtype)
    return out.reshape(array.shape)


def _numbers_of(samples: Any) -> np.ndarray:
    """Return samples as numbers, also from a DataFrame with nullable or mixed columns."""
    array = np.asarray(samples)
    if array.dtype.kind == "O":
        array = check_array(samples, ensure_min_samples=0)
    return array


def span_of(values: Any) -> float:
    """Return the largest minus the smallest value, 1 where all are the same."""
    low, high = float(values.min()), float(values.max())
    return high - low or 1.0


def _as_rows(batch: Tensor, layout: InputLayout) -> np.ndarray:
    """Return (n_samples, n_values) in the order of the layout."""
    if layout.channels == "last":
        batch = batch.movedim(1, -1)
    return batch.reshape(len(batch), -1).numpy()


def _as_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return values > 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        high = float(limits.max)
        if high > limits.max:  # a double has 53 bits: 2**63 does not fit any more
            high = np.nextafter(high, 0)
        return np.clip(np.rint(values), limits.min, high).astype(dtype)
    return values.astype(dtype)


def check_axes(steps: Sequence[Step], layout: InputLayout, owner: str | None = None) -> None:
    """Refuse what cannot be done to samples with so few axes.

    Raises
    ------
    InputShapeError
        If an augmentation needs images and the samples are signals.
    """
    for step in steps:
        if isinstance(step.augmentation, Operation):
            step.augmentation._check_axes(layout, owner)


def originals(X: Any) -> Any:
    """Return the samples as they came, without augmentation."""
    return X.original if isinstance(X, AugmentedArray) else X
