"""Warnings and errors of many fits, summarised in short texts."""

import importlib
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

MOST_WARNING_KINDS = 20  # counted for one candidate
NUMBER = re.compile(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?")


@contextmanager
def counted_warnings(counts: list[tuple[str, str, int]]) -> Iterator[None]:
    """Catch the warnings of the block and append (category, message, count) for each.

    Warnings that the user's filters ignore stay ignored, and warnings that they turn into
    errors stay errors. Python's filters are global, so only one thread at a time may be in
    such a block.
    """
    with warnings.catch_warnings(record=True) as caught:
        filters: Any = warnings.filters
        filters[:] = [
            (action if action in ("ignore", "error") else "always", *rest)
            for action, *rest in filters
        ]
        try:
            yield
        finally:
            counts += _counted(caught)


def _counted(caught: Sequence[warnings.WarningMessage]) -> list[tuple[str, str, int]]:
    seen: dict[tuple[str, str], int] = {}
    for warning in caught:
        category = f"{warning.category.__module__}.{warning.category.__qualname__}"
        key = category, str(warning.message)
        seen[key] = seen.get(key, 0) + 1
    counts = [(*key, n) for key, n in list(seen.items())[:MOST_WARNING_KINDS]]
    n_more = len(seen) - len(counts)
    return counts + ([("builtins.UserWarning", f"{n_more} other warnings", 1)] if n_more else [])


def merged_warnings(
    of_runs: Sequence[Sequence[tuple[str, str, int]]], runs: str
) -> list[tuple[type[Warning], str]]:
    """Return each warning of several runs once, with the number of times it was raised.

    Messages that differ only in their numbers count as one; the first is returned.

    Parameters
    ----------
    of_runs : sequence of sequences of (category, message, count)
        The lists that `counted_warnings` fills, one for each run.
    runs : str
        What the runs are, in the plural.
    """
    first: dict[tuple[str, str], str] = {}
    seen: dict[tuple[str, str], dict[int, int]] = {}
    for run, counts in enumerate(of_runs):
        for category, message, count in counts:
            key = category, NUMBER.sub("", message)
            first.setdefault(key, message)
            of_run = seen.setdefault(key, {})
            of_run[run] = of_run.get(run, 0) + count
    return [
        (
            warning_named(key[0]),
            f"{first[key]} (counted {sum(counts.values())} times in {len(counts)} of "
            f"{len(of_runs)} {runs})",
        )
        for key, counts in seen.items()
    ]


def warning_named(name: str) -> type[Warning]:
    """Return the warning category of a dotted name, UserWarning if there is no such one."""
    module, _, qualname = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), qualname)
    except (ImportError, AttributeError, ValueError):
        return UserWarning
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning


def error_line(text: str) -> str:
    """Return the line of a traceback with the exception and the start of its message."""
    lines = text.strip().splitlines() or [""]
    frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
    after = lines[frames[-1] + 1 :] if frames else lines[-1:]
    return next((line for line in after if line and not line.startswith(" ")), lines[-1])
