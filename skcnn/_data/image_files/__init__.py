"""Images in files, decoded when they are read."""
