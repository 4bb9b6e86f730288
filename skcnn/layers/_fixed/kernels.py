"""Convolutions whose kernels are not trained: of patterns, or set from the training samples."""

from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch
from torch import nn

from skcnn._utils.validation import is_integer
from skcnn.exceptions import ArchitectureError
from skcnn.layers._activation import check_activation
from skcnn.layers._base import SIGNAL_DIMS, LayerSpec, Shape, check_spatial
from skcnn.layers._convolution import (
    CONVOLUTIONS,
    Conv,
    build_convolution,
    convolves_as_built,
    join_convolution,
    predict_convolution,
)
from skcnn.layers._fields import check_integers
from skcnn.layers._padding import check_padding
from skcnn.layers._shapes import per_axis
from skcnn.layers._steps import joint_step, prediction_step


class WhiteningConv2d(nn.Conv2d):
    """Convolution whose kernels are set from data and not trained."""


class WhiteningConv3d(nn.Conv3d):
    """Convolution whose kernels are set from data and not trained."""


class PatternConv2d(nn.Conv2d):
    """Convolution whose kernels are patterns and not trained."""


@dataclass(frozen=True, repr=False)
class TrendFilters(LayerSpec):
    """Convolution of a signal with fixed kernels that respond to rises, falls and peaks.

    The channels are added up. For each size there is a filter of alternating signs and its
    negative, which respond to rises and falls, and for each multiple of four a filter of
    one and a half times the size whose parabolas respond to a peak. The sizes of the default
    have 17 filters.

    Parameters
    ----------
    sizes : tuple of int, default=(2, 4, 8, 16, 32, 64)
        Lengths of the kernels in samples, even numbers.
    activation : str or None, default="relu"
        Activation applied to the output; see :class:`Activation`.

    References
    ----------
    Ismail-Fawaz et al., "Deep learning for time series classification using new hand-crafted
    convolution filters", IEEE Big Data 2022; "LITE: light inception with boosting techniques
    for time series classification", DSAA 2023.

    Examples
    --------
    >>> from skcnn.layers import TrendFilters
    >>> TrendFilters().output_shape((3, 150))
    (17, 150)
    >>> TrendFilters().n_parameters((3, 150))
    0
    """

    sizes: tuple[int, ...] = field(default=(2, 4, 8, 16, 32, 64))
    activation: str | None = field(default="relu", kw_only=True)
    convolves = True
    keeps_length = True

    def __post_init__(self) -> None:
        sizes = self.sizes
        if (
            not isinstance(sizes, list | tuple)
            or not sizes
            or not all(is_integer(size) and size >= 2 and size % 2 == 0 for size in sizes)
        ):
            raise ArchitectureError(
                f"The 'sizes' of TrendFilters must be a tuple of even integers >= 2. Got {sizes!r}."
            )
        object.__setattr__(self, "sizes", tuple(int(size) for size in sizes))
        check_activation(self)

    def kernels(self) -> list[np.ndarray]:
        """Return the kernel of each filter: those of rises, of falls and of peaks."""
        rises = [np.tile((-1.0, 1.0), size // 2) for size in self.sizes]
        peaks = [_peak(size) for size in self.sizes if size % 4 == 0]
        return [*rises, *(-rise for rise in rises), *peaks]

    def _convolution(self) -> Conv:
        """Return the convolution with one window for all kernels."""
        kernels = self.kernels()
        return Conv(len(kernels), max(map(len, kernels)), bias=False)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n_filters, length)``."""
        if len(shape) != SIGNAL_DIMS:
            raise ArchitectureError(
                f"{self!r} needs an input (n_channels, length), a signal. Got {shape}."
            )
        return self._convolution().output_shape(shape)

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return window size x input channels x output values."""
        return self._convolution().n_multiply_accumulates(shape)

    def kernel(self, shape: Shape) -> Shape:
        """Return the length of the window that holds every kernel."""
        return self._convolution().kernel(shape)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the convolution, whose kernels are not trained."""
        spec = self._convolution()
        layer = build_convolution(spec, shape, is_signal, (PatternConv2d, nn.Conv3d))
        (window,) = spec.kernel(shape)
        weight = torch.zeros((spec.filters, shape[0], window))
        for row, kernel in zip(weight, self.kernels(), strict=True):
            # where the centre of a window of its own length would be
            start = (window - 1) // 2 - (len(kernel) - 1) // 2
            row[:, start : start + len(kernel)] = torch.from_numpy(kernel)
        for part in layer.modules():
            if isinstance(part, PatternConv2d):
                part.weight = nn.Parameter(weight.reshape(part.weight.shape), requires_grad=False)
        return layer


def _peak(size: int) -> np.ndarray:
    """Return a peak between two falls of half its height, in six parabolas of a quarter each."""
    rise = (np.arange(1, size // 4 + 1) / (size // 4)) ** 2
    bump = np.concatenate((rise, rise[::-1]))
    return np.concatenate((-bump, 2 * bump, -bump))


@dataclass(frozen=True, repr=False)
class Whiten(LayerSpec):
    r"""Convolution with fixed kernels that make small patches uncorrelated.

    The kernels are the principal components of the training samples' patches, each
    divided by its standard deviation, and their negatives, so that both signs pass an
    activation: ``2 * n_channels * kernel_size ** n_axes`` filters. Only the biases are
    trained. It is meant for the first layer.

    Parameters
    ----------
    kernel_size : int or tuple of int, default=2
        Side of a patch, in pixels or samples, for all axes or one for each.
    padding : {"same", "valid"}, int or tuple of int, default="valid"
        Values added on each side, zeros.
    activation : str or None, default=None
        Activation applied to the output; see :class:`Activation`.

    Notes
    -----
    With the eigenvalues :math:`\lambda_i` and unit eigenvectors :math:`v_i` of the
    patches' second moments the kernels are
    :math:`\pm v_i / \sqrt{\lambda_i + \epsilon \bar\lambda}`, with
    :math:`\epsilon` = 0.0005. They are taken from 5,000 samples at most.

    References
    ----------
    Coates and Ng, "Learning feature representations with k-means", 2012, for whitened
    patches; Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498,
    for the fixed first layer.

    Examples
    --------
    >>> from skcnn.layers import Whiten
    >>> Whiten().output_shape((3, 32, 32))
    (24, 31, 31)
    >>> Whiten().n_parameters((3, 32, 32))
    24
    """

    kernel_size: int | tuple[int, ...] = field(default=2)
    padding: str | int | tuple[int, ...] = field(default="valid", kw_only=True)
    activation: str | None = field(default=None, kw_only=True)
    convolves = True

    def __post_init__(self) -> None:
        check_integers(self, "kernel_size", 1)
        check_padding(self)
        check_activation(self)

    def convolution(self, shape: Shape) -> Conv:
        """Return the equivalent convolution for an input of `shape`."""
        check_spatial(self, shape)
        n_axes = len(shape) - 1
        window = prod(per_axis(self.kernel_size, n_axes, "kernel_size"))
        return Conv(2 * shape[0] * window, self.kernel_size, padding=self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(2 * n_channels * window size, *spatial)``."""
        return self.convolution(shape).output_shape(shape)

    def n_parameters(self, shape: Shape) -> int:
        """Return the biases: the kernels are not trained."""
        return self.convolution(shape).filters

    def n_multiply_accumulates(self, shape: Shape) -> int:
        """Return window size x input channels x output values."""
        return self.convolution(shape).n_multiply_accumulates(shape)

    def kernel(self, shape: Shape) -> Shape:
        """Return the kernel's size along each axis."""
        return self.convolution(shape).kernel(shape)

    def build(self, shape: Shape, is_signal: bool) -> nn.Module:
        """Return the convolution, whose kernels are not trained."""
        classes = (WhiteningConv2d, WhiteningConv3d)
        conv = build_convolution(self.convolution(shape), shape, is_signal, classes)
        for part in conv.modules():
            if isinstance(part, CONVOLUTIONS):
                part.weight.requires_grad_(False)
        return conv


_ALL = (PatternConv2d, WhiteningConv2d, WhiteningConv3d)
prediction_step(*_ALL, only_if=convolves_as_built)(predict_convolution)
joint_step(*_ALL)(join_convolution)
