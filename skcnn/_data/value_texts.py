"""Texts that are the same for values with the same content, in every process.

Arrays count by their values, functions and classes of the user by their code and by what it
refers to, installed ones by their name, and other objects by what a copy is made of.
"""

import copyreg
import dis
import functools
import hashlib
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.utils import check_random_state

from skcnn._data.image_files.image_files import ImageFiles
from skcnn._utils.text import shorten

PLAIN = (bool, int, float, complex, str, bytes, types.NoneType, types.EllipsisType)
LONGEST_TEXT = 200  # of a value in a description
HASH_LENGTH = 12  # of a hash in a description
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
GLOBAL_RANDOM_STATE = check_random_state(None)
# Attributes that Python and scikit-learn add to a class, or to the copy of a class in another
# process.
NOT_OF_A_CLASS = ("__module__", "__doc__", "__qualname__", "__firstlineno__")
NOT_OF_AN_ESTIMATOR = ("_skl_callbacks", "_sklearn_version", "_checkpoint_of_clone")


def hash_of(value: Any) -> str:
    """Return a text that is the same for equal values and differs between types."""
    return _Hasher().text(value)


def key_of(params: Mapping[str, Any]) -> str:
    """Return a short text that is the same for equal parameters."""
    hasher = _Hasher()
    return _digest("params", sorted((name, hasher.text(value)) for name, value in params.items()))


def text_of(value: Any) -> str:
    """Return the representation of a value in a line, without addresses in memory."""
    text = repr(value)
    if ADDRESS.search(text) and hasattr(value, "__qualname__"):
        return value.__qualname__
    return " ".join(ADDRESS.sub("", text).split())


def description_of(value: Any) -> str:
    """Return a readable text that is the same for equal values and differs for others.

    It ends with a hash, unless the representation says everything.
    """
    if isinstance(value, np.ndarray):
        text = f"array of shape {value.shape} and dtype {value.dtype}"
    elif isinstance(value, pd.DataFrame | pd.Series):
        text = f"{type(value).__name__} of shape {value.shape}"
    else:
        text = text_of(value)
        if _is_plain(value) and len(text) <= LONGEST_TEXT:
            return text
    return with_hash(text, value)


def with_hash(text: str, value: Any) -> str:
    """Return a text that says something of a value, cut to a length, with the value's hash."""
    return f"{shorten(text, LONGEST_TEXT)} [{_digest('', hash_of(value))[:HASH_LENGTH]}]"


def _is_plain(value: Any) -> bool:
    """Return whether the representation of a value says everything."""
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(map(_is_plain, value.items()))
    return type(value) in PLAIN


