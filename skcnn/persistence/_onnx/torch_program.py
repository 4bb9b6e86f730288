"""Programs of torch: the same modules as in the graphs, exported by torch.export."""

import warnings
from pathlib import Path
from typing import Any

import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from torch import Tensor, nn

from skcnn._convnet.classifier import ConvNetClassifier
from skcnn._convnet.features import ConvNetFeatures
from skcnn._convnet.regressor import ConvNetRegressor
from skcnn.exceptions import UnsupportedModelError
from skcnn.persistence._onnx.builder import Predictions
from skcnn.persistence._onnx.graphs import DYNAMIC, N_TRACED
from skcnn.persistence._onnx.networks import ScaledTargets, network_of
from skcnn.persistence._onnx.transformers import REFUSED, TRANSFORMERS, Form, transformer_module
from skcnn.persistence._onnx.whole import DTYPES, Exported


class Program(nn.Module):
    """Samples as predict takes them, made rows of values for modules one behind another."""

    def __init__(self, modules: list[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.Sequential(*modules)

    def forward(self, X: Tensor) -> Any:
        """Return what the last module returns."""
        return self.steps(X.flatten(1))


def write_program(what: Exported, path: Path, facts: str) -> None:
    """Write the program of an estimator to a file, with facts about it.

    Raises
    ------
    UnsupportedModelError
        If it has a part that is no network or transformer of skcnn, or torch cannot export it.
    """
    module = (
        Program(_modules(what.model, what.form, DTYPES[what.dtype])).eval().requires_grad_(False)
    )
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    samples = torch.zeros((N_TRACED, *what.form.shape), dtype=DTYPES[what.dtype])
    shapes = ({0: torch.export.Dim(DYNAMIC)},)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(module, (samples,), dynamic_shapes=shapes)
        except Exception as error:  # of many types
            first = str(error).strip().partition("\n")[0]
            raise UnsupportedModelError(
                f"{type(what.model).__name__} cannot be exported by torch.export: {first}"
            ) from error
        with path.open("wb") as stream:
            torch.export.save(program, stream, extra_files={"facts.json": facts})


def _modules(model: Any, form: Form, dtype: torch.dtype) -> list[nn.Module]:
    """Return the modules of an estimator, one behind another."""
    if isinstance(model, FrozenEstimator):
        return _modules(model.estimator, form, dtype)
    if isinstance(model, Pipeline):
        modules: list[nn.Module] = []
        for _, step in model.steps[:-1]:
            if step is not None and not isinstance(step, str):
                module, form = _transformer(step, form, dtype)
                modules.append(module)
                dtype = dtype if isinstance(module, nn.Identity) else torch.float32
        return [*modules, *_modules(model.steps[-1][1], form, dtype)]
    if isinstance(model, ConvNetClassifier):
        return [Predictions(network_of(model, dtype), model)]
    if isinstance(model, ConvNetRegressor):
        return [ScaledTargets(network_of(model, dtype), model)]
    return [_transformer(model, form, dtype)[0]]


def _transformer(step: Any, form: Form, dtype: torch.dtype) -> tuple[nn.Module, Form]:
    if isinstance(step, ConvNetFeatures):
        return network_of(step, dtype), Form((step._network.n_features,))
    if isinstance(step, (*TRANSFORMERS, *REFUSED)):
        return transformer_module(step, form)
    raise UnsupportedModelError(
        f"{type(step).__name__} cannot be exported by export_torch, which takes networks and "
        "transformers of skcnn: use export_onnx, or export the network alone."
    )
