"""Values of a training's state as JSON and arrays, and back."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from skcnn._training.checkpointing.values import decoded, encoded, is_encodable
from skcnn.exceptions import ModelFileError, UnsupportedModelError

DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.complex64, torch.complex128),
]


def again(values):
    node, arrays = encoded(values)
    return decoded(node, dict(arrays))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)], ids=str)
def test_tensors_of_each_type_come_back(dtype, shape):
    tensor = (torch.arange(6.0)[: int(np.prod(shape))].reshape(shape) - 2.5).to(dtype)
    found = again(tensor)
    assert found.dtype == dtype
    assert found.shape == tensor.shape
    assert torch.equal(found, tensor)


def test_values_around_tensors_come_back():
    conjugate = torch.tensor([1 + 2j]).conj()
    columns = torch.zeros(1, 2, 3, 3).to(memory_format=torch.channels_last) + torch.arange(3)
    values = {
        1: [torch.tensor(2.0), (np.float64(3), float("inf"))],
        "ordered": OrderedDict(b=1, a=conjugate),
        "columns": columns,
    }
    found = again(values)
    assert found[1][0] == 2
    assert found[1][1] == (3.0, float("inf"))
    assert type(found["ordered"]) is OrderedDict
    assert [*found["ordered"]] == ["b", "a"]
    assert torch.equal(found["ordered"]["a"], conjugate)
    assert torch.equal(found["columns"], columns)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (print, "the function print"),
        (torch.eye(2).to_sparse(), "a tensor of torch.sparse_coo"),
        (torch.zeros(2, dtype=torch.float8_e5m2), "float8_e5m2"),
        (torch.Generator(), "Generator"),
    ],
)
def test_other_values_are_refused(value, message):
    with pytest.raises(UnsupportedModelError, match=message):
        encoded({"inside": [value]})
    assert not is_encodable([value])
    assert is_encodable([1.0])


def test_a_list_inside_of_itself_is_refused():
    value = []
    value.append(value)
    assert not is_encodable(value)


FLOATS = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("node", "arrays"),
    [
        ({"tensor": "float64", "values": {"array": "a"}}, {"a": FLOATS}),
        ({"tensor": "bfloat16", "values": {"array": "a"}}, {"a": FLOATS}),
        ({"tensor": "complex64", "values": {"array": "a"}}, {"a": FLOATS}),
        ({"tensor": "complex64", "values": {"array": "a"}}, {"a": np.float32(1)[()].reshape(())}),
        ({"tensor": "object", "values": {"array": "a"}}, {"a": FLOATS}),
        ({"tensor": 5, "values": {"array": "a"}}, {"a": FLOATS}),
        ({"tensor": "float32", "values": [1.0]}, {}),
        ({"tensor": "float32"}, {}),
        ({"ordered": [1]}, {}),
        (1, {"a": FLOATS}),
    ],
)
def test_other_nodes_are_damaged(node, arrays):
    with pytest.raises(ModelFileError):
        decoded(node, dict(arrays))
