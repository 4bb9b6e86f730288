"""Estimators in files: those that skcnn reads, which hold no code, and those for other programs."""

from skcnn.persistence._export import export_onnx, export_torch
from skcnn.persistence._model_card.card import ModelCard, model_card
from skcnn.persistence._save_load import load, save

__all__ = ["ModelCard", "export_onnx", "export_torch", "load", "model_card", "save"]
