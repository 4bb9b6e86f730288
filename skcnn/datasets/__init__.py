"""Synthetic data sets for tests, examples and demonstrations."""

from skcnn.datasets._noughts_and_crosses import make_noughts_and_crosses

__all__ = ["make_noughts_and_crosses"]
