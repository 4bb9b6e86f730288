"""signals_from_frame: order, lengths, channels, dtypes and messages."""

import datetime

import numpy as np
import pandas as pd
import pytest

from skcnn.datasets import signals_from_frame
from skcnn.preprocessing import PadSignals

COLUMNS = {"id": "id", "time": "t"}


def frame_of(*series, dtype=float):
    """Return a long table of (id, values) pairs, with the values times ten as a second channel."""
    rows = [(id, t, v, 10 * v) for id, values in series for t, v in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["id", "t", "a", "b"])
    return frame.astype({"a": dtype, "b": dtype})


TWO = frame_of(("z", [1, 2, 3]), ("y", [4, 5, 6]))


def test_ids_have_the_order_of_their_first_rows():
    X, ids = signals_from_frame(TWO, values="a", **COLUMNS)
    np.testing.assert_array_equal(X, [[1, 2, 3], [4, 5, 6]])
    assert ids.tolist() == ["z", "y"]
    assert ids.name == "id"
    assert isinstance(ids, pd.Index)


def test_a_list_of_values_gives_channels():
    X, _ = signals_from_frame(TWO, values=["b", "a"], **COLUMNS)
    np.testing.assert_array_equal(X[1], [[40, 4], [50, 5], [60, 6]])
    assert signals_from_frame(TWO, values=["a"], **COLUMNS)[0].shape == (2, 3, 1)


def test_mixed_rows_are_sorted_out():
    mixed = TWO.sort_values("t", kind="stable")
    X, ids = signals_from_frame(mixed, values=["a", "b"], **COLUMNS)
    expected, _ = signals_from_frame(TWO, values=["a", "b"], **COLUMNS)
    np.testing.assert_array_equal(X, expected)
    assert ids.tolist() == ["z", "y"]


@pytest.mark.parametrize("values", ["a", ["a", "b"]])
def test_several_lengths_are_an_array_of_objects(values):
    frame = frame_of((7, [1, 2, 3]), (3, [4]), (5, [5, 6]))
    X, ids = signals_from_frame(frame, values=values, **COLUMNS)
    assert X.dtype == object
    assert [len(signal) for signal in X] == [3, 1, 2]
    assert ids.tolist() == [7, 3, 5]
    padded = PadSignals().fit_transform(X)
    assert padded.shape == ((3, 3) if values == "a" else (3, 3, 2))
    assert padded.reshape(3, 3, -1)[2, :, 0].tolist() == [5, 6, 0]


def test_dtypes():
    narrow = frame_of(("z", [1, 2]), dtype="float32")
    assert signals_from_frame(narrow, values="a", **COLUMNS)[0].dtype == np.float32
    for dtype in ("float64", "int64", "uint8", "Float64", "bool"):
        frame = frame_of(("z", [1, 0]), dtype=dtype)
        X, _ = signals_from_frame(frame, values="a", **COLUMNS)
        assert X.dtype == np.float64
        assert X.tolist() == [[1, 0]]


def test_dates_and_unequal_distances_are_times():
    frame = TWO.assign(t=pd.to_datetime(["2020-01-01", "2020-01-02", "2021-05-01"] * 2))
    np.testing.assert_array_equal(
        signals_from_frame(frame, values="a", **COLUMNS)[0], [[1, 2, 3], [4, 5, 6]]
    )


OBJECTS = {
    "dates": [datetime.date(2020, 1, day) for day in (9, 10, 11)],
    "numbers": [1, 2.5, 3],
    "differences": [datetime.timedelta(hours) for hours in (9, 10, 11)],
}


@pytest.mark.parametrize(
    "times",
    [
        *(pd.Series(values * 2, dtype=object) for values in OBJECTS.values()),
        pd.Series(pd.to_timedelta([9, 10, 11] * 2)),
        pd.Series([*pd.period_range("2020-01", periods=3, freq="M")] * 2),
        pd.Series(pd.to_datetime(["2020", "2021", "2022"] * 2, utc=True)),
        pd.Series([9, 10, 11] * 2, dtype="Int64"),
    ],
    ids=lambda times: f"{times.dtype}",
)
def test_times_of_all_kinds_are_compared(times):
    X, _ = signals_from_frame(TWO.assign(t=times), values="a", **COLUMNS)
    np.testing.assert_array_equal(X, [[1, 2, 3], [4, 5, 6]])
    with pytest.raises(ValueError, match="must rise within each signal"):
        signals_from_frame(TWO.assign(t=times[::-1].to_numpy()), values="a", **COLUMNS)


