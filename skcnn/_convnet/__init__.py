"""ConvNetClassifier and ConvNetRegressor."""
