"""The packages that write, convert and run ONNX graphs, imported when they are needed."""

from importlib import import_module
from types import ModuleType

from skcnn.exceptions import MissingDependencyError

COMMANDS = {
    "onnx": 'pip install "skcnn[onnx]"',
    "skl2onnx": 'pip install "skcnn[onnx]"',
    "onnxruntime": "pip install onnxruntime",
}


def imported(module: str, reason: str) -> ModuleType:
    """Return a module of onnx, skl2onnx or onnxruntime.

    Parameters
    ----------
    module : str
        Its name, such as "onnx.helper".
    reason : str
        What needs it, the beginning of the message.

    Raises
    ------
    MissingDependencyError
        If its package cannot be imported.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{reason} needs the package {package}, which cannot be imported: {error}. Install "
            f"it with {COMMANDS[package]}."
        ) from None
