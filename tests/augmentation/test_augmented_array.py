"""AugmentedArray: rows, keys, one draw bit by bit, warnings, pickles, chains of steps."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.utils import _safe_indexing, check_array

from skcnn import ConvNetClassifier
from skcnn.augmentation import (
    MixUp,
    RandomBrightness,
    RandomCrop,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomTranslation,
)
from skcnn.augmentation._augmented_array import AugmentedArray
from skcnn.exceptions import (
    FrozenAugmentationWarning,
    InputLayoutWarning,
    InputShapeError,
)
from tests.helpers.augmentations import EACH, EACH_THAT_CHANGES, EVERY, IMAGES_ONLY, pictures


def augmented(*shape, dtype="uint8", make=EVERY["affine"], random_state=0):
    return make(random_state=random_state).fit_transform(pictures(*shape, dtype=dtype))


def as_array(X):
    """Return ``np.asarray(X)`` without the warning, which `test_asarray_warns` covers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FrozenAugmentationWarning)
        return np.asarray(X)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
@pytest.mark.parametrize("shape", [(5, 8, 9), (5, 8, 9, 3), (1, 8, 9)], ids=str)
def test_it_has_the_attributes_of_an_array(shape, dtype):
    X = pictures(*shape, dtype=dtype)
    A = RandomRotation().fit_transform(X)
    assert isinstance(A, AugmentedArray)
    assert (A.shape, A.ndim, A.size, A.dtype, len(A)) == (X.shape, X.ndim, X.size, X.dtype, len(X))


def test_its_repr_names_shape_and_augmentations():
    A = RandomFlip().fit_transform(RandomRotation(30).fit_transform(pictures(5, 8, 9)))
    assert repr(A) == (
        "AugmentedArray(shape=(5, 8, 9), dtype=uint8, RandomRotation(degrees=30), RandomFlip())"
    )


def test_it_cannot_be_changed():
    A = augmented(5, 8, 9)
    with pytest.raises(AttributeError):
        A.seed = 3
    with pytest.raises(TypeError):
        A[0] = 0


def test_iteration_gives_the_samples_of_one_draw():
    A = augmented(5, 8, 9)
    with pytest.warns(FrozenAugmentationWarning, match=r"skcnn\.augmentation\.Augmented"):
        samples = list(A)
    np.testing.assert_array_equal(samples, A.to_numpy())


def test_attributes_of_arrays_only_raise_with_a_hint():
    A = augmented(5, 8, 9)
    message = r"An augmented array has no attribute 'mean'.* to_numpy\(\) returns one draw"
    with pytest.raises(AttributeError, match=message):
        A.mean()
    assert not hasattr(A, "iloc")


def test_the_original_is_kept_as_it_is():
    X = pictures(5, 8, 9)
    assert np.shares_memory(RandomRotation().fit_transform(X).original, X)


N = 12


KEYS = {
    "mask": np.arange(N) % 3 == 0,
    "list of a mask": (np.arange(N) % 3 == 0).tolist(),
    "empty mask": np.zeros(N, bool),
    "slice": slice(2, 7),
    "steps": slice(None, None, 5),
    "backwards": slice(None, None, -1),
    "empty slice": slice(3, 3),
    "beyond": slice(8, 100),
    "list": [3, 1, 11],
    "repeated": np.array([4, 4, 0, 4]),
    "negative": np.array([-1, -12, 0]),
    "empty list": [],
    "empty": np.array([], int),
    "unsigned": np.array([2, 3], np.uint8),
    "with an ellipsis": (slice(1, 4), ...),
    "with whole axes": ([0, 5], slice(None), slice(None)),
}


KEYS_OF_ROWS = {
    "a row": 3,
    "the last row": -1,
    "a numpy number": np.int64(2),
    "a row and all of it": (3, ...),
    "a row and whole axes": (3, slice(None), slice(None)),
}


