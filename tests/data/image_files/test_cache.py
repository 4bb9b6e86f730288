"""Decoded images that are kept: in memory and in folders, by several processes."""

import copy
import errno
import os
import pickle
import threading

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skcnn._data.image_files.cache import FolderCache, MemoryCache
from skcnn._data.image_files.decoded import CacheSettings
from skcnn._data.image_files.identity import identity_of
from skcnn.datasets import ImageFiles, load_image_folder, load_image_table
from skcnn.exceptions import ImageFileError
from tests.helpers.decodings import counted_decodings
from tests.helpers.pictures import noise, save, save_all, save_classes
from tests.helpers.processes import block, tell_parent

UINT8 = np.dtype(np.uint8)


@pytest.fixture(params=["memory", "folder"])
def make(request, tmp_path):
    """Make an empty cache of 10 rows of 4 values with a bound of bytes."""

    def made(most_bytes=1000, dtype=UINT8):
        if request.param == "memory":
            return MemoryCache(10, 4, dtype, most_bytes)
        return FolderCache(str(tmp_path), "key", 10, 4, dtype, most_bytes)

    return made


def rows_of(numbers):
    return np.array([[n, n + 1, n + 2, n + 3] for n in numbers], np.uint8).reshape(-1, 4)


def found_in(cache, numbers):
    """Return which numbers a cache has, after checking their rows."""
    numbers = np.array(numbers)
    cache.expect(numbers)  # changes nothing that can be seen
    rows = np.full((len(numbers), 4), 99, np.uint8)
    missing = cache.get(numbers, rows)
    found = np.setdiff1d(np.arange(len(numbers)), missing)
    np.testing.assert_array_equal(rows[found], rows_of(numbers[found]))
    assert cache.holds(numbers) == (len(missing) == 0)
    return numbers[found].tolist()


def test_what_is_put_is_found(make):
    cache = make()
    assert found_in(cache, [0, 9]) == []
    cache.put(np.array([3, 1]), rows_of([3, 1]))
    assert found_in(cache, [3]) == [3]
    assert found_in(cache, [1, 3, 1]) == [1, 3, 1]
    assert found_in(cache, [0, 1, 2, 3]) == [1, 3]
    cache.put(np.array([9]), rows_of([9]))
    assert found_in(cache, range(10)) == [1, 3, 9]


def test_there_is_no_more_than_the_bound(make):
    cache = make(most_bytes=11)  # two rows
    cache.put(np.array([0, 1, 2]), rows_of([0, 1, 2]))
    cache.put(np.array([3]), rows_of([3]))
    assert found_in(cache, range(10)) == [0, 1]
    cache = make(most_bytes=3)
    cache.put(np.array([4]), rows_of([4]))
    assert 4 not in found_in(cache, [4])


def test_memory_keeps_the_rows_that_come_first():
    cache = MemoryCache(10, 4, UINT8, 8)
    cache.put(np.array([7, 8, 9]), rows_of([7, 8, 9]))
    assert found_in(cache, range(10)) == [7, 8]


def test_many_threads_put_at_once(make):
    cache = make()

    def put():
        for number in range(10):
            cache.put(np.array([number]), rows_of([number]))
            found_in(cache, [number])

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found_in(cache, range(10))) <= set(range(10))


def test_sixteen_bits(make):
    cache = make(dtype=np.dtype(np.uint16))
    rows = np.array([[1, 2, 3, 60000]], np.uint16)
    cache.put(np.array([2]), rows)
    found = np.zeros_like(rows)
    assert len(cache.get(np.array([2]), found)) == 0
    np.testing.assert_array_equal(found, rows)


# Folders


def test_a_folder_serves_another_cache(tmp_path):
    one, other = (FolderCache(str(tmp_path), "key", 10, 4, UINT8, None) for _ in range(2))
    one.put(np.array([5]), rows_of([5]))
    assert found_in(other, range(10)) == [5]
    other.put(np.array([6]), rows_of([6]))
    assert found_in(one, range(10)) == [5, 6]
    assert found_in(FolderCache(str(tmp_path), "other", 10, 4, UINT8, None), range(10)) == []


def test_rows_that_were_cut_off_are_missing(tmp_path):
    cache = FolderCache(str(tmp_path), "key", 10, 4, UINT8, None)
    cache.put(np.arange(10), rows_of(range(10)))
    os.truncate(tmp_path / "skcnn-key.rows", 22)
    rows = np.zeros((10, 4), np.uint8)
    assert cache.get(np.arange(10), rows).tolist() == [5, 6, 7, 8, 9]


def test_without_room_the_rest_is_decoded_each_time(tmp_path, monkeypatch):
    cache = FolderCache(str(tmp_path), "key", 10, 4, UINT8, None)
    cache.put(np.array([0]), rows_of([0]))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.warns(UserWarning, match="no longer kept in the cache's folder: No space left"):
        cache.put(np.array([1, 2]), rows_of([1, 2]))
    cache.put(np.array([3]), rows_of([3]))  # no second warning
    assert found_in(cache, range(10)) == [0]


