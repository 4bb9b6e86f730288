"""With which precision a network trains, and deterministic kernels on CUDA."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor

from skcnn._utils.compat import multiplies_bfloat16
from skcnn._utils.process_settings import right_settings

# Multiply-accumulates of a batch (forward) below which casting weights and activations
# costs more than bfloat16 saves.
BFLOAT16_MACS = 50_000_000


def resolve_precision(
    precision: str, device: torch.device, macs_per_batch: int, n_axes: int = 2
) -> torch.dtype | None:
    """Return the autocast type for training, None for plain float32.

    "auto" is bfloat16 where the processor multiplies it natively, a small step in it
    agrees with float32's, and the network is large enough to gain; never for volumes on
    the CPU, whose bfloat16 convolutions give NaN gradients for small depths (torch 2.13).
    """
    if precision == "bfloat16":
        return torch.bfloat16
    volumes_on_cpu = n_axes == 3 and device.type == "cpu"
    if precision == "float32" or macs_per_batch < BFLOAT16_MACS or volumes_on_cpu:
        return None
    sound = _multiplies_bfloat16(device) and bfloat16_agrees(device)
    return torch.bfloat16 if sound else None


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    return multiplies_bfloat16()


@cache
def bfloat16_agrees(device: torch.device) -> bool:
    """Return whether gradients of a small network in bfloat16 are those of float32.

    Computed once per process and device, because kernels may be wrong where torch reports
    support. Speed is not compared: equal seeds would give other weights on a busy machine.
    """
    generator = torch.Generator().manual_seed(0)
    shapes = (8, 3, 9, 9), (16, 3, 3, 3), (4, 16)
    images, *weights = (torch.randn(s, generator=generator).to(device) for s in shapes)
    exact, rough = (_small_gradients(images, weights, device, low) for low in (False, True))
    return all(
        bool(torch.isfinite(b).all()) and float((a - b).norm()) < 0.05 * float(a.norm())
        for a, b in zip(exact, rough, strict=True)
    )


def _small_gradients(
    images: Tensor, weights: list[Tensor], device: torch.device, low: bool
) -> tuple[Tensor, ...]:
    """Return the gradients of a convolution's and a dense layer's weights."""
    kernel, matrix = (w.clone().requires_grad_() for w in weights)
    low_or_not = low_precision(device, torch.bfloat16) if low else nullcontext()
    with low_or_not:
        maps = F.conv2d(images.to(memory_format=torch.channels_last), kernel, padding=1)
        outputs = F.linear(F.max_pool2d(maps, 3).mean((2, 3)), matrix)
        return torch.autograd.grad(outputs.float().square().mean(), (kernel, matrix))


@contextmanager
def low_precision(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Compute matrix products and convolutions in `dtype`.

    torch keeps its casts of the weights until the outermost autocast region ends, which may
    be the caller's. Here they are dropped at the beginning and the end of the block, so that
    each step casts the weights that the last one has changed.
    """
    torch.clear_autocast_cache()
    try:
        with torch.autocast(device.type, dtype, cache_enabled=True):
            yield
    finally:
        torch.clear_autocast_cache()


@contextmanager
def exact_kernels(device: torch.device) -> Iterator[None]:
    """On CUDA choose deterministic convolutions that round as float32."""
    if device.type != "cuda":
        yield
        return
    with right_settings(cuda=True):
        yield
