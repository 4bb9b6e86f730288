"""Checkpoints of a training: its state, and the file from which a killed fit goes on."""
