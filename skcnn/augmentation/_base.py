"""Augmentation: the base class with scikit-learn's interface, and the shared documentation."""

from numbers import Real
from textwrap import indent
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skcnn._data.epochs import EpochsArray, are_epochs
from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.layouts import CHANNELS, N_SPATIAL_DIMS, InputLayout
from skcnn._data.signal_windows import SignalWindows
from skcnn._data.validation import check_passed_series, check_sample_array, series_to_pass
from skcnn._utils.compat import Interval, InvalidParameterError
from skcnn._utils.random_state import draw_seed
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import check_parameters
from skcnn.augmentation._array_values import span_of, values_as
from skcnn.augmentation._augmented_array import AugmentedArray, originals
from skcnn.augmentation._batch_augmenter import Step, check_axes
from skcnn.augmentation._draws import row_keys
from skcnn.augmentation._operations import Operation, Params, take_params
from skcnn.augmentation._ranges import Range

T = TypeVar("T", bound=type)

COMMON_PARAMETERS = """
p : float, default=<p>
    Probability of each sample to be changed, in [0, 1].
<padding>
input_shape : tuple of int or None, default=None
    Shape of one sample, to read flat rows as images: ``(height, width)`` or ``(height,
    width, channels)``. Before a ConvNet it is not needed: the ConvNet's is used.
n_spatial_dims : {1, 2, 3} or None, default=None
    How many axes of `X` and `input_shape` are spatial: 1 for signals, 2 for images, 3 for
    volumes. None reads two sides as an image of one channel, three as an image with
    channels. Before a ConvNet the ConvNet's is used.
channels : {"last", "first"}, default="last"
    Where the channel axis of `X` and `input_shape` is. Before a ConvNet the ConvNet's is
    used.
random_state : int, RandomState instance or None, default=None
    Seed of the draws. None takes the ConvNet's, or one from the operating system.
""".strip("\n")

PADDING_PARAMETERS = """
padding_mode : {"zeros", "constant", "mirror", "edge", "wrap"}, default="zeros"
    What comes in from outside: zeros, `fill_value`, the reflection about the border
    value, the border value itself, or what leaves on the opposite side. Where a ConvNet
    subtracts an `offset_` from `X`, "zeros" are the offset.
fill_value : float, default=0.0
    The constant of ``padding_mode="constant"``, in the units of the data.
""".strip("\n")

ATTRIBUTES = """
n_features_in_ : int
    Number of values of a sample.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Column names of `X`, if all of them are strings.
input_shape_ : tuple of int
    Shape of a sample with its channel axis; flat rows are read as signals unless
    `input_shape` is set.
""".strip("\n")

COMMON_CONSTRAINTS: dict[str, list[Any]] = {
    "p": [Interval(Real, 0, 1, closed="both")],
    "input_shape": [tuple, list, None],
    "n_spatial_dims": N_SPATIAL_DIMS,
    "channels": CHANNELS,
    "random_state": ["random_state"],
}


def documented(cls: T) -> T:
    """Add the documentation that all augmentations share to a class's docstring."""
    if cls.__doc__:
        p = cls.__init__.__kwdefaults__["p"]  # type: ignore[misc]
        pads = "padding_mode" in cls.__init__.__kwdefaults__  # type: ignore[misc]
        shared = COMMON_PARAMETERS.replace("<p>", str(p))
        shared = shared.replace("<padding>\n", PADDING_PARAMETERS + "\n" if pads else "")
        cls.__doc__ = cls.__doc__.replace("    <parameters>", indent(shared, "    ")).replace(
            "    <attributes>", indent(ATTRIBUTES, "    ")
        )
    return cls


