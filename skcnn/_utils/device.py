"""Which device computes, and how many samples it predicts at a time."""

from collections.abc import Sequence
from math import prod

import torch

# Samples in one pass of a network whose layers are unknown or on an accelerator. Each has
# this size, zero-padded, because a kernel's rounding depends on the batch size.
CPU_CHUNK, ACCELERATOR_CHUNK = 32, 512
# Of all samples of a pass: 512 images of 64x64. A sample counts by its positions, or by a
# thirty-second of its values if it has many channels. A layer of 32 channels then returns 256 MiB.
MOST_POSITIONS, USUAL_CHANNELS = 2**21, 32
BYTES_PER_POSITION = 2**11  # of an accelerator's whole memory: less than 4 GiB give fewer positions


def resolve_device(device: str) -> torch.device:
    """Return the torch device that `device` names.

    Raises
    ------
    ValueError
        If the device is unknown or missing on this machine.
    """
    if device == "auto":
        # nothing has been run on MPS yet, so that it is taken by name only
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    return resolved


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
