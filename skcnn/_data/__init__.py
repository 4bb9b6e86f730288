"""From X and y to samples: the input gates."""
