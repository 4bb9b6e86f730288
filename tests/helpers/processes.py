"""Processes that tests start, exchange messages with, and kill."""

import multiprocessing
import time
from multiprocessing.connection import wait
from types import SimpleNamespace

import torch

LONGEST = 120  # seconds until a test gives up
PROCESSES = multiprocessing.get_context("forkserver")  # imports torch once for all children
PROCESSES.set_forkserver_preload(
    [
        *(
            "skcnn.model_selection._search",
            "skcnn.model_selection._running.runner",
            "skcnn._training.engine",
            "skcnn._convnet.classifier",
        ),
        *("optuna.storages._rdb.storage", "psycopg2", "alembic.command", "torch._dynamo"),
        *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql"),
        *("sklearn.datasets", "sklearn.linear_model", "pandas", "pytest"),
    ]
)
THIS_CHILD = SimpleNamespace(connection=None)  # set in a child


class Child:
    """A function in a process of its own.

    Parameters
    ----------
    function : callable
        Defined in a module; may call `tell_parent` and `hear_parent`. What it returns is
        its last message.
    *args : object
        Arguments of the function.
    """

    def __init__(self, function, *args):
        self.connection, there = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=_child, args=(there, function, args))
        self.process.start()
        there.close()

    def hear(self):
        """Wait for the next message of the child."""
        ready = wait([self.connection, self.process.sentinel], timeout=LONGEST)
        assert ready, "the child says nothing"
        assert self.connection.poll(), f"the child died with {self.process.exitcode}"
        kind, message = self.connection.recv()
        assert kind != "error", message
        return message

    def tell(self, what):
        self.connection.send(what)

    def kill(self):
        """Kill it like ``kill -9``, and wait for its end."""
        self.process.kill()
        self.join()

    def join(self):
        self.process.join(LONGEST)
        assert self.process.exitcode is not None

    def close(self):
        self.kill()
        self.connection.close()


def _child(connection, function, args):
    THIS_CHILD.connection = connection
    torch.set_num_threads(1)
    try:
        result = function(*args)
    except BaseException as error:
        connection.send(("error", f"{type(error).__name__}: {error}"))
        raise
    connection.send(("result", result))


def tell_parent(what):
    THIS_CHILD.connection.send(("message", what))


def hear_parent():
    """Wait for a message of the parent, without a time limit."""
    return THIS_CHILD.connection.recv()


def block(what):
    """Tell the parent and wait for it, or for the end."""
    tell_parent(what)
    hear_parent()


def until(condition, longest=LONGEST):
    """Wait until a condition comes true that no message announces."""
    end = time.monotonic() + longest
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def names(folder):
    return sorted(path.name for path in folder.iterdir())
