"""The types that model files hold, each with its fitted attributes; the name in a file is a key.

A type that is not here is neither saved nor loaded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from skcnn._utils.compat import parameter_names
from skcnn.persistence._checks import declared


@dataclass(frozen=True)
class Trusted:
    """A type that model files hold.

    Attributes
    ----------
    name : str
        Its name in a file.
    cls : type
        The class.
    fitted : mapping of str to str
        What its fitted attributes are, see `_checks`.
    checked : mapping of str to str
        What parameters are, beside the checks of the class itself.
    fixed : mapping of str to tuple
        Parameters of which only some values are saved.
    derived : set of str
        Attributes that are not saved, since `restore` makes them.
    keep : callable or None
        Takes the fitted estimator and returns what is saved of it; None saves the attributes.
    restore : callable or None
        Takes the estimator, what was saved of it and the callable `architecture`, and sets the
        attributes; None sets them as they were saved.
    """

    name: str
    cls: type
    fitted: Mapping[str, str]
    checked: Mapping[str, str]
    fixed: Mapping[str, tuple[Any, ...]]
    derived: frozenset[str]
    keep: Callable[[Any], dict[str, Any]] | None
    restore: Callable[[Any, dict[str, Any], Any], None] | None

    @property
    def has_parameters(self) -> bool:
        """Whether it is an estimator with parameters."""
        return hasattr(self.cls, "get_params")

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters."""
        return parameter_names(self.cls) if self.has_parameters else []


TRUSTED: dict[str, Trusted] = {}
BY_CLASS: dict[type, Trusted] = {}


def trust(
    cls: type,
    fitted: str = "",
    *,
    checked: str = "",
    fixed: Mapping[str, tuple[Any, ...]] | None = None,
    derived: str = "",
    keep: Callable[[Any], dict[str, Any]] | None = None,
    restore: Callable[[Any, dict[str, Any], Any], None] | None = None,
) -> None:
    """Let model files hold a type. See `Trusted` for the parameters."""
    name = f"{cls.__module__.partition('.')[0]}.{cls.__name__}"
    entry = Trusted(
        name,
        cls,
        declared(fitted),
        declared(checked),
        fixed or {},
        frozenset(derived.split()),
        keep,
        restore,
    )
    TRUSTED[name] = BY_CLASS[cls] = entry
