"""Rows of memory-mapped arrays: when they are read from the file, and their values."""

import copy
import gc
import os
import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from skcnn._data import mapped_rows
from skcnn._data.mapped_rows import MappedRows
from tests.helpers.samples import Reader
from tests.helpers.small_nets import tiny

pytestmark = pytest.mark.skipif(
    not Path(mapped_rows.MAPPINGS).exists(), reason="only Linux lists the mappings"
)
N = 40
PARAMS = {"max_epochs": 2, "device": "cpu"}


@pytest.fixture(autouse=True)
def small_files_count(monkeypatch):
    monkeypatch.setattr(mapped_rows, "SMALLEST_BYTES", 1)


def samples(dtype="uint8", shape=(6, 5)):
    values = np.random.default_rng(0).integers(0, 256, (N, *shape))
    return (values / (255 if dtype.startswith("float") else 1)).astype(dtype)


def saved(tmp_path, X, mode="r"):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode=mode)


def resident_pages(array):
    """Return how many pages of its mapping this process has touched and kept."""
    start = array.__array_interface__["data"][0]
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        ends = line.split()[0].split("-")
        if len(ends) == 2 and int(ends[0], 16) <= start < int(ends[1], 16):
            size = next(each for each in lines if each.startswith("Rss:"))
            return int(size.split()[1]) * 1024 // os.sysconf("SC_PAGE_SIZE")
    raise AssertionError("not mapped")


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_rows_of_a_shared_mapping_are_read_from_its_file(tmp_path, mode, dtype):
    X = samples(dtype)
    rows = MappedRows.of(saved(tmp_path, X, mode))
    flat = X.reshape(N, -1)
    index = np.array([39, 0, 7, 7])
    for got, expected in ((rows.read(3, 30), flat[3:30]), (rows.take(index), flat[index])):
        assert got.dtype == X.dtype
        np.testing.assert_array_equal(got, expected)
    rows.expect(index)  # changes nothing that can be seen


def test_views_of_a_mapping_are_read_from_its_file(tmp_path):
    X = samples()
    mapped = saved(tmp_path, X)
    for view in (mapped[5:], np.asarray(mapped)[7:30].reshape(23, 5, 6), mapped[9:][:4]):
        np.testing.assert_array_equal(
            MappedRows.of(view).read(0, len(view)), np.array(view).reshape(len(view), -1)
        )


def test_a_plain_memmap_with_an_offset_is_read_from_its_file(tmp_path):
    X = samples()
    (tmp_path / "raw two  spaces").write_bytes(b"\0" * 4099 + X.tobytes())
    mapped = np.memmap(tmp_path / "raw two  spaces", np.uint8, "r", 4099, X.shape)
    np.testing.assert_array_equal(MappedRows.of(mapped).read(0, N), X.reshape(N, -1))


def test_what_was_written_to_a_shared_mapping_is_read(tmp_path):
    mapped = saved(tmp_path, samples(), "r+")
    rows = MappedRows.of(mapped)
    mapped[3] = 7
    np.testing.assert_array_equal(rows.read(2, 5), np.array(mapped[2:5]).reshape(3, -1))


def renamed(mapped, path):
    path.rename(path.with_name("other"))
    return mapped


def deleted(mapped, path):
    path.unlink()
    return mapped


def replaced(mapped, path):
    path.rename(path.with_name("other"))
    np.save(path, np.zeros_like(mapped))
    return mapped


def test_a_renamed_file_is_still_the_one_that_is_mapped(tmp_path):
    X = samples()
    for change in (renamed, replaced):
        rows = MappedRows.of(change(saved(tmp_path, X), tmp_path / "X.npy"))
        np.testing.assert_array_equal(rows.read(0, N), X.reshape(N, -1))


LEFT_ALONE = {
    "private": lambda path, X: saved(path, X, "c"),
    "plain": lambda path, X: X,
    "deleted": lambda path, X: deleted(saved(path, X), path / "X.npy"),
    "strided": lambda path, X: saved(path, X)[::2],
    "reversed": lambda path, X: saved(path, X)[::-1],
    "copied": lambda path, X: np.array(saved(path, X)),
}


@pytest.mark.parametrize("make", list(LEFT_ALONE.values()), ids=list(LEFT_ALONE))
def test_other_arrays_are_left_alone(tmp_path, make):
    assert MappedRows.of(make(tmp_path, samples())) is None


