"""signals_from_frame: a long table of measurements becomes signals."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_hashable

# What a column of times may hold, in the words of pandas' `infer_dtype`.
TIMES = {
    *("integer", "floating", "mixed-integer-float", "decimal", "datetime64", "datetime"),
    *("date", "time", "period", "timedelta64", "timedelta"),
}


def signals_from_frame(
    frame: Any, *, id: Any, time: Any, values: Any
) -> tuple[np.ndarray, pd.Index]:
    """Return the signals of a table with one row for each time of each signal.

    Parameters
    ----------
    frame : DataFrame
        The table, in long form. Rows of several signals may be mixed, but the times of each
        signal must rise from row to row.
    id : str or other column name
        Column that says which signal a row belongs to.
    time : str or other column name
        Column of the times: numbers, dates or time differences, in any unit. They are only
        checked: the values of a signal are taken one after another, whatever the distances of
        their times. Texts must be converted first, for instance with `pandas.to_datetime`.
    values : str or other column name, or list of them
        Column of the values, or columns, one for each channel. A tuple is one name if the
        frame has such a column, as one of a MultiIndex, and else a list of names.

    Returns
    -------
    X : ndarray of shape (n_signals, length[, n_channels]) or (n_signals,)
        The signals, in the order in which their ids first appear: float32 if all values are
        float32, else float64. A list, Index or array of `values`, also of one column, gives a
        channel axis.
        Signals of several lengths are an array of objects, each of shape (length_i,) or
        (length_i, n_channels).
    ids : Index of length n_signals
        The id of each signal, to look up its target: ``targets.loc[ids]``.

    Raises
    ------
    TypeError
        If `frame` is no DataFrame.
    ValueError
        If there are no rows or no such columns, values are no finite numbers, times are no
        numbers, dates or time differences, or the times of a signal are missing, repeated or
        not sorted. The message names the column, and the rows if only some are wrong.

    See Also
    --------
    skcnn.preprocessing.PadSignals : One length for signals of several.
    skcnn.preprocessing.ResampleSignals : One sampling rate, for times of equal distances.

    Notes
    -----
    Times of unequal distances are not interpolated, and gaps between times are not filled. If
    the network must know them, add a column of the distances as a channel. Missing values must
    be filled or removed first, for instance with ``frame.interpolate()`` or
    ``frame.dropna()``.

    Examples
    --------
    >>> import pandas as pd
    >>> from skcnn.datasets import signals_from_frame
    >>> frame = pd.DataFrame(
    ...     {
    ...         "pump": ["a", "a", "b", "b"],
    ...         "second": [0, 1, 0, 1],
    ...         "pressure": [1.0, 2.0, 5.0, 6.0],
    ...         "flow": [0.1, 0.2, 0.3, 0.4],
    ...     }
    ... )
    >>> X, ids = signals_from_frame(frame, id="pump", time="second", values="pressure")
    >>> X
    array([[1., 2.],
           [5., 6.]])
    >>> pd.Series({"b": "broken", "a": "sound"}).loc[ids].tolist()
    ['sound', 'broken']
    >>> signals_from_frame(frame, id="pump", time="second", values=["pressure", "flow"])[0].shape
    (2, 2, 2)
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"The 'frame' parameter must be a DataFrame. Got {type(frame).__name__}.")
    columns, is_one = _columns_of(frame, values)
    _check_columns(frame, id, time, columns)
    codes, ids = pd.factorize(frame[id])
    _check_complete(frame, id, codes < 0)
    _check_complete(frame, time, frame[time].isna().to_numpy())
    _check_kind_of_times(frame, time)
    table = _numbers(frame, columns)
    order = np.argsort(codes, kind="stable")
    _check_times(frame, id, time, order, codes[order])
    ends = np.cumsum(np.bincount(codes))
    table = table[order, 0] if is_one else table[order]
    return _stacked(np.split(table, ends[:-1])), pd.Index(ids, name=id)


def _columns_of(frame: pd.DataFrame, values: Any) -> tuple[list[Any], bool]:
    """Return the columns of the values, and whether they are given as one name."""
    is_name = values is not None and is_hashable(values)
    if is_name and (not isinstance(values, tuple) or _count(frame, values)):
        return [values], True
    is_list = isinstance(values, list | tuple | pd.Index | pd.Series)
    if not (is_list or (isinstance(values, np.ndarray) and values.ndim == 1)) or not len(values):
        raise ValueError(
            "The 'values' parameter must be the name of a column, or a list of names. Got "
            f"{values!r} instead."
        )
    return [*values], False


