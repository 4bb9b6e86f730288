"""Transformers for images, signals, sound and volumes."""

from skcnn.preprocessing._kernel_filter import KernelFilter
from skcnn.preprocessing._load_images import LoadImages
from skcnn.preprocessing._resize_images import ResizeImages
from skcnn.preprocessing._signals.lengths import CropSignals, PadSignals
from skcnn.preprocessing._signals.resample import ResampleSignals
from skcnn.preprocessing._signals.spectrogram import Spectrogram
from skcnn.preprocessing._signals.standardize import StandardizeSignals

__all__ = [
    "CropSignals",
    "KernelFilter",
    "LoadImages",
    "PadSignals",
    "ResampleSignals",
    "ResizeImages",
    "Spectrogram",
    "StandardizeSignals",
]
