"""Settings of torch that belong to the process, changed while a block of any thread runs.

Blocks of several threads may overlap: a setting is remembered when the first block changes
it, and restored when the last block ends.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

EXACT = ("none", "ieee")  # values of fp32_precision that keep float32
# torch 2.9 and later have a precision for each kind of operation
HAS_OPERATORS = hasattr(torch.backends.mkldnn, "conv")


class Setting:
    """A setting with a getter and a setter.

    Parameters
    ----------
    read, write : callable
        Getter and setter.
    right : object
        The value that blocks need.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None], right: Any) -> None:
        self.read = read
        self.write = write
        self.right = right

    def is_right(self) -> bool:
        """Return whether blocks can compute with the present value."""
        return bool(self.read() == self.right)

    def set_right(self) -> None:
        """Set the value that blocks need."""
        self.write(self.right)


class Precision(Setting):
    """The precision of some operations on float32, which is exact in blocks.

    Parameters
    ----------
    operators : sequence
        Objects with an attribute ``fp32_precision``.
    older : Setting or None, default=None
        torch's older setting for these operations. Writing it writes the operators' too, and
        torch refuses to read it where an operator differs from it.
    """

    def __init__(self, operators: Sequence[Any], older: Setting | None = None) -> None:
        super().__init__(self._read, self._write, None)
        self.operators = operators
        self.older = older

    def is_right(self) -> bool:
        """Return whether the operators are exact."""
        return all(operator.fp32_precision in EXACT for operator in self.operators)

    def set_right(self) -> None:
        """Make the operators exact, and the older setting consistent with them."""
        older = None if self.older is None or self._read_older() is None else self.older.right
        self._write((older, ["ieee"] * len(self.operators)))

    def _read(self) -> tuple[Any, list[str]]:
        shown = [operator.fp32_precision for operator in self.operators]
        older = self._read_older()
        with _no_common_precision():
            own = [operator.fp32_precision for operator in self.operators]
        # what an operator shows beside a common precision is its own, or the common one
        return older, [a if a == b else "none" for a, b in zip(shown, own, strict=True)]

    def _write(self, value: tuple[Any, list[str]]) -> None:
        older, precisions = value
        if self.older is not None and older is not None:
            self.older.write(older)
        for operator, precision in zip(self.operators, precisions, strict=True):
            operator.fp32_precision = precision

    def _read_older(self) -> Any:
        try:
            return None if self.older is None else self.older.read()
        except RuntimeError:
            return None


@contextmanager
def _no_common_precision() -> Iterator[None]:
    """Take away the precisions that operators without one of their own follow."""
    everything: Any = torch.backends
    on_cuda: Any = torch.backends.cudnn
    of_everything = everything.fp32_precision
    everything.fp32_precision = "none"
    of_cuda = on_cuda.fp32_precision
    on_cuda.fp32_precision = "none"
    try:
        yield
    finally:
        on_cuda.fp32_precision = of_cuda
        everything.fp32_precision = of_everything


def _attribute(owner: Any, name: str, right: Any) -> Setting:
    """Return the setting that is an attribute."""
    return Setting(lambda: getattr(owner, name), lambda value: setattr(owner, name, value), right)


def _precisions() -> tuple[list[Setting], list[Setting]]:
    """Return the settings of float32 operations that matter on the CPU, and those on CUDA."""
    cpu: Any = torch.backends.mkldnn
    cudnn: Any = torch.backends.cudnn
    products = Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"
    )
    convolutions = _attribute(cudnn, "allow_tf32", False)
    if not HAS_OPERATORS:
        return [products], [convolutions]
    return [Precision([cpu.matmul, cpu.conv, cpu.rnn])], [
        Precision([torch.backends.cuda.matmul, cpu.matmul], products),
        Precision([cudnn.conv, cudnn.rnn], convolutions),
    ]


_EXACT_ON_CPU, _EXACT_ON_CUDA = _precisions()
_ON_CPU = [Setting(torch.get_default_dtype, torch.set_default_dtype, torch.float32), *_EXACT_ON_CPU]
_ON_CUDA = [
    *_ON_CPU,
    *_EXACT_ON_CUDA,
    _attribute(torch.backends.cudnn, "enabled", True),
    _attribute(torch.backends.cudnn, "benchmark", False),
    _attribute(torch.backends.cudnn, "deterministic", True),
]

_lock = threading.Lock()
# the thread of each open block, and what tells the blocks apart
_blocks: list[tuple[int, object]] = []
_before: dict[Setting, Any] = {}  # what the blocks have changed, in this order


def settings_are_right() -> bool:
    """Return whether CPU computations need no block, since no setting is or may become wrong."""
    with _lock:
        if _blocks:  # which restore their settings when they end
            return False
        return all(setting.is_right() for setting in _ON_CPU)


@contextmanager
def right_settings(*, cuda: bool) -> Iterator[None]:
    """Compute float32 exactly and by default; on CUDA also with deterministic convolutions.

    Parameters
    ----------
    cuda : bool
        Whether the block computes on CUDA.
    """
    block = threading.get_ident(), object()
    try:
        with _lock:
            _blocks.append(block)
            for setting in _ON_CUDA if cuda else _ON_CPU:
                if not setting.is_right():
                    if setting not in _before:
                        _before[setting] = setting.read()
                    setting.set_right()
        yield
    finally:
        with _lock:
            if block in _blocks:  # Ctrl-C may have come before
                _blocks.remove(block)
            _restore_after_the_last()


def _restore_after_the_last() -> None:
    if not _blocks:
        for setting, value in reversed(_before.items()):
            setting.write(value)
        _before.clear()


def _forget_other_threads() -> None:
    """Keep the blocks of the only thread that a forked process has."""
    global _lock
    _lock = threading.Lock()
    _blocks[:] = [block for block in _blocks if block[0] == threading.get_ident()]
    _restore_after_the_last()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
