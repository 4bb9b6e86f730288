"""Model cards: what a fitted estimator is, how well it predicts, and where it comes from."""
