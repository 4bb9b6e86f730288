"""Plain values and arrays as nodes of a manifest, and back."""

import functools
import os

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from skcnn._files.manifest import parse_json, to_json
from skcnn._files.values import ValueDecoder, ValueEncoder
from skcnn.exceptions import ModelFileError, UnsupportedModelError

VALUES = [
    None,
    True,
    0,
    -(2**100),
    0.1,
    -0.0,
    float("inf"),
    float("-inf"),
    "é\n\ud800",
    [1, [2.0, "x"]],
    (1, (), [None]),
    {1, 2},
    frozenset({"a"}),
    {"a": 1, 2: (3,), None: [], 1.5: {}, ("a", 1): 2, np.str_("b"): 3},
    Bunch(a=1, b=[2]),
    slice(1, None, 2),
    slice("a", "b"),
    np.float32(0.1),
    np.float64("inf"),
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.str_("x"),
    np.dtype("float32"),
    np.dtype("U7"),
    np.dtype("O"),
    np.float32,
    int,
    object,
]
ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(1.5),
    np.empty((0, 3)),
    np.array([np.nan, np.inf]),
    np.array([True, False]),
    np.array(["a", "bcd", "é\U0001f600"]),
    np.array([["a"], [""]]),
    np.array([], "U5"),
    np.array(["", ""]),
    np.array([b"a", b"xyz"]),
    np.array(["a", "bcd"], object),
    np.array([], object),
    np.array(["a\0", "b"], object),
    np.array([[1, None], ["x", 2.5]], object),
]


def read_again(value):
    encoder = ValueEncoder()
    node = parse_json(to_json(encoder.encode(value, "here")))
    decoder = ValueDecoder(encoder.tensors)
    found = decoder.decode(node, "here")
    assert not decoder.tensors
    return found


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back(value):
    found = read_again(value)
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value)


def test_no_number_comes_back():
    assert np.isnan(read_again(float("nan")))
    assert np.isnan(read_again(np.float32("nan")))
    assert np.isnan(read_again(np.array([np.nan, "x"], object))[0])


@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_an_array_comes_back(array):
    found = read_again([array])[0]
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.flags.f_contiguous == array.flags.f_contiguous
    assert found.flags.writeable


def test_arrays_at_equal_places_have_tensors_of_their_own():
    found = read_again({"a": {"b": np.array([1])}, "a.b": np.array([2])})
    assert (found["a"]["b"][0], found["a.b"][0]) == (1, 2)


def test_arrays_in_other_containers_and_byte_orders(tmp_path):
    mapped = np.memmap(tmp_path / "m", np.float64, "w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    np.testing.assert_array_equal(read_again(mapped), [1, 2, 3])
    assert type(read_again(mapped)) is np.ndarray
    np.testing.assert_array_equal(read_again(np.array([1, 2], ">i4")), [1, 2])
    np.testing.assert_array_equal(read_again(np.array(["ab"], ">U2")), ["ab"])


def test_a_random_state_comes_back():
    state = np.random.RandomState(3)
    state.standard_normal()  # which keeps a second number
    again = read_again(state)
    np.testing.assert_array_equal(again.standard_normal(5), state.standard_normal(5))


def nested(n):
    value = 0
    for _ in range(n):
        value = (value,)
    return value


REFUSED = {
    "function": (np.sin, "here is the function sin"),
    "lambda": ([lambda: 1], "here.0 is the function <lambda>"),
    "partial": (functools.partial(print), "here is of the type functools.partial"),
    "class": (os.PathLike, "here is the class os.PathLike"),
    "object": (object(), "here is of the type builtins.object"),
    "table": ({"a": pd.DataFrame()}, "here.a is of the type pandas"),
    "dates": (np.array(["2020-01-01"], "M8[D]"), r"an array of datetime64\[D\]"),
    "records": (np.zeros(2, "i4,f4"), "an array of "),
    "complex": (np.zeros(2, complex), "an array of complex128"),
    "objects": (np.array([{}, 1], object), "an array of objects; arrays of str, int, float and bo"),
    "masked": (np.ma.masked_array([1], [True]), "here is of the type numpy.ma"),
    "matrix": (np.ones((1, 1)).view(np.matrix), "here is of the type numpy.*matrix"),
    "long integer": (2**200, "here is of the type builtins.int"),
    "generator": (np.random.default_rng(0), "here is of the type numpy.random"),
    "other generator": (np.random.RandomState(np.random.PCG64(0)), "numpy.random.*RandomState"),
    "deep": (nested(200), "nested more than 100 levels"),
    "key": ({frozenset(): 1}, "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_values_are_refused_by_name(case):
    value, message = REFUSED[case]
    with pytest.raises(ModelFileError, match=message):
        read_again(value)
    if case != "key":
        with pytest.raises(UnsupportedModelError, match=message):
            ValueEncoder().encode(value, "here")


BAD_NODES = [
    {"tuple": 3},
    {"set": [[1]]},
    {"float": 3},
    {"scalar": 3},
    {"scalar": ["float32", "x"]},
    {"scalar": ["U5", "x"]},
    {"scalar": ["str", 3]},
    {"scalar": ["uint8", 256]},
    {"scalar": ["int8", -129]},
    {"scalar": ["bool", 1]},
    {"slice": [1, 2]},
    {"slice": [1, 2, {"tuple": []}]},
    {"dtype": 3},
    {"dtype": "f4,f4"},
    {"dtype": "U99999999"},
    {"dtype": "U100000"},
    {"dtype": "Ux"},
    {"dtype": "datetime64"},
    {"type": ["int"]},
    {"bunch": [[1, 2]]},
    {"random_state": [1, 2, 3, 4]},
    {"array": 3},
    {"array": "a", "x": 1},
    {"array": "a", "order": "C"},
    {"array": "a", "objects": True},
    {"array": "a", "text": "U1"},
    {"array": "b", "text": "U2"},
    {"array": "b", "text": "U1", "order": "F"},
    {"array": "b", "text": "U1", "objects": 1},
    {"array": "one", "text": "U1"},
    {"objects": [1]},
    {"objects": [1], "shape": [2]},
    {"objects": [1], "shape": 1},
    {"objects": [[1]], "shape": [1]},
    {"objects": [], "shape": [0, 2**30]},
]


@pytest.mark.parametrize("node", BAD_NODES, ids=repr)
def test_a_damaged_node_is_a_named_error(node):
    tensors = {"a": np.zeros(2), "b": np.zeros((2, 1), np.uint32), "one": np.array(1, np.uint32)}
    with pytest.raises(ModelFileError, match="here is damaged"):
        ValueDecoder(tensors).decode(node, "here")


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, np.zeros(624)), (0, np.zeros(3, np.uint32)), (1, -1), (1, 700), (2, 2), (3, "x")],
)
def test_a_damaged_random_state_is_a_named_error(position, value):
    encoder = ValueEncoder()
    node = encoder.encode(np.random.RandomState(0), "here")
    if position == 0:
        encoder.tensors["here.0"] = value
    else:
        node["random_state"][position] = value
    with pytest.raises(ModelFileError, match="here is damaged"):
        ValueDecoder(encoder.tensors).decode(node, "here")
