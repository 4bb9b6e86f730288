"""The machine and the versions that a measurement belongs to."""

import os
import platform
from importlib import metadata

import torch

CALM = 0.5
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
PACKAGES = ("torch", "numpy", "scikit-learn", "skorch")


def describe():
    """Return what is to be known of this machine, as a dict of plain values."""
    flags = _cpuinfo("flags").split()
    return {
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "instruction sets": [name for name in INSTRUCTIONS if name in flags],
        "memory_gib": round(_memory_gib(), 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "load_average": _load(),
    }


def has_bfloat16():
    """Return whether the processor multiplies bfloat16 natively."""
    return bool({"avx512_bf16", "amx_bf16"} & set(_cpuinfo("flags").split()))


def caution(machine):
    """Return a warning if others were busy on the machine at the start, else nothing."""
    load = machine["load_average"]
    if load is None or load <= CALM:
        return ""
    return (
        f"Caution: the load average was {load:.2f} at the start; a quiet machine has below {CALM}."
    )


def _cpuinfo(field):
    """Return a field of the first processor in Linux's list, empty where there is none."""
    try:
        with open("/proc/cpuinfo") as lines:
            found = (line.split(":", 1)[1].strip() for line in lines if line.startswith(field))
            return next(found, "")
    except OSError:
        return ""


def _memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _load():
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
