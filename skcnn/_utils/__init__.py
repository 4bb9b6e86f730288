"""Helpers for all packages: devices, threads, random states, memory, progress, validation."""
