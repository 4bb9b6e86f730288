"""Batches, losses, optimizers and the training loop."""
