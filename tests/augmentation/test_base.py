"""What all augmentations share: containers, dtypes, draws and their replay, documentation."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.base import clone

import skcnn
from skcnn.augmentation import (
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    expected_failed_checks,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._operations import MixingOperation
from tests.helpers.augmentations import (
    CHANNELS,
    DTYPES,
    EACH,
    EACH_FOR_SIGNALS,
    EACH_THAT_CHANGES,
    EVERY,
    MASKS,
    MIXING,
    WHOLE,
    names_of_public_augmentations,
    pictures,
)
from tests.helpers.pairs import parametrize_pairs


def one_draw(augmentation, X):
    return augmentation.fit_transform(X).to_numpy()


def test_the_table_has_every_augmentation():
    assert {type(make()).__name__ for make in EVERY.values()} == names_of_public_augmentations()


@parametrize_pairs(make=EVERY, dtype=DTYPES, shape=[(6, 8, 9), (6, 8, 9, 3), (6, 5, 4, 6, 2)])
def test_dtype_and_shape_are_kept_and_X_is_not_touched(make, dtype, shape):
    X = pictures(*shape, dtype=dtype)
    X.flags.writeable = False
    before = X.copy()
    augmented = make(random_state=0).fit_transform(X)
    assert augmented.dtype == X.dtype
    assert augmented.shape == X.shape
    values = augmented.to_numpy()
    assert values.dtype == X.dtype
    assert values.shape == X.shape
    assert values.flags.writeable
    assert not np.shares_memory(values, X)
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(X, before)


@EACH_THAT_CHANGES
@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bool"])  # a factor changes no bool
def test_most_samples_are_changed(make, dtype):
    X = pictures(20, 8, 9, dtype=dtype)
    changed = (one_draw(make(random_state=0, p=1.0), X) != X).any((1, 2))
    assert changed.sum() > 10


@EACH
def test_dtypes_agree_on_the_draw(make):
    X = pictures(8, 8, 9)
    draws = {
        dtype: one_draw(make(random_state=0), X.astype(dtype))
        for dtype in DTYPES
        if dtype != "bool"
    }
    for dtype, values in draws.items():
        atol = {"float16": 0.2, "float32": 1e-2, "float64": 1e-9}.get(dtype, 0.51)
        kept = (draws["float64"] >= 0) & (draws["float64"] <= 255)
        np.testing.assert_allclose(values[kept], draws["float64"][kept], atol=atol)


@EACH
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_memory_order_strides_and_byte_order_change_nothing(make, dtype):
    X = pictures(5, 8, 9, 3, dtype=dtype)
    expected = one_draw(make(random_state=0), X)
    wide = np.zeros((10, 8, 9, 6), dtype)
    wide[::2, ..., ::2] = X
    for same in (
        np.asfortranarray(X),
        wide[::2, ..., ::2],
        np.ascontiguousarray(X[:, ::-1])[:, ::-1],
        X.astype(X.dtype.newbyteorder(">")),
    ):
        np.testing.assert_array_equal(one_draw(make(random_state=0), same), expected)


@EACH
def test_channels_first_is_channels_last_with_the_axis_moved(make):
    X = pictures(5, 8, 9, 4, dtype="float32")
    last = one_draw(make(random_state=0), X)
    first = one_draw(make(random_state=0, channels="first"), np.moveaxis(X, -1, 1))
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), last)


@EACH
def test_flat_rows_with_an_input_shape_are_images(make):
    X = pictures(5, 8, 9, 3, dtype="float32")
    expected = one_draw(make(random_state=0), X)
    flat = one_draw(make(random_state=0, input_shape=(8, 9, 3)), X.reshape(5, -1))
    np.testing.assert_array_equal(flat, expected.reshape(5, -1))
    grey = one_draw(make(random_state=0, input_shape=[8, 27]), X.reshape(5, -1))
    np.testing.assert_array_equal(
        grey, one_draw(make(random_state=0), X.reshape(5, 8, 27)).reshape(5, -1)
    )


@EACH_FOR_SIGNALS
@pytest.mark.parametrize("dtype", DTYPES)
def test_signals_are_augmented(make, dtype):
    X = pictures(9, 30, dtype=dtype)
    values = one_draw(make(random_state=0, p=1.0), X)
    assert values.dtype == X.dtype
    assert values.shape == X.shape
    if not isinstance(make(), MixingOperation) and dtype != "bool":
        assert (values != X).any(1).sum() > 4
    two = pictures(9, 30, 2, dtype=dtype)
    assert one_draw(make(random_state=0, n_spatial_dims=1), two).shape == two.shape


@EACH
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float64])
def test_tensors_are_taken_and_carry_no_gradient(make, dtype):
    X = torch.from_numpy(pictures(4, 8, 9)).to(dtype)
    if dtype.is_floating_point:
        X.requires_grad_()
    before = X.detach().clone()
    augmentation = make(random_state=0)
    values = one_draw(augmentation, X)
    np.testing.assert_array_equal(values, one_draw(augmentation, before.numpy()))
    assert torch.equal(X.detach(), before)
    assert X.grad is None
    np.testing.assert_array_equal(augmentation.apply(X, augmentation.draw(X)), values)


@EACH_THAT_CHANGES
def test_no_operation_leaks_a_gradient(make):
    images = torch.from_numpy(pictures(6, 1, 8, 9, dtype="float32"))
    augmenter = BatchAugmenter([Step(make(), 0)], (8, 9), 255.0, 0)
    out = augmenter.images(images, np.arange(6))
    assert not out.requires_grad
    assert out.is_contiguous()


@EACH
def test_a_batch_on_the_way_to_the_network_is_not_touched(make):
    for dtype in ("uint8", "float32"):
        images = torch.from_numpy(pictures(6, 2, 8, 9, dtype=dtype))
        before = images.clone()
        BatchAugmenter([Step(make(), 0)], (8, 9), 255.0, 0, n_classes=2).batch(
            images, torch.arange(6) % 2, None, np.arange(6), 0
        )
        assert torch.equal(images, before)


FRAMES = {
    "float64": lambda X: pd.DataFrame(X.astype("float64")),
    "uint8": lambda X: pd.DataFrame(X),
    "integers and floats": lambda X: pd.DataFrame(X).astype({0: "int8", 1: "float32"}),
    "with a column of booleans": lambda X: pd.DataFrame(X % 2).astype({3: bool}),
    "nullable integers": lambda X: pd.DataFrame(X).astype("Int64"),
    "nullable": lambda X: pd.DataFrame(X).astype("Float32"),
    "nullable booleans": lambda X: pd.DataFrame(X > 50).astype("boolean"),
    "objects": lambda X: pd.DataFrame(X).astype(object),
}


@pytest.mark.parametrize("frame_of", FRAMES.values(), ids=FRAMES)
def test_frames_are_kept_and_drawn_as_numbers(frame_of):
    X = pictures(6, 20)
    frame = frame_of(X).rename(columns="pixel{}".format)
    augmentation = RandomTranslation(0.2, random_state=0)
    augmented = augmentation.fit_transform(frame)
    values = augmented.to_numpy()
    assert values.dtype == augmented.dtype
    assert values.dtype.kind in "iufb"
    assert "RandomTranslation" in repr(augmented)
    plain = one_draw(clone(augmentation), frame.to_numpy(dtype="float64"))
    np.testing.assert_allclose(values, plain, atol=0.51 if values.dtype.kind in "iub" else 1e-3)
    assert augmentation.feature_names_in_.tolist() == list(frame.columns)
    assert augmentation.transform(frame) is frame
    np.testing.assert_array_equal(augmented[[3, 1]].to_numpy(), values[[3, 1]])
    np.testing.assert_array_equal(augmented[2], values[2])


@EACH_THAT_CHANGES
def test_the_random_state_decides_the_draw(make):
    X = pictures(10, 8, 9, dtype="float32")
    augmentation = make(random_state=3)
    once, again = augmentation.fit_transform(X), augmentation.fit_transform(X)
    np.testing.assert_array_equal(once.to_numpy(), again.to_numpy())
    np.testing.assert_array_equal(once.to_numpy(), once.to_numpy())
    np.testing.assert_array_equal(once.to_numpy(), one_draw(clone(augmentation), X))
    assert (one_draw(make(random_state=4), X) != once.to_numpy()).any()
    assert (once.to_numpy(5) != once.to_numpy()).any()
    np.testing.assert_array_equal(once.to_numpy(5), again.to_numpy(5))


@EACH_THAT_CHANGES
def test_without_a_random_state_every_fit_transform_is_another_draw(make):
    X = pictures(10, 8, 9, dtype="float32")
    augmentation = make()
    first = augmentation.fit_transform(X)
    assert (first.to_numpy() != augmentation.fit_transform(X).to_numpy()).any()
    np.testing.assert_array_equal(first.to_numpy(), first.to_numpy())


@EACH_THAT_CHANGES
def test_a_random_state_instance_moves_on_with_every_draw(make):
    X = pictures(10, 8, 9, dtype="float32")
    augmentation = make(random_state=np.random.RandomState(0))
    first, second = augmentation.fit_transform(X), augmentation.fit_transform(X)
    kept = first.to_numpy()
    assert (kept != second.to_numpy()).any()
    np.testing.assert_array_equal(first.to_numpy(), kept)
    np.testing.assert_array_equal(one_draw(make(random_state=np.random.RandomState(0)), X), kept)


def test_the_global_state_is_neither_read_nor_moved():
    X = pictures(10, 8, 9, dtype="float32")
    for make in EVERY.values():
        results = []
        for seed in (0, 1):
            np.random.seed(seed)
            torch.manual_seed(seed)
            state = np.random.get_state()[1].copy(), torch.get_rng_state()
            results.append(one_draw(make(random_state=0), X))
            np.testing.assert_array_equal(np.random.get_state()[1], state[0])
            assert torch.equal(torch.get_rng_state(), state[1])
        np.testing.assert_array_equal(*results)


@EACH_THAT_CHANGES
def test_every_sample_has_a_draw_of_its_own(make):
    X = np.tile(pictures(1, 8, 9, dtype="float64"), (40, 1, 1))
    values = one_draw(make(random_state=0), X)
    n_distinct = len(np.unique(values.reshape(40, -1), axis=0))
    assert n_distinct > (3 if isinstance(make(), RandomFlip) else 12)


@EACH_THAT_CHANGES
def test_epochs_and_steps_are_other_draws(make):
    images = torch.from_numpy(pictures(30, 1, 8, 9, dtype="float32"))
    rows = np.arange(30)
    one = BatchAugmenter([Step(make(), None)], (8, 9), 255.0, 0)
    assert torch.equal(one.images(images, rows, 0), one.images(images, rows, 0))
    assert not torch.equal(one.images(images, rows, 0), one.images(images, rows, 1))
    later = BatchAugmenter([Step(lambda batch: batch, None), Step(make(), None)], (8, 9), 255.0, 0)
    assert not torch.equal(one.images(images, rows, 0), later.images(images, rows, 0))
    other = BatchAugmenter([Step(make(), None)], (8, 9), 255.0, 1)
    assert not torch.equal(one.images(images, rows, 0), other.images(images, rows, 0))


@EACH
@pytest.mark.parametrize("p", [0.0, 0.2, 0.7, 1.0])
def test_the_probability_is_that_of_each_sample(make, p):
    n = 3000
    params = make(random_state=0, p=p).draw(np.zeros((n, 4, 5)))
    chosen = params["flip"][:, 0] if "flip" in params else params["applied"]
    low, high = stats.binom.interval(0.9999, n, p)
    assert low <= chosen.sum() <= high
    changed = chosen.astype(float)
    if 0 < p < 1:
        assert abs(np.corrcoef(changed[1:], changed[:-1])[0, 1]) < 4 / n**0.5


@EACH
def test_samples_that_are_not_drawn_keep_every_bit(make):
    X = pictures(60, 8, 9, dtype="float32") / 7
    augmentation = make(random_state=0, p=0.5)
    params = augmentation.draw(X)
    values = one_draw(augmentation, X)
    chosen = params["flip"].any(1) if "flip" in params else params["applied"]
    assert 10 < chosen.sum() < 50
    np.testing.assert_array_equal(values[~chosen].view(np.uint32), X[~chosen].view(np.uint32))


@EACH
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64"])
def test_strength_zero_changes_no_bit(make, dtype):
    X = pictures(30, 1, 8, 9, dtype=dtype)
    augmenter = BatchAugmenter([Step(make(), 0)], (8, 9), 255.0, 0, strength=0.0)
    out = augmenter.images(torch.from_numpy(X), np.arange(30)).numpy()
    np.testing.assert_array_equal(out, X)
    np.testing.assert_array_equal(one_draw(make(p=0.0), X[:, 0]), X[:, 0])


# Operations whose change is gradual, unlike a flip, a box or a choice.
GRADUAL = set(EVERY) - MIXING - WHOLE - MASKS - CHANNELS - {"erasing", "erasing, mean"}


@pytest.mark.parametrize("name", sorted(GRADUAL))
def test_a_small_strength_changes_little(name):
    X = np.tile(np.sin(np.arange(9.0) / 3) + np.cos(np.arange(8.0) / 3)[:, None], (40, 1, 1, 1))
    images = torch.from_numpy(X)

    def change(strength):
        operation = EVERY[name]()
        augmenter = BatchAugmenter([Step(operation, 0)], (8, 9), 2.0, 0, strength=strength)
        return float((augmenter.images(images, np.arange(40)) - images).abs().mean())

    assert 0 < change(0.1) < 0.6 * change(1.0)


@parametrize_pairs(
    make=EVERY,
    dtype=["uint8", "float32", "float64"],
    shape=[(7, 8, 9), (7, 8, 9, 3), (7, 4, 5, 6, 2)],
)
def test_a_draw_replays_what_fit_transform_draws(make, dtype, shape):
    X = pictures(*shape, dtype=dtype)
    augmentation = make(random_state=3)
    params = augmentation.draw(X)
    expected = one_draw(augmentation, X)
    np.testing.assert_array_equal(augmentation.apply(X, params), expected)
    np.testing.assert_array_equal(augmentation.apply(X, params), expected)
    np.testing.assert_array_equal(make().apply(X, make().draw(X, random_state=3)), expected)
    again = pickle.loads(pickle.dumps(params))
    np.testing.assert_array_equal(augmentation.apply(X, again), expected)


@EACH_THAT_CHANGES
def test_a_draw_can_be_applied_to_other_samples_of_the_shape(make):
    X, masks = pictures(6, 8, 9), pictures(6, 8, 9, dtype="bool", seed=1)
    augmentation = make(random_state=0)
    params = augmentation.draw(X)
    moved = augmentation.apply(masks, params)
    assert moved.dtype == bool
    assert moved.shape == masks.shape


@EACH
def test_drawing_and_applying_change_neither_the_augmentation_nor_X(make):
    augmentation = make(random_state=0)
    X = pictures(5, 8, 9)
    before = X.copy()
    params = augmentation.draw(X)
    augmentation.apply(X, params)
    assert set(vars(augmentation)) == set(augmentation.get_params(deep=False))
    np.testing.assert_array_equal(X, before)


def test_a_draw_for_other_samples_raises():
    X = pictures(5, 8, 9)
    augmentation = RandomRotation()
    with pytest.raises(ValueError, match=r"params are a draw for 5 samples, but X has 4\."):
        augmentation.apply(X[:4], augmentation.draw(X))


def test_a_draw_has_a_row_for_each_sample():
    for make in EVERY.values():
        params = make(random_state=0).draw(pictures(5, 8, 9))
        assert params["applied"].shape == (5,)
        assert params["applied"].dtype == bool
        for value in params.values():
            assert isinstance(value, list) or len(value) == 5


def test_only_augmentations_have_declared_failures():
    for make in EVERY.values():
        declared = expected_failed_checks(make())
        assert set(declared) == {
            "check_transformer_general",
            "check_transformer_data_not_an_array",
        }
        assert all("transform" in reason for reason in declared.values())
    assert expected_failed_checks(skcnn.ConvNetClassifier()) == {}
    assert expected_failed_checks(object()) == {}


def test_the_shared_text_is_in_every_docstring():
    for make in EVERY.values():
        cls = type(make())
        text = cls.__doc__
        assert "<" + "parameters>" not in text
        assert "<attributes>" not in text
        default = cls.__init__.__kwdefaults__["p"]
        assert f"p : float, default={default}\n" in text
        assert ("padding_mode : {" in text) == ("padding_mode" in make().get_params(deep=False))
