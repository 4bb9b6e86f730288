"""Exceptions and warnings that skcnn raises, to be caught or filtered.

Every exception is a ``ValueError`` or an ``ImportError`` too.

Examples
--------
>>> from skcnn import ConvNetClassifier
>>> from skcnn.exceptions import ArchitectureError
>>> model = ConvNetClassifier(kernel_size=5, padding="valid")
>>> try:
...     model.summary(input_shape=(4, 4, 1), n_outputs=2)
... except ArchitectureError as error:
...     print(str(error)[:24])
Layer 'conv_1' (number 1
"""

from skcnn._errors import (
    ArchitectureError,
    ComparisonWarning,
    FrozenAugmentationWarning,
    InputLayoutWarning,
    InputScaleWarning,
    InputShapeError,
    LeakageWarning,
    MissingDependencyError,
    RareClassWarning,
    SkcnnError,
    TrainingDivergedError,
)

__all__ = [
    "ArchitectureError",
    "ComparisonWarning",
    "FrozenAugmentationWarning",
    "InputLayoutWarning",
    "InputScaleWarning",
    "InputShapeError",
    "LeakageWarning",
    "MissingDependencyError",
    "RareClassWarning",
    "SkcnnError",
    "TrainingDivergedError",
]
