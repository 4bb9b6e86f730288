"""The state of skorch's and scikit-learn's callbacks: what they remember between epochs."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._data.value_texts import hash_of
from skcnn._training.checkpointing.values import is_encodable
from skcnn.exceptions import ModelFileError, UnsupportedModelError

# Whose callbacks for scikit-learn decide nothing by what they remember.
STATELESS = "sklearn"


class CallbackStates:
    """Takes and sets the attributes of callbacks.

    Attributes that are neither plain values, arrays nor tensors, such as functions, must stay as
    they were when this object was made. Callbacks of this package have the methods
    `_checkpoint_state` and `_restore_checkpoint` instead.

    Parameters
    ----------
    callbacks : iterable of callbacks
        Those of skorch and of scikit-learn.
    """

    def __init__(self, callbacks: Iterable[Any]) -> None:
        self._callbacks = [each for each in callbacks if _package_of(each) != STATELESS]
        self._fixed = [_fixed(each) for each in self._callbacks]

    def get(self) -> list[dict[str, Any]]:
        """Return a copy of the state of each callback.

        Raises
        ------
        UnsupportedModelError
            If a callback has changed an attribute that cannot be kept.
        """
        return [
            {"kind": type(each).__qualname__, "state": _state_of(each, fixed)}
            for each, fixed in zip(self._callbacks, self._fixed, strict=True)
        ]

    def check_memory(self, tensors: Iterable[Tensor]) -> None:
        """Check that no array or tensor of a callback shares memory with another or `tensors`.

        A file has their values only: they would not share it after a resumption.

        Raises
        ------
        UnsupportedModelError
            If one does.
        """
        known = [_span(each) for each in tensors]
        for callback in self._callbacks:
            kept = not hasattr(callback, "_checkpoint_state")
            for each in _arrays_in(vars(callback)) if kept else ():
                start, stop = _span(each)
                if any(start < other_stop and other < stop for other, other_stop in known):
                    raise UnsupportedModelError(
                        f"the callback {type(callback).__name__} holds an array or a tensor that "
                        "shares memory with another or with the network"
                    )
                known.append((start, stop))

    def check(self, kept: Sequence[Any]) -> None:
        """Check that states are those of these callbacks.

        Raises
        ------
        ModelFileError
            If they are those of others.
        """
        kinds = [type(each).__qualname__ for each in self._callbacks]
        legal = [each["kind"] for each in kept] == kinds
        if not legal or not all(type(each["state"]) is dict for each in kept):
            raise ModelFileError("its callbacks are not those of this training")

    def set(self, kept: Sequence[Any], n_done: int, n_epochs: int) -> bool:
        """Set the states, and return whether a callback asks to stop the training."""
        stop = False
        for callback, entry in zip(self._callbacks, kept, strict=True):
            state = copy.deepcopy(entry["state"])
            if hasattr(callback, "_restore_checkpoint"):
                stop = callback._restore_checkpoint(state, n_done, n_epochs) or stop
            else:
                _set_attributes(callback, state)
        return stop


def _arrays_in(value: Any) -> Iterator[Any]:
    """Yield the arrays and dense tensors in a value, in lists, tuples and dicts."""
    if isinstance(value, np.ndarray) or (
        isinstance(value, Tensor) and value.layout == torch.strided
    ):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _arrays_in(each)
    elif type(value) in (list, tuple):
        for each in value:
            yield from _arrays_in(each)


def _span(array: Any) -> tuple[int, int]:
    """Return where the memory of an array or a tensor begins and ends, the same if it has none."""
    if isinstance(array, np.ndarray):
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        start = base.ctypes.data
        return start, start + base.nbytes
    if array.layout != torch.strided:
        return 0, 0
    storage = array.untyped_storage()
    return storage.data_ptr(), storage.data_ptr() + storage.nbytes()


def _package_of(callback: Any) -> str:
    return type(callback).__module__.partition(".")[0]


def _fixed(callback: Any) -> dict[str, str]:
    """Return texts of the attributes that cannot be kept, by their names."""
    if hasattr(callback, "_checkpoint_state"):
        return {}
    return {k: hash_of(v) for k, v in vars(callback).items() if not is_encodable(v)}


def _state_of(callback: Any, fixed: dict[str, str]) -> Any:
    if hasattr(callback, "_checkpoint_state"):
        return callback._checkpoint_state()
    state = {}
    for name, value in vars(callback).items():
        if is_encodable(value):
            state[name] = copy.deepcopy(value)
        elif fixed.get(name) != hash_of(value):
            raise UnsupportedModelError(
                f"the callback {type(callback).__name__} has changed its attribute {name!r}, "
                "which is no plain value, array or tensor"
            )
    return state


def _set_attributes(callback: Any, state: dict[str, Any]) -> None:
    """Set attributes; lists and dicts keep their identity, as others may hold them too."""
    own = vars(callback)
    for name in [name for name in own if name not in state and is_encodable(own[name])]:
        del own[name]
    for name, value in state.items():
        current = own.get(name)
        if type(current) is list and type(value) is list:
            current[:] = value
        elif type(current) is dict and type(value) is dict:
            current.clear()
            current.update(value)
        else:
            own[name] = value
