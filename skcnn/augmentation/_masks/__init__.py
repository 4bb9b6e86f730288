"""Augmentations that fill whole stripes or channels of a sample."""
