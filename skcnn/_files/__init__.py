"""Files that hold networks: weights of others, and the safe container of models."""
