"""Probabilities of a classifier that say how often it is right: a temperature of its logits."""
