"""load_image_folder: images and labels from a folder with one folder for each class."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.image_files.pillow import MOST_PIXELS
from skcnn.datasets._class_folders import (
    EXTENSIONS,
    check_extensions,
    check_folder,
    check_subset,
    class_files,
    split_folders,
)


def load_image_folder(
    path: Any,
    *,
    size: int | tuple[int, int] | None = None,
    mode: str = "RGB",
    resize: str = "crop",
    subset: str | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
    extensions: Any = EXTENSIONS,
    follow_links: bool = False,
    cache: Any = "auto",
    cache_size: int | None = None,
    on_error: str = "raise",
    max_pixels: int = MOST_PIXELS,
) -> Any:
    """Return the images in a folder that has one folder for each class.

    The images are decoded when they are read: see :class:`ImageFiles`.

    Parameters
    ----------
    path : str or path-like
        The folder. ``cat/1.jpg`` inside it is an image of the class "cat", and
        ``animals/cat/1.jpg`` one of the class "animals/cat". Files with other extensions, and
        files and folders whose name begins with a dot, do not count.
    size : int, (int, int) or None, default=None
        Height and width of the images. None takes the size of the files if they have one size.
    mode : {"RGB", "L", "RGBA", "I;16", "auto"}, default="RGB"
        What the images become, as for :class:`ImageFiles`.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How images of another shape are brought to `size`, as for :class:`ImageFiles`.
    subset : str or None, default=None
        If the folder contains "train" and one or more of "test", "val", "valid" and "validation",
        with the class folders inside: the name of one of them, or "all". It must be given then, so
        that test images do not get into the training by accident.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether `target` is a Series, and `frame` a DataFrame of paths and targets.
    extensions : sequence of str, default=(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", \
".tiff", ".webp", ".ppm", ".pgm", ".pbm")
        Extensions of image files, in any case.
    follow_links : bool, default=False
        Whether links may lead out of the folder. False raises an error for such a link. A link to
        a folder around it is left out.
    cache : "auto", "memory", None, str or path-like, default="auto"
        Where decoded images are kept, as for :class:`ImageFiles`.
    cache_size : int or None, default=None
        The most bytes that are kept, as for :class:`ImageFiles`.
    on_error : {"raise", "skip"}, default="raise"
        Whether files that cannot be read are an error, or are left out with a warning after all
        files were decoded once; see :class:`ImageFiles`.
    max_pixels : int, default=89478485
        Files with more pixels count as files that cannot be read.

    Returns
    -------
    data : Bunch
        A dictionary with these attributes.

        data : ImageFiles of shape (n_samples, height, width, n_channels)
            The images, sorted by class and then by name.
        target : ndarray or Series of shape (n_samples,), dtype str
            The class of each image. Predictions of a classifier are then names, too.
        target_names : list of str
            The classes, sorted. With `subset` they are those of all subsets.
        filenames : list of str
            The path of each image.
        frame : DataFrame of shape (n_samples, 2) or None
            With ``as_frame=True``, the columns "path" and "target".

    (data, target) : tuple if ``return_X_y=True``
        The images and their classes.

    Raises
    ------
    ImageFileError
        If there are no images in class folders or files cannot be read, if images lie beside the
        class folders, or a link leads out of the folder.
    InputShapeError
        If ``size=None`` and the images have several sizes.
    ValueError
        If a parameter has no legal value.

    See Also
    --------
    ImageFiles : Images in files.
    load_image_table : Files and targets from a table.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skcnn.datasets import load_image_folder
    >>> folder = Path(tempfile.mkdtemp())
    >>> for label, colour in [("leaf", "green"), ("sky", "blue")]:
    ...     (folder / label).mkdir()
    ...     for number in range(3):
    ...         Image.new("RGB", (40, 30), colour).save(folder / label / f"{number}.png")
    >>> X, y = load_image_folder(folder, size=24, return_X_y=True)
    >>> X.shape
    (6, 24, 24, 3)
    >>> y.tolist()
    ['leaf', 'leaf', 'leaf', 'sky', 'sky', 'sky']
    """
    folder, endings = check_folder(path), check_extensions(extensions)
    splits = split_folders(folder)
    chosen = check_subset(subset, splits, folder)
    found = [each for part in chosen for each in class_files(part, endings, follow_links)]
    names = {label for _, label in found}
    for part in splits.values():
        if part not in chosen:
            names |= {label for _, label in class_files(part, endings, follow_links)}
    data = ImageFiles(
        [file for file, _ in found],
        size,
        mode=mode,
        resize=resize,
        cache=cache,
        cache_size=cache_size,
        on_error=on_error,
        max_pixels=max_pixels,
    )
    target = np.array([label for _, label in found])[data.kept]
    return as_bunch(data, target, sorted(names), return_X_y, as_frame, ["target"])


def as_bunch(
    data: ImageFiles,
    target: np.ndarray,
    target_names: list[str] | None,
    return_X_y: bool,
    as_frame: bool,
    columns: list[str],
) -> Any:
    """Return images and targets in the forms that the loaders promise.

    Parameters
    ----------
    data : ImageFiles
        The images.
    target : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The targets.
    target_names : list of str or None
        The classes or the targets' columns.
    return_X_y, as_frame : bool
        The parameters of the loader.
    columns : list of str
        Names of the targets in a frame.
    """
    frame = None
    given: Any = target
    if as_frame:
        table = pd.DataFrame(target.reshape(len(target), -1), columns=columns)
        frame = pd.concat([pd.Series(data.paths, name="path"), table], axis=1)
        given = table if target.ndim == 2 else table.iloc[:, 0]
    if return_X_y:
        return data, given
    return Bunch(
        data=data, target=given, target_names=target_names, filenames=data.paths, frame=frame
    )