class Augmentation(  # type: ignore[call-arg]  # scikit-learn is not typed
    Operation, OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Base of the augmentations.

    In a Pipeline an augmentation acts in `fit` only: `transform` returns its input.
    """

    _parameter_constraints: dict[str, Any] = COMMON_CONSTRAINTS
    _ranges: ClassVar[dict[str, Range]] = {}
    _beside: ClassVar[tuple[str, ...]] = ()  # ranges that change nothing by themselves
    # scikit-learn's HTML repr shows a parameter's documentation only beside a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    input_shape: tuple[int, ...] | None
    n_spatial_dims: int | None
    channels: str
    random_state: Any
    _layout: InputLayout

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and `X`; nothing else is learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Images, signals or volumes of any real dtype. `RandomNoise` with `std`,
            `RandomBrightness` and `RandomChannelDropout` with a number as `fill_value` also
            take lists of signals of unequal length, and missing values.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        self._check_parameters()
        self._read_training(originals(X))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> AugmentedArray:
        """Return `X` with augmentations that are drawn when it is used.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Images, signals or volumes, or the result of another augmentation.
        y : None, default=None
            Ignored.

        Returns
        -------
        AugmentedArray of the shape and dtype of X
            A ConvNet draws again for every batch of every epoch; other estimators get
            one draw.
        """
        self._check_parameters()
        original = originals(X)
        array, layout = self._read_training(original)
        if are_epochs(original) and not isinstance(array, list):
            names = getattr(self, "channel_names_", None)
            names = None if names is None else list(names)
            rate = getattr(self, "sampling_rate_", None)
            array = EpochsArray(array, layout.channels, names, rate)
        given = layout if self._layout_is_given(array) else None
        if not isinstance(X, AugmentedArray):
            is_frame = hasattr(original, "columns")
            X = AugmentedArray.of(original if is_frame else array)
        augmented: AugmentedArray = X.then(self._step(), given)
        if augmented.layout is not None:
            check_axes(augmented.steps, augmented.layout)
        return augmented

    def _layout_is_given(self, X: Any) -> bool:
        """Return whether the parameters say what the axes of a sample are, or `X` itself does."""
        given = self.input_shape is not None or self.n_spatial_dims is not None
        known = isinstance(X, list | EpochsArray)
        return given or known or (self.channels == "first" and X.ndim > 2)

    def _read_training(self, X: Any) -> tuple[Any, InputLayout]:
        """Check samples at fit; a layout that is not given is left to the next step.

        Signals of unequal length become a list of arrays. Whether values may be missing is left
        to the next step, too, if the augmentation does not look at them.
        """
        allow_nan = self._keeps_padding()
        series = series_to_pass(self, X, allow_nan)
        if series is not None:
            check_axes([Step(self, None)], self._layout)
            return series, self._layout
        given = self.input_shape is not None or self.n_spatial_dims is not None
        doubt = given or self.channels == "first"
        how: dict[str, bool] = {"doubt": doubt, "lazy": True, "allow_nan": allow_nan}
        return check_sample_array(self, X, reset=True, **how)

    def transform(self, X: Any) -> Any:
        """Return `X` unchanged: new samples are never augmented.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit.

        Returns
        -------
        array-like
            `X` itself, or an array if `X` is a list but of signals of unequal length.
        """
        check_is_fitted(self)
        allow_nan = self._keeps_padding()
        if check_passed_series(self, originals(X), allow_nan):
            return X
        array, _ = check_sample_array(
            self, originals(X), reset=False, lazy=True, allow_nan=allow_nan
        )
        whole = np.ndarray | Tensor | AugmentedArray | ImageFiles | SignalWindows
        kept = isinstance(X, whole) or hasattr(X, "iloc") or are_epochs(X)
        return X if kept else array

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: the output has the input's container.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        return self

    @in_standard_torch_state
    def draw(self, X: Any, random_state: Any = None) -> Params:
        """Draw parameters for every sample, for use by `apply`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples, of which only the number and the shape are used.
        random_state : int, RandomState instance or None, default=None
            Seed of this draw; None takes the augmentation's own.

        Returns
        -------
        dict of str to ndarray
            One row a sample, in the units of the constructor. "applied" says which
            samples are changed; for `RandomFlip` it is all of them, and "flip" has the
            axes.
        """
        array, layout = self._read(X)
        if random_state is None:
            random_state = self.random_state
        keys = self._keys(draw_seed(random_state), np.arange(len(array)), 0, 0)
        return self._draw_all(keys, layout.spatial, 1.0)

    @in_standard_torch_state
    def apply(self, X: Any, params: Params) -> np.ndarray:
        """Return the samples changed by the parameters of a draw.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples.
        params : dict
            Result of `draw` for as many samples of the same shape.

        Returns
        -------
        ndarray of the shape and dtype of X
            Whole numbers are rounded and kept within the limits of their type.
        """
        array, layout = self._read(X)
        drawn = self._draw_all(row_keys(0, np.arange(1)), layout.spatial, 1.0)
        if not isinstance(params, dict) or params.keys() != drawn.keys():
            raise ValueError(
                f"params must be the result of {type(self).__name__}.draw, a dict of "
                f"{', '.join(drawn)}. Got {params!r}."
            )
        if len(params["applied"]) != len(array):
            raise ValueError(
                f"params are a draw for {len(params['applied'])} samples, but X has {len(array)}."
            )
        span = span_of(array)
        return values_as(
            array, layout, lambda images, part: self._replay(images, params, part, span)
        )

    def _replay(self, images: Tensor, params: Params, part: slice, span: float) -> Tensor:
        rows = np.arange(*part.indices(part.stop))
        return self._apply_where_drawn(images, take_params(params, rows), span)

    def _read(self, X: Any) -> tuple[np.ndarray, InputLayout]:
        self._check_parameters()
        probe = clone(self)  # reading must not change what fit has seen
        array, layout = check_sample_array(
            probe, originals(X), reset=True, allow_nan=self._keeps_padding()
        )
        check_axes([Step(self, None)], layout)
        return array, layout

    def _step(self) -> Step:
        own = self.random_state
        return Step(clone(self), None if own is None else draw_seed(own))

    def _check_parameters(self) -> None:
        check_parameters(self)
        for name, allowed in self._ranges.items():
            if not (allowed.optional and getattr(self, name) is None):
                self._limits(name)

    def _can_change(self) -> bool:
        ranges = [name for name in self._ranges if name not in self._beside]
        return super()._can_change() and (not ranges or not all(map(self._is_neutral, ranges)))

    def _is_neutral(self, name: str) -> bool:
        """Return whether a parameter's range is the value that changes nothing, or it is None."""
        if getattr(self, name) is None:
            return True
        neutral = self._ranges[name].neutral
        return neutral is not None and self._limits(name) == (neutral, neutral)

    def _limits(self, name: str) -> tuple[float, float]:
        """Return the range of draws of a parameter."""
        value = getattr(self, name)
        limits = self._ranges[name].limits(value)
        if limits is None:
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(self).__name__} must be "
                f"{self._ranges[name].description()}. Got {value!r} instead."
            )
        return limits

    def _scaled(self, name: str, shares: np.ndarray, strength: float) -> np.ndarray:
        """Return draws of a parameter, their distance from its neutral value scaled.

        Parameters
        ----------
        name : str
            Name of a parameter with a range.
        shares : ndarray
            Uniform numbers in [0, 1).
        strength : float
            Factor of the distance. A range that it makes wider than the legal one ends there.
        """
        legal = self._ranges[name]
        low, high = self._limits(name)
        neutral = legal.neutral or 0.0
        if strength > 1:  # draws are uniform up to a legal limit, not collected at it
            least, most = ((limit - neutral) / strength for limit in (legal.low, legal.high))
            low, high = np.clip((low, high), neutral + least, neutral + most)
        draws = neutral + (low + (high - low) * shares - neutral) * strength
        return np.clip(draws, legal.low, legal.high)  # of which rounding may lead out

    def _scaled_factor(self, name: str, shares: np.ndarray, strength: float) -> np.ndarray:
        """Return draws of a factor with scaled logarithms, so that they stay positive."""
        legal = self._ranges[name]
        low, high = self._limits(name)
        if strength > 1:
            least, most = (limit ** (1 / strength) for limit in (legal.low, legal.high))
            low, high = np.clip((low, high), least, most)
        return np.clip((low + (high - low) * shares) ** strength, legal.low, legal.high)

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self._keeps_padding()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def expected_failed_checks(estimator: Any) -> dict[str, str]:
    """Return the checks of scikit-learn that an augmentation is expected to fail.

    To be passed to ``sklearn.utils.estimator_checks.check_estimator`` as
    `expected_failed_checks`. These are the checks that ``fit_transform(X)`` equals
    ``transform(X)``; scikit-learn's glossary (under "fit_transform") lets the two differ
    for transformers that act on training data only. Augmentations of strength zero pass
    all checks.

    Parameters
    ----------
    estimator : estimator
        Any estimator.

    Returns
    -------
    dict of str to str
        Names of checks and why they fail; empty for other estimators.

    Examples
    --------
    >>> from skcnn.augmentation import RandomTranslation, expected_failed_checks
    >>> sorted(expected_failed_checks(RandomTranslation(0.1)))
    ['check_transformer_data_not_an_array', 'check_transformer_general']
    """
    if not isinstance(estimator, Augmentation):
        return {}
    reason = "fit_transform augments training data, transform leaves new data alone"
    return dict.fromkeys(
        ("check_transformer_general", "check_transformer_data_not_an_array"), reason
    )
