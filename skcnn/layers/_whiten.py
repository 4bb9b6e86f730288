"""Whitening convolutions, whose kernels are set from the training samples."""

from dataclasses import dataclass, field
from math import prod

from torch import nn

from skcnn.layers._activation import check_activation
from skcnn.layers._base import LayerSpec, Shape, check_spatial
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


prediction_step(WhiteningConv2d, WhiteningConv3d, only_if=convolves_as_built)(predict_convolution)
joint_step(WhiteningConv2d, WhiteningConv3d)(join_convolution)
