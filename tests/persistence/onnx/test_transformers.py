"""Transformers of skcnn in front of a network, in graphs."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skcnn import ConvNetClassifier
from skcnn.augmentation import RandomFlip
from skcnn.exceptions import InputShapeError, UnsupportedModelError
from skcnn.persistence import export_onnx
from skcnn.preprocessing import (
    CropSignals,
    KernelFilter,
    LoadImages,
    PadSignals,
    ResampleSignals,
    ResizeImages,
    Spectrogram,
    StandardizeSignals,
)
from tests.helpers.exported import assert_same_predictions, run_onnx
from tests.helpers.small_fits import tiny

RNG = np.random.default_rng(0)
N = 12
Y = np.arange(N) % 2
RGB = RNG.random((N, 8, 9, 3), np.float32)
BYTES = (255 * RGB).astype(np.uint8)
GREY = RGB[..., 0].copy()
SIGNALS = RNG.random((N, 20, 2), np.float32)
CONSTANT = np.concatenate([SIGNALS[:-1], np.full((1, 20, 2), 3, np.float32)])
FLAT = RNG.random((N, 24), np.float32)

# transformers, and samples on which the graph must give what they give
CASES = {
    "crop bytes": ([ResizeImages((5, 4))], BYTES),
    "pad bicubic": ([ResizeImages((5, 12), resize="pad", interpolation="bicubic")], RGB),
    "bicubic bytes": ([ResizeImages(6, interpolation="bicubic")], BYTES),
    "nearest": ([ResizeImages(5, resize="stretch", interpolation="nearest")], GREY),
    "flat images": ([ResizeImages((3, 4), input_shape=(4, 6))], FLAT),
    "rows of height one": ([ResizeImages((1, 12))], FLAT),
    "first": ([ResizeImages(5, channels="first")], np.moveaxis(RGB, -1, 1).copy()),
    "kernels": (
        [KernelFilter(["sobel_vertical", "blur"], padding="same", keep_original=True)], RGB,
    ),
    "convolution": ([KernelFilter(np.arange(6.0).reshape(2, 3), convolution=True)], GREY),
    "mirror": ([KernelFilter("blur", padding="same", padding_mode="mirror")], GREY),
    "wrap, stride": ([KernelFilter("blur", padding="same", padding_mode="wrap", stride=2)], RGB),
    "kernel of flat rows": ([KernelFilter(n_spatial_dims=1)], FLAT),
    "kernel of signals": ([KernelFilter(n_spatial_dims=1)], SIGNALS),
    "standardize": ([StandardizeSignals()], CONSTANT),
    "standardize together": ([StandardizeSignals(per_channel=False)], CONSTANT),
    "standardize first": (
        [StandardizeSignals(channels="first")], np.moveaxis(SIGNALS, 2, 1).copy(),
    ),
    "pad": ([PadSignals(30, padding_mode="constant", fill_value=2.5, where="both")], SIGNALS),
    "pad edge": ([PadSignals(25, padding_mode="edge", where="start")], SIGNALS),
    "pad longer": ([PadSignals(8, longer="middle")], SIGNALS),
    "crop": ([CropSignals(7, where="middle")], SIGNALS),
    "flat signals": ([CropSignals(20), PadSignals(22)], FLAT),
    "several": ([StandardizeSignals(), PadSignals(25), RandomFlip(n_spatial_dims=1)], SIGNALS),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_graph_transforms_as_the_transformers_do(name, tmp_path):
    steps, X = CASES[name]
    model = make_pipeline(*steps).fit(X)
    export_onnx(model, tmp_path / "model.onnx", X=X)
    expected = np.asarray(model.transform(X), dtype=float).reshape(N, -1)
    got = run_onnx(tmp_path / "model.onnx", X)["variable"]
    # bytes are whole numbers: a difference would be 1
    np.testing.assert_allclose(got, expected, atol=2e-6 * np.abs(expected).max())


def test_a_pipeline_predicts_as_a_graph(tmp_path):
    steps = [ResizeImages((6, 5)), KernelFilter("blur"), "passthrough", RandomFlip()]
    model = make_pipeline(*steps, tiny(ConvNetClassifier, max_epochs=1)).fit(BYTES, Y)
    export_onnx(model, tmp_path / "model.onnx", X=BYTES)
    assert_same_predictions(tmp_path / "model.onnx", model, BYTES)


def test_a_graph_begins_after_the_loading_of_images(tmp_path):
    import json

    import onnx

    model = make_pipeline(LoadImages(6, mode="RGB"), tiny(ConvNetClassifier, max_epochs=1))
    model.fit(list(BYTES), Y)
    export_onnx(model, tmp_path / "model.onnx", X=list(BYTES), y=Y)
    decoded = model[0].transform(list(BYTES))
    assert_same_predictions(tmp_path / "model.onnx", model, list(BYTES), decoded)
    facts = {each.key: each.value for each in onnx.load(tmp_path / "model.onnx").metadata_props}
    size = {"height": 6, "width": 6, "mode": "RGB", "resize": "crop"}
    assert json.loads(facts["image"]) == size
    assert json.loads(facts["input"]) == {"shape": ["n", 6, 6, 3], "dtype": "uint8"}


def test_images_of_16_bits_are_refused(tmp_path):
    images = [(image.astype(np.uint16) * 200)[..., 0] for image in BYTES]
    model = make_pipeline(LoadImages(6, mode="I;16"), tiny(max_epochs=1)).fit(images, Y)
    with pytest.raises(UnsupportedModelError, match="16 bits"):
        export_onnx(model, tmp_path / "model.onnx")


@pytest.mark.parametrize("step", [ResampleSignals(10), Spectrogram(100, n_bands=4, n_fft=32)])
def test_transformers_that_cannot_be_exported_are_named(step, tmp_path):
    X = RNG.random((N, 40))
    model = make_pipeline(step).fit(X)
    with pytest.raises(UnsupportedModelError, match=f"{type(step).__name__} cannot be exported"):
        export_onnx(model, tmp_path / "model.onnx", X=X)


def test_a_shape_that_the_fit_did_not_record_needs_samples(tmp_path):
    model = make_pipeline(ResizeImages(4), tiny(max_epochs=1)).fit(RGB, Y)
    with pytest.raises(InputShapeError, match="ResizeImages is not known: pass X"):
        export_onnx(model, tmp_path / "model.onnx")


def test_rows_whose_shape_is_not_known_are_refused(tmp_path):
    model = make_pipeline(ResizeImages(4)).fit(RGB)
    with pytest.raises(UnsupportedModelError, match="in front of ResizeImages is not known"):
        export_onnx(model, tmp_path / "model.onnx", X=RGB.reshape(N, -1))


@pytest.mark.parametrize("step", [PadSignals(20), CropSignals(20)])
def test_signals_of_another_length_are_refused(step, tmp_path):
    model = make_pipeline(step).fit(SIGNALS)
    X = np.zeros((2, 30 if isinstance(step, PadSignals) else 10, 2), np.float32)
    with pytest.raises(UnsupportedModelError, match="takes no signals of length"):
        export_onnx(model, tmp_path / "model.onnx", X=X)


def test_integers_that_are_rounded_are_refused(tmp_path):
    model = make_pipeline(ResizeImages(4)).fit(BYTES.astype(int))
    with pytest.raises(UnsupportedModelError, match="ResizeImages cannot be exported for X of dty"):
        export_onnx(model, tmp_path / "model.onnx", X=BYTES.astype(int))


def test_an_offset_behind_other_steps_is_refused(tmp_path):
    model = make_pipeline(PadSignals(25, padding_mode="edge"), tiny(n_spatial_dims=1))
    X = SIGNALS.astype(float) + 1e9
    model.fit(X, Y)
    with pytest.raises(UnsupportedModelError, match=r"behind other steps.*\(offset_\)"):
        export_onnx(model, tmp_path / "model.onnx", X=X)


def test_loading_alone_is_refused(tmp_path):
    model = make_pipeline(LoadImages(6)).fit(list(BYTES))
    with pytest.raises(UnsupportedModelError, match="LoadImages cannot be exported"):
        export_onnx(model, tmp_path / "model.onnx", X=BYTES)