def _digest(kind: str, *parts: Any) -> str:
    return hashlib.sha256(repr((kind, *parts)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class _Hasher:
    """Computes the texts of one value and of everything in it."""

    def __init__(self) -> None:
        self._outer: list[int] = []  # the objects around the current one, to end cycles

    def text(self, value: Any) -> str:
        """Return the text of a value."""
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, PLAIN):
            return f"{type(value).__name__} {value!r}"
        if id(value) in self._outer:
            return f"the object {self._outer.index(id(value))} around it"
        self._outer.append(id(value))
        try:
            return self._compound(value)
        finally:
            self._outer.pop()

    def _compound(self, value: Any) -> str:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, list | tuple | range):
            return _digest(type(value).__name__, *map(self.text, value))
        if isinstance(value, set | frozenset):
            return _digest(type(value).__name__, *sorted(map(self.text, value)))
        if type(value) in (dict, types.MappingProxyType):
            return self._mapping("dict", value)
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.asarray(value), getattr(value, "mask", None))
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, pd.DataFrame):
            columns = [self.text(value.iloc[:, i]) for i in range(value.shape[1])]
            return _digest(kind, self.text(value.columns), *columns)
        if isinstance(value, pd.Series | pd.Index):
            index = self.text(value.index) if isinstance(value, pd.Series) else ""
            return _digest(kind, str(value.dtype), index, self.text(value.to_numpy()))
        if isinstance(value, types.CodeType):
            return self._code(value)
        if isinstance(value, ImageFiles):
            return _digest("image files", value.fingerprint())
        if value is GLOBAL_RANDOM_STATE:  # which moves, and scipy's distributions refer to it
            return "numpy.random"
        return self._callable(value) or self._object(kind, value)

    def _mapping(self, kind: str, value: Mapping[Any, Any]) -> str:
        entries = sorted((self.text(key), self.text(entry)) for key, entry in value.items())
        return _digest(kind, entries)

    def _array(self, array: np.ndarray, mask: Any) -> str:
        masked = "" if mask is None else self.text(np.array(mask))
        if array.dtype.hasobject:
            return _digest("array", array.shape, masked, *map(self.text, array.ravel().tolist()))
        digest = hashlib.sha256(repr((array.dtype, array.shape, masked)).encode())
        values: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        digest.update(values)
        return f"array {digest.hexdigest()[:32]}"

    def _tensor(self, tensor: torch.Tensor) -> str:
        kind = f"tensor {tensor.dtype} {tuple(tensor.shape)} {tensor.requires_grad}"
        if tensor.layout != torch.strided or tensor.is_quantized:
            return _digest(kind, repr(tensor))
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return _digest(kind, self.text(values.numpy()))

    def _callable(self, value: Any) -> str:
        """Return the text of a function, a method, a class or a module, "" for other objects."""
        if isinstance(value, types.ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, functools.partial):
            return _digest("partial", *map(self.text, (value.func, value.args, value.keywords)))
        if isinstance(value, types.MethodType):
            return _digest("method", self.text(value.__func__), self.text(value.__self__))
        if isinstance(value, staticmethod | classmethod):
            return _digest(type(value).__name__, self.text(value.__func__))
        if isinstance(value, property):
            return _digest("property", *map(self.text, (value.fget, value.fset, value.fdel)))
        if not isinstance(value, types.FunctionType | type):
            return ""
        if is_installed(value.__module__):
            return f"{value.__module__}.{value.__qualname__}"
        return self._class(value) if isinstance(value, type) else self._function(value)

    def _function(self, function: types.FunctionType) -> str:
        """Return the text of a function's code, defaults, closure and the globals it names."""
        names = sorted(_global_names(function.__code__))
        known = function.__globals__
        return _digest(
            "function",
            self._code(function.__code__),
            self.text(function.__defaults__),
            self.text(function.__kwdefaults__),
            [self._cell(cell) for cell in function.__closure__ or ()],
            [(name, self.text(known[name])) for name in names if name in known],
        )

    def _cell(self, cell: types.CellType) -> str:
        try:
            return self.text(cell.cell_contents)
        except ValueError:  # not assigned yet
            return "empty"

    def _code(self, code: types.CodeType) -> str:
        """Return the text of compiled code, without its place in a file and its name."""
        n_arguments = code.co_argcount + code.co_kwonlyargcount
        return _digest(
            "code",
            code.co_code,
            [self.text(constant) for constant in code.co_consts],
            code.co_names,
            (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
            code.co_varnames[: n_arguments + 2],
            (code.co_freevars, code.co_cellvars, getattr(code, "co_exceptiontable", b"")),
        )

    def _class(self, cls: type) -> str:
        """Return the text of a class: its name, bases, functions and plain values."""
        own = {
            name: value
            for name, value in vars(cls).items()
            if name not in NOT_OF_A_CLASS
            and isinstance(value, (*PLAIN, types.FunctionType, staticmethod, classmethod, property))
        }
        return _digest("class", cls.__qualname__, self.text(cls.__bases__), self._mapping("", own))

    def _object(self, kind: str, value: Any) -> str:
        """Return the text of what a copy of an object is made of."""
        if hasattr(value, "get_params") and hasattr(value, "__dict__"):
            every = value._hashed_state() if hasattr(value, "_hashed_state") else vars(value)
            state = {k: v for k, v in every.items() if k not in NOT_OF_AN_ESTIMATOR}
            return _digest("estimator", self.text(type(value)), self._mapping("", state))
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            parts: Any = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception:  # such as an open file
            return f"{kind} {text_of(value)}"
        if isinstance(parts, str):  # the name of a global, such as of a ufunc
            return f"{getattr(value, '__module__', '')} {parts}"
        make, arguments, state, entries, items = (*parts, *[None] * (5 - len(parts)))[:5]
        return _digest(
            "object",
            *map(self.text, (make, arguments, state)),
            [] if entries is None else [self.text(entry) for entry in entries],
            "" if items is None else self._mapping("", dict(items)),
        )


@functools.lru_cache(maxsize=1000)
def _global_names(code: types.CodeType) -> frozenset[str]:
    """Return the names of globals that code, and the functions inside it, refer to."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return frozenset(names)


def is_installed(module: str | None) -> bool:
    """Return whether a module belongs to Python, to skcnn or to another installed package."""
    top = (module or "builtins").partition(".")[0]
    if top in ("skcnn", "builtins") or top in sys.stdlib_module_names:
        return True
    if top in ("__main__", "__mp_main__"):  # whose file is joblib's in a worker process
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