KEYS_OF_VALUES = {
    "an array without axes": np.array(2),
    "a column": (slice(None), 2),
    "columns": (slice(None), np.array([0, 2])),
    "list of columns": (slice(None), [1, 1]),
    "masked columns": (slice(None), np.arange(8) % 2 == 0),
    "part of columns": (slice(1, 3), slice(2, 5)),
    "a pixel": (2, 3, 4),
    "last axis": (..., 0),
    "everything": (),
    "dots": ...,
    "a new axis": None,
    "a new axis behind": (slice(None), None),
    "table of rows": np.array([[0, 1], [2, 3]]),
    "a boolean": True,
    "paired": ([0, 1], [2, 3]),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@EACH
def test_rows_of_the_draw_are_the_draw_of_the_rows(make, key):
    A = make(random_state=0).fit_transform(pictures(N, 8, 9))
    some = A[key]
    assert isinstance(some, AugmentedArray)
    expected = A.to_numpy()[key]
    assert some.shape == expected.shape
    np.testing.assert_array_equal(some.to_numpy(), expected)
    np.testing.assert_array_equal(as_array(some), as_array(A)[key])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(some)).to_numpy(), expected)


@pytest.mark.parametrize("key", KEYS_OF_ROWS.values(), ids=KEYS_OF_ROWS)
def test_a_single_sample_is_given_without_a_warning(key):
    A = augmented(N, 8, 9)
    assert type(A[key]) is np.ndarray
    np.testing.assert_array_equal(A[key], A.to_numpy()[key])


@pytest.mark.parametrize("key", KEYS_OF_VALUES.values(), ids=KEYS_OF_VALUES)
def test_other_keys_give_the_values_of_one_draw_with_a_warning(key):
    A = augmented(N, 8, 9)
    with pytest.warns(
        FrozenAugmentationWarning, match=r"gets one draw.*skcnn\.augmentation\.Augmented"
    ):
        values = A[key]
    assert type(values) is not AugmentedArray
    np.testing.assert_array_equal(values, A.to_numpy()[key])


@EACH
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_every_single_sample_is_that_of_the_whole(make, dtype):
    A = make(random_state=7).fit_transform(pictures(N, 8, 9, 2, dtype=dtype) / np.array(1, dtype))
    whole = as_array(A)
    for i in (*range(N), -1, -N):
        np.testing.assert_array_equal(A[i], whole[i])
        np.testing.assert_array_equal(A[[i]].to_numpy()[0], whole[i])


@EACH_THAT_CHANGES
def test_fractions_of_floats_agree_to_the_last_bit(make):
    X = np.random.default_rng(0).normal(size=(40, 7, 11)).astype(np.float32)
    A = make(random_state=7).fit_transform(X)
    whole = A.to_numpy().view(np.uint32)
    for key in ([5], [39, 0, 17], slice(3, 30), np.arange(40)[::-1]):
        np.testing.assert_array_equal(A[key].to_numpy().view(np.uint32), whole[key])


@pytest.mark.parametrize("name", EVERY)
def test_rows_agree_across_chunks(name):
    shape = (1500, 9) if name not in IMAGES_ONLY | {"flip"} else (1500, 3, 4)
    A = EVERY[name](random_state=0).fit_transform(pictures(*shape, dtype="float32"))
    whole = A.to_numpy()
    for i in (0, 1, 1023, 1024, 1499):
        np.testing.assert_array_equal(A[i], whole[i])
    np.testing.assert_array_equal(A[1000:1100].to_numpy(), whole[1000:1100])
    np.testing.assert_array_equal(A[::-7].to_numpy(), whole[::-7])


@EACH
def test_a_single_sample_is_augmented(make):
    A = make(random_state=0, p=1.0).fit_transform(pictures(1, 8, 9))
    np.testing.assert_array_equal(A[0], A.to_numpy()[0])
    assert A[[0, 0, 0]].to_numpy().shape == (3, 8, 9)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_selections_of_selections_agree(data):
    A = augmented(N, 5, 6, make=lambda **k: EVERY["rand augment"](**k))
    whole = A.to_numpy()
    for _ in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.lists(st.integers(-len(A), len(A) - 1), min_size=1, max_size=6))
        A, whole = A[rows], whole[rows]
    np.testing.assert_array_equal(A.to_numpy(), whole)


