"""Texts that are the same for equal values, in every process."""

import hashlib
from collections.abc import Mapping
from typing import Any

import joblib
import numpy as np


def hash_of(value: Any) -> str:
    """Return a text that is the same for equal values and differs between types."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} [{', '.join(hash_of(entry) for entry in value)}]"
    if isinstance(value, dict):
        entries = sorted((hash_of(key), hash_of(entry)) for key, entry in value.items())
        return f"dict {entries}"
    try:
        return joblib.hash(value)
    except Exception:  # such as a lambda
        return repr(value)


def key_of(params: Mapping[str, Any]) -> str:
    """Return a short text that is the same for equal parameters."""
    text = repr(sorted((name, hash_of(value)) for name, value in params.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def text_of(value: Any) -> str:
    """Return the representation of a value without addresses in memory."""
    text = repr(value)
    return text if " at 0x" not in text else getattr(value, "__qualname__", type(value).__name__)
