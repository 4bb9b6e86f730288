"""The values of a training's state as JSON and arrays, and back: plain values and tensors."""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._files.container import DTYPES
from skcnn._files.values import ValueDecoder, ValueEncoder, described
from skcnn.exceptions import ModelFileError, UnsupportedModelError

BFLOAT16 = "bfloat16"  # which NumPy does not have
COMPLEX = {"complex64": "float32", "complex128": "float64"}
PLACE = "state"


class StateEncoder(ValueEncoder):
    """Turns values into nodes of a manifest; tensors may be among them."""

    def _object(self, value: Any, place: str, level: int) -> Any:
        if type(value) is OrderedDict:
            return {"ordered": self.encode(dict(value), place, level)}
        if not isinstance(value, Tensor):
            raise UnsupportedModelError(f"{place} is {described(value)}")
        kind = str(value.dtype).removeprefix("torch.")
        legal = kind in (BFLOAT16, *COMPLEX, *DTYPES.values())
        if value.layout != torch.strided or not legal:
            raise UnsupportedModelError(f"{place} is a tensor of {value.layout} and {value.dtype}")
        plain = value.detach().cpu().contiguous()
        if kind == BFLOAT16:
            plain = plain.view(torch.int16)
        elif kind in COMPLEX:
            plain = torch.view_as_real(plain.resolve_conj())
        return {"tensor": kind, "values": self.encode(plain.numpy(), place, level)}


class StateDecoder(ValueDecoder):
    """Turns nodes of a manifest back into values, with tensors on the CPU."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        super().__init__(tensors)
        self.kinds |= {"ordered": self._ordered, "tensor": self._tensor}

    def _ordered(self, node: dict[str, Any], place: str, level: int) -> Any:
        values = self.decode(node["ordered"], place, level)
        self._check(type(values) is dict, place)
        return OrderedDict(values)

    def _tensor(self, node: dict[str, Any], place: str, level: int) -> Tensor:
        kind, array = node["tensor"], self.decode(node.get("values"), place, level)
        self._check(isinstance(kind, str) and isinstance(array, np.ndarray), place)
        stored = {BFLOAT16: "int16", **COMPLEX}.get(kind, kind)
        self._check(stored in DTYPES.values() and array.dtype.name == stored, place)
        if kind in COMPLEX:
            self._check(array.ndim > 0 and array.shape[-1] == 2, place)
            array = np.ascontiguousarray(array).view(kind)[..., 0]
        tensor = torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
        return tensor.view(torch.bfloat16) if kind == BFLOAT16 else tensor


def encoded(values: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the node of values, and the arrays that belong to it.

    Raises
    ------
    UnsupportedModelError
        If there is anything but plain values, arrays and tensors in them.
    """
    encoder = StateEncoder()
    return encoder.encode(values, PLACE), encoder.tensors


def decoded(node: Any, tensors: dict[str, np.ndarray]) -> Any:
    """Return the values of a node that `encoded` returned.

    Raises
    ------
    ModelFileError
        If it is another node, or arrays are missing or left over.
    """
    values = StateDecoder(tensors).decode(node, PLACE)
    if tensors:
        raise ModelFileError(f"nothing refers to the tensor {min(tensors)[:80]!r}")
    return values


def is_encodable(value: Any) -> bool:
    """Return whether `encoded` takes a value."""
    try:
        encoded(value)
    except (UnsupportedModelError, RecursionError):
        return False
    return True
