"""JSON is read strictly."""

import pytest

from skcnn._files import manifest
from skcnn._files.manifest import parse_json, to_json
from skcnn.exceptions import ModelFileError


@pytest.mark.parametrize(
    "values", [None, True, 0, -(10**38), 1.5, 5e-324, "é\ud800", [], {"a": [{}]}]
)
def test_values_come_back(values):
    found = parse_json(to_json(values))
    assert found == values
    assert type(found) is type(values)


BAD = {
    "duplicate key": (b'{"a":1,"b":2,"a":3}', "the key 'a' twice"),
    "duplicate key inside": (b'[{"a":{"b":1,"b":1}}]', "the key 'b' twice"),
    "no number": (b"[NaN]", "the number NaN"),
    "infinite": (b"[-Infinity]", "the number -Infinity"),
    "overflow": (b"[1e999]", "the infinite number 1e999"),
    "digits": (b"[" + b"1" * 5000 + b"]", "an integer of 5000 digits"),
    "deep lists": (b"[" * 50_000 + b"]" * 50_000, "more than 60000|too deeply"),
    "deep": (b"[" * 20_000 + b"]" * 20_000, "nested too deeply|damaged"),
    "deep objects": (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, "nested too deeply"),
    "many values": (b"[" + b"1," * 60_000 + b"1]", "has 60001 values, more than 60000"),
    "large": (b'"' + b"a" * 2**22 + b'"', "has 4194306 bytes, more than 4194304"),
    "not ASCII": ('"é"'.encode(), "damaged: 'ascii' codec"),
    "cut off": (b'{"a":1', "damaged: Expecting"),
    "empty": (b"", "damaged: Expecting value"),
    "two": (b"1 2", "damaged: Extra data"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_texts_are_named_errors(case):
    text, message = BAD[case]
    with pytest.raises(ModelFileError, match=message):
        parse_json(text)


def test_what_would_not_be_read_is_not_written(monkeypatch):
    monkeypatch.setattr(manifest, "MOST_VALUES", 3)
    with pytest.raises(ModelFileError, match="has 5 values, more than 3"):
        to_json([1, 2, 3, 4, 5])
