"""The state of skorch's and scikit-learn's callbacks: what they remember between epochs."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

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
