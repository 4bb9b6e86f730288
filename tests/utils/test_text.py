"""Texts that are cut to a length, made safe to print, or numbers of things."""

import pytest

from skcnn._utils.text import plural, printable, shorten


@pytest.mark.parametrize("keep_end", [False, True])
def test_short_texts_stay_as_they_are(keep_end):
    assert shorten("", 5, keep_end=keep_end) == ""
    assert shorten("a name", 6, keep_end=keep_end) == "a name"


def test_long_texts_lose_their_end():
    assert shorten("abcdefgh", 5) == "abcd…"


@pytest.mark.parametrize(("width", "expected"), [(7, "ab … ij"), (8, "ab … ij"), (9, "abc … hij")])
def test_long_texts_lose_their_middle(width, expected):
    assert shorten("abcdefghij", width, keep_end=True) == expected


def test_what_cannot_be_printed_is_escaped():
    assert printable("Käse 猫 $x$ 'a'") == "Käse 猫 $x$ 'a'"
    assert printable("a\nb\x1b[31m\udce9") == "a\\nb\\x1b[31m\\udce9"


def test_numbers_of_things():
    assert plural(1, "class", "classes") == "1 class"
    assert plural(0, "split") == "0 splits"
    assert plural(60_000, "class", "classes") == "60,000 classes"
