"""Which checkpoint belongs to a fit of an estimator."""
