"""From layer specifications to torch modules and their predictions."""