def test_a_random_state_instance_is_drawn_from_once():
    state = np.random.RandomState(0)
    A = augmented(N, 8, 9, random_state=state)
    before = state.get_state()[2]
    whole = A.to_numpy()
    np.testing.assert_array_equal(A[[4, 2]].to_numpy(), whole[[4, 2]])
    assert state.get_state()[2] == before


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.FrozenAugmentationWarning")
@pytest.mark.parametrize("key", [7, N, -N - 1, [0, N], [True, False], "a", 1.5], ids=str)
def test_keys_beyond_the_end_raise_as_for_an_array(key):
    A = augmented(7, 8, 9)
    with pytest.raises(IndexError):
        A.to_numpy()[key]
    with pytest.raises(IndexError):
        A[key]


def test_a_seed_for_one_draw():
    A = RandomNoise(0.3, random_state=1).fit_transform(augmented(N, 8, 9))
    np.testing.assert_array_equal(A.to_numpy(3), A.to_numpy(random_state=3))
    np.testing.assert_array_equal(A[[5, 2]].to_numpy(3), A.to_numpy(3)[[5, 2]])
    assert (A.to_numpy(3) != A.to_numpy(4)).any()
    first, second = np.random.RandomState(0), np.random.RandomState(0)
    np.testing.assert_array_equal(A.to_numpy(first), A.to_numpy(second))
    assert (A.to_numpy(first) != A.to_numpy(first)).any()


def test_asarray_warns():
    A = RandomFlip().fit_transform(RandomRotation(30).fit_transform(pictures(5, 8, 9)))
    message = (
        r"RandomRotation\(degrees=30\), RandomFlip\(\): an estimator that does not draw "
        r"augmentations itself asked for their values and gets one draw, the same in all its epochs\. "
        r"Put augmentations directly before a ConvNet, after all other transformers; or wrap any "
        r"other estimator in skcnn\.augmentation\.Augmented\."
    )
    with pytest.warns(FrozenAugmentationWarning, match=message) as caught:
        values = np.asarray(A)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(values, A.to_numpy())


@pytest.mark.filterwarnings("ignore::skcnn.exceptions.FrozenAugmentationWarning")
def test_asarray_takes_dtype_and_copy():
    A = augmented(5, 8, 9)
    assert np.asarray(A, dtype=np.float64).dtype == np.float64
    assert np.array(A, copy=True).dtype == np.uint8
    assert np.array(A) is not np.array(A)
    np.testing.assert_array_equal(np.asarray(A, dtype=float), A.to_numpy())
    np.testing.assert_array_equal(np.mean(A), A.to_numpy().mean())
    np.testing.assert_array_equal(check_array(A, allow_nd=True), A.to_numpy())


def test_values_without_a_copy_raise():
    with pytest.raises(ValueError, match=r"values of an augmented array are computed: copy=False"):
        np.array(augmented(5, 8, 9), copy=False)


def test_to_numpy_and_indexing_are_silent():
    A = augmented(5, 8, 9)
    A.to_numpy()
    A[0], A[:2].to_numpy(), A[[1]], repr(A), len(A), A.shape


def test_a_pickled_slice_does_not_carry_the_base():
    A = augmented(1000, 16, 16)
    whole, small = len(pickle.dumps(A)), len(pickle.dumps(A[:2]))
    assert whole > 256_000
    assert small < 4_000
    assert len(pickle.dumps(A[[3]])) < 4_000
    assert len(pickle.dumps(A[::500])) < 4_000
    frame = RandomTranslation().fit_transform(pd.DataFrame(pictures(2000, 20)))
    assert len(pickle.dumps(frame[:2])) < 6_000


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda A: pickle.loads(pickle.dumps(A))]
)
def test_copies_have_the_same_values(again):
    A = augmented(5, 8, 9, random_state=None)
    np.testing.assert_array_equal(again(A).to_numpy(), A.to_numpy())


def test_joblib_keeps_the_draw(tmp_path):
    A = augmented(5, 8, 9, random_state=None)
    joblib.dump(A, tmp_path / "A")
    np.testing.assert_array_equal(joblib.load(tmp_path / "A").to_numpy(), A.to_numpy())
    mapped = joblib.load(tmp_path / "A", mmap_mode="r")
    np.testing.assert_array_equal(mapped.to_numpy(), A.to_numpy())
    np.testing.assert_array_equal(mapped[2], A[2])


