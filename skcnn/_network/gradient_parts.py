"""The gradients of a batch, in parts where a device has too little memory for all of it."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from skcnn._utils.out_of_memory import free_cached_memory, is_out_of_memory
from skcnn.exceptions import OutOfMemoryError, OutOfMemoryWarning
from skcnn.layers._normalization import BATCH_NORMS, is_fixed

Batch = tuple[Tensor, tuple[Tensor, Tensor | None]]  # samples, their targets and weights
Forward = Callable[[Batch], tuple[Tensor, Tensor]]
KNOWN_PACKAGES = ("skcnn", "torch")


def computes_each_sample_alone(module: nn.Module) -> bool:
    """Return whether it is known that an output depends on no other sample, in the present mode.

    It does where batch normalisation uses the statistics of the batch. Of a user's module,
    whose code may do anything, it is not known.
    """
    return all(_is_sample_wise(part) for part in module.modules())


def _is_sample_wise(part: nn.Module) -> bool:
    if type(part).__module__.partition(".")[0] not in KNOWN_PACKAGES:
        return False
    keeps_statistics = (
        isinstance(part, BATCH_NORMS) or getattr(part, "running_mean", None) is not None
    )
    return not keeps_statistics or is_fixed(part) or not part.training


class GradientParts:
    """Computes the gradients of batches, in parts once there was too little memory for one.

    The gradients of the parts of a batch add up to those of the batch, up to rounding and
    other draws of dropout.

    Parameters
    ----------
    device : torch.device
        Where the network is.

    Attributes
    ----------
    most : int or None
        Largest number of samples in a part, None while whole batches fit.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.most: int | None = None

    def add(self, forward: Forward, batch: Batch, module: nn.Module) -> tuple[Tensor, Tensor]:
        """Add the gradients of a batch, and return its loss and outputs.

        Parameters
        ----------
        forward : callable
            Returns the mean loss and the outputs for a batch.
        batch : (Tensor, (Tensor, Tensor or None))
            Samples, targets and weights.
        module : nn.Module
            The network, which collects the gradients. It has none yet.

        Raises
        ------
        OutOfMemoryError
            If there is too little memory, and the batch cannot be computed in parts or one
            sample is too much. The message names a batch size that fits, if there is one.
        """
        n = len(batch[0])
        size = n if self.most is None else min(self.most, n)
        done = self._try(forward, batch, size, module)
        return self._in_smaller_parts(forward, batch, size, module) if done is None else done

    def _in_smaller_parts(
        self, forward: Forward, batch: Batch, size: int, module: nn.Module
    ) -> tuple[Tensor, Tensor]:
        n = len(batch[0])
        if not computes_each_sample_alone(module):
            self._raise(n, self._fitting(forward, batch, size, module))
        done = None
        while done is None:
            if size == 1:
                self._raise(n, None)
            size = (size + 1) // 2
            done = self._try(forward, batch, size, module)
        self.most = size
        warnings.warn(
            f"The memory of {str(self.device)!r} was too small to train with {n} samples at a "
            f"time: the gradients of a batch are summed over parts of at most {size}, which is "
            f"slower and gives the same up to rounding. batch_size={size} needs no parts.",
            OutOfMemoryWarning,
            stacklevel=2,
        )
        return done

    def _try(
        self, forward: Forward, batch: Batch, size: int, module: nn.Module
    ) -> tuple[Tensor, Tensor] | None:
        """Add the gradients of parts of `size`; return None, without any, for lack of memory."""
        try:
            if size == len(batch[0]):
                loss, outputs = forward(batch)
                loss.backward()
                return loss.detach(), outputs
            return _sum_over_parts(forward, batch, size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self._forget(module)  # here, since the error's traceback keeps tensors
        return None

    def _fitting(self, forward: Forward, batch: Batch, size: int, module: nn.Module) -> int | None:
        """Return a number of samples that fit, None if not even one does."""
        while size > 1:
            size = (size + 1) // 2
            if self._try(forward, rows_of(batch, 0, size), size, module) is not None:
                return size
        return None

    def _forget(self, module: nn.Module) -> None:
        for parameter in module.parameters():
            parameter.grad = None
        free_cached_memory(self.device)

    def _raise(self, n: int, fitting: int | None) -> None:
        memory = f"The memory of {str(self.device)!r} is too small to train with"
        if fitting is None:
            raise OutOfMemoryError(
                f"{memory} one sample at a time. Use smaller samples, a smaller network or a "
                "device with more memory."
            )
        raise OutOfMemoryError(
            f"{memory} {n} samples at a time. Use batch_size={fitting}, which fits. A batch is not "
            "computed in parts, since batch normalization, or a module of your own, may "
            "depend on all of its samples; with normalization='group' or None it is."
        )


def rows_of(batch: Batch, start: int, stop: int) -> Batch:
    """Return the samples of a batch from one number up to another."""
    inputs, (targets, weights) = batch
    part_of_weights = None if weights is None else weights[start:stop]
    return inputs[start:stop], (targets[start:stop], part_of_weights)


def _sum_over_parts(forward: Forward, batch: Batch, size: int) -> tuple[Tensor, Tensor]:
    """Add the gradients of a batch part by part, and return its loss and outputs."""
    n = len(batch[0])
    total = torch.zeros((), device=batch[0].device)
    outputs = []
    for start in range(0, n, size):
        part = rows_of(batch, start, min(start + size, n))
        loss, out = forward(part)
        share = loss * (len(part[0]) / n)
        share.backward()
        total += share.detach()
        outputs.append(out.detach())
    return total, torch.cat(outputs)
