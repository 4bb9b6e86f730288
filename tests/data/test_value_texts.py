"""Texts that are the same for equal values."""

import functools
import io

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcnn._data.value_texts import description_of, hash_of, key_of, text_of


def test_keys_of_different_parameters_differ():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    for first, second in [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": (4,)}, {"a": 4}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": 0.1}, {"a": 0.1 + 1e-16}),
    ]:
        assert key_of(first) != key_of(second)


def test_keys_of_long_values_differ():
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1.0
    assert key_of({"a": long}) != key_of({"a": other})
    many = [PCA(n_components=i, svd_solver="full", whiten=True, tol=0.5) for i in range(40)]
    middle = [*many[:20], PCA(n_components=999, svd_solver="full"), *many[21:]]
    pipes = [Pipeline([(f"step{i}", pca) for i, pca in enumerate(pcas)]) for pcas in (many, middle)]
    assert key_of({"a": pipes[0]}) != key_of({"a": pipes[1]})


# The automatic space


def test_equal_tuples_have_the_same_hash():
    inner = (4, 4)
    assert hash_of((inner, inner)) == hash_of(((4, 4), (*inner,)))
    assert hash_of((4, 4)) != hash_of([4, 4])
    assert hash_of(1) != hash_of(True) != hash_of(1.0)
    assert hash_of(np.float64(0.5)) == hash_of(0.5)


# Functions and classes

SCALED = """
FACTOR = {factor}

def helper(X):
    return X * FACTOR

def scaled(X, shift={shift}):
    '''{doc}'''
    return helper(X) + shift

class Scaler:
    unit = {unit}
    def __init__(self, level=0):
        self.level = level
    def apply(self, X):
        return super().__repr__() and X * {inner}
"""


def compiled(module="__main__", **parts):
    """Return the names of a user's script that is run, or imported."""
    defaults = {"factor": 2, "shift": 0, "doc": "", "unit": 1, "inner": 3}
    namespace = {"__name__": module}
    exec(SCALED.format(**{**defaults, **parts}), namespace)
    return namespace


@pytest.mark.parametrize("name", ["scaled", "Scaler"])
def test_code_is_the_same_in_a_script_and_an_imported_module(name):
    first, second = (compiled(module)[name] for module in ("__main__", "my_transforms"))
    assert hash_of(first) == hash_of(second)
    if name == "Scaler":
        assert hash_of(first(1)) == hash_of(second(1)) != hash_of(first(2))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("scaled", {"factor": 3}),
        ("scaled", {"shift": 1}),
        ("Scaler", {"inner": 4}),
        ("Scaler", {"unit": 2}),
    ],
    ids=["global", "default", "method", "attribute"],
)
def test_code_counts_with_the_values_that_it_refers_to(name, part):
    same, other = compiled()[name], compiled(**part)[name]
    assert hash_of(same) != hash_of(other)
    assert hash_of([same]) != hash_of([other])
    assert hash_of(functools.partial(same)) != hash_of(functools.partial(other))


def make_multiply(factor):
    return lambda X: X * factor


def test_closures_and_lambdas_count_by_their_values():
    assert hash_of(make_multiply(2)) == hash_of(make_multiply(2)) != hash_of(make_multiply(3))
    steps = [FunctionTransformer(lambda X: X), FunctionTransformer(lambda X: X * 0)]
    assert hash_of(steps[0]) != hash_of(steps[1])
    assert key_of({"step": steps[0]}) != key_of({"step": steps[1]})
    assert description_of(steps[0]) != description_of(steps[1])


def test_functions_that_call_each_other_have_a_hash():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert hash_of(even) == hash_of(even) != hash_of(odd)


def test_installed_functions_and_classes_count_by_their_name():
    names = [np.sqrt, np.square, np.mean, len, StandardScaler, PCA, torch.relu, str.upper]
    assert len({hash_of(value) for value in names}) == len(names)
    assert hash_of(PCA) == "sklearn.decomposition._pca.PCA"


# Content


def test_arrays_count_by_their_values():
    kernel, other = np.zeros((35, 35)), np.zeros((35, 35))
    other[17, 17] = 1.0
    assert repr(kernel) == repr(other)
    assert hash_of(kernel) != hash_of(other)
    assert description_of(kernel) != description_of(other)
    assert description_of(kernel).startswith("array of shape (35, 35) and dtype float64 [")
    assert hash_of(kernel) == hash_of(np.asfortranarray(kernel)) != hash_of(kernel[:, :-1])
    assert hash_of(kernel) != hash_of(kernel.astype(np.float32))
    words = np.array(["a", "b"], dtype=object)
    assert hash_of(words) == hash_of(words.copy()) != hash_of(words[::-1])
    assert hash_of(np.zeros((0, 2))) != hash_of(np.zeros((0, 3)))


def test_tensors_and_modules_count_by_their_values():
    one, two = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    assert hash_of(one) != hash_of(two)
    two.load_state_dict(one.state_dict())
    assert hash_of(one) == hash_of(two)
    half = torch.ones(3, dtype=torch.bfloat16)
    assert hash_of(half) == hash_of(half.clone()) != hash_of(half.float())


def test_frames_count_by_columns_types_and_values():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert hash_of(frame) == hash_of(frame.copy())
    others = [frame.rename(columns={"a": "c"}), frame.astype({"a": float}), frame.iloc[::-1]]
    assert len({hash_of(other) for other in [frame, *others]}) == 4


def test_distributions_do_not_count_the_global_random_state():
    before = hash_of(scipy.stats.norm(0, 1))
    np.random.default_rng(0)
    scipy.stats.norm(0, 1).rvs()
    assert hash_of(scipy.stats.norm(0, 1)) == before != hash_of(scipy.stats.norm(0, 2))
    tables = [scipy.stats.rv_discrete(values=((1, n), (0.5, 0.5))) for n in (2, 3)]
    assert hash_of(tables[0]) != hash_of(tables[1])


def test_objects_that_cannot_be_copied_count_by_their_text():
    with io.BytesIO() as buffer:
        assert hash_of(buffer.getbuffer()) == hash_of(buffer.getbuffer())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        ("adam", "'adam'"),
        ((8, (16, None)), "(8, (16, None))"),
        ({"a": [1, True]}, "{'a': [1, True]}"),
    ],
    ids=str,
)
def test_plain_values_are_described_by_their_representation(value, text):
    assert description_of(value) == text


def test_text_has_no_addresses():
    assert text_of(FunctionTransformer(make_multiply(2))) == (
        "FunctionTransformer(func=<function make_multiply.<locals>.<lambda>>)"
    )
