"""What ``augmentation="auto"`` changes in samples, by a check on samples held back."""
