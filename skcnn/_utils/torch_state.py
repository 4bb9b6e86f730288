"""The state of torch in which everything is computed, whatever the caller's is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

from skcnn._utils.process_settings import right_settings, settings_are_right
from skcnn._utils.threads import is_forked, torch_threads

P = ParamSpec("P")
T = TypeVar("T")

DEVICE_TYPES = ("cpu", "cuda", "mps")  # that estimators compute on
_TINY, _ONE = 5e-324, 1.0  # Python's floats are flushed to zero as torch's are


def in_standard_torch_state(function: Callable[P, T]) -> Callable[P, T]:
    """Run `function` in the standard state. Each public function that uses torch is decorated."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        if _is_standard():  # entering a block takes longer than this check
            try:
                return function(*args, **kwargs)
            except BaseException:
                torch.set_grad_enabled(True)  # Ctrl-C inside of no_grad's own code may leave it off
                raise
        with standard_torch_state():
            return function(*args, **kwargs)

    return run


@contextmanager
def standard_torch_state() -> Iterator[None]:
    """Compute with gradients, in float32, on the CPU by default, without autocast.

    The caller may have left this state by ``torch.autocast``, ``torch.inference_mode``,
    ``torch.no_grad``, ``torch.set_default_dtype``, ``torch.set_default_device``,
    ``torch.set_flush_denormal`` or the precision of float32 operations. All of it is restored
    at the end of the block. A forked process computes on one thread inside: torch's pool of
    threads does not survive a fork.
    """
    with ExitStack() as stack:
        stack.enter_context(right_settings(cuda=False))
        for change in _changes():
            stack.enter_context(change)
        yield


def _is_standard() -> bool:
    return (
        torch.is_grad_enabled()
        and not torch.is_inference_mode_enabled()
        and not any(map(torch.is_autocast_enabled, DEVICE_TYPES))
        and settings_are_right()
        and _cpu_is_default()
        and _TINY * _ONE > 0
        and not is_forked()
    )


def _changes() -> Iterator[AbstractContextManager[object]]:
    """Yield the blocks that lead from this thread's state to the standard state."""
    yield torch.inference_mode(False)
    yield torch.enable_grad()
    for kind in filter(torch.is_autocast_enabled, DEVICE_TYPES):
        yield _no_autocast(kind)
    if not _cpu_is_default():
        yield torch.device("cpu")
    if _TINY * _ONE == 0:
        yield _denormal_numbers()
    if is_forked():
        yield torch_threads(1, 0)


def _cpu_is_default() -> bool:
    try:
        return torch.empty(0).device.type == "cpu"
    except Exception:  # torch has no such device
        return False


@contextmanager
def _no_autocast(device_type: str) -> Iterator[None]:
    torch.set_autocast_enabled(device_type, False)
    try:
        yield
    finally:
        torch.set_autocast_enabled(device_type, True)


@contextmanager
def _denormal_numbers() -> Iterator[None]:
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)
