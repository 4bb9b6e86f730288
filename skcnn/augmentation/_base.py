"""What all augmentations share: scikit-learn's interface, ranges of draws, their text.

The operations themselves are in ``_geometric``, ``_intensity``, ``_policies`` and
``_mixing``.
"""

from math import isfinite
from numbers import Real
from textwrap import indent
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skcnn._data.images import InputLayout
from skcnn._data.validation import check_sample_array
from skcnn._utils.random_state import draw_seed
from skcnn._utils.validation import check_parameters
from skcnn.augmentation._augmented_array import (
    AugmentedArray,
    check_axes,
    originals,
    span_of,
    values_as,
)
from skcnn.augmentation._augmenter import Operation, Params, Step, take_params
from skcnn.augmentation._draws import row_keys
from skcnn.augmentation._image_ops import FILLS
from skcnn.exceptions import InputShapeError

T = TypeVar("T", bound=type)

COMMON_PARAMETERS = """
p : float, default=<p>
    Probability of each sample to be changed, in [0, 1].
<fill>
input_shape : tuple of int or None, default=None
    Shape of one sample, to read flat rows as images: ``(height, width)`` or ``(height,
    width, channels)``. Not needed before a ConvNet, whose `input_shape` counts.
channels : {"last", "first"}, default="last"
    Where the channel axis of `X` and `input_shape` is. Before a ConvNet its own counts.
random_state : int, RandomState instance or None, default=None
    Seed of the draws. None takes the ConvNet's, or one from the operating system.
""".strip("\n")

FILL_PARAMETERS = """
fill : {"constant", "edge", "mirror"}, default="constant"
    What comes in from outside: `fill_value`, the nearest value, or the mirror image
    (the edge itself not repeated).
fill_value : float, default=0.0
    The constant, in the units of the data.
""".strip("\n")

ATTRIBUTES = """
n_features_in_ : int
    Number of values of a sample.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Column names of `X`, where it had any that are strings.
input_shape_ : tuple of int
    Shape of a sample with its channel axis; flat rows are read as signals unless
    `input_shape` says otherwise.
""".strip("\n")

COMMON_CONSTRAINTS: dict[str, list[Any]] = {
    "p": [Interval(Real, 0, 1, closed="both")],
    "input_shape": [tuple, list, None],
    "channels": [StrOptions({"last", "first"})],
    "random_state": ["random_state"],
}
FILL_CONSTRAINTS: dict[str, list[Any]] = {
    "fill": [StrOptions(set(FILLS))],
    "fill_value": [Interval(Real, None, None, closed="neither")],
}


def documented(cls: T) -> T:
    """Put the text that all augmentations share into a class's docstring."""
    if cls.__doc__:
        p = cls.__init__.__kwdefaults__["p"]  # type: ignore[misc]
        fills = "fill" in cls.__init__.__kwdefaults__  # type: ignore[misc]
        shared = COMMON_PARAMETERS.replace("<p>", str(p))
        shared = shared.replace("<fill>\n", FILL_PARAMETERS + "\n" if fills else "")
        cls.__doc__ = cls.__doc__.replace("    <parameters>", indent(shared, "    ")).replace(
            "    <attributes>", indent(ATTRIBUTES, "    ")
        )
    return cls


