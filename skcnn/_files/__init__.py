"""Files that hold models: the safe container, its manifest, and atomic writes."""
