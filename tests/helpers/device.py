"""On which device tests train and predict, and how they read what is there.

The environment variable SKCNN_TEST_DEVICE is "cuda" on a machine with a GPU, or "pretended" for
`pretended_accelerator`. Without it, tests use the CPU, also on a machine with a GPU.
"""

import os
from contextlib import nullcontext

NAME = os.environ.get("SKCNN_TEST_DEVICE", "")
KNOWN = ("", "cuda", "pretended")
# For networks of tests about training, which are on the CPU by default.
DEVICE = "auto" if NAME else "cpu"


def check():
    """Return what is wrong with the device of the tests, None if nothing is."""
    if NAME not in KNOWN:
        return f"SKCNN_TEST_DEVICE must be 'cuda' or 'pretended'. Got {NAME!r}."
    if NAME == "cuda":
        import torch

        if not torch.cuda.is_available():
            return "no GPU: SKCNN_TEST_DEVICE is 'cuda', but torch finds no CUDA device here."
    return None


def context():
    """Return the context in which a test runs."""
    if NAME != "pretended":
        return nullcontext()
    from tests.helpers.pretended_accelerator import pretended_accelerator

    return pretended_accelerator()


def n_allocations():
    """Return how many tensors were made on the device so far in this process."""
    if NAME == "pretended":
        from tests.helpers.pretended_accelerator import PretendedTensor

        return PretendedTensor.n_made
    if NAME == "cuda":
        import torch

        if torch.cuda.is_initialized():
            return torch.cuda.memory_stats().get("allocation.all.allocated", 0)
    return 0


def on_cpu(module):
    """Return a copy of a module on the CPU, for tensors of the test."""
    import copy

    return copy.deepcopy(module).cpu()


def outputs_of(module, inputs):
    """Return what a module returns for inputs of the test, on the CPU."""
    device = next(module.parameters()).device
    return module(inputs.to(device)).cpu()
