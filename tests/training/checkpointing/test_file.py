"""The file of a fit: one fit at a time, replaced whole, read with care."""

import os

import pytest
from filelock import FileLock

import skcnn
from skcnn._files.container import write_container
from skcnn._training.checkpointing.file import (
    FORMAT_VERSION,
    KEYS,
    KIND,
    CheckpointFile,
    check_place,
    opened_file,
)
from skcnn.exceptions import CheckpointError
from tests.helpers.forks import exit_code_of_child, forks
from tests.helpers.processes import names

MANIFEST = dict.fromkeys(KEYS - {"kind", "format_version"}, 0)


def test_a_place_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_place("fit.ckpt") == tmp_path / "fit.ckpt"


def test_one_fit_at_a_time(tmp_path):
    path = tmp_path / "fit.ckpt"
    with opened_file(path, None) as file:
        assert file.read() is None
        assert names(tmp_path) == [".fit.ckpt.skcnn-lock"]
        with pytest.raises(CheckpointError, match="Another fit that is running uses the"):
            open_and_close(path)
        file.write(MANIFEST, {})
    assert names(tmp_path) == ["fit.ckpt"]
    open_and_close(path)
    with opened_file(path, None) as file:
        file.remove()
        file.remove()
    assert names(tmp_path) == []


def open_and_close(path, name=None):
    with opened_file(path, name) as file:
        return file.path.name


@forks
def test_a_dead_process_holds_no_file(tmp_path):
    path = tmp_path / "fit.ckpt"

    def die():
        CheckpointFile(path)
        path.with_name(".fit.ckpt.new").touch()  # as if it were writing
        os._exit(0)

    assert exit_code_of_child(die) == 0
    assert names(tmp_path) == [".fit.ckpt.new", ".fit.ckpt.skcnn-lock"]
    assert open_and_close(path) == "fit.ckpt"
    assert names(tmp_path) == []


def test_siblings_get_numbers_and_those_that_are_left_come_first(tmp_path):
    path = tmp_path / "fit.a.ckpt"
    with opened_file(path, "f00") as first, opened_file(path, "f00") as second:
        assert first.path.name == "fit.a-f00.ckpt"
        assert second.path.name == "fit.a-f00-2.ckpt"
        assert open_and_close(path, "f00") == "fit.a-f00-3.ckpt"
        assert open_and_close(path, "f01") == "fit.a-f01.ckpt"
        second.write(MANIFEST, {})
        with opened_file(path, "f00") as third:
            assert third.path.name == "fit.a-f00-3.ckpt"
    with opened_file(path, "f00") as file:
        assert file.path.name == "fit.a-f00-2.ckpt"
        assert open_and_close(path, "f00") == "fit.a-f00.ckpt"


def test_no_place_beside_many_fits(tmp_path, monkeypatch):
    monkeypatch.setattr("skcnn._training.checkpointing.file.MOST_SIBLINGS", 3)
    path = tmp_path / "fit"
    error = pytest.raises(CheckpointError, match="Another fit that is running")
    with opened_file(path, "f"), opened_file(path, "f"), error:
        open_and_close(path, "f")


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "fit.ckpt"
    with opened_file(path, None) as file:
        file.write(MANIFEST, {})
        manifest, arrays = file.read()
    assert manifest == MANIFEST | {"kind": KIND, "format_version": FORMAT_VERSION}
    assert arrays == {}


def write(manifest):
    return lambda path: write_container(path, manifest, {})


WHOLE = MANIFEST | {"kind": KIND, "format_version": FORMAT_VERSION}
OTHERS = {
    "text": (lambda path: path.write_text("notes"), "cannot be read as a checkpoint: "),
    "pickle": (lambda path: path.write_bytes(b"\x80\x04."), "cannot be read.*a pickle"),
    "model": (
        lambda path: skcnn.save(skcnn.augmentation.RandomFlip(), path),
        "is no checkpoint of a fit, but another file of skcnn",
    ),
    "list": (write([]), "is no checkpoint of a fit"),
    "newer": (write(WHOLE | {"format_version": 2}), "has the format version 2; this .* reads 1"),
    "entries": (write(WHOLE | {"more": 1}), "has a damaged manifest"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_errors_and_stay(name, tmp_path):
    path = tmp_path / "fit.ckpt"
    make, message = OTHERS[name]
    make(path)
    before = path.read_bytes()
    with opened_file(path, None) as file, pytest.raises(CheckpointError, match=message):
        file.read()
    assert path.read_bytes() == before


def test_every_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "fit.ckpt"
    with opened_file(path, None) as file:
        file.write(MANIFEST, {})
        content = path.read_bytes()
        for place in range(0, len(content), 7):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
                file.read()


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "fit.lock").write_text("precious")
    (tmp_path / ".fit.skcnn-lock").touch()  # left by a process that was killed
    assert open_and_close(tmp_path / "fit") == "fit"
    assert names(tmp_path) == ["fit.lock"]
    assert (tmp_path / "fit.lock").read_text() == "precious"
    lock = tmp_path / ".fit.skcnn-lock"
    lock.write_text("precious")
    with pytest.raises(CheckpointError, match=r"cannot be written: .*no lock of skcnn"):
        open_and_close(tmp_path / "fit")
    assert lock.read_text() == "precious"
    lock.write_text("")
    with FileLock(lock), pytest.raises(CheckpointError, match="Another fit"):
        open_and_close(tmp_path / "fit")


def test_a_link_stays_and_what_it_leads_to_is_the_file(tmp_path):
    (tmp_path / "scratch").mkdir()
    link = tmp_path / "fit.ckpt"
    link.symlink_to(tmp_path / "scratch" / "real.ckpt")
    place = check_place(link)
    assert place == tmp_path / "scratch" / "real.ckpt"
    with opened_file(place, None) as file:
        file.write(MANIFEST, {})
        assert names(tmp_path) == ["fit.ckpt", "scratch"]
        file.remove()
    assert link.is_symlink()
    assert names(tmp_path / "scratch") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\0b", "which is no name of a file"),
        ("nodir/", "which is no name of a file"),
        ("\xe4" * 101, "a name of more than 200 bytes"),
    ],
)
def test_names_that_no_file_can_have(name, message, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        check_place(f"{tmp_path}/{name}")
