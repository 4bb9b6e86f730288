"""Rows that are decoded in the background."""

import numpy as np
import pytest

from skcnn._data.image_files import file_rows
from skcnn._data.image_files.file_rows import FileRows, file_images
from skcnn._data.layouts import InputLayout
from skcnn.datasets import ImageFiles
from skcnn.exceptions import ImageFileError
from tests.helpers.decodings import counted_decodings, forget_facts, reading_threads
from tests.helpers.forks import exit_code_of_child, forks
from tests.helpers.pictures import save_all

N = 30


@pytest.fixture
def files(tmp_path):
    forget_facts()
    return ImageFiles(save_all(tmp_path, N)[0], cache=None)


@pytest.fixture
def rows(files):
    return FileRows(files._files, np.arange(N), np.dtype(np.uint8))


def expected(files):
    return files.to_numpy().reshape(N, -1)


def test_rows_in_any_order(files, rows):
    values = expected(files)
    assert rows.shape == (N, 192)
    np.testing.assert_array_equal(rows.read(3, 9), values[3:9])
    np.testing.assert_array_equal(rows.read(9, 15), values[9:15])
    index = np.array([29, 3, 3, 0])
    np.testing.assert_array_equal(rows.take(index), values[index])
    assert rows.take(np.array([], int)).shape == (0, 192)


def test_expected_rows_are_decoded_once_and_before_they_are_taken(files, rows):
    values, index = expected(files), np.array([5, 2])
    with counted_decodings() as seen:
        rows.expect(index)
        rows.expect(index)
        np.testing.assert_array_equal(rows.take(index), values[index])
        assert len(seen) == 2
        rows.take(index)
        assert len(seen) == 4


def test_a_read_expects_the_next(files, rows):
    values = expected(files)
    with counted_decodings() as seen:
        for start in range(0, N, 7):
            np.testing.assert_array_equal(
                rows.read(start, min(start + 7, N)), values[start : start + 7]
            )
    assert len(seen) == N


def test_expectations_that_are_not_met_are_dropped(files, rows):
    values = expected(files)
    for start in range(10):
        rows.expect(np.arange(start, start + 2))
    assert len(rows._expected) == file_rows.MOST_EXPECTED
    for start in range(10):
        np.testing.assert_array_equal(
            rows.take(np.arange(start, start + 2)), values[start : start + 2]
        )


def test_errors_come_when_the_rows_are_taken(files, rows, tmp_path):
    values = expected(files)
    (tmp_path / "0004.png").write_text("no picture")
    rows.expect(np.array([4, 5]))
    rows.expect(np.array([6, 7]))
    with pytest.raises(ImageFileError, match=r"1 image file cannot be read. .*0004.png"):
        rows.take(np.array([4, 5]))
    assert not reading_threads()
    np.testing.assert_array_equal(rows.take(np.array([6, 7])), values[6:8])


def test_what_another_process_expected_is_read_again(files, rows):
    values = expected(files)
    rows.expect(np.array([1, 2]))
    rows._process = -1
    with counted_decodings() as seen:
        np.testing.assert_array_equal(rows.take(np.array([1, 2])), values[1:3])
    assert len(seen) >= 2
    assert not rows._expected


@forks
def test_a_forked_process_reads_for_itself(files, rows):
    values = expected(files)
    rows.expect(np.array([1, 2]))

    def work():
        right = np.array_equal(rows.take(np.array([1, 2])), values[1:3])
        rows._threads.close()
        return right

    assert exit_code_of_child(work) == 0
    np.testing.assert_array_equal(rows.take(np.array([1, 2])), values[1:3])


def test_an_offset_is_subtracted(files):
    layout = InputLayout((8, 8, 3), "last")
    images = file_images(files, layout, True, np.array([1.5, 0.0, 100.0]))
    values = expected(files).reshape(N, 8, 8, 3) - np.array([1.5, 0, 100])
    np.testing.assert_array_equal(images.rows.numpy(), values.reshape(N, -1).astype(np.float32))
    assert images.facts() is None
    assert images.dtype.is_floating_point


def test_facts_are_those_of_the_rows(files, rows):
    from skcnn._data.hashing import row_hashes, value_hashes

    values = expected(files)
    with counted_decodings() as seen:
        facts = rows.facts()
        rows.facts()
    assert len(seen) == N
    np.testing.assert_array_equal(facts.hashes, row_hashes(values))
    np.testing.assert_array_equal(facts.value_hashes, value_hashes(values.astype(float)))
    np.testing.assert_array_equal(facts.low, values.min(1))
    np.testing.assert_array_equal(facts.high, values.max(1))
    by_channel = values.reshape(N, 64, 3).astype(int)
    np.testing.assert_array_equal(facts.moments[:, 0], by_channel.sum(1))
    np.testing.assert_array_equal(facts.moments[:, 1], (by_channel**2).sum(1))


def test_images_count_their_bytes_and_move(files):
    images = file_images(files, InputLayout((8, 8, 3), "last"), True, None)
    assert images.n_bytes == files.nbytes
    assert images.to(images.device) is images
    assert len(images) == N
    moved = images.to("meta")
    assert moved.rows.shape == (N, 192)
