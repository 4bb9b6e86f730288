"""Axes, legends and grids of pictures for the displays."""
