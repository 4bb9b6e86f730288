"""Lack of memory on a device: how it is recognised, and computations in halves."""

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

from skcnn.exceptions import OutOfMemoryError, OutOfMemoryWarning

T = TypeVar("T")

# In the messages of RuntimeErrors, by which torch's CPU allocator, cuDNN, cuBLAS and MPS
# report that there is too little memory. CUDA's own allocator has a class of errors.
MESSAGES = (
    "DefaultCPUAllocator",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is too little memory, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(each in str(error) for each in MESSAGES)


def free_cached_memory(device: torch.device) -> None:
    """Let torch give back the memory that it keeps for later tensors on an accelerator."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


class Halving:
    """Computes a pass in halves, and these again, where the device has too little memory.

    Every pass is first tried as a whole, so that its numbers do not depend on other passes.

    Parameters
    ----------
    device : torch.device
        The device, for the messages.
    what : str
        What is computed for the samples of a pass, for the messages.

    Attributes
    ----------
    fewest : int or None
        The size of the smallest passes so far, None if none was divided.
    """

    def __init__(self, device: torch.device, what: str) -> None:
        self.device = device
        self.what = what
        self.fewest: int | None = None

    def run(self, compute: Callable[[int, int, int], T], start: int, n: int, rows: int) -> list[T]:
        """Return what `compute` returns for the pass, or for its parts in order.

        Parameters
        ----------
        compute : callable
            Called with the first sample, the number of samples and the number of rows to which
            these are padded.
        start, n, rows : int
            These numbers for the whole pass.

        Raises
        ------
        OutOfMemoryError
            If there is too little memory for one sample.
        """
        try:
            return [compute(start, n, rows)]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if rows == 1:
                raise OutOfMemoryError(
                    f"The memory of {str(self.device)!r} is too small for {self.what} of one "
                    "sample. Use smaller samples, a smaller network or a device with more memory."
                ) from error
        # here and not in the block above: the error's traceback keeps tensors
        free_cached_memory(self.device)
        half = (rows + 1) // 2
        self.fewest = half if self.fewest is None else min(half, self.fewest)
        parts: list[T] = []
        for first in range(0, n, half):
            parts += self.run(compute, start + first, min(half, n - first), half)
        return parts

    def warn(self) -> None:
        """Warn if passes were divided."""
        if self.fewest is not None:
            warnings.warn(
                f"The memory of {str(self.device)!r} was too small for {self.what} of as many "
                f"samples at a time as usual: parts of down to {self.fewest} were computed, which "
                "is slower. The results are equal up to rounding.",
                OutOfMemoryWarning,
                stacklevel=2,
            )