def test_a_chain_is_one_array_of_several_steps():
    X = pictures(5, 8, 9, dtype="float64")
    turn, shift = RandomRotation((90, 90)), RandomCrop(2, random_state=0)
    A = shift.fit_transform(turn.fit_transform(X))
    assert [type(step.augmentation).__name__ for step in A.steps] == [
        "RandomRotation",
        "RandomCrop",
    ]
    assert A.original is X or np.shares_memory(A.original, X)
    pixels = RandomCrop(2).draw(X, random_state=0)
    assert pixels["pixels"].any()  # of step 0; here it is step 1 and draws differently
    np.testing.assert_array_equal(A[1:3].to_numpy(), A.to_numpy()[1:3])


def test_steps_after_a_selection_draw_for_the_same_rows():
    X = pictures(N, 8, 9)
    flip, noise = RandomFlip(random_state=0), RandomNoise(random_state=0)
    first = noise.fit_transform(flip.fit_transform(X)[3:7])
    later = noise.fit_transform(flip.fit_transform(X))[3:7]
    np.testing.assert_array_equal(first.to_numpy(), later.to_numpy())


@pytest.mark.parametrize(
    ("first", "second", "X"),
    [
        (RandomFlip(input_shape=(8, 9)), RandomNoise(input_shape=(9, 8)), pictures(4, 72)),
        (RandomFlip(input_shape=(6, 4, 3)), RandomNoise(input_shape=(6, 12)), pictures(4, 72)),
        (
            RandomFlip(channels="first"),
            RandomRotation(input_shape=(4, 4, 4)),
            pictures(4, 4, 4, 4),
        ),
    ],
)
def test_steps_must_agree_on_the_layout(first, second, X):
    name, before = type(second).__name__, r"\(channels \w+\), but the augmentation before it reads"
    with pytest.raises(InputShapeError, match=rf"{name} reads samples of shape \(.*\) {before} "):
        second.fit_transform(first.fit_transform(X))


@pytest.mark.parametrize("given_first", [True, False])
def test_one_step_with_a_layout_is_enough(given_first):
    X = pictures(4, 72)
    steps = [RandomRotation((90, 90)), RandomBrightness(0.1, random_state=0)]
    steps[not given_first].set_params(input_shape=(8, 9))
    A = X
    for step in steps:
        A = step.fit_transform(A)
    expected = steps[0].set_params(input_shape=None).fit_transform(X.reshape(4, 8, 9))
    expected = steps[1].set_params(input_shape=None).fit_transform(expected)
    np.testing.assert_array_equal(A.to_numpy(), expected.to_numpy().reshape(4, -1))


@pytest.mark.parametrize("given_first", [True, False])
def test_one_step_with_channels_is_enough(given_first):
    X = pictures(4, 5, 8, 9, dtype="float32")
    steps = [RandomRotation((90, 90)), RandomBrightness(0.1, random_state=0)]
    steps[not given_first].set_params(channels="first")
    moved = X
    for step in steps:
        moved = step.fit_transform(moved)
    last = np.moveaxis(X, 1, -1)
    for step in steps:
        last = step.set_params(channels="last").fit_transform(last)
    np.testing.assert_array_equal(np.moveaxis(moved.to_numpy(), 1, -1), last.to_numpy())


def test_flat_rows_are_left_to_a_convnet_also_with_channels_first():
    X, y = pictures(20, 216), np.arange(20) % 2
    net = ConvNetClassifier(
        input_shape=(3, 8, 9),
        channels="first",
        filters=(2,),
        hidden_units=(),
        max_epochs=1,
        random_state=0,
    )
    left_out = make_pipeline(RandomRotation(), net).fit(X, y)
    given = make_pipeline(RandomRotation(channels="first"), net).fit(X, y)
    np.testing.assert_array_equal(left_out.predict_proba(X), given.predict_proba(X))


def test_images_with_swapped_channels_raise_a_warning():
    A = RandomFlip().fit_transform(pictures(4, 3, 8, 9))
    with pytest.warns(InputLayoutWarning, match="channels='first'"):
        A.to_numpy()


