"""Helpers without any idea of networks."""
