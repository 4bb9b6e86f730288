"""The displays, one in a module."""