def test_small_files_and_unknown_systems_are_left_alone(tmp_path, monkeypatch):
    mapped = saved(tmp_path, samples())
    with monkeypatch.context() as patch:
        patch.setattr(mapped_rows, "SMALLEST_BYTES", mapped.nbytes + 1)
        assert MappedRows.of(mapped) is None
    monkeypatch.setattr(mapped_rows, "MAPPINGS", str(tmp_path / "none"))
    assert MappedRows.of(mapped) is None


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    rows = MappedRows.of(saved(tmp_path, samples()))
    os.truncate(tmp_path / "X.npy", 500)
    for read in (lambda: rows.read(0, N), lambda: rows.take(np.array([N - 1]))):
        with pytest.raises(OSError, match="has become shorter"):
            read()


def opened_below(folder):
    """Return the files of `folder` that this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # closed since, as the listing itself is
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [path for path in found if path.startswith(str(folder))]


def test_the_file_is_closed_with_the_rows(tmp_path):
    rows = MappedRows.of(saved(tmp_path, samples()))
    assert opened_below(tmp_path)
    del rows
    gc.collect()
    assert not opened_below(tmp_path)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_images_of_a_mapping_read_the_file(tmp_path, dtype):
    X = samples(dtype)
    mapped = saved(tmp_path, X)
    reader = Reader().fit(mapped)
    for images in (reader.images_, reader.read(mapped)):
        assert images.source is not None
        flat = X.reshape(N, -1)
        np.testing.assert_array_equal(torch.cat(list(images.parts())).numpy(), flat)
        np.testing.assert_array_equal(images.part(30, 2 * N).numpy(), flat[30:])
        index = torch.tensor([5, 0, 39])
        np.testing.assert_array_equal(images.rows_at(index).numpy(), flat[index])
        np.testing.assert_array_equal(images.to(torch.device("meta")).rows.shape, flat.shape)
    assert resident_pages(mapped) == 0


@pytest.mark.parametrize("dtype", ["float64", "int16", "bool", "float16"])
def test_other_types_are_converted_without_touching_the_mapping(tmp_path, dtype):
    X = samples(dtype) if dtype != "bool" else samples() > 100
    mapped = saved(tmp_path, X)
    images = Reader().fit(mapped).images_
    assert images.source is None
    np.testing.assert_array_equal(images.rows.numpy(), X.reshape(N, -1).astype(np.float32))
    assert resident_pages(mapped) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(30,), (6, 5)])
def test_a_mapping_with_missing_numbers_is_an_error(tmp_path, bad, shape):
    X = samples("float32", shape)
    X[-1].flat[3] = bad
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        tiny(**PARAMS).fit(saved(tmp_path, X), np.arange(N) % 2)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_estimators_train_on_a_mapping_as_on_memory(tmp_path, mode, dtype):
    X, y = samples(dtype), np.arange(N) % 2
    X[1] = X[0]
    y[1] = y[0]  # a repeated sample
    mapped = saved(tmp_path, X, mode)
    weights = np.arange(N) % 3.0
    for params, fit in (
        ({}, {}),
        ({"early_stopping": True}, {}),
        ({}, {"sample_weight": weights}),
        ({"batch_size": 7}, {"X_val": X, "y_val": y}),
    ):
        expected = tiny(**PARAMS, **params).fit(X, y, **fit)
        if "X_val" in fit:
            fit = {"X_val": mapped, "y_val": y}
        model = tiny(**PARAMS, **params).fit(mapped, y, **fit)
        np.testing.assert_array_equal(model.predict_proba(mapped), expected.predict_proba(X))
        assert model.history_["valid_loss"].equals(expected.history_["valid_loss"])
    assert (resident_pages(mapped) == 0) == (mode != "c")


def test_incremental_training_on_mappings_is_that_on_memory(tmp_path):
    X, y = samples(), np.arange(N) % 2
    mapped = saved(tmp_path, X)
    expected = tiny(**PARAMS).partial_fit(X[:20], y[:20], [0, 1]).partial_fit(X[20:], y[20:])
    model = tiny(**PARAMS).partial_fit(mapped[:20], y[:20], [0, 1]).partial_fit(mapped[20:], y[20:])
    np.testing.assert_array_equal(model.predict_proba(mapped), expected.predict_proba(X))


def test_changes_of_a_private_mapping_are_trained_on(tmp_path):
    X, y = samples(), np.arange(N) % 2
    mapped = saved(tmp_path, X, "c")
    mapped[:10] //= 2
    expected = tiny(**PARAMS).fit(np.array(mapped), y).predict_proba(X)
    np.testing.assert_array_equal(tiny(**PARAMS).fit(mapped, y).predict_proba(X), expected)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_open_files_are_not_copied(tmp_path, copied):
    rows = MappedRows.of(saved(tmp_path, samples()))
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        copied(rows)
