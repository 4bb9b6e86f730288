"""Signals of unequal length."""
