"""Training steps that are captured once in a CUDA graph and replayed; off by default."""
