"""Torch modules from layer specifications or from a user's callable, and initial weights."""

import copy
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from skcnn._data.layouts import InputLayout
from skcnn.exceptions import ArchitectureError
from skcnn.layers._base import Shape
from skcnn.layers._fixed.kernels import PatternConv2d
from skcnn.layers._normalization import make_group_norms_safe
from skcnn.layers._sequence import TracedLayer, build_sequence

WEIGHT_INITS = (
    "he_normal",
    "he_uniform",
    "glorot_normal",
    "glorot_uniform",
    "dirac",
    "normal",
    "zeros",
)
SMALL_NORMAL_STD = 0.01
# The output layer starts a tenth as large, so that training starts from nearly equal
# probabilities.
OUTPUT_LAYER_GAIN = 0.1


class Standardize(nn.Module):
    """Subtract a mean and divide by a standard deviation, one each a channel.

    Pixels of any dtype are converted to the network's dtype and memory layout.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Tensor, std: Tensor, n_axes: int) -> None:
        super().__init__()
        scale = (1.0 / std).reshape(1, -1, *(1,) * n_axes)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", -mean.reshape(scale.shape) * scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised `x`, (n_samples, n_channels, *spatial)."""
        if x.dim() == 4:
            x = x.to(self.scale.dtype, memory_format=torch.channels_last)
        else:
            x = x.to(self.scale.dtype)
        return torch.addcmul(self.shift, x, self.scale)


class MaskMissing(Standardize):
    """Standardise, replace missing values by zeros, and add channels that mark the others by 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised `x` and its masks, (n_samples, 2 * n_channels, *spatial)."""
        if not x.is_floating_point():  # nothing is missing
            x = x.to(self.scale.dtype)
        present = ~x.isnan()
        values = super().forward(torch.where(present, x, 0))
        present = present.to(values.dtype)
        return torch.cat([values * present, present], 1)


def make_standardize(
    mean: Tensor, std: Tensor, layout: InputLayout, least_axes: int = 1
) -> Standardize:
    """Return the first module of a network for samples of a layout."""
    n_axes = max(len(layout.spatial), least_axes)
    return (MaskMissing if layout.masks else Standardize)(mean, std, n_axes)


class ConvNet(nn.Module):
    """A network built from layer specifications.

    Parameters
    ----------
    rows : list of TracedLayer
        The layers with their shapes, the output layer last.
    standardize : Standardize
        First step of the forward pass.

    Notes
    -----
    A signal (one spatial axis) runs as an image of height one, and images are channels last
    in memory: torch computes both faster than signals and channels first.
    """

    def __init__(self, rows: Sequence[TracedLayer], standardize: Standardize) -> None:
        super().__init__()
        self.standardize = standardize
        self.is_signal = len(rows[0].input_shape) == 2
        self.layers = build_sequence(rows, is_signal=self.is_signal)
        if len(rows[0].input_shape) <= 3:
            self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def output_layer(self) -> nn.Linear:
        """The dense layer that gives the outputs."""
        return cast(nn.Linear, self.layers[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (logits), (n_samples, n_outputs).

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_channels, *spatial)
            Pixels or samples of any real dtype.
        """
        if self.is_signal:
            x = x.unsqueeze(2)  # (N, C, 1, length)
        return self.layers(self.standardize(x))


class WrappedNet(nn.Module):
    """A user's module behind the standardisation."""

    def __init__(self, module: nn.Module, standardize: Standardize) -> None:
        super().__init__()
        self.standardize = standardize
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Return the module's outputs for standardised `x`."""
        return self.module(self.standardize(x))


def initialize_weights(module: ConvNet, how: str, generator: torch.Generator) -> None:
    """Draw the weights of all convolutions and dense layers in place; biases become zero.

    Parameters
    ----------
    module : ConvNet
        The network. The weights of its output layer are divided by ten.
    how : {"he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "dirac", "normal", "zeros"}
        Variance 2 / fan_in (He), 2 / (fan_in + fan_out) (Glorot), 0.01 squared (normal);
        for "dirac" see `_pass_channels_on`.
    generator : torch.Generator
        Source of the random numbers; on the CPU, so that devices agree.

    References
    ----------
    He et al., arXiv:1502.01852; Glorot and Bengio, AISTATS 2010.
    """
    draw: dict[str, Callable[[Tensor], object]] = {
        "he_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=generator),
        "he_uniform": lambda w: nn.init.kaiming_uniform_(
            w, nonlinearity="relu", generator=generator
        ),
        "glorot_normal": lambda w: nn.init.xavier_normal_(w, generator=generator),
        "glorot_uniform": lambda w: nn.init.xavier_uniform_(w, generator=generator),
        "dirac": lambda w: _pass_channels_on(w, generator),
        "normal": lambda w: nn.init.normal_(w, std=SMALL_NORMAL_STD, generator=generator),
        "zeros": nn.init.zeros_,
    }
    for part in module.modules():
        if isinstance(part, PatternConv2d):
            continue  # its kernels are given
        if isinstance(part, nn.Conv2d | nn.Conv3d | nn.Linear):
            draw[how](part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    with torch.no_grad():
        module.output_layer.weight.mul_(OUTPUT_LAYER_GAIN)


def _pass_channels_on(weight: Tensor, generator: torch.Generator) -> None:
    """Make the first filters copies of the input channels, the others He-uniform.

    Dense matrices, which have no channels, are He-uniform altogether.
    """
    nn.init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator)
    if weight.dim() > 2:
        nn.init.dirac_(weight[: weight.shape[1]])


def call_architecture(
    architecture: Callable[[Shape, int], nn.Module], input_shape: Shape, n_outputs: int
) -> nn.Module:
    """Return the module of a user's callable.

    Raises
    ------
    ArchitectureError
        If the result is no module.
    """
    module = architecture(input_shape, n_outputs)
    if not isinstance(module, nn.Module):
        raise ArchitectureError(
            "The 'architecture' callable must return a torch.nn.Module for "
            f"(input_shape={input_shape}, n_outputs={n_outputs}). Got {type(module).__name__}."
        )
    return module


def wrap_callable(
    architecture: Callable[[Shape, int], nn.Module],
    input_shape: Shape,
    n_outputs: int,
    standardize: Standardize,
) -> WrappedNet:
    """Call a user's `architecture` and check the module that it returns.

    Raises
    ------
    ArchitectureError
        If the result is no module or its output has the wrong shape.
    """
    module = call_architecture(architecture, input_shape, n_outputs)
    # a copy: a callable that returns the same module twice must not share its weights
    net = WrappedNet(copy.deepcopy(module), standardize)
    make_group_norms_safe(net)
    net.eval()
    with torch.no_grad():
        n_channels = standardize.scale.shape[1]  # those of masks are added
        out = net(torch.zeros((2, n_channels, *input_shape[1:])))
    if not isinstance(out, Tensor) or tuple(out.shape) != (2, n_outputs):
        got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ArchitectureError(
            "The 'architecture' callable's module must turn an input of shape "
            f"{(2, *input_shape)} into {(2, n_outputs)}, one output each. Got {got}."
        )
    return net