def test_long_images_of_unknown_layout_raise_a_warning():
    X = pictures(4, 50, 3)
    A = RandomFlip(p=1.0).fit_transform(X)
    with pytest.warns(InputLayoutWarning, match="length 50 with 3 channels.*set n_spatial_dims=1"):
        values = A.to_numpy()
    np.testing.assert_array_equal(values, X[:, :, ::-1])
    given = RandomFlip(p=1.0, n_spatial_dims=2).fit_transform(X)
    np.testing.assert_array_equal(given.to_numpy(), values)


def test_flat_rows_of_unknown_layout_are_signals_for_others():
    X = pictures(4, 72)
    A = RandomFlip(p=1.0).fit_transform(RandomRotation(90).fit_transform(X))
    message = (
        r"RandomRotation has no effect on flat rows, which are read as signals: set its "
        r"input_shape=\(height, width\) or give X of shape \(n_samples, height, width\)"
    )
    with pytest.warns(InputLayoutWarning, match=message):
        values = A.to_numpy()
    np.testing.assert_array_equal(values, X[:, ::-1])


def test_an_augmentation_of_images_before_one_of_signals_raises():
    A = RandomRotation().fit_transform(pictures(4, 72))
    with pytest.raises(InputShapeError, match=r"RandomRotation needs images"):
        RandomFlip(input_shape=(72,)).fit_transform(A).to_numpy()


def test_train_test_split_keeps_it_lazy():
    A = augmented(N, 8, 9)
    y = np.arange(N)
    A_train, A_test, y_train, y_test = train_test_split(A, y, random_state=0)
    for part, rows in ((A_train, y_train), (A_test, y_test)):
        assert isinstance(part, AugmentedArray)
        np.testing.assert_array_equal(part.to_numpy(), A.to_numpy()[rows])


def test_safe_indexing():
    A = augmented(N, 8, 9)
    for key in ([1, 5], np.array([0, 0]), np.arange(N) % 2 == 0, slice(2, 5)):
        np.testing.assert_array_equal(_safe_indexing(A, key).to_numpy(), A.to_numpy()[key])
    flat = RandomNoise().fit_transform(pictures(N, 20))
    for key in ([0, 2], np.array([0, 2]), 3, slice(1, 4)):
        with pytest.warns(FrozenAugmentationWarning, match="RandomNoise"):
            columns = _safe_indexing(flat, key, axis=1)
        np.testing.assert_array_equal(columns, flat.to_numpy()[:, key])


def test_cross_validation_on_it():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 6)) + 4 * y[:, None]
    A = RandomNoise(0.02, random_state=0).fit_transform(X)
    net = ConvNetClassifier(
        filters=(2,), hidden_units=(), max_epochs=8, learning_rate=0.05, random_state=0
    )
    assert cross_val_score(net, A, y, cv=2).min() > 0.8
    with pytest.warns(FrozenAugmentationWarning, match="Augmented"):
        scores = cross_val_score(LogisticRegression(), A, y, cv=2)
    assert scores.min() > 0.8


def test_another_estimator_after_it_warns_and_gets_one_draw():
    X, y = pictures(20, 30, dtype="float64"), np.arange(20) % 2
    model = make_pipeline(RandomNoise(0.1, random_state=0), LogisticRegression(C=1e-6))
    with pytest.warns(
        FrozenAugmentationWarning, match=r"RandomNoise.*skcnn\.augmentation\.Augmented"
    ):
        model.fit(X, y)
    model.predict(X)


def test_a_convnet_after_it_draws_again_without_a_warning():
    X, y = pictures(20, 8, 9), np.arange(20) % 2
    net = ConvNetClassifier(filters=(2,), hidden_units=(), max_epochs=2, random_state=0)
    model = make_pipeline(RandomRotation(), RandomFlip(), MixUp(), net).fit(X, y)
    within = ConvNetClassifier(
        filters=(2,),
        hidden_units=(),
        max_epochs=2,
        random_state=0,
        augmentation=[RandomRotation(), RandomFlip(), MixUp()],
    ).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), within.predict_proba(X))
    np.testing.assert_array_equal(net.set_params(max_epochs=1).fit(X, y).predict(X).shape, (20,))
