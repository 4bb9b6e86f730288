"""The displays."""
