"""The state of networks as plain values, for libraries that save objects without pickling them."""

import copyreg
from collections.abc import Callable
from typing import Any, cast

import numpy as np

FILE = "skcnn_model_file"  # the bytes of a file that skcnn.save writes
# Set by skcnn.persistence, which knows the format: the bytes of an estimator, and the reverse.
TO_BYTES: list[Callable[[Any], bytes]] = []
FROM_BYTES: list[Callable[[bytes], Any]] = []


class HasPlainState:
    """Mixin of fitted networks: `__getstate__` gives plain values, pickling all attributes.

    Libraries such as skops ask an object for its state and save that part by part, which they
    cannot do with torch's tensors. Pickle, copy and joblib ask `__reduce_ex__`.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return what pickling needs, with all attributes, as any estimator does."""
        state = super().__getstate__()
        return copyreg.__newobj__, (type(self),), state, None, None  # type: ignore[attr-defined]

    def __reduce__(self) -> Any:
        """Return what pickling needs."""
        return self.__reduce_ex__(2)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, of a fitted network as the bytes of a model file."""
        if not self.__sklearn_is_fitted__():  # type: ignore[attr-defined]
            return cast(dict[str, Any], super().__getstate__())
        return {FILE: np.frombuffer(TO_BYTES[0](self), np.uint8)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the attributes from either state."""
        if FILE in state:
            state = vars(FROM_BYTES[0](state[FILE].tobytes()))
        super().__setstate__(state)  # type: ignore[misc]
