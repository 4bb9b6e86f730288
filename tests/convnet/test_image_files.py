"""Networks on files: the same bits as on one array, and how often files are decoded."""

import itertools
import pickle
import signal
import threading
import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn import ConvNetClassifier, ConvNetRegressor
from skcnn._data.image_files import image_files as module
from skcnn._data.image_files.decoding import Decoder
from skcnn.augmentation import CutMix, RandomFlip, RandomNoise, RandomRotation
from skcnn.datasets import ImageFiles
from skcnn.exceptions import (
    DecodedFilesWarning,
    ImageFileError,
    InputLayoutWarning,
    InputShapeError,
)
from tests.helpers.decodings import counted_decodings, forget_facts, reading_threads
from tests.helpers.pictures import noise, save, save_all
from tests.helpers.small_nets import tiny

N, N_DISTINCT = 40, 34
Y = np.arange(N) % N_DISTINCT % 3
PARAMS = {"max_epochs": 2, "random_state": 0, "device": "cpu", "batch_size": 16}


@pytest.fixture(autouse=True)
def nothing_is_known():
    forget_facts()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """40 pictures, of which the last six repeat the first six."""
    folder = tmp_path_factory.mktemp("pictures")
    distinct = save_all(folder, N_DISTINCT)[0]
    repeated = [save(folder / f"again{i}.png", noise(8, 8, seed=i)) for i in range(N - N_DISTINCT)]
    return distinct + repeated


@pytest.fixture(scope="module")
def array(paths):
    return ImageFiles(paths).to_numpy()


def net(**params):
    return ConvNetClassifier(filters=(4,), hidden_units=(8,), **{**PARAMS, **params})


MODELS = {
    "plain": net,
    "early stopping": lambda: net(early_stopping=True, validation_fraction=0.2),
    "class weights": lambda: net(class_weight="balanced"),
    "augmentation": lambda: net(augmentation=[RandomFlip(), RandomNoise(0.1), CutMix()]),
    "pipeline": lambda: make_pipeline(RandomFlip(), RandomRotation(20), net()),
    "pipeline, early stopping": lambda: make_pipeline(
        RandomNoise(0.1), net(early_stopping=True, warm_start=True)
    ),
    "whitening": lambda: net(architecture=whitening()),
    "views": lambda: net(test_time_augmentation="flip"),
    "regressor": lambda: ConvNetRegressor(filters=(4,), hidden_units=(8,), **PARAMS),
    "no standardisation": lambda: net(standardize=False),
}


def whitening():
    from skcnn.layers import Activation, Conv, Flatten, Whiten

    return [Whiten(2), Conv(4), Activation("relu"), Flatten()]


@pytest.mark.parametrize("weights", [None, np.arange(N) % 4])
@pytest.mark.parametrize("cache", [None, "memory"])
@pytest.mark.parametrize("kind", MODELS)
def test_files_give_the_bits_of_an_array(paths, array, kind, cache, weights):
    if weights is not None and kind.startswith(("pipeline", "views", "whitening")):
        weights = None
    files = ImageFiles(paths, cache=cache)
    fit_params = {} if weights is None else {"sample_weight": weights}
    found = MODELS[kind]().fit(files, Y, **fit_params)
    expected = MODELS[kind]().fit(array, Y, **fit_params)
    np.testing.assert_array_equal(found.predict(files), expected.predict(array))
    if hasattr(expected, "predict_proba"):
        np.testing.assert_array_equal(found.predict_proba(files), expected.predict_proba(array))
        np.testing.assert_array_equal(found.predict_proba(array), expected.predict_proba(files))
    assert found.score(files, Y) == expected.score(array, Y)


def test_continued_training_has_the_bits_of_an_array(paths, array):
    found, expected = (
        net(warm_start=True, early_stopping=True),
        net(warm_start=True, early_stopping=True),
    )
    files = ImageFiles(paths, cache=None)
    for _ in range(2):
        found.fit(files, Y)
        expected.fit(array, Y)
    np.testing.assert_array_equal(found.predict_proba(files), expected.predict_proba(array))
    found, expected = net(), net()
    for part in (slice(0, 20), slice(20, 40)):
        found.partial_fit(files[part], Y[part], classes=[0, 1, 2])
        expected.partial_fit(array[part], Y[part], classes=[0, 1, 2])
    np.testing.assert_array_equal(found.predict_proba(files), expected.predict_proba(array))


