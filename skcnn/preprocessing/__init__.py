"""Transformers for images, signals and volumes."""

from skcnn.preprocessing._kernel_filter import KernelFilter
from skcnn.preprocessing._load_images import LoadImages
from skcnn.preprocessing._resize_images import ResizeImages

__all__ = [
    "KernelFilter",
    "LoadImages",
    "ResizeImages",
]
