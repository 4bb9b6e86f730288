"""Whether a search runs inside a cross-validation or another estimator that fits many times."""

import sys
from collections.abc import Iterator

SEARCH = "skcnn.model_selection._search"
# Modules with a frame between the search and its caller that fit it only once.
FIT_ONCE = (
    "sklearn.base",
    "sklearn.callback",
    "sklearn.compose",
    "sklearn.pipeline",
    "sklearn.utils",
    "skcnn.__main__",
    "skcnn._utils",
    "skcnn.augmentation",
)


def is_called_by_many_fits() -> bool:
    """Return whether code of scikit-learn or skcnn that fits many times called the search.

    Ctrl-C then ends all fits, not only this search.
    """
    return any(
        module.split(".")[0] in ("sklearn", "skcnn") and not _is_in(module, FIT_ONCE)
        for module in _modules_before_the_search()
    )


def _modules_before_the_search() -> Iterator[str]:
    """Yield the modules of the frames that called the innermost `fit` of a search."""
    frame = sys._getframe(1)
    is_before = False
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if is_before:
            yield module
        elif module == SEARCH and frame.f_code.co_name == "fit":
            is_before = True
        frame = frame.f_back  # type: ignore[assignment]


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in packages)
