"""The commands of the script ``skcnn`` and of ``python -m skcnn``, one in a module."""
