"""Features kept in memory and in a folder."""

import os
import threading

import numpy as np
import pytest

from skcnn._data import feature_cache
from skcnn._data.feature_cache import (
    MEMORY,
    FolderFeatures,
    MemoryFeatures,
    resolve_feature_cache,
    sample_keys,
)
from tests.helpers.forks import exit_code_of_child, forks
from tests.helpers.processes import Child, tell_parent

N_VALUES = 3
ROW_BYTES = 4 * N_VALUES
OTHER = "other network"


def keys(*numbers):
    return [bytes([n]) * 16 for n in numbers]


def features(*numbers):
    return np.array([[n, n + 0.5, -n] for n in numbers], np.float32)


def read(cache, *numbers, network="net"):
    """Return the numbers that are missing, after checking the features of the others."""
    rows = np.full((len(numbers), N_VALUES), np.nan, np.float32)
    missing = cache.get(network, keys(*numbers), rows)
    there = np.setdiff1d(np.arange(len(numbers)), missing)
    np.testing.assert_array_equal(rows[there], features(*numbers)[there])
    assert np.isnan(rows[missing]).all()
    return [numbers[i] for i in missing]


@pytest.fixture(params=["memory", "folder"])
def cache(request, tmp_path):
    return MemoryFeatures(10**6) if request.param == "memory" else FolderFeatures(tmp_path / "new")


def test_what_was_put_is_found_again(cache):
    assert read(cache, 1, 2) == [1, 2]
    cache.put("net", keys(1, 2), features(1, 2))
    assert read(cache, 2, 7, 1, 2) == [7]
    assert read(cache, 1, network=OTHER) == [1]
    cache.put("net", keys(7), features(7))
    cache.put("net", keys(7, 7), features(7, 7))
    assert read(cache, 1, 7, 2) == []


def test_sample_keys_are_those_of_dtype_and_bytes():
    rows = np.array([[1, 2], [1, 3], [1, 2]], np.uint8)
    first, second, third = sample_keys(rows)
    assert first == third != second
    assert sample_keys(rows.view(np.int8))[0] != first
    assert sample_keys(np.asfortranarray(rows)) == sample_keys(rows)
    assert {len(key) for key in sample_keys(rows)} == {16}


def test_memory_keeps_what_was_asked_for_last():
    cache = MemoryFeatures(3 * ROW_BYTES)
    cache.put("net", keys(1, 2, 3), features(1, 2, 3))
    assert read(cache, 1) == []
    cache.put("net", keys(4), features(4))
    assert read(cache, 1, 2, 3, 4) == [2]
    cache.put("net", keys(1), features(1))  # again: takes no more room
    assert read(cache, 1, 3, 4) == []
    cache.put("net", keys(5, 6, 7, 8), features(5, 6, 7, 8))
    assert read(cache, 1, 3, 4, 5, 6, 7, 8) == [1, 3, 4, 5]
    cache.clear()
    assert read(cache, 8) == [8]


def test_memory_copies_the_rows():
    cache, rows = MemoryFeatures(1000), features(1, 2)
    cache.put("net", keys(1, 2), rows)
    rows[:] = 0
    assert read(cache, 1, 2) == []


def test_memory_works_in_several_threads():
    cache = MemoryFeatures(20 * ROW_BYTES)

    def work():
        for _ in range(50):
            cache.put("net", keys(*range(30)), features(*range(30)))
            read(cache, *range(30))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(cache, *range(30)) == [*range(10)]


@forks
def test_a_forked_process_does_not_wait_for_a_lock_of_its_parent():
    with MEMORY._lock:
        assert exit_code_of_child(lambda: read(MEMORY, 1) == [1]) == 0


def test_parameter_names_a_cache(tmp_path, monkeypatch):
    assert resolve_feature_cache(None) is None
    assert resolve_feature_cache("memory") is MEMORY
    assert MEMORY.most_bytes == 2**30
    resolve_feature_cache(tmp_path / "a" / "b").put("net", keys(1), features(1))
    assert read(resolve_feature_cache(str(tmp_path / "a" / "b")), 1) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"'feature_cache' parameter must be .*Got '.*file'"):
        resolve_feature_cache(tmp_path / "file")


def test_a_folder_is_shared_by_its_users(tmp_path):
    first, second = FolderFeatures(tmp_path), FolderFeatures(tmp_path)
    first.put("net", keys(1, 2), features(1, 2))
    assert read(second, 1, 2, 3) == [3]
    second.put("net", keys(3), features(3))
    assert read(first, 1, 2, 3) == []
    second.put("net", keys(1, 2), features(1, 2))  # the same file again
    assert len(os.listdir(tmp_path)) == 2


def _compute(folder):
    cache = FolderFeatures(folder)
    for i in range(30):
        if read(cache, i):
            cache.put("net", keys(i), features(i))
    tell_parent(read(cache, *range(30)))


def test_two_processes_fill_one_folder(tmp_path):
    children = [Child(_compute, str(tmp_path)) for _ in range(2)]
    assert [child.hear() for child in children] == [[], []]
    for child in children:
        child.join()
    assert read(FolderFeatures(tmp_path), *range(30)) == []
    assert not [name for name in os.listdir(tmp_path) if "unfinished" in name]


def damaged(path, how):
    data = bytearray(path.read_bytes())
    if how == "cut off":
        data = data[:-1]
    elif how == "empty":
        data = data[:0]
    elif how == "other file":
        data[:5] = b"other"
    elif how == "key":
        data[40] ^= 1
    elif how == "key's checksum":
        data[32 + 2 * 16] ^= 1
    else:
        data[-ROW_BYTES // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "cut off": "its length is wrong",
    "empty": "does not begin as such files do",
    "other file": "does not begin as such files do",
    "key": "the checksum of its keys is wrong",
    "key's checksum": "the checksum of its keys is wrong",
    "value": "the checksum of a row is wrong",
}


@pytest.mark.parametrize(("how", "message"), DAMAGES.items(), ids=list(DAMAGES))
def test_a_damaged_file_is_noticed_and_replaced(tmp_path, how, message):
    FolderFeatures(tmp_path).put("net", keys(1, 2), features(1, 2))
    FolderFeatures(tmp_path).put("net", keys(3), features(3))
    path = sorted(tmp_path.iterdir(), key=lambda p: p.stat().st_size)[-1]
    damaged(path, how)
    cache = FolderFeatures(tmp_path)
    with pytest.warns(UserWarning, match=f"{path.name}.*damaged: .*{message}.*removed"):
        missing = read(cache, 1, 2, 3)
    assert missing == ([2] if how == "value" else [1, 2])
    assert not path.exists()
    assert read(cache, 1, 2, 3) == [1, 2]
    cache.put("net", keys(1, 2), features(1, 2))
    assert read(cache, 1, 2, 3) == []


def test_what_cannot_be_removed_is_said_once(tmp_path):
    FolderFeatures(tmp_path).put("net", keys(1), features(1))
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()
    cache = FolderFeatures(tmp_path)
    with pytest.warns(UserWarning, match=f"{path.name}.*could not be removed: .*Remove it") as all_:
        assert read(cache, 1) == [1]
    assert len(all_) == 1
    assert read(cache, 1) == [1]  # warns no more
    assert path.is_dir()
    assert "is removed" not in str(all_[0].message)


def test_another_number_of_values_is_a_damage(tmp_path):
    FolderFeatures(tmp_path).put("net", keys(1), np.zeros((1, 5), np.float32))
    with pytest.warns(UserWarning, match="its length is wrong"):
        assert read(FolderFeatures(tmp_path), 1) == [1]


def test_a_file_that_another_process_removed_is_no_damage(tmp_path):
    cache = FolderFeatures(tmp_path)
    cache.put("net", keys(1), features(1))
    assert read(cache, 1) == []
    for path in tmp_path.iterdir():
        path.unlink()
    assert read(cache, 1) == [1]


def test_a_folder_that_cannot_be_written_to_is_named_once(tmp_path, monkeypatch):
    cache = FolderFeatures(tmp_path)

    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_cache.os, "replace", full)
    with pytest.warns(UserWarning, match="not kept in the folder .*No space left on device"):
        cache.put("net", keys(1), features(1))
    cache.put("net", keys(2), features(2))  # warns no more
    assert os.listdir(tmp_path) == []

    def missing(*where):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(feature_cache.tempfile, "mkstemp", missing)
    with pytest.warns(UserWarning, match="Permission denied"):
        FolderFeatures(tmp_path).put("net", keys(1), features(1))
