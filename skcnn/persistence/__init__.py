"""Estimators in files that hold no code."""

from skcnn.persistence._save_load import load, save

__all__ = ["load", "save"]
