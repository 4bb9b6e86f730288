"""Exceptions and warnings of skcnn.

Every exception is also a ``ValueError``, an ``ImportError`` or a ``MemoryError``.

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


class SkcnnError(Exception):
    """Base class of every exception that skcnn defines."""


class ArchitectureError(SkcnnError, ValueError):
    """A network description is invalid or does not fit its input."""


class InputShapeError(SkcnnError, ValueError):
    """``X`` has a shape that cannot be read as the expected images or signals."""


class ImageFileError(SkcnnError, ValueError):
    """Image files cannot be read; the message names them."""


class SoundFileError(SkcnnError, ValueError):
    """Sound files cannot be read or do not fit together; the message names them."""


class ModelFileError(SkcnnError, ValueError):
    """A model file is damaged or not one of skcnn's, or cannot hold an object."""


class UnsupportedModelError(ModelFileError):
    """An object is none of those that model files hold; the message names it."""


class CheckpointError(SkcnnError, ValueError):
    """A checkpoint is of another fit, damaged, in use, or cannot be where it is asked for."""


class TrainingDivergedError(SkcnnError, ValueError):
    """The training loss, a weight or a validation output became infinite or NaN.

    The message names the epoch, the batch and the learning rate. The estimator has the weights
    after the last finished epoch, which are finite; without a finished epoch it is not fitted.
    """


class OutOfMemoryError(SkcnnError, MemoryError):
    """A device has too little memory even for the smallest part of a computation.

    In training the message names a batch size that fits, if there is one.
    """


class WeightsError(SkcnnError, ValueError):
    """A file of weights cannot be read, is not trusted or does not fit the network."""


class MissingDependencyError(SkcnnError, ImportError):
    """An optional dependency is needed and not installed."""


class InputLayoutWarning(UserWarning):
    """The axes of ``X`` seem to have another meaning or order than expected."""


class InputScaleWarning(UserWarning):
    """``X`` or ``y_val`` has another scale than at fit, or one that is not as it must be.

    Float32 cannot hold it, or a pretrained network is for bytes and values in [0, 1].
    """


class RareClassWarning(UserWarning):
    """A class is too small to be represented in the validation set."""


class CalibrationWarning(UserWarning):
    """Probabilities stay as they are, since no temperature can be found for them."""


class LeakageWarning(UserWarning):
    """A sample may be on both sides of a split, so that scores are too good.

    Copies of a sample are or may be, or samples that a network was trained on in an earlier call.
    """


class OutOfMemoryWarning(UserWarning):
    """A device had too little memory, so that a batch was computed in smaller parts.

    Results are equal to those of the whole batch up to rounding.
    """


class FrozenAugmentationWarning(UserWarning):
    """An augmented array was turned into one draw, the same for all epochs."""


class DecodedFilesWarning(UserWarning):
    """All images of a large `ImageFiles` are decoded into one array in memory."""


class SkippedFilesWarning(UserWarning):
    """Image files that cannot be read are left out."""


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be written, or a fit goes on from one under other conditions."""


class ComparisonWarning(UserWarning):
    """The design of a comparison cannot answer its question."""


__all__ = [
    "ArchitectureError",
    "CalibrationWarning",
    "CheckpointError",
    "CheckpointWarning",
    "ComparisonWarning",
    "DecodedFilesWarning",
    "FrozenAugmentationWarning",
    "ImageFileError",
    "InputLayoutWarning",
    "InputScaleWarning",
    "InputShapeError",
    "LeakageWarning",
    "MissingDependencyError",
    "ModelFileError",
    "OutOfMemoryError",
    "OutOfMemoryWarning",
    "RareClassWarning",
    "SkcnnError",
    "SkippedFilesWarning",
    "SoundFileError",
    "TrainingDivergedError",
    "UnsupportedModelError",
    "WeightsError",
]
