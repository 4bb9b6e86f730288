"""ImageFiles: an array-like of images in files, decoded when they are read."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skcnn._data.image_files.decoded import CacheSettings, DecodedFiles, Failure
from skcnn._data.image_files.decoding import CHANNELS, RESIZE, Decoder
from skcnn._data.image_files.headers import common_mode, common_size
from skcnn._data.image_files.parameters import (
    check_cache,
    check_paths,
    check_size,
    read_headers,
    without_failures,
)
from skcnn._data.image_files.pillow import MOST_PIXELS, pillow
from skcnn._data.image_files.pool import ReadingThreads
from skcnn._data.row_source import RowFacts
from skcnn._utils.validation import check_option, is_integer, warn_caller
from skcnn.exceptions import DecodedFilesWarning

LARGE_BYTES = 2**28  # an array of more is decoded with a warning


class ImageFiles:
    """Images in files, as an array that decodes what is read from it.

    It has the shape (n_samples, height, width, n_channels), so that estimators of this package,
    splitters, searches and Pipelines take it like an array of images. Rows are selected without
    decoding; a ConvNet decodes one batch after another. ``np.asarray`` decodes all.

    Parameters
    ----------
    paths : sequence of str or path-like
        The files: JPEG, PNG, TIFF, WebP, GIF, BMP or PPM, recognised by their content.
    size : int, (int, int) or None, default=None
        Height and width of the images, or one number for both. None reads the headers of all
        files, which must have one size.
    mode : {"RGB", "L", "RGBA", "I;16", "auto"}, default="RGB"
        What the images become: colours, grey, colours with an alpha channel, or grey of 16 bits.
        "auto" reads the headers of all files and takes the mode that they have in common, and
        "RGB" if they have several; then new files may get another mode than those in training.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How images of another shape are brought to `size`. "crop" scales them to cover it and
        cuts off equal parts at both ends, "pad" scales them to lie inside and adds zeros,
        "stretch" scales each side by itself.
    cache : "auto", "memory", None, str or path-like, default="auto"
        Where decoded images are kept: in this process's memory, in a folder, or nowhere. Slices
        share them. A folder serves all processes, and later ones until a file changes; it can be
        deleted at any time. "auto" is "memory" if all images have at most 256 MiB, else None.
    cache_size : int or None, default=None
        The most bytes that are kept. Images beyond are decoded each time. None means 1 GiB in
        memory, and no limit in a folder.
    on_error : {"raise", "skip"}, default="raise"
        Whether files that cannot be read are an error, or are left out with a warning. "skip"
        decodes all files at once, to find them. "raise" finds those with bad headers at once if
        all headers are read, and others when they are decoded.
    max_pixels : int, default=89478485
        Files with more pixels count as files that cannot be read. It is Pillow's limit against
        small files that fill the memory.

    Attributes
    ----------
    paths : list of str
        The files.
    shape : tuple of int
        ``(n_samples, height, width, n_channels)``.
    dtype : dtype
        uint8, or uint16 for mode "I;16".
    ndim : int
        4.
    mode : str
        The mode, also after "auto".
    image_size : tuple of int
        Height and width.
    resize : str
        As in the constructor.
    kept : ndarray of shape (n_samples,)
        The numbers of the rows in `paths` as they were given, less those that were left out or
        are not selected.

    Raises
    ------
    ImageFileError
        If files cannot be read. It names them.
    InputShapeError
        If ``size=None`` and the images have several sizes. It lists them.
    MissingDependencyError
        If Pillow is not installed: ``pip install "skcnn[images]"``.

    See Also
    --------
    load_image_folder : Files and labels from a folder with one folder for each class.
    load_image_table : Files and targets from a table.

    Notes
    -----
    Images are turned as their EXIF orientation says. Of animated files the first frame is taken.
    They are converted to `mode` as by Pillow: palettes and CMYK become colours, and alpha is left
    out unless the mode is "RGBA". Sixteen bits become eight by their high byte, and eight become
    sixteen by the factor 257.

    An image that has the wanted size is not changed. Others are scaled by bilinear interpolation
    with antialiasing. JPEG files that are at least four times as large are first decoded at a
    fraction of their size (libjpeg's scaling by 2, 4 or 8) that is at least twice the wanted one.

    Files are decoded in as many threads as there are cores, at most eight. A pickle holds paths
    and settings. Files must not change while they are in use.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skcnn.datasets import ImageFiles
    >>> folder = Path(tempfile.mkdtemp())
    >>> paths = [folder / f"{number}.png" for number in range(3)]
    >>> for number, path in enumerate(paths):
    ...     Image.new("RGB", (40, 30), (number, 0, 0)).save(path)
    >>> images = ImageFiles(paths, size=16)
    >>> images.shape, images.dtype
    ((3, 16, 16, 3), dtype('uint8'))
    >>> images[1:]
    ImageFiles(2 files, size=(16, 16), mode='RGB', resize='crop')
    >>> images[2][0, 0]
    array([2, 0, 0], dtype=uint8)
    """

    def __init__(
        self,
        paths: Sequence[Any],
        size: int | tuple[int, int] | None = None,
        *,
        mode: str = "RGB",
        resize: str = "crop",
        cache: Any = "auto",
        cache_size: int | None = None,
        on_error: str = "raise",
        max_pixels: int = MOST_PIXELS,
    ) -> None:
        check_option("mode", mode, [*CHANNELS, "auto"])
        check_option("resize", resize, RESIZE)
        check_option("on_error", on_error, ["raise", "skip"])
        wanted = check_size(size)
        for name, value in (("max_pixels", max_pixels), ("cache_size", cache_size)):
            if (value is not None or name == "max_pixels") and (not is_integer(value) or value < 1):
                raise ValueError(f"The {name!r} parameter must be an integer >= 1. Got {value!r}.")
        pillow()
        names, folder = check_paths(paths), os.getcwd()
        numbers = np.arange(len(names))
        if wanted is None or mode == "auto":
            headers, failures = read_headers(names, folder, max_pixels)
            numbers = without_failures(numbers, failures, names, on_error)
            if mode == "auto":
                mode = common_mode(headers)
            wanted = wanted or common_size(headers)
        decoder = Decoder(mode, wanted, resize, max_pixels)
        names = [names[number] for number in numbers.tolist()]
        caching = CacheSettings(None, None)
        self._files = DecodedFiles(names, folder, decoder, caching)
        self._rows: np.ndarray | None = None  # None for all, in order
        self.kept = numbers
        self._files.caching = check_cache(cache, cache_size, self.nbytes)
        if on_error == "skip":
            good = without_failures(np.arange(len(names)), self._failures(), names, on_error)
            self._rows = None if len(good) == len(names) else good
            self.kept = numbers[good]

    @property
    def _numbers(self) -> np.ndarray:
        """The numbers of the rows among the files."""
        return np.arange(len(self._files)) if self._rows is None else self._rows

    @property
    def paths(self) -> list[str]:
        """The files."""
        return [self._files.names[number] for number in self._numbers.tolist()]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of images, height, width and number of channels."""
        return (len(self), *self._files.sample_shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 4

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self._files.decoder.dtype

    @property
    def nbytes(self) -> int:
        """Number of bytes of all decoded images."""
        return len(self) * self._files.n_values * self.dtype.itemsize

    @property
    def mode(self) -> str:
        """The mode of the images."""
        return self._files.decoder.mode

    @property
    def resize(self) -> str:
        """How images of another shape are brought to the size."""
        return self._files.decoder.resize

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        return self._files.sample_shape[:2]

    def __len__(self) -> int:
        return len(self._files) if self._rows is None else len(self._rows)

    def __repr__(self) -> str:
        n = f"{len(self)} file{'s' * (len(self) != 1)}"
        settings = f"size={self.image_size}, mode={self.mode!r}, resize={self.resize!r}"
        return f"ImageFiles({n}, {settings})"

    def __getitem__(self, key: Any) -> Any:
        first, *others = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            first, others = slice(None), [Ellipsis, *others]
        if is_integer(first):
            image = self[range(len(self))[first] : range(len(self))[first] + 1].to_numpy()[0]
            return image[tuple(others)] if others else image
        selected = self._select(first)
        if all(
            each is Ellipsis or (isinstance(each, slice) and each == slice(None)) for each in others
        ):
            return selected
        rows = slice(None) if isinstance(first, slice) else np.arange(len(selected))
        return np.asarray(selected)[(rows, *others)]  # arrays on several axes are paired

    def _select(self, rows: Any) -> "ImageFiles":
        chosen = np.arange(len(self))[rows]
        if chosen.ndim != 1:
            raise IndexError(
                f"ImageFiles are indexed by numbers, slices or one-dimensional arrays. Got "
                f"{type(rows).__name__} of {np.ndim(rows)} axes."
            )
        return self._with(self._files, self._numbers[chosen], self.kept[chosen])

    @classmethod
    def _with(cls, files: DecodedFiles, rows: np.ndarray | None, kept: np.ndarray) -> "ImageFiles":
        made = object.__new__(cls)
        made._files, made._rows, made.kept = files, rows, kept
        return made

    def __iter__(self) -> Iterator[np.ndarray]:
        for number in range(len(self)):
            yield self[number]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("The values of ImageFiles are decoded: copy=False fails.")
        if self.nbytes > LARGE_BYTES:
            warn_caller(
                f"All {len(self)} images are decoded into an array of {self.nbytes / 2**30:.1f} "
                "GiB, because an estimator or a function asks for it. ConvNets, and "
                "augmentations in a Pipeline, decode one batch after another.",
                DecodedFilesWarning,
            )
        values = self.to_numpy()
        return values if dtype is None else values.astype(dtype, copy=False)

    def to_numpy(self) -> np.ndarray:
        """Decode all images.

        Returns
        -------
        ndarray of shape (n_samples, height, width, n_channels)
            The images.

        Raises
        ------
        ImageFileError
            If some cannot be read; it names them.
        """
        with ReadingThreads() as threads:
            return self._files.read(self._numbers, threads).reshape(self.shape)

    def unreadable(self) -> dict[str, str]:
        """Return the files that cannot be read, after decoding those that were not read before.

        Returns
        -------
        dict of str to str
            Paths and reasons.
        """
        return {self._files.names[number]: reason for number, reason in self._failures()}

    def value_range(self) -> tuple[float, float]:
        """Return the smallest and the largest value, after decoding what was not read before.

        Returns
        -------
        low, high : float
            The limits of all images.

        Raises
        ------
        ImageFileError
            If some cannot be read; it names them.
        """
        facts = self._facts()
        return float(facts.low.min()), float(facts.high.max())

    def _facts(self) -> RowFacts:
        """Return what is known of each image, after decoding what was not read before."""
        with ReadingThreads() as threads:
            return self._files.facts_of(self._numbers, threads)

    def fingerprint(self) -> str:
        """Return a text that differs if the files, their order or the settings differ.

        Returns
        -------
        str
            A hash of paths, sizes, times of change and settings; images are not decoded.
        """
        key, numbers, _ = self._files.identity.part(self._numbers)
        return hashlib.sha256(key.encode() + numbers.tobytes()).hexdigest()[:32]

    def __copy__(self) -> "ImageFiles":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "ImageFiles":
        return self  # it cannot be changed, and what was decoded is of use to the copy

    def _failures(self) -> list[Failure]:
        with ReadingThreads() as threads:
            return self._files.learn(self._numbers, threads)

    def __getstate__(self) -> dict[str, Any]:
        files = self._files
        return {
            "paths": self.paths,
            "folder": files.folder,
            "decoder": files.decoder,
            "caching": files.caching,
            "identity": files.identity.part(self._numbers),
            "kept": self.kept,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.kept = state.pop("kept")
        self._rows = None
        self._files = DecodedFiles(state.pop("paths"), **state)