def _count(frame: pd.DataFrame, column: Any) -> int:
    """Return the number of columns with a name."""
    return [*frame.columns].count(column) if is_hashable(column) else 0


def _check_columns(frame: pd.DataFrame, id: Any, time: Any, columns: list[Any]) -> None:
    for name, column in [("id", id), ("time", time), *(("values", each) for each in columns)]:
        n_found = _count(frame, column)
        if n_found != 1:
            what = "no column" if not n_found else f"{n_found} columns"
            raise ValueError(
                f"The {name!r} parameter must name one column of the frame, but {what} has the "
                f"name {column!r}. The columns are {frame.columns.tolist()}."
            )
    if not len(frame):
        raise ValueError("The 'frame' parameter has no rows.")


def _check_complete(frame: pd.DataFrame, column: Any, missing: np.ndarray) -> None:
    if missing.any():
        raise ValueError(
            f"The column {column!r} has no value in {_rows(frame, np.flatnonzero(missing))}."
        )


def _check_kind_of_times(frame: pd.DataFrame, time: Any) -> None:
    kind = infer_dtype(frame[time])
    if kind not in TIMES:
        raise ValueError(
            f"The column {time!r} must hold times: numbers, dates or time differences. Got values "
            f"of the kind {kind!r}, of the dtype {frame[time].dtype}. Convert them, for instance "
            "with pandas.to_datetime or pandas.to_numeric."
        )


def _numbers(frame: pd.DataFrame, columns: list[Any]) -> np.ndarray:
    """Return the columns of values as one array of floats."""
    for column in columns:
        dtype = frame[column].dtype
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            raise ValueError(f"The column {column!r} must hold numbers, but has the dtype {dtype}.")
    narrow = all(frame[column].dtype == np.float32 for column in columns)
    table = frame[[*columns]].to_numpy(np.float32 if narrow else np.float64, na_value=np.nan)
    for number, column in enumerate(columns):
        wrong = np.flatnonzero(~np.isfinite(table[:, number]))
        if len(wrong):
            raise ValueError(
                f"The column {column!r} has NaN or infinity in {_rows(frame, wrong)}. Fill or "
                "remove these rows, for instance with frame.interpolate() or frame.dropna()."
            )
    return table


def _check_times(
    frame: pd.DataFrame, id: Any, time: Any, order: np.ndarray, codes: np.ndarray
) -> None:
    """Check that times rise within each signal."""
    times = frame[time].iloc[order]
    same = codes[1:] == codes[:-1]
    before, after = times.iloc[:-1].array, times.iloc[1:].array
    repeated = np.flatnonzero(same & np.asarray(after == before, bool))
    if len(repeated):
        raise ValueError(
            f"Times of {time!r} are repeated within a signal of {id!r}, in "
            f"{_rows(frame, order[1:][repeated])}. Remove them, for instance with "
            f"frame.drop_duplicates([{id!r}, {time!r}])."
        )
    try:
        is_less = np.asarray(after < before, bool)
    except TypeError as error:  # objects, such as dates with and without a time zone
        raise ValueError(
            f"The times of the column {time!r} cannot be compared: {error}. Convert them, for "
            "instance with pandas.to_datetime."
        ) from error
    falling = np.flatnonzero(same & is_less)
    if len(falling):
        raise ValueError(
            f"Times of {time!r} must rise within each signal of {id!r}, but fall in "
            f"{_rows(frame, order[1:][falling])}. Sort them first, for instance with "
            f"frame.sort_values([{id!r}, {time!r}])."
        )


def _rows(frame: pd.DataFrame, rows: np.ndarray) -> str:
    """Return how many rows are wrong, and the label of the first."""
    first = frame.index[rows.min()]
    return f"{len(rows)} row{'s' * (len(rows) > 1)}, the first with the label {first!r}"


def _stacked(signals: list[np.ndarray]) -> np.ndarray:
    if len({len(signal) for signal in signals}) == 1:
        return np.stack(signals)
    column = np.empty(len(signals), dtype=object)
    column[:] = signals
    return column
