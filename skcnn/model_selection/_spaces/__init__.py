"""What a search draws parameters from: the automatic space, a dict, or a function of the trial."""
