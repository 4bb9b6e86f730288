"""Where and how tensors are computed: device, precision, threads, random state.

Holds no data and no network.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor

# Below this many multiply-accumulates a batch (forward), a second thread gains a quarter
# of a step at most on free cores and loses several times that on busy ones; the same bits
# for any n_jobs are worth more.
ONE_THREAD_MACS = 32_000_000
# Under this, casting weights and activations costs more than bfloat16 saves.
BFLOAT16_MACS = 50_000_000
# Samples in one pass of a network whose layers are unknown or on an accelerator. Each has
# this size, zero-padded, because a kernel's rounding depends on the batch size.
PREDICT_CHUNK = {"cpu": 32}
PREDICT_CHUNK_ACCELERATOR = 512
_IMPORTED_IN = os.getpid()


def resolve_device(device: str) -> torch.device:
    """Return the torch device that `device` names.

    Raises
    ------
    ValueError
        If the device is unknown or not there.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise ValueError(
            "The 'device' parameter must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'. "
            f"Got {device!r}."
        ) from None
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (resolved.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(resolved.type, False):
        raise ValueError(
            f"The 'device' parameter is {device!r}, but torch finds no such device here. "
            "Use device='auto' or device='cpu'."
        )
    return resolved


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
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


@cache
def bfloat16_agrees(device: torch.device) -> bool:
    """Return whether gradients of a small network in bfloat16 are those of float32.

    Tried once a process, 2 ms: kernels of a processor may be wrong where torch says that it
    has them. Seconds are not compared, or equal seeds would give other weights on a busy
    machine.
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
    """Return the gradients of a convolution's and a matrix's weights."""
    kernel, matrix = (w.clone().requires_grad_() for w in weights)
    with torch.enable_grad(), torch.autocast(device.type, torch.bfloat16, enabled=low):
        maps = F.conv2d(images.to(memory_format=torch.channels_last), kernel, padding=1)
        outputs = F.linear(F.max_pool2d(maps, 3).mean((2, 3)), matrix)
        return torch.autograd.grad(outputs.float().square().mean(), (kernel, matrix))


def predict_chunk(device: torch.device) -> int:
    """Return the number of samples in one prediction chunk."""
    return PREDICT_CHUNK.get(device.type, PREDICT_CHUNK_ACCELERATOR)


@contextmanager
def torch_threads(n_threads: int | None, macs_per_batch: int) -> Iterator[None]:
    """Compute with `n_threads`, and restore the former number afterwards.

    None takes one thread for networks too small to share and torch's current number
    otherwise; a forked process always gets one, since torch's pool does not survive
    a fork and a second thread would wait for it for ever.
    """
    before = torch.get_num_threads()
    if os.getpid() != _IMPORTED_IN:  # a spawned worker imports this module itself
        wanted = 1
    elif n_threads is not None:
        wanted = n_threads
    else:
        wanted = 1 if macs_per_batch < ONE_THREAD_MACS else before
    if wanted == before:
        yield
        return
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def safe_after_fork() -> Iterator[None]:
    """Compute with one thread in a forked process, where torch's pool hangs."""
    before = torch.get_num_threads()
    if os.getpid() == _IMPORTED_IN or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def exact_kernels(device: torch.device) -> Iterator[None]:
    """On CUDA choose convolutions that are the same every time and round as float32."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield
