"""Readers of files that hold networks."""
