"""Which device computes, and how many samples it predicts at a time."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from skcnn._utils.compat import is_forked_from_cuda

# Samples in one pass of a network whose layers are unknown or on an accelerator. Each has
# this size, zero-padded, because a kernel's rounding depends on the batch size.
CPU_CHUNK, ACCELERATOR_CHUNK = 32, 512
# Of all samples of a pass: 512 images of 64x64. A sample counts by its positions, or by a
# thirty-second of its values if it has many channels. A layer of 32 channels then returns 256 MiB.
MOST_POSITIONS, USUAL_CHANNELS = 2**21, 32
BYTES_PER_POSITION = 2**11  # of an accelerator's whole memory: less than 4 GiB give fewer positions


def resolve_device(device: str) -> torch.device:
    """Return the torch device that `device` names.

    "cuda" without a number, and "auto", mean the current device of the thread that calls. It is
    given a number here, so that other threads, whose current device is another one, use the same.

    Raises
    ------
    ValueError
        If the device is unknown or missing on this machine, or it is CUDA in a process that was
        forked from one that had begun to use it.
    """
    if device == "auto":
        # nothing has been run on MPS yet, so that it is taken by name only
        return _numbered("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise ValueError(
            "The 'device' parameter must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'. "
            f"Got {device!r}."
        ) from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (resolved.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(resolved.type, False):
        raise ValueError(
            f"The 'device' parameter is {device!r}, but torch finds no such device here. "
            "Use device='auto' or device='cpu'."
        )
    return _numbered(resolved)


def _numbered(device: str | torch.device) -> torch.device:
    """Return a device that this process can use, of CUDA with a number."""
    device = torch.device(device)
    check_not_forked(device)
    if device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", torch.cuda.current_device())


def check_not_forked(device: torch.device) -> None:
    """Raise where torch can compute nothing on `device`, because the process was forked.

    Raises
    ------
    ValueError
        If it is CUDA in a process that was forked from one that had begun to use it.
    """
    if device.type == "cuda" and is_forked_from_cuda():
        raise ValueError(
            f"The device is {str(device)!r}, but this process was forked from one that had begun "
            "to use CUDA, which torch does not support. Start processes by joblib's default "
            "backend 'loky' or by the start method 'spawn', or use device='cpu'."
        )


def copied_to(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on `device`. To CUDA it is copied without waiting for what runs there.

    Copies from ordinary memory wait for CUDA. torch keeps the pinned memory, from which they do
    not, until the copy is done, and uses it again.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def free_bytes(device: torch.device) -> int:
    """Return the bytes of CUDA's memory that tensors can have: free, or kept by torch for later."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + kept)


def predict_chunk(device: torch.device, network_shape: Sequence[int]) -> int:
    """Return the number of samples in one prediction chunk.

    It follows from the shape ``(n_channels, *spatial)`` of a sample and the whole memory of an
    accelerator. It does not depend on the memory that is free just then, because a kernel's
    rounding depends on it. Large samples have smaller chunks, a power of two.
    """
    usual = CPU_CHUNK if device.type == "cpu" else ACCELERATOR_CHUNK
    return min(usual, _fitting_samples(network_shape, _most_positions(device)))


def _fitting_samples(network_shape: Sequence[int], most_positions: int) -> int:
    """Return how many samples have so many positions, rounded down to a power of two."""
    positions = max(prod(network_shape[1:]), prod(network_shape) // USUAL_CHANNELS)
    return 2 ** (max(most_positions // positions, 1).bit_length() - 1)


def _most_positions(device: torch.device) -> int:
    if device.type != "cuda":  # the CPU's and MPS' memory is the computer's
        return MOST_POSITIONS
    memory = torch.cuda.get_device_properties(device).total_memory
    return min(MOST_POSITIONS, memory // BYTES_PER_POSITION)
