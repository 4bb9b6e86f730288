"""When a checkpoint is written, what happens if it cannot be, and whose it is."""

import errno

import pytest

from skcnn._training.checkpointing import checkpoint as module
from skcnn._training.checkpointing import file as file_module
from skcnn._training.checkpointing.checkpoint import Checkpoint, differences
from skcnn._training.checkpointing.file import CheckpointFile, opened_file
from skcnn.exceptions import CheckpointError, CheckpointWarning
from tests.helpers.processes import names
from tests.helpers.small_fits import data, tiny
from tests.helpers.stopped_fits import assert_same, count_epochs, result_of, stopped

N_EPOCHS = 6


def net(path, **params):
    return tiny(**{"checkpoint": path, "checkpoint_seconds": 0, "max_epochs": N_EPOCHS, **params})


def test_it_is_written_when_its_time_has_come(tmp_path, monkeypatch):
    now = [0.0]
    written = []
    write = CheckpointFile.write

    def monotonic():
        now[0] += 1  # at the beginning, after each epoch, and after each writing
        return now[0]

    def watched(self, manifest, arrays):
        written.append(manifest["state"] and len(arrays))
        write(self, manifest, arrays)

    monkeypatch.setattr(module.time, "monotonic", monotonic)
    monkeypatch.setattr(CheckpointFile, "write", watched)
    net(tmp_path / "fit.ckpt", checkpoint_seconds=2).fit(*data())
    assert len(written) == 2  # of five epochs that are not the last
    written.clear()
    net(tmp_path / "fit.ckpt").fit(*data())
    assert len(written) == N_EPOCHS - 1


@pytest.mark.parametrize("place", ["flush", "write"])
def test_a_full_disk_warns_once_and_leaves_the_old_file(place, tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    expected = result_of(net(None).fit(*data()))
    stopped(monkeypatch, net(path), 4, *data())
    before = path.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if place == "flush":
            patched.setattr("skcnn._files.atomic._flush", full)
        else:
            patched.setattr(file_module, "write_container", full)
        with pytest.warns(CheckpointWarning, match="No space left.*The older one stays") as caught:
            stopped(monkeypatch, net(path), 8, *data(), error=KeyboardInterrupt)
    assert len(caught) == 1
    assert path.read_bytes() == before
    assert names(tmp_path) == ["fit.ckpt"]
    epochs = count_epochs(monkeypatch)
    assert_same(net(path).fit(*data()), expected)
    assert len(epochs) == N_EPOCHS - 1


def test_a_folder_that_is_gone_warns_and_the_fit_ends_as_it_would(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()

    def gone(self, manifest, arrays):
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(folder))

    monkeypatch.setattr(CheckpointFile, "write", gone)
    with pytest.warns(CheckpointWarning, match="no such folder.*There is none.* The fit goes on"):
        found = net(folder / "fit.ckpt").fit(*data())
    assert_same(found, result_of(net(None).fit(*data())))


def test_a_file_that_cannot_be_deleted_warns(tmp_path, monkeypatch):
    def denied(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(CheckpointFile, "remove", denied)
    with pytest.warns(CheckpointWarning, match="of a finished fit cannot be deleted: .*denied"):
        net(tmp_path / "fit.ckpt").fit(*data())


@pytest.mark.parametrize(
    ("seed", "fingerprint", "message"),
    [
        (5, {"a": "2"}, r"is the checkpoint of another fit: a was 1, is now 2\. Delete the file, "),
        ("5", {"a": "1"}, "has a damaged manifest"),
        (-1, {"a": "1"}, "has a damaged manifest"),
        (2**65, {"a": "1"}, "has a damaged manifest"),
    ],
)
def test_a_checkpoint_of_another_fit(seed, fingerprint, message, tmp_path):
    about = {"environment": {}, "start": "", "over": False, "state": None}
    with opened_file(tmp_path / "fit.ckpt", None) as file:
        file.write(about | {"fingerprint": {"a": "1"}, "seed": seed}, {})
        with pytest.raises(CheckpointError, match=message):
            Checkpoint(file, fingerprint, 7, 60)
        if seed == 5:
            assert Checkpoint(file, {"a": "1"}, 7, 60).seed == 5


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        ({"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "2"}, ["a was 1, is now 2"]),
        ({"a": "1"}, {}, ["a was 1, is now not there"]),
        ({}, {"a": "1"}, ["a was not there, is now 1"]),
        ([], {"a": "1"}, ["a was not there, is now 1"]),
        ({"a": "f [0a]"}, {"a": "f [0b]"}, ["a was f with other content"]),
        ({"a": "{1, 2} [0a]"}, {"a": "{2, 1} [0a]"}, []),
        ({"a": "f [0a]"}, {"a": "g [0b]"}, ["a was f [0a], is now g [0b]"]),
        (
            {"X": "x [0]", "y": "y [0]", "sample_weight": "w", "b": "1"},
            {"X": "x [1]", "y": "y [1]", "sample_weight": "v", "b": "2"},
            ["X was x with other content", "b was 1, is now 2"],
        ),
    ],
)
def test_differences_are_named(known, now, expected):
    assert differences(known, now) == expected
