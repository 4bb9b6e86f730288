"""JSON that is read strictly: no duplicate keys, no deep nesting, no infinite numbers."""

import json
from math import isfinite
from typing import Any, NoReturn

from skcnn.exceptions import ModelFileError

MOST_BYTES = 2**22  # of a text
MOST_VALUES = 60_000  # Python needs about a hundred bytes for each
MOST_DIGITS = 40  # of an integer


def parse_json(text: bytes) -> Any:
    """Return the values of a JSON text in ASCII.

    Raises
    ------
    ModelFileError
        If it is no JSON, too long or too deeply nested, has a key twice, or a number that is
        infinite or no number.
    """
    if len(text) > MOST_BYTES:
        raise ModelFileError(f"a JSON text has {len(text)} bytes, more than {MOST_BYTES}")
    n_values = sum(map(text.count, (b",", b"[", b"{", b":")))
    if n_values > MOST_VALUES:
        raise ModelFileError(f"a JSON text has {n_values} values, more than {MOST_VALUES}")
    try:
        return json.loads(
            text.decode("ascii"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_short,
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFileError(f"a JSON text is damaged: {error}") from None
    except RecursionError:
        raise ModelFileError("a JSON text is nested too deeply") from None


def to_json(values: Any) -> bytes:
    """Return values as a JSON text in ASCII.

    Raises
    ------
    ModelFileError
        If `parse_json` would not read it.
    """
    text = json.dumps(values, separators=(",", ":"), allow_nan=False).encode("ascii")
    parse_json(text)
    return text


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ModelFileError(f"a JSON text has the key {twice[:80]!r} twice")
    return values


def _no_number(word: str) -> NoReturn:
    raise ModelFileError(f"a JSON text has the number {word}, which JSON does not have")


def _finite(word: str) -> float:
    value = float(word)
    if not isfinite(value):
        raise ModelFileError(f"a JSON text has the infinite number {word[:80]}")
    return value


def _short(word: str) -> int:
    if len(word) > MOST_DIGITS:
        raise ModelFileError(f"a JSON text has an integer of {len(word)} digits")
    return int(word)
