"""Worker threads that take turns: only one of them runs at any time.

A fit cannot be left in the middle and continued later, but a thread can wait there.
"""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from sklearn import config_context, get_config

_CURRENT: ContextVar["WorkerThread | None"] = ContextVar("skcnn_worker_thread", default=None)


class WorkerThreadEnded(BaseException):
    """Raised inside the work when its thread is ended; not an error of the work."""


def current_worker_thread() -> "WorkerThread | None":
    """Return the worker thread in which this code runs, if any."""
    return _CURRENT.get()


def own_seconds() -> float:
    """Return the seconds of a clock that stands still while other worker threads run."""
    thread = _CURRENT.get()
    return time.perf_counter() - (0.0 if thread is None else thread.seconds_away)


class WorkerThread:
    """Work in a thread of its own, which waits after every part of it.

    The holder of the thread calls `advance` and `end`, the work calls `pause` and `ask`.

    Parameters
    ----------
    work : callable
        The work, without arguments.
    trains_jointly : bool, default=False
        Whether networks in training ask to be trained together with those of other worker
        threads.

    Attributes
    ----------
    request : object or None
        What the work asks for before it can continue.
    answer : object
        The holder's answer; an exception is raised in the work.
    n_threads : int
        Number of threads of torch where the work asked.
    seconds_away : float
        Seconds of waiting, without the work's share of what was computed for it meanwhile.
    over : bool
        Whether the work has ended.
    ending : bool
        Whether the work is to end at the next pause.
    interrupted : bool
        Whether it ends only because its holder was interrupted.
    result : object
        What the work returned.
    error : BaseException or None
        What the work raised.
    """

    def __init__(self, work: Callable[[], Any], trains_jointly: bool = False) -> None:
        self.trains_jointly = trains_jointly
        self.request: Any = None
        self.answer: Any = None
        self.n_threads = 1
        self.seconds_away = 0.0
        self.over = False
        self.ending = False
        self.interrupted = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._config = get_config()
        # a new thread has the default device and stream, not the current ones
        self._stream = torch.cuda.current_stream() if torch.cuda.is_initialized() else None
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._thread: threading.Thread | None = None  # started by the first `advance`

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
        """End the work at its pause, and wait for the thread."""
        self.ending = True
        if self._thread is None:
            self.over = True
            return
        self._go.release()
        self._thread.join()

    def pause(self) -> None:
        """Wait until this thread is advanced again."""
        if self.ending:
            return
        start = time.perf_counter()
        self._paused.release()
        self._go.acquire()
        self.seconds_away += time.perf_counter() - start

    def ask(self, request: Any) -> Any:
        """Wait for the answer to `request` and return it.

        Raises
        ------
        WorkerThreadEnded
            If the thread is ended instead.
        """
        self.request = request
        self.n_threads = torch.get_num_threads()
        self.pause()
        if self.ending:
            raise WorkerThreadEnded
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
