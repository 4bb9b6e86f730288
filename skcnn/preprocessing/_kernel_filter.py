"""KernelFilter: cross-correlation with given kernels, named or as arrays."""

from abc import abstractmethod
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skcnn._data.layouts import CHANNELS, N_SPATIAL_DIMS, InputLayout
from skcnn._data.validation import check_sample_array
from skcnn._utils.compat import (
    Interval,
    StrOptions,
    check_feature_names_in,
    wrap_data_with_container,
)
from skcnn._utils.validation import check_finite, check_parameters
from skcnn.layers._padding import PADDING_MODES, PADDINGS
from skcnn.preprocessing._filter_bank import FilterBank, read_strides
from skcnn.preprocessing._kernels import KERNELS, read_kernels

FLOAT32_INPUTS = ("bool", "uint8", "float16", "float32")


class ArrayTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of transformers whose output may have more than two axes.

    `set_output` acts on results of two axes; others stay arrays.
    """

    @abstractmethod
    def _transform(self, X: Any) -> np.ndarray:
        """Return the results as an array."""

    def transform(self, X: Any) -> Any:
        """Transform `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Samples of the shape seen at fit.

        Returns
        -------
        ndarray or DataFrame
            Results in the form of `X`: flat rows for flat rows, else with the axes of the
            samples. `set_output` acts on flat rows only.
        """
        results = self._transform(X)
        if results.ndim > 2:
            return results
        return wrap_data_with_container("transform", results, X, self)

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, then transform the same `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            As for `fit`.
        y : None, default=None
            Ignored.

        Returns
        -------
        ndarray or DataFrame
            The result of `transform`.
        """
        return self.fit(X, y).transform(X)


class KernelFilter(ArrayTransformer):
    """Filter images, signals or volumes with well-known or given kernels.

    Every kernel is applied to every channel: blurring, sharpening, finding edges.

    Parameters
    ----------
    kernel : {"identity", "blur", "box_blur", "gaussian", "sharpen", "brighten", \
"darken", "sobel_vertical", "sobel_horizontal", "scharr_vertical", "scharr_horizontal", \
"prewitt_vertical", "prewitt_horizontal", "laplacian", "difference"}, array-like or list \
of them, default="difference"
        A name, an array with as many axes as the samples have spatial axes, or a list
        of names and arrays. "difference" is (1, -1) along the last spatial axis.
    stride : int or tuple of int, default=1
        Distance between positions of a kernel, the same or one for each spatial axis.
    padding : {"valid", "same"}, default="valid"
        "valid" takes the positions where a kernel lies within the sample. "same" adds
        values around it: the size stays, or with a stride becomes ceil(size / stride).
        Of the k - 1 values along an axis (k - 1) // 2 come before (with a flipped kernel
        after) and the rest at the other end, for any stride, so that kernels of all sizes
        stay aligned.
    padding_mode : {"zeros", "mirror", "edge", "wrap"}, default="zeros"
        What "same" adds: zeros, the reflection about the border value, the border value
        itself, or the opposite side.
    convolution : bool, default=False
        Whether kernels are flipped along all axes, for the convolution of mathematics
        instead of the cross-correlation of neural networks.
    keep_original : bool, default=False
        Whether the samples' own channels come before the results. Needs
        ``padding="same"`` and ``stride=1``.
    input_shape : tuple of int or None, default=None
        Shape of one sample, to read flat rows as images: ``(height, width)`` or
        ``(height, width, channels)``. None takes the shape of `X` itself: (n, p) is a
        signal of length p with one channel, (n, height, width) are grey images.
    n_spatial_dims : {1, 2, 3} or None, default=None
        How many axes of `X` and `input_shape` are spatial: 1 for signals, 2 for images, 3
        for volumes. If there is one more, it is the channel axis. None reads two sides as
        an image of one channel, three as an image with channels and four as a volume with
        channels.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X`, `input_shape` and the results is.

    Attributes
    ----------
    n_features_in_ : int
        Number of values of a sample.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, if all of them are strings.
    input_shape_ : tuple of int
        Shape of a sample with its channel axis.
    output_shape_ : tuple of int
        Shape of a sample's results with the channel axis.
    kernels_ : list of ndarray
        The kernels, float64, not flipped.

    See Also
    --------
    ConvNetClassifier : Network that learns its kernels.

    Notes
    -----
    At the position i with the stride s, the kernel w gives ``sum over j of
    w[j] * x[s * i + j]``, x padded; with ``convolution=True`` w is flipped first.

    The results' channels are all channels of the first kernel, then all of the second,
    and so on; with `keep_original` the samples' own come first.

    Flat rows give flat rows, to be read as `output_shape_`. Samples without a channel
    axis give results without one if there is one kernel and `keep_original` is False;
    otherwise the results have a channel axis where `channels` says.

    Results are float32 for float32, float16, uint8 and bool, and float64 for other types. Sums
    that are beyond this dtype, of huge values, raise an error that names the samples.
    A sample's results do not depend on the other samples.

    References
    ----------
    .. [1] I. Sobel and G. Feldman, "A 3x3 isotropic gradient operator for image
       processing", Stanford Artificial Intelligence Project, 1968.
    .. [2] J. M. S. Prewitt, "Object enhancement and extraction", in Picture Processing
       and Psychopictorics, 1970.
    .. [3] H. Scharr, "Optimale Operatoren in der Digitalen Bildverarbeitung",
       dissertation, University of Heidelberg, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.preprocessing import KernelFilter
    >>> image = np.zeros((1, 4, 6))
    >>> image[:, :, :3] = 10
    >>> edges = KernelFilter("sobel_vertical").fit(image)
    >>> edges.kernels_[0]
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.],
           [ 1.,  0., -1.]])
    >>> edges.transform(image)
    array([[[ 0., 40., 40.,  0.],
            [ 0., 40., 40.,  0.]]])

    Signals of length 3 with two channels:

    >>> signals = np.array([[[0, 5], [1, 7], [4, 9]]])
    >>> KernelFilter(n_spatial_dims=1).fit_transform(signals)
    array([[[-1., -2.],
            [-3., -2.]]])
    """

    # scikit-learn's HTML repr shows a parameter's documentation only beside a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "kernel": [StrOptions(set(KERNELS)), "array-like"],
        "stride": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "padding": [StrOptions(set(PADDINGS))],
        "padding_mode": [StrOptions(set(PADDING_MODES))],
        "convolution": ["boolean"],
        "keep_original": ["boolean"],
        "input_shape": [tuple, list, None],
        "n_spatial_dims": N_SPATIAL_DIMS,
        "channels": CHANNELS,
    }

    def __init__(
        self,
        kernel: Any = "difference",
        *,
        stride: int | tuple[int, ...] = 1,
        padding: str = "valid",
        padding_mode: str = "zeros",
        convolution: bool = False,
        keep_original: bool = False,
        input_shape: tuple[int, ...] | None = None,
        n_spatial_dims: int | None = None,
        channels: str = "last",
    ) -> None:
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.padding_mode = padding_mode
        self.convolution = convolution
        self.keep_original = keep_original
        self.input_shape = input_shape
        self.n_spatial_dims = n_spatial_dims
        self.channels = channels

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters against the shape of the samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *sample_shape)
            Images, signals or volumes: NumPy array, DataFrame, tensor or memory map of
            bytes, integers or floats.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : KernelFilter
            The fitted transformer.

        Raises
        ------
        ArchitectureError
            If `stride` has another length than the samples have spatial axes.
        InputShapeError
            If `X` does not have the shape of `input_shape`, or a kernel does not fit it.
        """
        check_parameters(self)
        self.__dict__.pop("output_shape_", None)  # unfitted if a check fails
        _, layout = check_sample_array(self, X, reset=True)
        self._set_kernels(layout)
        return self

    def _set_kernels(self, layout: InputLayout) -> None:
        """Set the kernels that the parameters describe for samples of a layout."""
        n_axes = len(layout.spatial)
        kernels = read_kernels(self.kernel, n_axes)
        flipped = tuple(np.flip(k) if self.convolution else k for k in kernels.values())
        strides = read_strides(self.stride, n_axes)
        keep = bool(self.keep_original)
        self._bank = FilterBank(
            flipped, strides, self.padding, self.padding_mode, keep, bool(self.convolution)
        )
        self._labels = tuple(kernels)
        self.kernels_ = [k.copy() for k in kernels.values()]
        sizes = self._bank.output_sizes(layout)
        n_results = (keep + len(kernels)) * layout.n_channels
        last = layout.channels == "last"
        self.output_shape_ = (*sizes, n_results) if last else (n_results, *sizes)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each value of a flat row of results.

        A name has the kernel ("kernel0" for an array, with its place in the list), the
        position along each spatial axis and, if there are several, the number of the
        channel: "blur_0_3". Original values keep the names of the input.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input's values. None takes `feature_names_in_`, or else "x0",
            "x1" and so on.

        Returns
        -------
        ndarray of shape (prod(output_shape_),) of str objects
            The names.
        """
        check_is_fitted(self, "output_shape_")
        given = check_feature_names_in(self, input_features).reshape(self._layout.shape)
        n_channels = self._layout.n_channels
        names = np.empty(self.output_shape_, dtype=object)
        by_channel = self._channels_first(names[None])[0]
        if self._bank.keep_original:
            by_channel[:n_channels] = self._channels_first(given[None])[0]
        for number, label in enumerate(self._labels, start=self._bank.keep_original):
            for place in np.ndindex(n_channels, *by_channel.shape[1:]):
                channel, *position = place
                parts = (label, *position, channel) if n_channels > 1 else (label, *position)
                by_channel[number * n_channels + channel, *position] = "_".join(map(str, parts))
        return names.reshape(-1)

    def _channels_first(self, samples: np.ndarray) -> np.ndarray:
        return np.moveaxis(samples, -1, 1) if self._layout.channels == "last" else samples

    def _transform(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "output_shape_")
        samples, layout = check_sample_array(self, X, reset=False)
        n_samples, n_axes = len(samples), samples.ndim
        dtype = np.float32 if samples.dtype.name in FLOAT32_INPUTS else np.float64
        results = np.empty((n_samples, *self.output_shape_), dtype)
        images = self._channels_first(samples.reshape(n_samples, *layout.shape))
        by_channel = self._channels_first(results)
        with np.errstate(over="ignore", invalid="ignore"):
            self._bank.apply(images, by_channel)
        check_finite([results], "KernelFilter")
        if n_axes == 2:
            return results.reshape(n_samples, -1)
        alone = n_axes == len(layout.shape) and by_channel.shape[1] == 1
        return by_channel[:, 0] if alone else results

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
