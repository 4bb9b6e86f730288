"""States of torch that a caller may be in, and what can be read of torch's state."""

from contextlib import contextmanager, nullcontext

import torch

backends = torch.backends


@contextmanager
def _set(write, value, standard):
    write(value)
    try:
        yield
    finally:
        write(standard)


@contextmanager
def _attribute(owner, value, name="fp32_precision", standard="none"):
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, standard)


@contextmanager
def _precisions_of_all():
    """Set the precision of all backends, and another one of an operator."""
    with _attribute(backends, "bf16"), _attribute(backends.mkldnn.conv, "tf32"):
        yield


def _legacy(precision):
    """Set the older setting, then restore what it has written."""
    return _set(_write_legacy, precision, "highest")


def _write_legacy(precision):
    torch.set_float32_matmul_precision(precision)
    if precision == "highest":
        backends.mkldnn.matmul.fp32_precision = "none"
        backends.cuda.matmul.fp32_precision = "none"


AMBIENT = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast, float16": lambda: torch.autocast("cpu", torch.float16),
    "autocast off": lambda: torch.autocast("cpu", enabled=False),
    "autocast without cache": lambda: torch.autocast("cpu", torch.bfloat16, cache_enabled=False),
    "no_grad": torch.no_grad,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "inference_mode": torch.inference_mode,
    "dtype float64": lambda: _set(torch.set_default_dtype, torch.float64, torch.float32),
    "dtype bfloat16": lambda: _set(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "device meta": lambda: torch.device("meta"),
    "device cuda": lambda: torch.device("cuda"),
    "default device meta": lambda: _set(torch.set_default_device, "meta", None),
    "precision tf32": lambda: _attribute(backends, "tf32"),
    "precision bf16": lambda: _attribute(backends, "bf16"),
    "precision of convolutions": lambda: _attribute(backends.mkldnn.conv, "bf16"),
    "precision of products": lambda: _attribute(backends.mkldnn.matmul, "bf16"),
    "precision of two levels": _precisions_of_all,
    "precision of cuBLAS": lambda: _attribute(backends.cuda.matmul, "tf32"),
    "precision of cuDNN": lambda: _attribute(backends.cudnn.conv, "ieee", standard="tf32"),
    "legacy medium": lambda: _legacy("medium"),
    "legacy high": lambda: _legacy("high"),
    "legacy cuDNN": lambda: _attribute(backends.cudnn, False, "allow_tf32", True),
    "deterministic": lambda: _set(torch.use_deterministic_algorithms, True, False),
    "flushed denormals": lambda: _set(torch.set_flush_denormal, True, False),
    "no_grad in autocast": lambda: _both(torch.no_grad(), torch.autocast("cpu", torch.bfloat16)),
}


@contextmanager
def _both(a, b):
    with a, b:
        yield


def ambient(name):
    """Return the block of a name in AMBIENT; None is torch's state at the beginning."""
    return nullcontext() if name is None else AMBIENT[name]()


def _read(function):
    try:
        return str(function())
    except (RuntimeError, AssertionError) as error:  # torch refuses
        return type(error).__name__


def torch_state():
    """Return what can be read of torch's state."""
    kinds = "cpu", "cuda", "mps"
    operators = {
        "products": backends.mkldnn.matmul,
        "convolutions": backends.mkldnn.conv,
        "recurrent": backends.mkldnn.rnn,
        "cublas": backends.cuda.matmul,
        "cudnn": backends.cudnn.conv,
        "cudnn recurrent": backends.cudnn.rnn,
        "all": backends,
    }
    one = 1.0
    readers = {
        **{f"autocast {kind}": lambda kind=kind: torch.is_autocast_enabled(kind) for kind in kinds},
        **{f"dtype {kind}": lambda kind=kind: torch.get_autocast_dtype(kind) for kind in kinds},
        **{name: lambda each=each: each.fp32_precision for name, each in operators.items()},
        "cache": torch.is_autocast_cache_enabled,
        "gradients": torch.is_grad_enabled,
        "inference": torch.is_inference_mode_enabled,
        "default dtype": torch.get_default_dtype,
        "device": lambda: torch.empty(0).device,
        "legacy products": torch.get_float32_matmul_precision,
        "legacy cuBLAS": lambda: backends.cuda.matmul.allow_tf32,
        "legacy cuDNN": lambda: backends.cudnn.allow_tf32,
        "cuDNN": lambda: (backends.cudnn.enabled, backends.cudnn.benchmark),
        "cuDNN deterministic": lambda: backends.cudnn.deterministic,
        "deterministic": torch.are_deterministic_algorithms_enabled,
        "threads": torch.get_num_threads,
        "denormals": lambda: 5e-324 * one,
    }
    return {name: _read(reader) for name, reader in readers.items()}