class Range(NamedTuple):
    """How a parameter's value, a number or (low, high), becomes a range of draws.

    Attributes
    ----------
    neutral : float or None
        What changes nothing; None where a number means exactly that number.
    around : bool
        Whether a number `r` means ``neutral - r`` to ``neutral + r``; else from
        `neutral` to `r`.
    low, high : float
        Limits of legal values.
    optional : bool
        Whether the parameter may be None.
    """

    neutral: float | None
    around: bool
    low: float
    high: float
    optional: bool = False

    def limits(self, value: Any) -> tuple[float, float] | None:
        """Return low and high of the draws, None where `value` is not legal."""
        if isinstance(value, tuple | list | np.ndarray) and np.ndim(value) == 1:
            numbers = list(value)
        elif self.neutral is None or not _is_number(value):
            numbers = [value, value]
        elif self.around:
            if value < 0:
                return None
            numbers = [self.neutral - value, self.neutral + value]
        else:
            numbers = [self.neutral, value]
        if len(numbers) != 2 or not all(map(_is_number, numbers)):
            return None
        low, high = map(float, numbers)
        return (low, high) if self.low <= low <= high <= self.high else None

    def wanted(self) -> str:
        """Return what the parameter must be, in words."""
        number = "a number"
        if self.neutral is not None and self.around:
            most = min(self.neutral - self.low, self.high - self.neutral)
            middle = "" if self.neutral == 0 else f"{self.neutral:g} "
            ends = f"{middle}- r to {middle}+ r" if middle else "-r to r"
            number = f"a number r between 0 and {most:g}, meaning {ends},"
        elif self.neutral is not None:
            number = f"a number of at least {self.neutral:g}, meaning {self.neutral:g} to it,"
        none = " or None" if self.optional else ""
        return (
            f"{number} or a range (low, high) with low <= high, between {self.low:g} and "
            f"{self.high:g}{none}"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


class Augmentation(  # type: ignore[call-arg]  # scikit-learn is not typed
    Operation, OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Base of the augmentations.

    In a Pipeline an augmentation acts in `fit` only: `transform` returns its input.
    """

    _parameter_constraints: dict[str, Any] = COMMON_CONSTRAINTS
    _ranges: ClassVar[dict[str, Range]] = {}
    _all_axes: ClassVar[bool] = False  # where axis=None is legal
    # scikit-learn's HTML repr shows a parameter's documentation only beside a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    input_shape: tuple[int, ...] | None
    channels: str
    random_state: Any
    _layout: InputLayout

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and `X`; nothing else is learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Images, signals or volumes of any real dtype.
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
            Images, signals or volumes; or what another augmentation returned.
        y : None, default=None
            Ignored.

        Returns
        -------
        AugmentedArray of the shape and dtype of X
            A ConvNet draws from it afresh for every batch of every epoch; for anything
            else its values are one draw.
        """
        self._check_parameters()
        original = originals(X)
        array, layout = self._read_training(original)
        told = layout if self._knows_layout(array.ndim) else None
        if not isinstance(X, AugmentedArray):
            is_frame = hasattr(original, "dtypes") and hasattr(original, "iloc")
            X = AugmentedArray.of(original if is_frame else array)
        augmented: AugmentedArray = X.then(self._step(), told)
        if augmented.layout is not None:
            check_axes(augmented.steps, augmented.layout)
        return augmented

    def _knows_layout(self, ndim: int) -> bool:
        """Return whether the user told what the axes of a sample are."""
        return self.input_shape is not None or (self.channels == "first" and ndim > 2)

    def _read_training(self, X: Any) -> tuple[np.ndarray, InputLayout]:
        """Check samples at fit; an untold layout is the business of what comes after."""
        return check_sample_array(
            self, X, self.input_shape, self.channels, reset=True, doubt=self._knows_layout(3)
        )

    def transform(self, X: Any) -> Any:
        """Return `X` as it is: predictions are never augmented.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit.

        Returns
        -------
        array-like
            `X`; a list as an array.
        """
        check_is_fitted(self)
        array, _ = check_sample_array(self, originals(X), reset=False)
        kept = isinstance(X, np.ndarray | Tensor | AugmentedArray) or hasattr(X, "iloc")
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

    def draw(self, X: Any, random_state: Any = None) -> Params:
        """Return parameters for every sample, to be applied by `apply`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples; only their number and shape count.
        random_state : int, RandomState instance or None, default=None
            Seed of this draw; None takes the augmentation's own.

        Returns
        -------
        dict of str to ndarray
            One row a sample, in the units of the constructor; "applied" says which
            samples are changed (of `RandomFlip` all: "flip" has the axes).
        """
        array, layout = self._read(X)
        if random_state is None:
            random_state = self.random_state
        keys = self._keys(draw_seed(random_state), np.arange(len(array)), 0, 0)
        return self._draw_all(keys, layout.spatial, 1.0)

    def apply(self, X: Any, params: Params) -> np.ndarray:
        """Return the samples changed as `params` say.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples.
        params : dict
            What `draw` returned for as many samples of that shape.

        Returns
        -------
        ndarray of the shape and dtype of X
            Whole numbers are rounded and kept within the limits of their type.
        """
        array, layout = self._read(X)
        drawn = self._draw_all(row_keys(0, np.arange(1)), layout.spatial, 1.0)
        if not isinstance(params, dict) or params.keys() != drawn.keys():
            raise ValueError(
                f"params must be what {type(self).__name__}.draw returned, a dict of "
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
            probe, originals(X), self.input_shape, self.channels, reset=True
        )
        check_axes([Step(self, None)], layout)
        return array, layout

    def _step(self) -> Step:
        own = self.random_state
        return Step(clone(self), None if own is None else draw_seed(own))

    def _check_parameters(self) -> None:
        check_parameters(self)
        params = self.get_params(deep=False)
        if "axis" in params and not (self._all_axes and params["axis"] is None):
            read_axis(params["axis"], type(self).__name__)
        for name, allowed in self._ranges.items():
            if not (allowed.optional and getattr(self, name) is None):
                self._limits(name)

    def _check_axes(self, layout: InputLayout, owner: str | None = None) -> None:
        super()._check_axes(layout, owner)
        axis = getattr(self, "axis", None)
        if axis is not None:
            axis_numbers(axis, len(layout.spatial), type(self).__name__)

    def _limits(self, name: str) -> tuple[float, float]:
        """Return the range of draws of a parameter."""
        value = getattr(self, name)
        limits = self._ranges[name].limits(value)
        if limits is None:
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(self).__name__} must be "
                f"{self._ranges[name].wanted()}. Got {value!r} instead."
            )
        return limits

    def _scaled(self, name: str, shares: np.ndarray, strength: float) -> np.ndarray:
        """Return draws of a parameter for uniform numbers, its distance from neutral scaled.

        Parameters
        ----------
        name : str
            Of a parameter with a range.
        shares : ndarray
            Numbers in [0, 1).
        strength : float
            Factor of the distance.
        """
        low, high = self._limits(name)
        neutral = self._ranges[name].neutral or 0.0
        return neutral + (low + (high - low) * shares - neutral) * strength

    def _scaled_factor(self, name: str, shares: np.ndarray, strength: float) -> np.ndarray:
        """Return draws of a factor, whose logarithm is scaled: they stay positive."""
        low, high = self._limits(name)
        factors: np.ndarray = (low + (high - low) * shares) ** strength
        return factors

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def read_axis(axis: Any, name: str) -> list[int]:
    """Return the numbers that "horizontal", "vertical", numbers or a tuple of them mean.

    Raises
    ------
    InvalidParameterError
        For anything else.
    """
    names = {"horizontal": -1, "vertical": -2}
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    numbers = [names.get(one, one) if isinstance(one, str) else one for one in axes]
    legal = (isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers)
    if not numbers or not all(legal):
        raise InvalidParameterError(
            f"The 'axis' parameter of {name} must be 'horizontal', 'vertical', the number "
            f"of a spatial axis, or a tuple of them. Got {axis!r} instead."
        )
    return [int(number) for number in numbers]


def axis_numbers(axis: Any, n_axes: int, name: str) -> list[int]:
    """Return the numbers of the spatial axes that `axis` means, from zero.

    Raises
    ------
    InputShapeError
        If the samples have no such axis.
    """
    numbers = []
    for number in read_axis(axis, name):
        if not -n_axes <= number < n_axes:
            raise InputShapeError(
                f"{name}(axis={axis!r}) needs an axis that samples with {n_axes} spatial "
                f"{'axis' if n_axes == 1 else 'axes'} do not have."
            )
        numbers.append(number % n_axes)
    return sorted(set(numbers))


def expected_failed_checks(estimator: Any) -> dict[str, str]:
    """Return the checks of scikit-learn that an augmentation fails by its nature.

    To be passed to ``sklearn.utils.estimator_checks.check_estimator`` as
    `expected_failed_checks`. Only the checks that ``fit_transform(X)`` equals
    ``transform(X)`` are declared, which scikit-learn's glossary (under
    "fit_transform") lets differ for transformers that act on training data only.
    Augmentations of strength zero pass them too.

    Parameters
    ----------
    estimator : estimator
        Any estimator.

    Returns
    -------
    dict of str to str
        Names of checks and why they fail; empty for what is no augmentation.

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
