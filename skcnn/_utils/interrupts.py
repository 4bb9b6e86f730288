"""Ctrl-C in blocks that must not be left in the middle."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended."""
    handler = _Handler(_handler())
    with handler.installed():
        yield


def uninterrupted(function: Callable[[], None]) -> None:
    """Call a function that cleans up. Ctrl-C waits until it has returned."""
    is_done = False
    try:
        with deferred_interrupts():
            function()
            is_done = True
    except KeyboardInterrupt:
        if not is_done:  # it came before the block began
            function()
        raise


@contextmanager
def noticed_interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C came in the block, where it acts as usual.

    skorch's callbacks raise KeyboardInterrupt, too, in order to stop a training.
    """
    handler = _Handler(_handler())
    with handler.installed():
        handler.passes_on = True
        try:
            handler.pass_on()
            yield lambda: handler.has_come
        finally:
            handler.passes_on = False  # until the handler before is back in its place


def _handler() -> Callable[[int, Any], Any] | None:
    """Return Python's handler of Ctrl-C, None where there is none or other threads run it."""
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGINT)
    return handler if callable(handler) else None


class _Handler:
    """Handles Ctrl-C in a block. It keeps one that comes, or passes it on to the handler before.

    Parameters
    ----------
    before : callable or None
        The handler before. None where Python does not handle Ctrl-C in this thread.

    Attributes
    ----------
    passes_on : bool
        Whether Ctrl-C acts at once.
    has_come : bool
        Whether it has come.
    """

    def __init__(self, before: Callable[[int, Any], Any] | None) -> None:
        self.before = before
        self.passes_on = False
        self.has_come = False
        self._waiting: list[tuple[int, Any]] = []

    def __call__(self, number: int, frame: Any) -> None:
        """Take note of Ctrl-C, as the handler of the signal."""
        self.has_come = True
        self._waiting.append((number, frame))
        if self.passes_on:
            self.pass_on()

    def pass_on(self) -> None:
        """Let the handler before handle a Ctrl-C that waits."""
        if self._waiting and self.before is not None:
            first = self._waiting[0]
            self._waiting.clear()
            self.before(*first)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle Ctrl-C inside the block; what waits at its end acts then."""
        before = self.before
        if before is None:
            yield
            return
        signal.signal(signal.SIGINT, self)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) is self:
                signal.signal(signal.SIGINT, before)
        self.pass_on()
