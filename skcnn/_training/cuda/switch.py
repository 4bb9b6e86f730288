"""Whether training steps are captured, and how many were.

Off by default: no GPU has run this yet. It is switched on by the change that brings the figures.
"""

from collections.abc import Iterator
from contextlib import contextmanager

ENABLED = False
COUNTS = {"captured": 0, "eager": 0}  # steps of the last training with captures


@contextmanager
def captured_steps(is_on: bool = True) -> Iterator[None]:
    """Capture steps in the fits of the block, or do not; for benchmarks and tests."""
    global ENABLED
    before, ENABLED = ENABLED, is_on
    COUNTS.update(captured=0, eager=0)
    try:
        yield
    finally:
        ENABLED = before


def last_counts() -> dict[str, int]:
    """Return how many steps of the last block were replayed, and how many others were done."""
    return dict(COUNTS)
