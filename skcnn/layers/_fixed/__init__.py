"""Layers whose values are not trained: fixed, or set from the training samples."""
