"""`save` and `load`: estimators as files that hold no code."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sklearn

from skcnn._files.container import read_container, write_container
from skcnn._utils.plain_state import FROM_BYTES, TO_BYTES
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import ModelFileError, UnsupportedModelError
from skcnn.persistence._estimators import ModelDecoder, ModelEncoder
from skcnn.persistence._intake import inner_estimator, installed_versions

FORMAT_VERSION = 1
DAMAGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@in_standard_torch_state
def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Save an estimator in a file that holds no code.

    Parameters
    ----------
    estimator : estimator
        Fitted or not: an estimator, transformer or augmentation of skcnn, a Pipeline or another
        estimator of scikit-learn's that the page "Model files" lists, with such estimators
        inside. Of a finished :class:`ConvNetSearchCV` its `best_estimator_` is saved.
    path : str or path-like
        The file. If it exists it is replaced, as a whole or not at all.

    Returns
    -------
    None
        The file is written.

    Raises
    ------
    UnsupportedModelError
        If the estimator, or a part of it, cannot be saved, or parameters set after `fit` are
        illegal. The message names it.
    OSError
        If the file cannot be written, such as into a folder that does not exist. An old file is
        then left as it was.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    The file is a safetensors file with a manifest in JSON and a SHA-256 over all of it. The same
    estimator gives the same bytes. Callables are not saved: a network that a callable
    `architecture` made needs it again at loading.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> import skcnn
    >>> X, y = load_digits(return_X_y=True)
    >>> model = skcnn.ConvNetClassifier(input_shape=(8, 8), max_epochs=1, random_state=0)
    >>> model = model.fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.safetensors"
    ...     skcnn.save(model, path)
    ...     again = skcnn.load(path)
    >>> bool((again.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    write_model(estimator, path, {})


@in_standard_torch_state
def load(path: str | os.PathLike[str], *, architecture: Callable[..., Any] | None = None) -> Any:
    """Return the estimator of a file that `save` wrote. No code of the file is run.

    Parameters
    ----------
    path : str or path-like
        The file.
    architecture : callable or None, default=None
        The callable ``(input_shape, n_outputs) -> torch.nn.Module`` of the networks that were
        made by one. It is your own code, which runs.

    Returns
    -------
    estimator
        It predicts the same bits as the one that was saved, on a processor of the same kind, and
        can be trained on. A network is on its parameter's `device`, if the machine has it.

    Raises
    ------
    ModelFileError
        If the file is damaged, was changed, is of another format or a newer version, or the
        estimator in it does not fit together.
    UnsupportedModelError
        If it names a class that model files do not hold.
    OSError
        If there is no such file, or it cannot be read.

    See Also
    --------
    save : Writes the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import skcnn
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "flip.safetensors"
    ...     skcnn.save(skcnn.augmentation.RandomFlip("vertical"), path)
    ...     skcnn.load(path)
    RandomFlip(axis='vertical')
    """
    estimator, _ = read_model(path, architecture)
    return estimator


def write_model(estimator: Any, path: str | os.PathLike[str], about: dict[str, Any]) -> None:
    """Write an estimator and plain values about it to a file."""
    from skcnn.persistence._origins import base_origins

    register_types()
    encoder = ModelEncoder()
    try:
        inner = inner_estimator(estimator)
        if not hasattr(inner, "get_params"):
            raise UnsupportedModelError("it is no estimator")
        model = encoder.encode(inner, "model")
        origins = base_origins(inner)
        manifest = {
            "format_version": FORMAT_VERSION,
            "packages": installed_versions(),
            "libraries": sorted(encoder.libraries),
            "about": about | ({"bases": origins} if origins else {}),
            "model": model,
        }
        write_container(Path(path), manifest, encoder.tensors)
    except ModelFileError as error:
        raise UnsupportedModelError(
            f"{type(estimator).__name__} cannot be saved: {error}"
        ) from error


def register_types() -> None:
    """Import what registers the types, when the first file needs them: it takes a while."""
    from skcnn.persistence import _convnets, _features, _own_types, _sklearn_types  # noqa: F401


def read_model(
    path: str | os.PathLike[str], architecture: Callable[..., Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Return the estimator of a file, and the plain values about it."""
    if architecture is not None and not callable(architecture):
        raise TypeError(
            "The 'architecture' parameter must be a callable or None. Got "
            f"{type(architecture).__name__}."
        )
    register_types()
    try:
        manifest, tensors = read_container(path)
        _check_version(manifest)
        decoder = ModelDecoder(tensors, architecture)
        estimator = decoder.decode(manifest["model"], "model")
        if not hasattr(estimator, "get_params"):
            raise ModelFileError("it holds no estimator")
        if decoder.tensors:
            raise ModelFileError(f"its tensor {min(decoder.tensors)[:80]!r} belongs to nothing")
    except ModelFileError as error:
        text = str(error).rstrip(".")
        raise type(error)(f"{os.fspath(path)!r} cannot be loaded: {text}.") from error
    except DAMAGED as error:  # by a part that has no check of its own
        raise ModelFileError(
            f"{os.fspath(path)!r} cannot be loaded: its parts do not fit together: {error!r}."
        ) from error
    if architecture is not None and not decoder.uses_architecture:
        raise ValueError(
            "The 'architecture' parameter was given, but the model needs none: it is for "
            "networks that a callable made."
        )
    _warn_of_version(manifest)
    return estimator, manifest["about"]


def _to_bytes(estimator: Any) -> bytes:
    """Return the bytes of the file of a fitted network, which `_from_bytes` can read.

    Raises
    ------
    UnsupportedModelError
        If it cannot be saved, or a callable made its network.
    """
    if callable(estimator.architecture):
        raise UnsupportedModelError(
            f"The network of {type(estimator).__name__} is one of a callable 'architecture', which "
            "is not saved with its state: pickle the estimator, or use skcnn.save and give "
            "skcnn.load the callable."
        )
    with TemporaryDirectory() as folder:
        path = Path(folder, "model")
        write_model(estimator, path, {})
        return path.read_bytes()


def _from_bytes(content: bytes) -> Any:
    """Return the estimator of a file that needs no callable."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model")
        path.write_bytes(content)
        return read_model(path)[0]


TO_BYTES[:], FROM_BYTES[:] = [_to_bytes], [_from_bytes]


def _check_version(manifest: Any) -> None:
    """Check the entries of the manifest, of which a newer version may have others."""
    found = manifest.get("format_version") if type(manifest) is dict else None
    if type(found) is not int or found < 1:
        raise ModelFileError("its manifest has no format version")
    if found > FORMAT_VERSION:
        raise ModelFileError(
            f"it has the format version {found}, and this skcnn reads up to {FORMAT_VERSION}: "
            "install a newer skcnn"
        )
    names = {"format_version", "packages", "libraries", "about", "model"}
    legal = manifest.keys() == names and all(
        type(manifest[name]) is dict for name in ("packages", "about")
    )
    if not legal or type(manifest["libraries"]) is not list:
        raise ModelFileError("its manifest is damaged")


def _warn_of_version(manifest: dict[str, Any]) -> None:
    """Warn, as scikit-learn does, if its estimators come from another version of it."""
    saved = str(manifest["packages"].get("scikit-learn"))
    if "sklearn" in manifest["libraries"] and _series(saved) != _series(sklearn.__version__):
        warn_caller(
            f"The estimators of scikit-learn in the file are of version {saved[:20]}, but "
            f"{sklearn.__version__} is installed. Check their predictions.",
            UserWarning,
        )


def _series(version: str) -> list[str]:
    return version.split(".")[:2]
