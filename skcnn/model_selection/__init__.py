"""Searches of architecture and training by cross-validation."""

from skcnn.model_selection._plot import SearchDisplay
from skcnn.model_selection._search import ConvNetSearchCV

__all__ = [
    "ConvNetSearchCV",
    "SearchDisplay",
]
