"""Normalisation of padded maps, by the statistics of the places that are no padding."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor

from skcnn.layers._normalization import BatchNorm

AXES = (0, 2, 3)  # all but the channels


def normalize_batch(norm: BatchNorm, values: Tensor, mask: Tensor, n: int) -> Tensor:
    """Return maps normalised in training, and move the running statistics.

    Parameters
    ----------
    norm : BatchNorm
        Normalises by the statistics of the batch.
    values : Tensor of shape (n_signals, n_channels, height, width)
        Padded maps.
    mask : Tensor of shape (n_signals, 1, 1, width)
        1 at places that are no padding, 0 at others; in the dtype of the values.
    n : int
        Number of values a channel that are no padding. With a single one the running statistics
        are used, as by `BatchNorm`.
    """
    if n == 1:
        args = (norm.running_mean, norm.running_var, norm.weight, norm.bias, False)
        return F.batch_norm(values, *args, norm.momentum, norm.eps)
    with torch.no_grad():
        mean, variance = _moments(values, mask, n)
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)
    statistics = (mean, variance, norm.weight, norm.bias)
    return _Normalize.apply(values, mask, n, *statistics, norm.eps)


def _moments(values: Tensor, mask: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance of each channel, float32."""
    mean = (values * mask).sum(AXES, dtype=torch.float32) / n
    centred = (values - mean.view(1, -1, 1, 1)) * mask
    return mean, centred.square_().sum(AXES) / n


class _Normalize(torch.autograd.Function):
    """``weight (x - mean) / sqrt(variance + eps) + bias`` with the moments of the batch.

    Notes
    -----
    For g the gradient of the result, s = weight / sqrt(variance + eps) and h the normalised x,
    the gradient of x is ``s (g - mean of g - h mean of (g h))``, with means over the places that
    are no padding.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        mask: Tensor,
        n: int,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(values, mask, mean, variance, weight)
        ctx.n, ctx.eps = n, eps
        return F.batch_norm(values, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        values, mask, mean, variance, weight = ctx.saved_tensors
        grad = grads[0] * mask
        backward: Any = torch.ops.aten.native_batch_norm_backward.default
        settings = (mean, variance, None, None, False, ctx.eps, (True, True, True))
        direct, of_weight, of_bias = backward(grad, values, weight, *settings)
        scale = (variance + ctx.eps).rsqrt()
        slope = weight * scale.square() * of_weight / ctx.n
        constant = weight * scale * of_bias / ctx.n - slope * mean
        axes = (1, -1, 1, 1)
        shared = torch.addcmul(constant.view(axes), values.to(slope.dtype), slope.view(axes))
        of_values = (direct - shared).to(values.dtype) * mask
        return of_values, None, None, None, None, of_weight, of_bias, None
