"""The validation loss and score of an engine's current weights."""

from collections.abc import Callable

import numpy as np
import torch

from skcnn._data.images import Images, chunk_rows
from skcnn._data.samples import SampleSet
from skcnn._training.divergence import check_finite
from skcnn._training.engine import ConvNetEngine

NO_VALIDATION = {"valid_loss": float("nan"), "valid_score": float("nan")}


class Evaluator:
    """Computes the validation loss and score of an engine's current weights.

    Parameters
    ----------
    engine : ConvNetEngine
        The network in training.
    valid : SampleSet or None
        The validation samples. Without them loss and score are NaN.
    score : callable
        Takes outputs and samples, returns the score.

    Attributes
    ----------
    features : Images or None
        The outputs of the engine's frozen layers for the validation samples, if they are known.
    """

    def __init__(
        self,
        engine: ConvNetEngine,
        valid: SampleSet | None,
        score: Callable[[np.ndarray, SampleSet], float],
    ) -> None:
        self.engine = engine
        self.valid = valid
        self.score = score
        self.features: Images | None = None
        if valid is not None:
            self.index = torch.from_numpy(valid.index)
            weights = None if valid.weights is None else torch.from_numpy(valid.weights)
            self.target = (torch.from_numpy(valid.targets), weights)

    def __call__(self) -> dict[str, float]:
        """Return ``valid_loss`` and ``valid_score``."""
        if self.valid is None:
            return NO_VALIDATION
        part = self.engine.part
        if self.features is not None and part is not None:
            outputs = part.outputs(self.features, self.engine.predictor(self.valid.images.layout))
        else:
            outputs = self._outputs(self.valid.images)
        check_finite(float(np.abs(outputs).max()), self.engine, "largest validation output")
        with torch.no_grad():
            loss = self.engine.criterion_(torch.from_numpy(outputs), self.target)
        return {"valid_loss": float(loss), "valid_score": self.score(outputs, self.valid)}

    def _outputs(self, images: Images) -> np.ndarray:
        """Return the outputs for the validation samples, copying only some rows at a time."""
        parts = self.index.split(chunk_rows(images.layout.n_values))
        outputs = []
        for part, after in zip(parts, [*parts[1:], None], strict=True):
            selected = Images(images.rows_at(part), images.layout)
            if after is not None:
                images.expect(after)
            outputs.append(self.engine.outputs(selected))
        return np.concatenate(outputs)
