"""Settings that must be in place before scikit-learn and scipy are imported."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or one of scikit-learn's checks is skipped
os.environ.setdefault("MPLBACKEND", "Agg")