def test_a_row_that_is_written_in_part_is_missing(tmp_path, monkeypatch):
    cache = FolderCache(str(tmp_path), "key", 10, 4, UINT8, None)
    monkeypatch.setattr(os, "pwrite", lambda *_: 3)
    with pytest.warns(UserWarning, match="a row was not written whole"):
        cache.put(np.array([1]), rows_of([1]))
    assert found_in(cache, range(10)) == []


def test_systems_without_fallocate(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    cache = FolderCache(str(tmp_path), "key", 10, 4, UINT8, None)
    cache.put(np.array([1]), rows_of([1]))
    assert found_in(FolderCache(str(tmp_path), "key", 10, 4, UINT8, None), range(10)) == [1]


def _put_until_killed(folder):
    cache = FolderCache(folder, "key", 2000, 4, UINT8, None)
    pwrite, n_written = os.pwrite, 0

    def slow(fd, row, offset):
        nonlocal n_written
        n_written += 1
        if n_written == 700:
            pwrite(fd, row[:2], offset)
            block("in the middle of a row")
        return pwrite(fd, row, offset)

    os.pwrite = slow
    numbers = np.arange(2000)
    cache.put(numbers, rows_of(numbers % 200))


def test_a_killed_writer_leaves_whole_rows_only(tmp_path, children):
    child = children(_put_until_killed, str(tmp_path))
    assert child.hear() == "in the middle of a row"
    child.kill()
    cache = FolderCache(str(tmp_path), "key", 2000, 4, UINT8, None)
    rows = np.zeros((2000, 4), np.uint8)
    missing = cache.get(np.arange(2000), rows)
    assert missing.tolist() == list(range(699, 2000))
    np.testing.assert_array_equal(rows[:699], rows_of(np.arange(699) % 200))


def _read_all(paths, folder):
    tell_parent("ready")
    with counted_decodings() as seen:
        total = int(ImageFiles(paths, cache=folder).to_numpy().astype(int).sum())
    return total, len(seen)


def test_processes_write_at_once_and_share(tmp_path, children):
    paths, arrays = save_all(tmp_path / "pictures", 60)
    folder = str(tmp_path / "cache")
    started = [children(_read_all, paths, folder) for _ in range(3)]
    totals = []
    for child in started:
        assert child.hear() == "ready"
        totals.append(child.hear())
    assert {total for total, _ in totals} == {int(arrays.astype(int).sum())}
    with counted_decodings() as seen:
        np.testing.assert_array_equal(ImageFiles(paths, cache=folder), arrays)
    assert not seen


# Behind ImageFiles


def test_auto_is_memory_for_few_bytes(tmp_path, monkeypatch):
    paths = save_all(tmp_path, 4)[0]
    from skcnn._data.image_files import parameters

    assert ImageFiles(paths)._files.caching == CacheSettings("memory", None)
    monkeypatch.setattr(parameters, "AUTO_BYTES", 4 * 8 * 8 * 3 - 1)
    assert ImageFiles(paths)._files.caching == CacheSettings(None, None)


def test_images_beyond_the_bound_are_decoded_each_time(tmp_path):
    paths, arrays = save_all(tmp_path, 6)
    files = ImageFiles(paths, cache="memory", cache_size=arrays[:4].nbytes)
    files.to_numpy()
    with counted_decodings() as seen:
        np.testing.assert_array_equal(files, arrays)
    assert len(seen) == 2


def test_no_cache_decodes_each_time(tmp_path):
    paths, _ = save_all(tmp_path, 3)
    files = ImageFiles(paths, cache=None)
    with counted_decodings() as seen:
        files.to_numpy()
        files[0]
    assert len(seen) == 4


def test_copies_share_what_is_decoded(tmp_path):
    files = ImageFiles(save_all(tmp_path, 3)[0])
    files.to_numpy()
    with counted_decodings() as seen:
        copy.copy(files).to_numpy()
        copy.deepcopy(files).to_numpy()
        clone(files, safe=False).to_numpy()
    assert not seen


def test_slices_share_a_folder_also_when_they_are_pickled(tmp_path):
    paths, arrays = save_all(tmp_path / "pictures", 10)
    files = ImageFiles(paths, cache=tmp_path / "cache")
    some = pickle.loads(pickle.dumps(files[[7, 2, 5]]))
    np.testing.assert_array_equal(some, arrays[[7, 2, 5]])
    again = pickle.loads(pickle.dumps(some[1:]))
    with counted_decodings() as seen:
        np.testing.assert_array_equal(again, arrays[[2, 5]])
        np.testing.assert_array_equal(files[2:8], arrays[2:8])
    assert sorted(seen) == [str(paths[i]) for i in (3, 4, 6)]


def test_the_cache_of_broken_files_holds_the_others(tmp_path):
    paths, arrays = save_all(tmp_path, 5)
    files = ImageFiles(paths, cache="memory")
    content = paths[2].read_bytes()
    paths[2].write_bytes(content[:-50])
    with pytest.raises(ImageFileError, match=r"1 image file cannot be read.*0002"):
        files.to_numpy()
    paths[2].write_bytes(content)
    with counted_decodings() as seen:
        np.testing.assert_array_equal(files, arrays)
    assert seen == [str(paths[2])]


def test_another_setting_or_a_changed_file_has_another_key(tmp_path):
    paths, _ = save_all(tmp_path / "pictures", 2)
    keys = set()
    for params in ({}, {"size": 4}, {"mode": "L"}, {"size": 4, "resize": "pad"}):
        keys.add(ImageFiles(paths, **params).fingerprint())
    keys.add(ImageFiles(paths[:1]).fingerprint())
    keys.add(ImageFiles(paths)[:1].fingerprint())
    keys.add(ImageFiles(paths)[::-1].fingerprint())
    assert ImageFiles(paths)[:].fingerprint() in keys
    assert ImageFiles(paths, cache=None).fingerprint() in keys
    os.utime(paths[0], ns=(1, 1))
    keys.add(ImageFiles(paths).fingerprint())
    save(paths[0], noise(8, 8, seed=9))
    keys.add(ImageFiles(paths).fingerprint())
    assert len(keys) == 9


@pytest.mark.parametrize("place", ["memory", "folder", None])
def test_what_is_known_of_old_content_is_not_used_for_new_content(tmp_path, place):
    cache = str(tmp_path / "cache") if place == "folder" else place
    paths, _ = save_all(tmp_path / "pictures", 2)
    before = ImageFiles(paths, cache=cache)
    before.to_numpy()
    save(paths[0], np.full((8, 8, 3), 255, np.uint8))
    os.utime(paths[0], ns=(1, 1))
    before.value_range()
    after = ImageFiles(paths, cache=cache)
    assert after.value_range() == (after.to_numpy().min(), 255)
    assert after[0].min() == after[:1].value_range()[0] == 255


def test_joblibs_hash_follows_files_and_not_what_is_known_of_them(tmp_path):
    paths, _ = save_all(tmp_path, 3)
    files = ImageFiles(paths)
    before = joblib.hash(files)
    files.value_range()
    files.to_numpy()
    assert joblib.hash(files) == joblib.hash(ImageFiles(paths)) == before
    assert joblib.hash(files[:2]) != before
    os.utime(paths[0], ns=(1, 1))
    assert joblib.hash(ImageFiles(paths)) != before


def test_missing_files_have_an_identity(tmp_path):
    decoder = ImageFiles(save_all(tmp_path, 1)[0])._files.decoder
    one = identity_of(["/none"], decoder)
    assert one.key == identity_of(["/none"], decoder).key != identity_of(["/no"], decoder).key
    assert one.numbers.tolist() == [0]
    assert one.n_files == 1
    with pytest.raises(ImageFileError, match=r"'a\\x00b': embedded null byte"):
        ImageFiles(["a\0b"], size=4).to_numpy()


@pytest.mark.parametrize("cache", [5, ["memory"], b"folder"])
def test_illegal_caches(tmp_path, cache):
    paths, _ = save_all(tmp_path, 1)
    with pytest.raises(ValueError, match="'cache' parameter must be 'auto', 'memory', None or"):
        ImageFiles(paths, cache=cache)


def test_systems_without_preadv_have_no_folders(tmp_path, monkeypatch):
    paths, _ = save_all(tmp_path, 1)
    monkeypatch.delattr(os, "preadv")
    with pytest.raises(ValueError, match=r"only where Python has os.preadv.* Got 'here'"):
        ImageFiles(paths, cache="here")


def test_illegal_sizes_of_caches(tmp_path):
    paths, _ = save_all(tmp_path, 1)
    with pytest.raises(ValueError, match=r"'cache_size' parameter must be an integer >= 1. Got 0"):
        ImageFiles(paths, cache_size=0)


def test_folders_that_cannot_be_made_or_opened(tmp_path):
    paths, _ = save_all(tmp_path, 1)
    with pytest.raises(ValueError, match=r"0000.png', which cannot be made: File exists"):
        ImageFiles(paths, cache=paths[0])
    files = ImageFiles(paths, cache=tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    with pytest.raises(ImageFileError, match=r"folder '.*cache' cannot be opened: No such file"):
        files.to_numpy()


def test_loaders_pass_the_cache_on(tmp_path):
    import pandas as pd

    folder = save_classes(tmp_path / "classes", ["a"])
    caching = CacheSettings(str(tmp_path / "cache"), 999)
    settings = {"cache": tmp_path / "cache", "cache_size": 999}
    files = load_image_folder(folder, **settings).data
    assert files._files.caching == caching
    table = pd.DataFrame({"file": files.paths, "y": [0, 1, 2]})
    assert load_image_table(table, "file", "y", **settings).data._files.caching == caching
