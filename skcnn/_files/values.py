"""Plain values and arrays as JSON and tensors, and back.

A value that JSON has stands for itself. Others are an object with one key that says what they
are, such as ``{"tuple": [1, 2]}``. Arrays are tensors of the file; their node has the name.
"""

from collections.abc import Callable, Mapping
from math import inf, isfinite, nan, prod
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skcnn._files.container import DTYPES, NAMES
from skcnn.exceptions import ModelFileError, UnsupportedModelError

MOST_LEVELS = 100  # of nested values
MOST_BITS = 128  # of an integer
LONGEST_STRING = 2**16  # of fixed length, in an array
NOT_FINITE = {"nan": nan, "inf": inf, "-inf": -inf}
KEY_WORDS = 624  # of NumPy's Mersenne Twister
# The types that parameters may be, such as the dtype of an encoder.
TYPES: dict[str, type] = {
    **{f"numpy.{name}": np.dtype(name).type for name in DTYPES.values()},
    **{kind.__name__: kind for kind in (bool, int, float, str, object)},
}
TYPE_NAMES = {kind: name for name, kind in TYPES.items()}


class ValueEncoder:
    """Turns values into nodes of a manifest, and their arrays into tensors.

    Attributes
    ----------
    tensors : dict of str to ndarray
        The arrays so far, each named by the place of its node.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}

    def encode(self, value: Any, place: str, level: int = 0) -> Any:
        """Return the node of a value.

        Parameters
        ----------
        value : object
            What to encode.
        place : str
            Where it is, for messages and the names of tensors.
        level : int, default=0
            In how many other values it is.

        Raises
        ------
        UnsupportedModelError
            If it is nothing that a model file holds.
        """
        if level > MOST_LEVELS:
            raise UnsupportedModelError(f"{place} is nested more than {MOST_LEVELS} levels deep")
        if value is None or type(value) in (bool, str):
            return value
        if type(value) is int and value.bit_length() <= MOST_BITS:
            return value
        if type(value) is float:
            return value if isfinite(value) else {"float": repr(value)}
        if isinstance(value, np.ndarray):
            return self._array(value, place)
        inner = level + 1
        if type(value) is list:
            return self._each(value, place, inner)
        if type(value) is tuple:
            return {"tuple": self._each(value, place, inner)}
        if type(value) in (set, frozenset):
            return {type(value).__name__: self._each(sorted(value, key=repr), place, inner)}
        if type(value) in (dict, Bunch):
            pairs = [
                [self.encode(key, f"{place} (a key)", inner), self._inside(key, part, place, inner)]
                for key, part in value.items()
            ]
            return {"dict" if type(value) is dict else "bunch": pairs}
        return self._other(value, place, inner)

    def _each(self, values: Any, place: str, level: int) -> list[Any]:
        return [self._inside(n, part, place, level) for n, part in enumerate(values)]

    def _inside(self, key: Any, part: Any, place: str, level: int) -> Any:
        return self.encode(part, f"{place}.{key}", level)

    def _other(self, value: Any, place: str, level: int) -> Any:
        if isinstance(value, np.generic) and value.dtype.name in NAMES:
            return {"scalar": [value.dtype.name, self.encode(value.item(), place, level)]}
        if type(value) is np.str_:
            return {"scalar": ["str", str(value)]}
        if type(value) is slice:
            return {"slice": self._each((value.start, value.stop, value.step), place, level)}
        if isinstance(value, np.dtype) and _is_known(value):
            return {"dtype": value.str if value.kind in "US" else value.name}
        if isinstance(value, type) and value in TYPE_NAMES:
            return {"type": TYPE_NAMES[value]}
        if type(value) is np.random.RandomState:
            state: Any = value.get_state(legacy=False)
            if state["bit_generator"] == "MT19937":
                inside = state["state"]
                parts = [inside["key"], inside["pos"], state["has_gauss"], state["gauss"]]
                return {"random_state": self._each(parts, place, level)}
        return self._object(value, place, level)

    def _object(self, value: Any, place: str, level: int) -> Any:
        """Return the node of an object that is no plain value."""
        raise UnsupportedModelError(f"{place} is {described(value)}, which is no plain value")

    def _array(self, array: np.ndarray, place: str) -> Any:
        if isinstance(array, np.ma.MaskedArray | np.matrix):
            return self._object(array, place, 0)
        array = np.asarray(array)
        node: dict[str, Any] = {}
        if array.dtype.kind == "O":
            if not all(type(each) is str for each in array.flat):
                plain = (bool, int, float, str, type(None))
                if not all(type(each) in plain for each in array.flat):
                    raise UnsupportedModelError(
                        f"{place} is an array of objects; arrays of str, int, float and bool "
                        "objects can be saved"
                    )
                values = self._each(array.reshape(-1).tolist(), place, 1)
                return {"objects": values, "shape": list(array.shape)}
            texts = array.astype("U") if array.size else np.empty(array.shape, "U1")
            if not (texts.astype(object) == array).all():  # zeros at the end are lost
                values = array.reshape(-1).tolist()
                return {"objects": values, "shape": list(array.shape)}
            array, node["objects"] = texts, True
        if array.dtype.kind in "US":
            node["text"] = array.dtype.newbyteorder("=").str[1:]
            array = _codes_of(array)
        elif array.dtype.name not in NAMES:
            raise UnsupportedModelError(f"{place} is an array of {array.dtype}")
        elif array.flags.f_contiguous and not array.flags.c_contiguous:
            node["order"] = "F"  # which a product of matrices rounds by
            array = array.T
        name = place
        while name in self.tensors:
            name += "'"
        self.tensors[name] = array
        return {"array": name, **node}


def described(value: Any) -> str:
    """Return what a value is, for a message: a function or class by name, others by type."""
    if isinstance(value, type):
        return f"the class {value.__module__}.{value.__qualname__}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return f"of the type {type(value).__module__}.{type(value).__qualname__}"


def _is_known(dtype: np.dtype) -> bool:
    return dtype.name in NAMES or dtype.kind in "OUS"


def _codes_of(texts: np.ndarray) -> np.ndarray:
    """Return the characters or bytes of strings of one length, on a last axis."""
    unit, dtype = (4, np.uint32) if texts.dtype.kind == "U" else (1, np.uint8)
    native = np.ascontiguousarray(texts.astype(texts.dtype.newbyteorder("=")))
    length = native.dtype.itemsize // unit
    return np.frombuffer(native.tobytes(), dtype).reshape(*texts.shape, length)


class ValueDecoder:
    """Turns nodes of a manifest back into values.

    Parameters
    ----------
    tensors : dict of str to ndarray
        The tensors of the file. Each is taken out where it is used.
    """

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = tensors
        self.kinds: dict[str, Callable[[dict[str, Any], str, int], Any]] = {
            "float": self._float,
            "tuple": lambda node, place, level: tuple(self._list(node["tuple"], place, level)),
            "set": lambda node, place, level: self._set(set, node["set"], place, level),
            "frozenset": lambda node, place, level: self._set(
                frozenset, node["frozenset"], place, level
            ),
            "dict": lambda node, place, level: self._dict(node["dict"], place, level),
            "bunch": lambda node, place, level: Bunch(**self._names(node["bunch"], place, level)),
            "scalar": self._scalar,
            "slice": self._slice,
            "dtype": self._dtype,
            "type": self._type,
            "random_state": self._random_state,
            "array": self._array,
            "objects": self._objects,
        }

    def decode(self, node: Any, place: str, level: int = 0) -> Any:
        """Return the value of a node.

        Raises
        ------
        ModelFileError
            If it is nothing that `ValueEncoder.encode` returns.
        """
        if level > MOST_LEVELS:
            raise ModelFileError(f"{place[:80]} is nested more than {MOST_LEVELS} levels deep")
        if type(node) is list:
            return self._list(node, place, level + 1)
        if type(node) is not dict:
            return node
        kind = next(iter(node), None)
        if kind not in self.kinds:
            raise ModelFileError(f"{place} is of an unknown kind, {str(kind)[:80]!r}")
        return self.kinds[kind](node, place, level + 1)

    def _list(self, nodes: Any, place: str, level: int) -> list[Any]:
        self._check(type(nodes) is list, place)
        return [self.decode(part, f"{place}.{n}", level) for n, part in enumerate(nodes)]

    def _set(self, kind: Any, nodes: Any, place: str, level: int) -> Any:
        values = self._list(nodes, place, level)
        self._check(all(type(value) in (bool, int, float, str) for value in values), place)
        return kind(values)

    def _dict(self, pairs: Any, place: str, level: int) -> dict[Any, Any]:
        self._check(type(pairs) is list, place)
        values = {}
        for pair in pairs:
            self._check(type(pair) is list and len(pair) == 2, place)
            key = self.decode(pair[0], place, level)
            self._check(_is_key(key) and key not in values, place)
            values[key] = self.decode(pair[1], f"{place}.{key}", level)
        return values

    def _names(self, pairs: Any, place: str, level: int) -> dict[str, Any]:
        values = self._dict(pairs, place, level)
        self._check(all(type(key) is str for key in values), place)
        return values

    def _float(self, node: dict[str, Any], place: str, level: int) -> float:
        word = node["float"]
        self._check(type(word) is str and word in NOT_FINITE, place)
        return NOT_FINITE[word]

    def _scalar(self, node: dict[str, Any], place: str, level: int) -> Any:
        parts = node["scalar"]
        self._check(type(parts) is list and len(parts) == 2, place)
        name, value = parts[0], self.decode(parts[1], place, level)
        if name == "str":
            self._check(type(value) is str, place)
            return np.str_(value)
        self._check(type(name) is str and name in NAMES, place)
        dtype = np.dtype(name)
        legal = {"b": bool, "f": float}.get(dtype.kind, int)
        self._check(type(value) is legal, place)
        if legal is int:
            limits = np.iinfo(dtype)
            self._check(limits.min <= value <= limits.max, place)
        return dtype.type(value)

    def _slice(self, node: dict[str, Any], place: str, level: int) -> slice:
        ends = self._list(node["slice"], place, level)
        plain = all(end is None or type(end) in (int, str) for end in ends)
        self._check(len(ends) == 3 and plain, place)
        return slice(*ends)

    def _dtype(self, node: dict[str, Any], place: str, level: int) -> np.dtype:
        name = node["dtype"]
        self._check(type(name) is str, place)
        if name == "object" or name in NAMES:
            return np.dtype(name)
        return self._text_dtype(name.lstrip("<>|="), place)

    def _text_dtype(self, name: Any, place: str) -> np.dtype:
        """Return the dtype of strings of a length, such as U5."""
        self._check(type(name) is str and name[:1] in ("U", "S") and len(name) < 8, place)
        self._check(name[1:].isascii() and name[1:].isdigit(), place)
        self._check(int(name[1:]) <= LONGEST_STRING, place)
        return np.dtype(name)

    def _type(self, node: dict[str, Any], place: str, level: int) -> type:
        name = node["type"]
        self._check(type(name) is str and name in TYPES, place)
        return TYPES[name]

    def _random_state(self, node: dict[str, Any], place: str, level: int) -> Any:
        state = self._list(node["random_state"], place, level)
        self._check(len(state) == 4 and isinstance(state[0], np.ndarray), place)
        key, position, has_normal, normal = state
        self._check(key.dtype == np.uint32 and key.shape == (KEY_WORDS,), place)
        self._check(type(position) is int and 0 <= position <= KEY_WORDS, place)
        self._check(type(has_normal) is int and has_normal in (0, 1), place)
        self._check(type(normal) is float, place)
        random_state = np.random.RandomState(0)
        random_state.set_state(("MT19937", key, position, has_normal, normal))
        return random_state

    def _objects(self, node: dict[str, Any], place: str, level: int) -> np.ndarray:
        self._check(node.keys() == {"objects", "shape"} and type(node["objects"]) is list, place)
        values = self._list(node["objects"], place, level)
        shape = node["shape"]
        sides = type(shape) is list and all(type(n) is int and 0 <= n < 2**31 for n in shape)
        self._check(sides and prod(shape) == len(values), place)
        plain = all(type(value) in (bool, int, float, str, type(None)) for value in values)
        self._check(plain and (bool(values) or max(shape, default=0) < 2**20), place)
        array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)

    def _array(self, node: dict[str, Any], place: str, level: int) -> np.ndarray:
        name = node["array"]
        self._check(
            type(name) is str and node.keys() <= {"array", "text", "objects", "order"}, place
        )
        if name not in self.tensors:
            raise ModelFileError(f"{place} needs the tensor {name[:80]!r}, which is not there")
        array = self.tensors.pop(name)
        if "text" in node:
            return self._text(array, node, place)
        self._check("objects" not in node and node.get("order", "F") == "F", place)
        return array.T if "order" in node else array

    def _text(self, codes: np.ndarray, node: dict[str, Any], place: str) -> np.ndarray:
        dtype = self._text_dtype(node["text"], place)
        unit = np.uint32 if dtype.kind == "U" else np.uint8
        length = dtype.itemsize // np.dtype(unit).itemsize
        self._check("order" not in node and codes.dtype == unit, place)
        self._check(codes.ndim > 0 and codes.shape[-1] == length, place)
        self._check(dtype.kind == "S" or not codes.size or codes.max() < 0x110000, place)
        texts = np.frombuffer(codes.tobytes(), dtype if length else "S1")
        texts = texts.reshape(codes.shape[:-1]) if length else np.empty(codes.shape[:-1], dtype)
        self._check(node.get("objects", True) is True, place)
        return texts.astype(object) if "objects" in node else texts.copy()

    @staticmethod
    def _check(condition: bool, place: str) -> None:
        """Raise an error unless a condition holds."""
        if not condition:
            raise ModelFileError(f"{place[:200]} is damaged")


def _is_key(key: Any) -> bool:
    plain = (bool, int, float, str, type(None))
    if type(key) is tuple:
        return all(map(_is_key, key))
    return type(key) in plain or isinstance(key, np.generic)


def check_names(given: Mapping[str, Any], wanted: set[str], place: str) -> None:
    """Raise an error unless a mapping has exactly these names."""
    if given.keys() != wanted:
        different = sorted(map(str, given.keys() ^ wanted))
        raise ModelFileError(f"{place} has other entries than expected: {different[:5]}")
