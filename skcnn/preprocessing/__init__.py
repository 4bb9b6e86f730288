"""Transformers for images, signals and volumes."""

from skcnn.preprocessing._kernel_filter import KernelFilter

__all__ = [
    "KernelFilter",
]
