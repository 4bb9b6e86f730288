"""Ctrl-C in blocks that must not be left in the middle."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended."""
    arrived: list[tuple[int, Any]] = []
    previous = _handler()
    with _handled_by(lambda number, frame: arrived.append((number, frame))):
        yield
    if arrived and previous is not None:
        previous(*arrived[0])


@contextmanager
def noticed_interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C came in the block, where it acts as usual.

    skorch's callbacks raise KeyboardInterrupt, too, in order to stop a training.
    """
    arrived: list[int] = []
    previous = _handler()

    def handler(number: int, frame: Any) -> None:
        arrived.append(number)
        if previous is not None:
            previous(number, frame)

    with _handled_by(handler):
        yield lambda: bool(arrived)


def _handler() -> Callable[[int, Any], Any] | None:
    """Return Python's handler of Ctrl-C, None where there is none or other threads run it."""
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGINT)
    return handler if callable(handler) else None


@contextmanager
def _handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Let `handler` handle Ctrl-C inside the block, if Python handles it in this thread."""
    previous = _handler()
    if previous is None:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, previous)
