"""The script ``skcnn``: its commands, what it prints of errors, and its exit status."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

import skcnn
from skcnn._command_line.demo import add_demo
from skcnn._command_line.inspect import add_inspect
from skcnn._command_line.output import (
    FOUND,
    INTERRUPTED,
    CommandError,
    complain,
    plain_warnings,
)
from skcnn._command_line.predict import add_predict
from skcnn._command_line.train import add_train
from skcnn.exceptions import SkcnnError

TRACEBACK = "SKCNN_TRACEBACK"  # an environment variable
EPILOG = """\
exit status: 0 success; 1 an error, or something was found (see the commands); 2 wrong options;
130 interrupted by Ctrl-C. skcnn COMMAND --help describes a command."""


def main(arguments: Sequence[str] | None = None, *, program: str = "skcnn") -> int:
    """Run the command that the arguments name.

    Parameters
    ----------
    arguments : sequence of str or None, default=None
        Arguments after the program's name. None takes those of the command line.
    program : str, default="skcnn"
        The program's name in messages.

    Returns
    -------
    int
        The exit status: 0 for success, 1 for an error or findings, 130 after Ctrl-C. An
        unknown command or option exits with status 2.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _make_parser(program).parse_args(arguments)
    options.arguments = arguments
    show_traceback = options.traceback or os.environ.get(TRACEBACK, "") not in ("", "0")
    try:
        with plain_warnings():
            return options.run(options)
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
        return FOUND
    except Exception as error:
        if show_traceback:
            traceback.print_exc()
        complain(_message_of(error, show_traceback))
        return error.status if isinstance(error, CommandError) else FOUND


def _message_of(error: Exception, shown: bool) -> str:
    """Return a message for the user; that of an unexpected error has its kind."""
    if isinstance(error, CommandError | SkcnnError | OSError):
        return f"error: {error}"
    hint = "" if shown else f" (--traceback or {TRACEBACK}=1 shows where)"
    return f"error: {type(error).__name__}: {error}{hint}"


def _make_parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Convolutional networks: from a folder of images to predictions.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skcnn {skcnn.__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--traceback", action="store_true", help="show where an error occurred")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_train(commands, common)
    add_predict(commands, common)
    add_inspect(commands, common)
    add_demo(commands, common)
    return parser