def test_given_validation_samples_may_be_files(paths, array):
    files = ImageFiles(paths, cache=None)
    found = net(early_stopping=True).fit(files[:30], Y[:30], X_val=files[30:], y_val=Y[30:])
    expected = net(early_stopping=True).fit(array[:30], Y[:30], X_val=array[30:], y_val=Y[30:])
    assert found.history_["valid_loss"].tolist() == expected.history_["valid_loss"].tolist()


@pytest.mark.parametrize("high", [200, 60000])
def test_sixteen_bits_give_the_bits_of_an_array(tmp_path, high):
    values = np.random.default_rng(0).integers(0, high, (12, 8, 8)).astype(np.uint16)
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for path, image in zip(paths, values, strict=True):
        Image.fromarray(image).save(path)
    files, y = ImageFiles(paths, mode="I;16", cache=None), np.arange(12) % 2
    found, expected = net().fit(files, y), net().fit(values[..., None], y)
    np.testing.assert_array_equal(found.predict_proba(files), expected.predict_proba(values))
    assert found.input_shape_ == (8, 8, 1)
    found.partial_fit(files, y)
    expected.partial_fit(values[..., None], y)
    np.testing.assert_array_equal(found.predict_proba(files), expected.predict_proba(values))


def test_a_network_with_an_offset_reads_files(paths, array):
    X = array.astype(np.float64) / 1e6 + 1e5
    model = net().fit(X, Y)
    assert model.offset_ is not None
    files = ImageFiles(paths, cache=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another scale than at fit
        np.testing.assert_array_equal(
            model.decision_function(files), model.decision_function(array)
        )


def test_fitted_attributes(paths):
    model = net().fit(ImageFiles(paths), Y)
    assert model.n_features_in_ == 192
    assert model.input_shape_ == (8, 8, 3)
    assert model.offset_ is None
    assert clone(model).get_params() == model.get_params()
    assert pickle.loads(pickle.dumps(model)).predict(ImageFiles(paths[:2])).shape == (2,)


# How often files are decoded


def test_a_fit_decodes_once_for_all_it_must_know(paths):
    files = ImageFiles(paths, cache=None)
    with counted_decodings() as seen:
        net(early_stopping=True, warm_start=True, max_epochs=1).fit(files, Y)
    # repeated files are compared, and every distinct file is trained or validated on
    assert len(seen) == N + 2 * (N - N_DISTINCT) + N_DISTINCT
    with counted_decodings() as seen:
        net(max_epochs=3).fit(files, Y)
    assert len(seen) == 2 * (N - N_DISTINCT) + 3 * N_DISTINCT


def test_augmentations_of_a_pipeline_decode_no_more(paths):
    files = ImageFiles(paths, cache=None)
    with counted_decodings() as seen:
        make_pipeline(RandomFlip(), RandomNoise(0.1), net(max_epochs=1)).fit(files, Y)
    assert len(seen) == 2 * N


def test_the_second_fold_knows_what_the_first_has_seen(paths):
    files = ImageFiles(paths, cache=None)
    net(max_epochs=1).fit(files[:30], Y[:30])
    with counted_decodings() as seen:
        net(max_epochs=1).fit(files[10:34], Y[10:34])
    assert len(seen) == 4 + 24


def test_a_copy_knows_what_the_original_has_seen(paths):
    files = ImageFiles(paths, cache=None)
    files.value_range()
    with counted_decodings() as seen:
        pickle.loads(pickle.dumps(files[5:])).value_range()
        ImageFiles(paths, cache=None).value_range()
    assert not seen


def test_changed_files_are_read_again(tmp_path):
    paths = save_all(tmp_path, 3)[0]
    assert ImageFiles(paths).value_range()[1] > 200
    for path in paths:
        save(path, np.full((8, 8, 3), 9, np.uint8))
    assert ImageFiles(paths).value_range() == (9, 9)


def test_with_a_cache_files_are_decoded_once(paths):
    files = ImageFiles(paths)
    with counted_decodings() as seen:
        net().fit(files, Y).predict(files)
        net().fit(files[:20], Y[:20])
        np.asarray(files)
    assert sorted(seen) == sorted(map(str, paths))


def test_no_threads_are_left(paths):
    files = ImageFiles(paths, cache=None)
    model = net().fit(files, Y)
    model.predict(files)
    assert not reading_threads()


# What cannot be done


def test_channels_first_cannot_be_had(paths):
    with pytest.raises(
        InputShapeError, match="ImageFiles have their channels last, but channels='f"
    ):
        net(channels="first").fit(ImageFiles(paths), Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputLayoutWarning)
        model = net(channels="first").fit(np.moveaxis(ImageFiles(paths).to_numpy(), 3, 1), Y)
    with pytest.raises(InputShapeError, match="channels='last'"):
        model.predict(ImageFiles(paths))


def test_files_are_no_volumes(paths):
    files = ImageFiles(paths)
    with pytest.raises(InputShapeError, match=r"n_spatial_dims=3 expects volumes\. Set"):
        net(n_spatial_dims=3).fit(files, Y)
    model = net(n_spatial_dims=3).fit(files.to_numpy(), Y)
    assert model.input_shape_ == (*files.shape[1:], 1)
    with pytest.raises(InputShapeError, match="expects volumes"):
        model.predict(files)


def test_files_of_another_size_or_none_at_all(paths):
    model = net().fit(ImageFiles(paths), Y)
    with pytest.raises(
        InputShapeError, match=r"shape \(9, 9, 3\), but ConvNetClassifier was fitted"
    ):
        model.predict(ImageFiles(paths, 9))
    with pytest.raises(InputShapeError, match=r"shape \(8, 8, 1\)"):
        model.predict(ImageFiles(paths, mode="L"))
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 8, 8, 3\)"):
        model.predict(ImageFiles(paths)[:0])
    with pytest.raises(InputShapeError, match="do not fit input_shape"):
        net(input_shape=(4, 4, 3)).fit(ImageFiles(paths), Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net().fit(ImageFiles(paths), Y[:-1])


def test_broken_files_are_all_named_by_fit(tmp_path):
    paths = save_all(tmp_path, 12)[0]
    for path in paths[4:7]:
        path.write_bytes(path.read_bytes()[:-80])
    files = ImageFiles(paths)
    message = rf"3 image files cannot be read. '{paths[4]}': .*'{paths[5]}': .*'{paths[6]}': "
    for model in (net(), make_pipeline(RandomFlip(), net())):
        with pytest.raises(ImageFileError, match=message):
            model.fit(files, np.arange(12) % 2)
    assert not reading_threads()


@pytest.mark.parametrize("number", [20, N + 8 * (N - N_DISTINCT)])
def test_an_interrupt_while_files_are_decoded(paths, monkeypatch, number):
    original, n_decoded = Decoder.array, itertools.count()

    def array(self, source):
        if next(n_decoded) == number:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return original(self, source)

    monkeypatch.setattr(Decoder, "array", array)
    model = net(max_epochs=50)
    with pytest.raises(KeyboardInterrupt):
        model.fit(ImageFiles(paths, cache=None), Y)
    assert not reading_threads()
    monkeypatch.undo()
    files = ImageFiles(paths, cache=None)
    assert model.fit(files, Y).predict(files).shape == (N,)


@pytest.mark.parametrize("augmentation", [None, RandomFlip()])
def test_files_that_vanish(tmp_path, augmentation):
    paths = save_all(tmp_path, 12)[0]
    files, y = ImageFiles(paths, cache=None), np.arange(12) % 2
    model = net(augmentation=augmentation).fit(files, y)
    paths[7].unlink()
    with pytest.raises(ImageFileError, match=rf"'{paths[7]}': there is no such file"):
        model.predict(files)
    with pytest.raises(ImageFileError, match=rf"'{paths[7]}': there is no such file"):
        model.fit(files, y)
    assert not hasattr(model, "classes_")


def test_steps_that_need_all_values_decode_all_with_a_warning(paths, array, monkeypatch):
    files = ImageFiles(paths)
    halved = make_pipeline(FunctionTransformer(lambda X: np.asarray(X) / 2), tiny())
    expected = halved.fit(array, Y).predict_proba(array)
    np.testing.assert_array_equal(halved.fit(files, Y).predict_proba(files), expected)
    monkeypatch.setattr(module, "LARGE_BYTES", 100)
    with pytest.warns(DecodedFilesWarning, match="All 40 images are decoded"):
        halved.fit(files, Y)
