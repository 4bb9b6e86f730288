"""Lines that commands print, and files that they write."""

import os
import stat

import pytest

from skcnn._command_line import output
from skcnn._command_line.output import CommandError, check_output, complain_of_files
from skcnn._files.atomic import replaced


def test_control_characters_are_escaped(capsys):
    output.say("a\x1b[31m\nb")
    output.complain("\udcff")
    assert capsys.readouterr() == ("a\\x1b[31m\\nb\n", "skcnn: \\udcff\n")


def test_table_is_aligned(capsys):
    output.print_table(["class", "n"], [["a", 5], ["long name", 123]])
    assert capsys.readouterr().out == "  class        n\n  a            5\n  long name  123\n"


def test_many_files_are_counted(capsys):
    complain_of_files({f"{number}.png": "broken" for number in range(23)}, "left out")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "skcnn: 23 files cannot be read and left out:"
    assert lines[1] == "skcnn:   0.png: broken"
    assert lines[-1].startswith("skcnn:   and 3 more")
    assert len(lines) == 22


def test_output_in_no_folder(tmp_path):
    with pytest.raises(CommandError, match=r"--model: the folder '.*nowhere' does not exist"):
        check_output(tmp_path / "nowhere" / "m", "--model")


def test_output_that_is_a_folder(tmp_path):
    with pytest.raises(CommandError, match=r"--model: '.*' is a folder. Name a file"):
        check_output(tmp_path, "--model")


def test_output_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandError, match=r"--report: the folder '.*' cannot be written to"):
        check_output(tmp_path / "r", "--report")


def test_output_that_exists(tmp_path):
    (tmp_path / "m").touch()
    with pytest.raises(CommandError, match=r"'.*m' exists. --force replaces it"):
        check_output(tmp_path / "m", "--model", force=False)
    check_output(tmp_path / "m", "--model")


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    link.symlink_to(target)  # which does not exist yet
    for text in ("first", "second"):
        check_output(link, "--output")
        with replaced(link) as new:
            assert new.parent == target.parent
            new.write_text(text)
        assert link.is_symlink()
        assert target.read_text() == text


def test_a_link_into_no_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "file")
    with pytest.raises(CommandError, match=r"--output: the folder '.*nowhere' does not exist"):
        check_output(tmp_path / "link", "--output")


def test_a_pipe_is_written_to_and_stays(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_output(pipe, "--output")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with replaced(pipe) as new:
            new.write_text("table")
        assert os.read(reader, 100) == b"table"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandError, match=r"--output: '.*pipe' cannot be written to"):
        check_output(pipe, "--output")
