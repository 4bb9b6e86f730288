"""Estimators in files: those that skcnn reads, which hold no code, and those for other programs."""

from skcnn.persistence._export import export_onnx
from skcnn.persistence._save_load import load, save

__all__ = ["export_onnx", "load", "save"]
