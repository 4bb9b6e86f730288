"""load_image_table: images and targets from a table of paths."""

import os
from typing import Any

import pandas as pd

from skcnn._data.image_files.image_files import ImageFiles
from skcnn._data.image_files.pillow import MOST_PIXELS
from skcnn._utils.validation import did_you_mean
from skcnn.datasets._image_folder import as_bunch
from skcnn.exceptions import ImageFileError


def load_image_table(
    table: Any,
    path_column: str,
    target: Any,
    *,
    folder: Any = None,
    size: int | tuple[int, int] | None = None,
    mode: str = "RGB",
    resize: str = "crop",
    return_X_y: bool = False,
    as_frame: bool = False,
    cache: Any = "auto",
    cache_size: int | None = None,
    on_error: str = "raise",
    max_pixels: int = MOST_PIXELS,
) -> Any:
    """Return images and targets from a table with a row for each image.

    The images are decoded when they are read: see :class:`ImageFiles`.

    Parameters
    ----------
    table : DataFrame, str or path-like
        The table, or a CSV file with a header.
    path_column : str
        Name of the column of paths.
    target : str or list of str
        Name of the column of targets, labels or numbers. A list of names gives a matrix of
        targets, also for one name.
    folder : str, path-like or None, default=None
        The folder to which relative paths refer. None means that of the CSV file, and the current
        folder for a DataFrame.
    size : int, (int, int) or None, default=None
        Height and width of the images. None takes the size of the files if they have one size.
    mode : {"RGB", "L", "RGBA", "I;16", "auto"}, default="RGB"
        What the images become, as for :class:`ImageFiles`.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How images of another shape are brought to `size`, as for :class:`ImageFiles`.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether `target` is a Series or a DataFrame, and `frame` a DataFrame of paths and targets.
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
            The images, in the order of the table.
        target : ndarray, Series or DataFrame of shape (n_samples,) or (n_samples, n_targets)
            The targets. Texts have the dtype str, or object if some are missing, which a
            classifier refuses.
        target_names : list of str
            For a column of texts the classes, sorted; else the names of the columns.
        filenames : list of str
            The path of each image.
        frame : DataFrame or None
            With ``as_frame=True``, the column "path" and the targets.

    (data, target) : tuple if ``return_X_y=True``
        The images and their targets.

    Raises
    ------
    ImageFileError
        If the CSV file or images cannot be read, or paths are missing.
    InputShapeError
        If ``size=None`` and the images have several sizes.
    ValueError
        If there is no such column, or a parameter has no legal value.

    See Also
    --------
    load_image_folder : Files and labels from a folder with one folder for each class.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from PIL import Image
    >>> from skcnn.datasets import load_image_table
    >>> folder = Path(tempfile.mkdtemp())
    >>> table = pd.DataFrame({"file": ["a.png", "b.png"], "weight": [1.5, 2.5]})
    >>> for name in table["file"]:
    ...     Image.new("L", (8, 8)).save(folder / name)
    >>> X, y = load_image_table(
    ...     table, "file", "weight", folder=folder, mode="L", return_X_y=True
    ... )
    >>> X.shape, y
    ((2, 8, 8, 1), array([1.5, 2.5]))
    """
    frame, folder = _read_table(table, folder)
    columns = [target] if isinstance(target, str) else _column_list(target)
    for parameter, name in [("path_column", path_column), *(("target", name) for name in columns)]:
        if name not in frame.columns:
            known = [str(each) for each in frame.columns]
            raise ValueError(
                f"The {parameter!r} parameter must name a column of the table, one of {known}. "
                f"Got {name!r} instead.{did_you_mean(name, known)}"
            )
    data = ImageFiles(
        _paths(frame[path_column], path_column, folder),
        size,
        mode=mode,
        resize=resize,
        cache=cache,
        cache_size=cache_size,
        on_error=on_error,
        max_pixels=max_pixels,
    )
    values = frame[target if isinstance(target, str) else columns].to_numpy()[data.kept]
    is_text = values.ndim == 1 and pd.api.types.infer_dtype(values) == "string"
    names = columns
    if is_text:
        missing = pd.isna(values)
        names = sorted(set(values[~missing].tolist()))
        values = values if missing.any() else values.astype(str)  # "nan" would be a class
    return as_bunch(data, values, names, return_X_y, as_frame, columns)


def _read_table(table: Any, folder: Any) -> tuple[pd.DataFrame, str]:
    """Return the table, and the folder to which its paths refer."""
    if isinstance(table, pd.DataFrame):
        return table, "" if folder is None else os.fsdecode(folder)
    if not isinstance(table, str | os.PathLike):
        raise TypeError(
            "The 'table' parameter must be a DataFrame or the path of a CSV file. Got "
            f"{type(table).__name__}."
        )
    try:
        frame = pd.read_csv(table)
    except (OSError, UnicodeDecodeError, ValueError) as error:  # pandas' own are ValueErrors
        raise ImageFileError(f"The table {str(table)!r} cannot be read: {error}") from error
    return frame, os.path.dirname(os.fspath(table)) if folder is None else os.fsdecode(folder)


def _column_list(target: Any) -> list[str]:
    if not isinstance(target, list | tuple) or not target:
        raise ValueError(
            "The 'target' parameter must be the name of a column or a list of names. Got "
            f"{target!r} instead."
        )
    return list(target)


def _paths(column: pd.Series, name: str, folder: str) -> list[str]:
    """Return the paths of a column, those that are relative in `folder`."""
    paths = column.tolist()
    missing = [row for row, path in enumerate(paths) if not isinstance(path, str | os.PathLike)]
    if missing:
        raise ImageFileError(
            f"The column {name!r} has no path in {len(missing)} rows, the first in row "
            f"{missing[0]}, which has {paths[missing[0]]!r}."
        )
    return [os.path.join(folder, path) for path in paths]
