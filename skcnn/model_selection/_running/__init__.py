"""A study and its workers: where it is kept, who runs which trial, what came out."""
