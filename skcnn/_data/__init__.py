"""From X and y to samples: validation, layouts, order, splits and weights."""
