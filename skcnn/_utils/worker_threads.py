"""Work in threads that take turns: each stops where it has to wait for the others.

A fit cannot be left in the middle and taken up again, a thread can. Only one of them runs at
any time. Knows no network and no estimator.
"""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from sklearn import config_context, get_config

_CURRENT: ContextVar["Strand | None"] = ContextVar("skcnn_strand", default=None)


class StrandEnded(BaseException):
    """What a strand was doing is not wanted any more; no error of the work."""


def current_strand() -> "Strand | None":
    """Return the strand that this code runs in, if any."""
    return _CURRENT.get()


def own_seconds() -> float:
    """Return the seconds of a clock that stands still while other strands run."""
    strand = _CURRENT.get()
    return time.perf_counter() - (0.0 if strand is None else strand.seconds_away)


class Strand:
    """Work in a thread of its own that stops after every part of it.

    Parameters
    ----------
    work : callable
        What is done; it may call `pause` and `ask` of this strand.
    company : bool, default=False
        Whether networks in training ask to be trained together with those of other strands.

    Attributes
    ----------
    request : object or None
        What the strand asks for before it can go on.
    answer : object
        What it is given; an exception is raised in the strand.
    n_threads : int
        On how many threads torch computed where it was asked for.
    seconds_away : float
        How long it stood still, less its share of what others did for it.
    over : bool
        Whether the work has come to an end.
    ending : bool
        Whether it is to come to an end at the next pause.
    result : object
        What the work returned.
    error : BaseException or None
        What it raised.
    """

    def __init__(self, work: Callable[[], Any], company: bool = False) -> None:
        self.company = company
        self.request: Any = None
        self.answer: Any = None
        self.n_threads = 1
        self.seconds_away = 0.0
        self.over = False
        self.ending = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._config = get_config()
        # a thread begins on the default device and stream, whatever is current here
        self._stream = torch.cuda.current_stream() if torch.cuda.is_initialized() else None
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._thread: threading.Thread | None = None  # until it is needed

    # For who holds the strands

    def advance(self) -> None:
        """Run to the next pause, or to the end."""
        if not self.over:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self.request = None
            self._go.release()
            self._paused.acquire()

    def end(self) -> None:
        """Let the work end where it stands, and wait for the thread."""
        self.ending = True
        if self._thread is None:
            self.over = True
            return
        self._go.release()
        self._thread.join()

    # For the work

    def pause(self) -> None:
        """Let others run until this strand is advanced again."""
        if self.ending:
            return
        left = time.perf_counter()
        self._paused.release()
        self._go.acquire()
        self.seconds_away += time.perf_counter() - left

    def ask(self, request: Any) -> Any:
        """Wait for the answer to `request` and return it.

        Raises
        ------
        StrandEnded
            If there will be none.
        """
        self.request = request
        self.n_threads = torch.get_num_threads()
        self.pause()
        if self.ending:
            raise StrandEnded
        answer, self.answer = self.answer, None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self) -> None:
        self._go.acquire()
        _CURRENT.set(self)
        try:
            if self._stream is not None:
                torch.cuda.set_stream(self._stream)
            if not self.ending:
                with config_context(**self._config):
                    self.result = self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.over = True
            self._paused.release()
