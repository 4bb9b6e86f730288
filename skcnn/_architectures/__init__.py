"""Named architectures: published networks as layer specifications, one module a family."""
