"""The study of a search, where it is stored, and the workers that run its trials."""
