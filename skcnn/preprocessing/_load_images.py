"""LoadImages: images in any form become one array, or ImageFiles."""

import os
from math import prod
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcnn._data.image_files.decoding import CHANNELS, RESIZE, Decoder
from skcnn._data.image_files.headers import common_mode, common_size
from skcnn._data.image_files.image_files import LARGE_BYTES, ImageFiles
from skcnn._data.image_files.parameters import check_size
from skcnn._data.image_files.pillow import MOST_PIXELS, pillow
from skcnn._utils.compat import (
    Interval,
    InvalidParameterError,
    StrOptions,
    check_feature_names,
)
from skcnn._utils.validation import check_parameters
from skcnn.preprocessing._image_sources import (
    all_paths,
    check_existence,
    decoded,
    headers_of,
    sources_of,
)
from skcnn.preprocessing._image_transformer import ImageTransformer


class LoadImages(ImageTransformer):
    """Load images of any form and size as one array.

    For paths, encoded images, PIL images and arrays, also as a column of a DataFrame. Many files
    are not decoded at once: the result is then an `ImageFiles`, which a ConvNet decodes batch by
    batch.

    Parameters
    ----------
    size : int, (int, int) or None, default=None
        Height and width of the results, or one number for both. None takes the size that all
        images seen at fit have.
    mode : {"RGB", "L", "RGBA", "I;16", "auto"}, default="RGB"
        What the images become: colours, grey, colours with an alpha channel, or grey of 16 bits.
        "auto" takes the mode that the images seen at fit have in common, and "RGB" if they have
        several.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How images of another shape are brought to `size`. "crop" scales them to cover it and
        cuts off equal parts at both ends, "pad" scales them to lie inside and adds zeros,
        "stretch" scales each side by itself.
    lazy : "auto" or bool, default="auto"
        Whether `transform` returns `ImageFiles`, which decode what is read from them. "auto" does
        so if all images are files and would have more than 256 MiB as an array.
    folder : str, path-like or None, default=None
        The folder to which relative paths refer. None means the current folder.
    cache : "auto", "memory", None, str or path-like, default="auto"
        Where `ImageFiles` keep decoded images, as for :class:`~skcnn.datasets.ImageFiles`.
    flatten : bool, default=False
        Whether the results are flat rows, as ColumnTransformer and FeatureUnion need them. A
        ConvNet then needs `input_shape`, the attribute `image_shape_`.
    max_pixels : int, default=89478485
        Files and encoded images with more pixels are an error.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height, width and number of channels of the results.
    mode_ : str
        The mode of the results, also after "auto".
    n_features_in_ : int
        1, if `X` is a column: a DataFrame or an array of shape (n_samples, 1).
    feature_names_in_ : ndarray of shape (1,)
        Name of the column, if it is a string.

    Raises
    ------
    MissingDependencyError
        If Pillow is not installed, by `fit`: ``pip install "skcnn[images]"``.

    See Also
    --------
    ResizeImages : Brings arrays to one size, of any number of channels and type of values.
    skcnn.datasets.ImageFiles : Images in files, as an array that is decoded when it is read.
    skcnn.datasets.load_image_folder : Files and labels from a folder.

    Notes
    -----
    `transform` returns images of shape ``(n_samples, height, width, n_channels)``, as an array or
    as `ImageFiles`, or flat rows. If a file of `ImageFiles` is damaged, the error comes when it
    is read, and names the file.

    The results are uint8, or uint16 for mode "I;16". Files are decoded as `ImageFiles` does it,
    in threads: turned as their EXIF orientation says, converted to `mode`, scaled by bilinear
    interpolation with antialiasing. PIL images and arrays of bytes are converted and scaled in
    the same way. Arrays of floats are refused, since their range is not known: `ResizeImages`
    takes them.

    A result does not depend on the other images.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skcnn.preprocessing import LoadImages
    >>> images = [Image.new("RGB", (40, 30)), np.zeros((20, 20), np.uint8)]
    >>> LoadImages(size=16).fit_transform(images).shape
    (2, 16, 16, 3)

    In front of any classifier, with flat rows:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> dark, bright = np.zeros((9, 9), np.uint8), np.full((12, 9), 255, np.uint8)
    >>> model = make_pipeline(LoadImages(size=4, flatten=True), LogisticRegression())
    >>> model.fit([dark, bright], ["dark", "bright"]).predict([bright]).tolist()
    ['bright']
    """

    # scikit-learn's HTML repr shows a parameter's documentation only beside a link
    _doc_link_module = "skcnn"
    _doc_link_template = "#skcnn.{estimator_name}"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "mode": [StrOptions({*CHANNELS, "auto"})],
        "resize": [StrOptions({*RESIZE})],
        "lazy": ["boolean", StrOptions({"auto"})],
        "folder": [str, os.PathLike, None],
        "cache": "no_validation",  # by ImageFiles
        "flatten": ["boolean"],
        "max_pixels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        *,
        mode: str = "RGB",
        resize: str = "crop",
        lazy: str | bool = "auto",
        folder: Any = None,
        cache: Any = "auto",
        flatten: bool = False,
        max_pixels: int = MOST_PIXELS,
    ) -> None:
        self.size = size
        self.mode = mode
        self.resize = resize
        self.lazy = lazy
        self.folder = folder
        self.cache = cache
        self.flatten = flatten
        self.max_pixels = max_pixels

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the size and the mode of the images, where the parameters do not give them.

        Parameters
        ----------
        X : array-like of shape (n_samples,), (n_samples, 1) or (n_samples, height, width, ...)
            Images: paths (str or pathlib.Path), encoded images (bytes), PIL images, arrays of
            shape (height, width) or (height, width, n_channels); in a list, an array, a Series or
            a DataFrame of one column. Or ImageFiles.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : LoadImages
            The fitted transformer.

        Raises
        ------
        ImageFileError
            If images are missing, or headers cannot be read. It names the rows.
        InputShapeError
            If ``size=None`` and the images have several sizes, which it lists; or if `X` has
            several columns or no images.
        """
        check_parameters(self)
        size = check_size(self.size)
        if self.lazy is True and self.flatten:
            raise InvalidParameterError(
                "The 'lazy' parameter must not be True with flatten=True, which needs all rows in "
                "memory. Got True."
            )
        pillow()
        sources = self._sources(X, reset=True)
        mode = self.mode
        if isinstance(X, ImageFiles):
            size, mode = size or X.image_size, X.mode if mode == "auto" else mode
        elif size is None or mode == "auto":
            headers = headers_of(sources, self.max_pixels)
            size = size or common_size(headers)
            mode = common_mode(headers) if mode == "auto" else mode
        self.mode_ = mode
        self.image_shape_ = (*size, CHANNELS[mode])
        return self

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each value of a flat row: "pixel_0_3_2".

        The numbers are the row, the column and, if there are several, the channel.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked: the name of the column seen at fit.

        Returns
        -------
        ndarray of shape (height * width * n_channels,) of str objects
            The names.
        """
        check_is_fitted(self, "image_shape_")
        return self._names(self.image_shape_, input_features)

    def _sources(self, X: Any, reset: bool) -> list[Any]:
        sources = sources_of(X, self.folder)
        check_feature_names(self, X, reset=reset)
        if reset:
            self.__dict__.pop("n_features_in_", None)
            if getattr(X, "ndim", 1) == 2:
                self.n_features_in_ = 1
        return sources

    def _transform(self, X: Any) -> Any:
        check_is_fitted(self, "image_shape_")
        sources = self._sources(X, reset=False)
        if self._is_lazy(sources):
            return self._files(X, sources)
        if self._has_settings(X):
            images = X.to_numpy()
        else:
            size = self.image_shape_[:2]
            images = decoded(sources, Decoder(self.mode_, size, self.resize, self.max_pixels))
        return images.reshape(len(images), -1) if self.flatten else images

    def _is_lazy(self, sources: list[Any]) -> bool:
        """Return whether the images stay in their files."""
        if self.lazy is False or self.flatten:
            return False
        in_files = all_paths(sources)
        if self.lazy is True and not in_files:
            raise InvalidParameterError(
                "The 'lazy' parameter must not be True for images that are in memory. Got True, "
                f"and a {next(type(s).__name__ for s in sources if not all_paths([s]))} in X."
            )
        n_bytes = len(sources) * prod(self.image_shape_) * Decoder(self.mode_, None).dtype.itemsize
        return in_files and (self.lazy is True or n_bytes > LARGE_BYTES)

    def _files(self, X: Any, paths: list[Any]) -> ImageFiles:
        if self._has_settings(X):
            return X
        check_existence(paths)
        return ImageFiles(
            paths,
            self.image_shape_[:2],
            mode=self.mode_,
            resize=self.resize,
            cache=self.cache,
            max_pixels=self.max_pixels,
        )

    def _has_settings(self, X: Any) -> bool:
        """Return whether `X` has the results already, with what it has decoded before."""
        settings = self.image_shape_[:2], self.mode_, self.resize
        return isinstance(X, ImageFiles) and (X.image_size, X.mode, X.resize) == settings

    def __sklearn_tags__(self) -> Any:
        """Return the estimator's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
