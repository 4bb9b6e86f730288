"""The script: options, exit statuses, messages of errors, and both ways to start it."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

import skcnn
from skcnn._command_line import demo
from skcnn._command_line.main import _make_parser, main
from skcnn.exceptions import RareClassWarning
from tests.helpers.folders import save_colours

ROOT = Path(skcnn.__file__).parents[1]
LOAD = "import sys; from importlib.metadata import EntryPoint as E; "
LOAD += "sys.exit(E('skcnn', sys.argv.pop(1), 'console_scripts').load()())"


def demo_that(raises, monkeypatch):
    """Make the demonstration raise an error."""

    def run_demo(output):
        raise raises

    monkeypatch.setattr(demo, "run_demo", run_demo)


@pytest.mark.parametrize(
    "arguments",
    [[], ["trian"], ["demo", "--folder", "x"], ["train", "x"], ["predict", "x"], ["inspect"]],
)
def test_wrong_arguments_exit_with_status_two(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: skcnn" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "predict", "inspect", "demo"])
def test_every_command_has_a_help(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: skcnn {command}" in out
    assert "--traceback" in out


def test_help_names_the_commands_and_the_exit_statuses(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n    {name} " in out for name in ("train", "predict", "inspect", "demo"))
    assert "130 interrupted" in out


def documented_commands():
    """Return the commands in the shell blocks of the pages."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"```(?:shell)?\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if line.startswith("skcnn ")]


@pytest.mark.parametrize("command", sorted({*documented_commands()}))
def test_commands_of_the_pages_are_legal(command):
    name, *arguments = shlex.split(command)
    assert callable(_make_parser(name).parse_args(arguments).run)


def test_the_pages_show_every_command_for_folders():
    shown = {command.split()[1] for command in documented_commands()}
    assert shown == {"train", "predict", "inspect"}


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"skcnn {skcnn.__version__}\n"


def test_ctrl_c_exits_with_130(monkeypatch, capsys):
    demo_that(KeyboardInterrupt(), monkeypatch)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "skcnn: interrupted\n"


def test_unexpected_error_shows_its_kind_and_no_traceback(monkeypatch, capsys):
    demo_that(ZeroDivisionError("division by zero"), monkeypatch)
    monkeypatch.delenv("SKCNN_TRACEBACK", raising=False)
    assert main(["demo"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("skcnn: error: ZeroDivisionError: division by zero (--traceback or ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("by_option", [True, False])
def test_traceback_is_shown_where_asked_for(by_option, monkeypatch, capsys):
    demo_that(ZeroDivisionError("division by zero"), monkeypatch)
    monkeypatch.setenv("SKCNN_TRACEBACK", "0" if by_option else "1")
    assert main(["demo", *(["--traceback"] if by_option else [])]) == 1
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("\nskcnn: error: ZeroDivisionError: division by zero\n")


def test_warnings_are_lines_and_the_filters_are_restored(monkeypatch, capsys):
    def run_demo(output):
        warnings.warn("rare\n  class", RareClassWarning, stacklevel=1)

    monkeypatch.setattr(demo, "run_demo", run_demo)
    assert main(["demo"]) == 0
    assert capsys.readouterr().err == "skcnn: warning: rare class\n"
    with pytest.raises(RareClassWarning):
        run_demo(None)


def run(*command, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], env=environment, text=True, timeout=120, **options
    )


@pytest.mark.slow
def test_module_runs_as_a_program(tmp_path):
    folder = save_colours(tmp_path / "colours", n=1)
    done = run("-m", "skcnn", "inspect", str(folder), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 images in 2 classes" in done.stdout


def test_entry_point_of_the_script():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project["scripts"]["skcnn"]
    done = run("-c", LOAD, address, "--version", capture_output=True, check=True)
    assert done.stdout == f"skcnn {skcnn.__version__}\n"


def test_a_reader_that_has_enough_ends_the_command_without_a_traceback(tmp_path):
    folder = save_colours(tmp_path / "colours", n=1)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as closed:
        done = run("-m", "skcnn", "inspect", str(folder), stdout=closed, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "")
