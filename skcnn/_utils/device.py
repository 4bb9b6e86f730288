"""Which device computes, and how many samples it predicts at a time."""

import torch

# Samples in one pass of a network whose layers are unknown or on an accelerator. Each has
# this size, zero-padded, because a kernel's rounding depends on the batch size.
CPU_CHUNK, ACCELERATOR_CHUNK = 32, 512


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


def predict_chunk(device: torch.device) -> int:
    """Return the number of samples in one prediction chunk."""
    return CPU_CHUNK if device.type == "cpu" else ACCELERATOR_CHUNK