def test_any_name_is_one_column_and_any_list_several():
    numbered = TWO.set_axis(["id", "t", 0, 1], axis=1)
    expected, _ = signals_from_frame(TWO, values="a", **COLUMNS)
    np.testing.assert_array_equal(signals_from_frame(numbered, values=0, **COLUMNS)[0], expected)
    for values in (numbered.columns[2:], pd.Series([0, 1]), np.array([0, 1]), (0, 1), [0, 1]):
        X, _ = signals_from_frame(numbered, values=values, **COLUMNS)
        np.testing.assert_array_equal(X, np.stack([expected, 10 * expected], axis=-1))


def test_a_tuple_may_be_one_column():
    levels = pd.concat({"k": TWO}, axis=1)
    names = {"id": ("k", "id"), "time": ("k", "t")}
    expected, _ = signals_from_frame(TWO, values="a", **COLUMNS)
    X, ids = signals_from_frame(levels, values=("k", "a"), **names)
    np.testing.assert_array_equal(X, expected)
    assert ids.tolist() == ["z", "y"]
    X, _ = signals_from_frame(levels, values=(("k", "a"), ("k", "b")), **names)
    np.testing.assert_array_equal(X, np.stack([expected, 10 * expected], axis=-1))
    message = r"'values' parameter .* no column has the name 'k'"
    with pytest.raises(ValueError, match=message):
        signals_from_frame(levels, values="k", **names)


ZONES = [None, datetime.UTC] * 3
MIXED_ZONES = [datetime.datetime(2020, 1, 1 + n, tzinfo=zone) for n, zone in enumerate(ZONES)]


def changed(**cells):
    """Return the table of two signals with one cell of row 4 changed."""
    frame = TWO.copy()
    for column, value in cells.items():
        frame[column] = frame[column].astype(object if value is None else float)
        frame.loc[4, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "settings", "message"),
    [
        (TWO, {"id": "ID"}, r"'id' parameter must name one column .* no column has the name 'ID'"),
        (TWO, {"time": "x"}, r"'time' parameter .*'x'. The columns are \['id', 't', 'a', 'b'\]"),
        (TWO, {"values": ["a", "c"]}, "'values' parameter .* no column has the name 'c'"),
        (TWO, {"values": []}, "'values' parameter must be the name of a column, or a list"),
        (TWO, {"values": None}, "'values' parameter must be the name of a column, or a list"),
        (TWO, {"values": "id"}, "column 'id' must hold numbers, but has the dtype"),
        (TWO.set_axis(["id", "t", "a", "a"], axis=1), {}, "2 columns has the name 'a'"),
        (TWO[:0], {}, "'frame' parameter has no rows"),
        (changed(t=1), {}, None),
        (changed(t=0), {}, r"Times of 't' are repeated .* of 'id', in 1 row, .* label 4"),
        (changed(t=-1), {}, r"must rise within each signal of 'id', but fall in 1 row, .* label 4"),
        (changed(t=np.nan), {}, "column 't' has no value in 1 row, the first with the label 4"),
        (changed(a=np.nan), {}, "column 'a' has NaN or infinity in 1 row, the first .* label 4"),
        (changed(b=np.inf), {"values": ["a", "b"]}, "column 'b' has NaN or infinity in 1 row"),
        (TWO.assign(id=["z", None] * 3), {}, "column 'id' has no value in 3 rows"),
        (TWO.assign(t=["9", "10", "11"] * 2), {}, "column 't' must hold times.*kind 'string'"),
        (TWO.assign(t=[0, 1, "b"] * 2), {}, "column 't' must hold times.* kind 'mixed-integer'"),
        (TWO.assign(t=pd.Categorical([*"abc"] * 2)), {}, "column 't' .* kind 'categorical'"),
        (TWO.assign(t=1j), {}, "column 't' must hold times: .* of the dtype complex128"),
        (TWO.assign(t=pd.Series(MIXED_ZONES, dtype=object)), {}, "column 't' cannot be compared"),
        (TWO, {"values": {"a": 1}}, "'values' parameter must be the name of a column, or a list"),
        (TWO, {"values": np.array("a")}, "'values' parameter must be the name of a column"),
        (TWO, {"values": [["a"]]}, r"'values' parameter .* no column has the name \['a'\]"),
        (TWO, {"id": ["id"]}, r"'id' parameter .* no column has the name \['id'\]"),
        (TWO.assign(a=1j), {}, "column 'a' must hold numbers, but has the dtype complex128"),
    ],
)
def test_bad_tables_raise(frame, settings, message):
    settings = {**COLUMNS, "values": "a", **settings}
    if message is None:
        signals_from_frame(frame, **settings)
        return
    with pytest.raises(ValueError, match=message):
        signals_from_frame(frame, **settings)


def test_only_frames_are_taken():
    with pytest.raises(TypeError, match=r"'frame' parameter must be a DataFrame. Got dict"):
        signals_from_frame({"a": [1]}, values="a", **COLUMNS)
