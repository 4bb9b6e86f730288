"""The types of skcnn that model files hold. A new transformer or augmentation is a line here."""

from math import prod
from typing import Any

from skcnn import augmentation, preprocessing, recordings
from skcnn._data.image_files.decoding import CHANNELS
from skcnn._data.series.layout import SeriesLayout
from skcnn.augmentation._base import Augmentation
from skcnn.exceptions import ModelFileError
from skcnn.persistence._registry import trust

MOST_VALUES = 2**28  # of an image or a signal
SAMPLES = "n_features_in_=count input_shape_=shape _layout=layout"
# An augmentation may have seen signals of unequal length, with None in `input_shape_`.
STEPS = "n_features_in_?=count input_shape_=tuple _layout=samples"
SIGNALS = "n_channels_=count input_shape_?=shape _layout?=layout"
IN_MEMORY = {"cache": ("auto", "memory", None), "folder": (None,)}


def _check_samples(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check an augmentation's parameters, and that its attributes describe one shape."""
    if hasattr(estimator, "_check_parameters"):
        try:
            estimator._check_parameters()
        except (AttributeError, TypeError, ValueError) as error:
            message = f"{type(estimator).__name__} has an illegal parameter: {error}"
            raise ModelFileError(message) from error
    if fitted:
        layout = fitted["_layout"]
        shape, n_features = layout.shape, prod(layout.shape)
        if isinstance(layout, SeriesLayout):
            shape, n_features = layout.open_shape, None
        named = "feature_names_in_" in fitted and n_features is None
        if (fitted["input_shape_"], fitted.get("n_features_in_")) != (shape, n_features) or named:
            raise ModelFileError(f"the shapes of {type(estimator).__name__} differ")


def _restore_kernels(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    _check_samples(estimator, fitted, architecture)
    if fitted:
        try:
            estimator._set_kernels(fitted["_layout"])
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"KernelFilter has an illegal parameter: {error}") from error


def _check_images(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check the size of the images that a transformer makes."""
    if not fitted:
        return
    if "mode_" in fitted:
        shape, n_channels = fitted["image_shape_"], CHANNELS.get(fitted["mode_"])
    else:
        shape = (*fitted["image_size_"], fitted["n_channels_"])
        n_channels = fitted["n_channels_"]
    legal = len(shape) == 3 and shape[-1] == n_channels
    if not legal or prod(shape) > MOST_VALUES:
        raise ModelFileError(f"the images of {type(estimator).__name__} have the shape {shape}")


def _check_signals(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check a transformer's parameters together, and the size of the signals that it makes."""
    name = type(estimator).__name__
    length = fitted.get("length_") or getattr(estimator, "length", None) or 1
    if length * fitted.get("n_channels_", 1) > MOST_VALUES:
        raise ModelFileError(f"the signals of {name} have the length {length}")
    try:
        estimator._check()
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"{name} has an illegal parameter: {error}") from error


def _restore_bands(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check the size of a spectrogram, and make what a file does not hold."""
    if not fitted:
        _check_signals(estimator, fitted, architecture)
        return
    # twice the window, since an automatic n_fft is the next power of two
    n_fft = estimator.n_fft or 2 * estimator.window_seconds * estimator.sample_rate
    if max(n_fft * estimator.n_bands, fitted["_length"]) > MOST_VALUES:
        raise ModelFileError("the images of Spectrogram are too large")
    try:
        estimator._set_bands(fitted["_length"])
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"Spectrogram has an illegal parameter: {error}") from error


def _check_windows(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check that attributes of an estimator of recordings describe one kind of windows."""
    if fitted:
        length, *n_channels = fitted["_window_shape"]
        if max(length, fitted["_step"]) > MOST_VALUES or n_channels not in (
            [],
            [fitted["n_channels_in_"]],
        ):
            raise ModelFileError(f"the windows of {type(estimator).__name__} have no legal shape")


for name in augmentation.__all__:
    cls = getattr(augmentation, name)
    if isinstance(cls, type) and issubclass(cls, Augmentation):
        trust(cls, STEPS, restore=_check_samples)
trust(augmentation.Augmented, f"{SAMPLES} estimator_=estimator", restore=_check_samples)
trust(
    preprocessing.KernelFilter,
    SAMPLES,
    derived="_bank _labels kernels_ output_shape_",
    restore=_restore_kernels,
)
trust(
    preprocessing.LoadImages,
    "mode_=text image_shape_=shape",
    fixed=IN_MEMORY,
    restore=_check_images,
)
trust(
    preprocessing.ResizeImages,
    "n_channels_=count image_size_=shape input_shape_?=shape _layout?=layout",
    restore=_check_images,
)
trust(preprocessing.StandardizeSignals, SIGNALS, restore=_check_signals)
trust(preprocessing.PadSignals, f"length_=count {SIGNALS}", restore=_check_signals)
trust(preprocessing.CropSignals, f"length_=count {SIGNALS}", restore=_check_signals)
trust(preprocessing.ResampleSignals, SIGNALS, restore=_check_signals)
trust(
    preprocessing.Spectrogram,
    f"_length=count {SIGNALS}",
    derived="_bands frequencies_ times_",
    restore=_restore_bands,
)
for cls in (recordings.WindowedClassifier, recordings.WindowedRegressor):
    trust(
        cls,
        "estimator_=estimator n_windows_=count n_channels_in_=count _window_shape=shape "
        "_step=count",
        restore=_check_windows,
    )
