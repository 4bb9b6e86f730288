"""Transformers for signals and sound."""
