"""Files that are replaced as a whole or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from skcnn._files.atomic import replaced

KILLED = """
import os, signal, sys
from pathlib import Path
from skcnn._files.atomic import replaced
with replaced(Path(sys.argv[1])) as new:
    new.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileExistsError), replaced(path) as new:
        (new.parent / path.name).touch(exist_ok=False)  # fails
    assert path.read_text() == "old"
    with replaced(path) as new:
        new.write_text("new")
    assert path.read_text() == "new"
    assert [*tmp_path.iterdir()] == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_new_file_of_a_name_replaces_what_a_killed_process_has_left(tmp_path):
    path, new_path = tmp_path / "file", tmp_path / ".file.new"
    (tmp_path / "elsewhere").write_text("kept")
    new_path.symlink_to(tmp_path / "elsewhere")
    with replaced(path, ".file.new") as new:
        assert new == new_path
        assert not new.is_symlink()
        assert stat.S_IMODE(new.stat().st_mode) == 0o600
        new.write_text("whole")
    assert path.read_text() == "whole"
    assert (tmp_path / "elsewhere").read_text() == "kept"
    assert not new_path.exists()
    with pytest.raises(ZeroDivisionError), replaced(path, ".file.new") as new:
        1 / 0  # noqa: B018
    assert path.read_text() == "whole"
    assert not new_path.exists()


def test_the_file_and_its_folder_are_on_the_disk_before_the_end(tmp_path, monkeypatch):
    flushed = []
    fsync = os.fsync

    def note(handle):
        flushed.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    with replaced(tmp_path / "file") as new:
        new.write_text("new")
    assert flushed == [str(new), str(tmp_path)]
    monkeypatch.delattr(os, "O_DIRECTORY")
    with replaced(tmp_path / "file") as new:
        new.write_text("new")
    assert flushed[2:] == [str(new)]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), replaced(path) as new:
        new.write_text("new")
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=120, check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_the_permissions_of_the_old_file_stay(tmp_path, mode):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    with replaced(path) as new:
        new.write_text("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_missing_folder_is_named(tmp_path):
    message = f"no such folder: '{tmp_path / 'gone'}'$"
    with pytest.raises(FileNotFoundError, match=message), replaced(tmp_path / "gone" / "file"):
        pass


def test_a_long_name_is_no_error(tmp_path):
    path = tmp_path / ("x" * 250)
    with replaced(path) as new:
        new.write_text("new")
    assert path.read_text() == "new"
