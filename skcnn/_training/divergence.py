"""The checks that training has not diverged, and what is known about where it has."""

from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from skcnn.exceptions import TrainingDivergedError


class BatchLosses:
    """The losses of the batches of an epoch, summed on the device.

    The sum after each batch is kept, so that the first batch whose loss is infinite or NaN is
    found at the end of the epoch without reading a loss from the device before.

    Parameters
    ----------
    n_batches : int
        Number of batches.
    device : str or torch.device
        Where the losses are.
    """

    def __init__(self, n_batches: int, device: str | torch.device) -> None:
        self._sums = torch.zeros(n_batches + 1, device=device)
        self._last = self._sums[0]
        self._n_added = 0

    def add(self, loss: Tensor, n_samples: int) -> None:
        """Add the mean loss of the next batch."""
        self._n_added += 1
        following = self._sums[self._n_added]
        torch.add(self._last, loss, alpha=n_samples, out=following)
        self._last = following

    def mean(self, n_samples: int, engine: Any) -> float:
        """Return the mean over the samples of the epoch.

        Raises
        ------
        TrainingDivergedError
            If it is infinite or NaN.
        """
        total = self._last.item()
        if not np.isfinite(total):
            check_losses(self._sums[1 : self._n_added + 1].cpu().numpy(), engine)
        return total / n_samples


def check_losses(losses: Any, engine: Any) -> None:
    """Raise if a loss is infinite or NaN.

    Parameters
    ----------
    losses : sequence of float
        Of the batches of the present epoch, or their sums so far.
    engine : ConvNetEngine
        The network in training.

    Raises
    ------
    TrainingDivergedError
        With the epoch, the batch, its learning rate, and what to change.
    """
    lost = np.flatnonzero(~np.isfinite(losses))
    if len(lost):
        first = int(lost[0])
        where = f", batch {first + 1} of {len(losses)}, at a learning rate of"
        _raise(
            f"The training loss became {losses[first]} in epoch {len(engine.history)}{where} "
            f"{engine.rates[first]:g}",
            engine,
            after_steps=first > 0 or len(engine.history) > 1,
        )


class WeightCheck:
    """Checks weights and statistics after the last step of an epoch, which has no loss yet.

    In training, batch normalization does not use its running statistics. They may become infinite
    while every loss is finite. Buffers that are infinite from the beginning, such as masks of
    attention, do not count, nor do those that are filled later.

    Parameters
    ----------
    engine : ConvNetEngine
        The network before its training.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        buffers = {n: b for n, b in engine.module_.named_buffers() if b.layout == torch.strided}
        floating = {n: b for n, b in buffers.items() if b.is_floating_point()}
        self._names = [name for name, is_finite in _are_finite(floating).items() if is_finite]

    def __call__(self) -> None:
        """Check them, with one number read from the device.

        Raises
        ------
        TrainingDivergedError
            If one is infinite or NaN.
        """
        engine = self._engine
        total = sum(p.detach().sum() for p in engine.trained_module.parameters())
        statistics = self._statistics()
        if np.isfinite(float(sum((b.sum() for b in statistics.values()), total))):
            return
        check_finite(float(total), engine, "sum of weights")
        for name, is_finite in _are_finite(statistics).items():
            if not is_finite:  # else only the sum is too large
                values = statistics[name].cpu().flatten()
                worst = float(values[~torch.isfinite(values)][0])
                check_finite(worst, engine, f"statistics {name!r} of the samples")

    def _statistics(self) -> dict[str, Tensor]:
        known = dict(self._engine.module_.named_buffers())
        return {name: known[name].detach() for name in self._names if name in known}


def _are_finite(tensors: dict[str, Tensor]) -> dict[str, bool]:
    """Return whether all values of each tensor are finite, read from the device at once."""
    if not tensors:
        return {}
    flags = torch.stack([torch.isfinite(each).all() for each in tensors.values()])
    return dict(zip(tensors, flags.tolist(), strict=True))


def check_finite(value: float, engine: Any, what: str) -> None:
    """Raise if a figure of the weights at the end of an epoch is infinite or NaN.

    Raises
    ------
    TrainingDivergedError
        With the name of the figure, the epoch, the last learning rate, and what to change.
    """
    if not np.isfinite(value):
        where = f"became {value} after epoch {len(engine.history)}"
        rates = engine.rates
        if rates:
            where += f", whose last batch had a learning rate of {rates[-1]:g}"
        _raise(f"The {what} {where}", engine, after_steps=bool(rates))


def _smaller_steps(engine: Any) -> str:
    """Return parameters that make an engine's steps smaller.

    Those of Muon do not depend on the size of the gradient, and its rates are of another scale.
    """
    if engine.optimizer_name == "muon":
        return f"optimizer='adamw', or 'muon' with a learning_rate below {engine.lr:g}"
    clip = "" if engine.gradient_clip is not None else " or gradient_clip=1.0"
    return f"a learning_rate below {engine.lr:g}{clip}"


def _raise(what: str, engine: Any, after_steps: bool) -> NoReturn:
    """Raise the error, with causes that are likely before or after the first step."""
    causes = []
    if after_steps:
        causes.append(f"steps that are too large: try {_smaller_steps(engine)}")
    causes.append("values on a large scale: try standardize=True, or look for outliers in X")
    if engine.autocast is not None:
        causes.append("low precision: try precision='float32'")
    if not after_steps:
        causes.append("initial weights, or a module of your own, that give such values")
    raise TrainingDivergedError(f"{what}. Likely causes: {'; '.join(causes)}.")
