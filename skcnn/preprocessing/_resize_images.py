"""ResizeImages: arrays of images of any size become images of one size."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcnn._data.image_files.decoding import RESIZE
from skcnn._data.image_files.headers import Header, common_size
from skcnn._data.image_files.parameters import check_size
from skcnn._utils.compat import Interval, StrOptions
from skcnn._utils.validation import check_parameters
from skcnn.exceptions import InputShapeError
from skcnn.preprocessing._image_arrays import read_arrays
from skcnn.preprocessing._image_transformer import ImageTransformer
from skcnn.preprocessing._resampling import INTERPOLATIONS, resized_images


class ResizeImages(ImageTransformer):
    """Bring arrays of images to one size.

    Parameters
    ----------
    size : int, (int, int) or None, default=None
        Height and width of the results, or one number for both. None takes the size that all
        images seen at fit have.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How images of another shape are brought to `size`. "crop" scales them to cover it and
        cuts off equal parts at both ends, "pad" scales them to lie inside and adds zeros,
        "stretch" scales each side by itself.
    interpolation : {"nearest", "bilinear", "bicubic"}, default="bilinear"
        How values between pixels are computed. "nearest" takes the nearest pixel, for masks and
        other codes. The others average over the pixels that become one (antialiasing); "bicubic"
        is sharper, and goes beyond the range of the values at edges.
    input_shape : (int, int), (int, int, int) or None, default=None
        Shape of a flat row: ``(height, width)`` or ``(height, width, n_channels)``. None reads
        flat rows as images of height one: ``size=(1, 50)`` gives signals of length 50.
    channels : {"last", "first"}, default="last"
        Where the channel axis of `X`, `input_shape` and the results is.

    Attributes
    ----------
    image_size_ : (int, int)
        Height and width of the results.
    n_channels_ : int
        Number of channels.
    n_features_in_ : int
        Number of values of a flat row, for flat rows only.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, if all of them are strings.
    input_shape_ : tuple of int
        Shape of a flat row as a sample, for flat rows only.

    See Also
    --------
    LoadImages : Loads files, PIL images and arrays, and converts their mode.

    Notes
    -----
    `transform` keeps the form of `X`: images with a channel axis or without, or flat rows.

    Bytes and other integers keep their dtype, rounded and clipped to its range; floats keep
    theirs, and booleans become float32. Bytes equal those of a Pillow that resizes the width first.
    Some of its versions resize the height of some images first: "bilinear" then differs by at most
    1, and "bicubic", which is clipped after each pass, by more where edges are sharp. Any number
    of channels is resized one by one, an alpha channel like the others.

    A result does not depend on the other images.

    Examples
    --------
    >>> import numpy as np
    >>> from skcnn.preprocessing import ResizeImages
    >>> image = np.array([[[0, 100], [100, 200]]], np.uint8)
    >>> ResizeImages((2, 3)).fit_transform(image).shape
    (1, 2, 3)
    >>> ResizeImages((1, 1), interpolation="bilinear").fit_transform(image)
    array([[[100]]], dtype=uint8)

    Images of several sizes, as a list of arrays:

    >>> images = [np.zeros((20, 30, 3)), np.zeros((40, 10, 3))]
    >>> ResizeImages(16, resize="pad").fit_transform(images).shape
    (2, 16, 16, 3)
    """

    # scikit-learn's HTML repr shows a parameter's documentation only beside a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    n_spatial_dims: ClassVar[None] = None  # two sides are an image's in any case
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "resize": [StrOptions({*RESIZE})],
        "interpolation": [StrOptions({*INTERPOLATIONS})],
        "input_shape": [tuple, list, None],
        "channels": [StrOptions({"last", "first"})],
    }

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        *,
        resize: str = "crop",
        interpolation: str = "bilinear",
        input_shape: tuple[int, ...] | None = None,
        channels: str = "last",
    ) -> None:
        self.size = size
        self.resize = resize
        self.interpolation = interpolation
        self.input_shape = input_shape
        self.channels = channels

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the size where ``size=None``, and the number of channels.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), with channels or flat, or list
            Images: an array, ImageFiles, or a list of arrays of shape (height, width) or (height,
            width, n_channels), of different sizes. Or flat rows, also in a DataFrame.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : ResizeImages
            The fitted transformer.

        Raises
        ------
        InputShapeError
            If `X` has no images, or ``size=None`` and they have several sizes, which it lists.
        """
        check_parameters(self)
        size = check_size(self.size)
        self.__dict__.pop("image_size_", None)  # unfitted if a check fails
        for name in ("n_features_in_", "feature_names_in_", "input_shape_"):
            self.__dict__.pop(name, None)
        images = read_arrays(self, X, reset=True)
        if size is None:
            size = common_size([Header(part.shape[1], part.shape[2], "") for part in images.parts])
        self.n_channels_ = images.n_channels
        self.image_size_ = size
        return self

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each value of a flat row: "pixel_0_3", with the channel if several.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked: the names seen at fit.

        Returns
        -------
        ndarray of shape (n_values,) of str objects
            The names.
        """
        check_is_fitted(self, "image_size_")
        names = self._names((*self.image_size_, self.n_channels_), input_features)
        if self.channels == "last":
            return names
        return np.moveaxis(names.reshape(*self.image_size_, -1), -1, 0).ravel()

    def _transform(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "image_size_")
        images = read_arrays(self, X, reset=False)
        if images.n_channels != self.n_channels_:
            raise InputShapeError(
                f"X has images of {images.n_channels} channels, but ResizeImages was fitted on "
                f"images of {self.n_channels_} (channels {self.channels})."
            )
        resized = [
            resized_images(part, self.image_size_, self.resize, self.interpolation)
            for part in images.parts
        ]
        return images.as_given(np.concatenate(resized), self.channels)

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
