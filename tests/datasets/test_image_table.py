import numpy as np
import pandas as pd
import pytest

from skcnn import ConvNetClassifier
from skcnn.datasets import ImageFiles, load_image_table
from skcnn.exceptions import ImageFileError, SkippedFilesWarning
from tests.helpers.pictures import save_all


@pytest.fixture
def table(tmp_path):
    """A table of four pictures; their paths are relative to the folder."""
    paths, _ = save_all(tmp_path / "photos", 4)
    return pd.DataFrame(
        {
            "file": [f"photos/{path.name}" for path in paths],
            "label": ["b", "a", "b", "a"],
            "weight": [1.5, 2.5, 3.5, 4.5],
            "age": [1, 2, 3, 4],
        }
    )


def test_labels(tmp_path, table):
    data = load_image_table(table, "file", "label", folder=tmp_path)
    assert isinstance(data.data, ImageFiles)
    assert data.target.tolist() == ["b", "a", "b", "a"]
    assert data.target.dtype.kind == "U"
    assert data.target_names == ["a", "b"]
    assert data.filenames == [str(tmp_path / each) for each in table["file"]]
    assert data.frame is None


def test_numbers_and_several_targets(tmp_path, table):
    X, y = load_image_table(table, "file", "weight", folder=str(tmp_path), return_X_y=True)
    assert X.shape == (4, 8, 8, 3)
    np.testing.assert_array_equal(y, [1.5, 2.5, 3.5, 4.5])
    data = load_image_table(table, "file", ["weight", "age"], folder=tmp_path)
    np.testing.assert_array_equal(data.target, table[["weight", "age"]])
    assert data.target_names == ["weight", "age"]
    data = load_image_table(table, "file", ["age"], folder=tmp_path)
    assert data.target.shape == (4, 1)


def test_frames(tmp_path, table):
    data = load_image_table(table, "file", ["weight", "age"], folder=tmp_path, as_frame=True)
    assert data.frame.columns.tolist() == ["path", "weight", "age"]
    pd.testing.assert_frame_equal(data.target, table[["weight", "age"]].astype(float))
    data = load_image_table(table, "file", "label", folder=tmp_path, as_frame=True)
    assert data.target.tolist() == data.frame["label"].tolist() == table["label"].tolist()


def test_a_csv_file_and_its_folder(tmp_path, table):
    table.to_csv(tmp_path / "table.csv", index=False)
    X, y = load_image_table(tmp_path / "table.csv", "file", "age", return_X_y=True)
    assert X.paths[0] == str(tmp_path / "photos" / "0000.png")
    assert y.tolist() == [1, 2, 3, 4]
    X, _ = load_image_table(
        str(tmp_path / "table.csv"), "file", "age", folder=tmp_path, size=4, return_X_y=True
    )
    assert np.asarray(X).shape == (4, 4, 4, 3)


def test_absolute_paths_need_no_folder(tmp_path, table):
    table["file"] = [tmp_path / each for each in table["file"]]
    assert len(load_image_table(table, "file", "age", folder="elsewhere").data) == 4
    assert len(load_image_table(table, "file", "age").data) == 4


def test_targets_of_files_that_are_left_out(tmp_path, table):
    (tmp_path / "photos" / "0001.png").write_text("no picture")
    with pytest.warns(SkippedFilesWarning, match="0001.png"):
        data = load_image_table(table, "file", "weight", folder=tmp_path, on_error="skip")
    assert data.target.tolist() == [1.5, 3.5, 4.5]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"path_column": "flie"}, "'path_column' parameter .* Did you mean 'file'"),
        ({"target": "lable"}, "'target' parameter .* Got 'lable' instead. Did you mean 'label'"),
        ({"target": ["age", "wight"]}, "'target' .* Got 'wight' instead. Did you mean 'weight'"),
        ({"target": []}, r"'target' parameter must be the name of a column or a list .* Got \[\]"),
        ({"target": 3}, "'target' parameter must be the name of a column"),
    ],
)
def test_columns_that_are_not_there(tmp_path, table, params, message):
    with pytest.raises(ValueError, match=message):
        load_image_table(table, **{"path_column": "file", "target": "age", **params})


def test_missing_paths(tmp_path, table):
    table.loc[[1, 3], "file"] = None
    with pytest.raises(ImageFileError, match=r"'file' has no path in 2 rows, the first in row 1"):
        load_image_table(table, "file", "age", folder=tmp_path)


@pytest.mark.parametrize("dtype", [object, "string", "category"])
@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_labels_are_no_class(tmp_path, table, dtype, missing):
    labels = pd.Series([missing, "b", "a", "b"], dtype=dtype)
    bunch = load_image_table(table.assign(label=labels), "file", "label", folder=tmp_path)
    assert pd.isna(bunch.target).tolist() == [True, False, False, False]
    assert bunch.target[1:].tolist() == ["b", "a", "b"]
    assert bunch.target_names == ["a", "b"]
    with pytest.raises(ValueError, match="some labels are missing"):
        ConvNetClassifier(max_epochs=1).fit(bunch.data, bunch.target)


def test_bad_tables(tmp_path):
    with pytest.raises(TypeError, match="'table' parameter must be a DataFrame or the path"):
        load_image_table([["a", 1]], "file", "age")
    with pytest.raises(ImageFileError, match=r"table 'none.csv' cannot be read: .*No such file"):
        load_image_table("none.csv", "file", "age")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ImageFileError, match="cannot be read: No columns"):
        load_image_table(tmp_path / "empty.csv", "file", "age")
