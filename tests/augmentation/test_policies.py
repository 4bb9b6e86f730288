"""Policies: choices and their frequencies, every operation of the menu, magnitudes, nesting."""

import functools

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone

from skcnn.augmentation import (
    RandAugment,
    RandomBlur,
    RandomBrightness,
    RandomChoice,
    RandomContrast,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomShear,
    RandomStroke,
    RandomTranslation,
    TrivialAugment,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._draws import row_keys
from skcnn.augmentation._operations import GeometricOperation, Motion
from skcnn.exceptions import InputLayoutWarning, InputShapeError
from tests.helpers.geometry import EACH_PADDING

N = 4000
FACTORS = [0.5, 2.0, 3.0, 5.0]


def pictures(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 1, shape)


def factors_of(augmentation, X):
    """Return by what every sample was multiplied."""
    ratio = augmentation.fit_transform(X).to_numpy() / X
    assert np.ptp(ratio, axis=1).max() < 1e-9
    return ratio[:, 0]


def brighter(*factors):
    return [None if f is None else RandomBrightness((f, f)) for f in factors]


@pytest.mark.parametrize("n", [2, 3, 4])
def test_each_option_is_as_likely(n):
    got = factors_of(RandomChoice(brighter(*FACTORS[:n]), random_state=0), pictures(N, 3)).round(6)
    values, counts = np.unique(got, return_counts=True)
    np.testing.assert_array_equal(values, FACTORS[:n])
    assert stats.chisquare(counts).pvalue > 1e-4
    for value in FACTORS[: n - 1]:
        chosen = (got == value).astype(float)
        assert abs(np.corrcoef(chosen[1:], chosen[:-1])[0, 1]) < 4 / N**0.5


def test_none_is_an_option():
    got = factors_of(RandomChoice(brighter(2.0, None, None, None), random_state=0), pictures(N, 3))
    low, high = stats.binom.interval(0.9999, N, 0.25)
    assert low <= np.sum(got > 1.5) <= high
    assert set(got.round(6)) == {1.0, 2.0}


def test_the_probability_of_the_choice_and_that_of_the_option_both_count():
    options = [RandomBrightness((2, 2), p=0.5), RandomBrightness((3, 3))]
    got = factors_of(RandomChoice(options, p=0.4, random_state=0), pictures(N, 3)).round(6)
    for value, p in ((2.0, 0.4 * 0.5 * 0.5), (3.0, 0.4 * 0.5), (1.0, 1 - 0.4 * 0.75)):
        low, high = stats.binom.interval(0.9999, N, p)
        assert low <= np.sum(got == value) <= high


def test_the_same_option_twice_draws_for_itself():
    options = [RandomBrightness((1.5, 2.5)), RandomBrightness((1.5, 2.5))]
    X = pictures(N, 3)
    choice = RandomChoice(options, random_state=0)
    drawn = choice.draw(X)["rounds"][0]["options"]
    assert abs(np.corrcoef(drawn[0]["factor"], drawn[1]["factor"])[0, 1]) < 4 / N**0.5
    assert stats.kstest(factors_of(choice, X) - 1.5, "uniform").pvalue > 1e-4


def test_what_is_drawn_does_not_depend_on_what_is_chosen():
    params = RandomChoice([RandomRotation(180), None], random_state=0).draw(np.zeros((N, 5, 6)))
    chosen, degrees = (
        params["rounds"][0]["choice"],
        params["rounds"][0]["options"][0]["degrees"][:, 0],
    )
    assert abs(np.corrcoef(chosen, degrees)[0, 1]) < 4 / N**0.5


OPTIONS = [
    RandomRotation((90, 90)),
    RandomFlip(p=1.0),
    RandomTranslation((0.25, 0.25)),
    RandomBlur((1, 1)),
    RandomContrast((2, 2)),
    RandomStroke((1, 1)),
    RandomBrightness((2, 2)),
]


def test_each_sample_is_changed_by_its_option_against_a_loop():
    X = pictures(60, 8, 8)
    choice = RandomChoice(OPTIONS, random_state=0)
    chosen = choice.draw(X)["rounds"][0]["choice"]
    assert set(chosen) == set(range(len(OPTIONS)))
    got = choice.fit_transform(X).to_numpy()
    for i, k in enumerate(chosen):
        expected = clone(OPTIONS[k]).fit_transform(X[i : i + 1]).to_numpy()[0]
        np.testing.assert_array_equal(got[i], expected)


def test_noise_of_an_option_is_a_fraction_of_the_range_of_all_samples():
    X = np.zeros((400, 50))
    X[0, 0] = 20.0
    got = RandomChoice([RandomNoise((0.1, 0.1)), None], random_state=0).fit_transform(X).to_numpy()
    noisy = (got != X).any(1)
    np.testing.assert_allclose((got - X)[noisy].std(), 2.0, rtol=0.05)


def test_choices_may_be_nested():
    inner = RandomChoice(brighter(2.0, 3.0))
    got = factors_of(RandomChoice([inner, *brighter(5.0)], random_state=0), pictures(N, 3)).round(6)
    for value, p in ((2.0, 0.25), (3.0, 0.25), (5.0, 0.5)):
        low, high = stats.binom.interval(0.9999, N, p)
        assert low <= np.sum(got == value) <= high


def test_the_random_states_of_options_do_not_count():
    X = pictures(50, 3)
    with_states = [a.set_params(random_state=7) for a in brighter(2.0, 3.0)]
    np.testing.assert_array_equal(
        factors_of(RandomChoice(with_states, random_state=0), X),
        factors_of(RandomChoice(brighter(2.0, 3.0), random_state=0), X),
    )


def test_tuples_of_options_are_taken():
    assert set(factors_of(RandomChoice(tuple(brighter(2.0, 3.0))), pictures(50, 3)).round(6)) == {
        2,
        3,
    }


@pytest.mark.parametrize(
    "choice",
    [
        RandomChoice([RandomRotation(), RandomNoise()]),
        RandomChoice([None, RandomChoice([RandomNoise(), RandomRotation()])]),
    ],
    ids=repr,
)
def test_a_choice_with_an_operation_for_images_needs_images(choice):
    X = pictures(5, 12, 2)
    with pytest.raises(InputShapeError, match=r"RandomChoice needs images"):
        choice.set_params(n_spatial_dims=1).fit_transform(X)
    flat = choice.set_params(n_spatial_dims=None).fit_transform(pictures(5, 12))
    with pytest.warns(InputLayoutWarning, match="RandomChoice has no effect on flat rows"):
        flat.to_numpy()


def names(policy, n_axes):
    return [type(o).__name__ if o is not None else None for o in policy._options(n_axes)]


@pytest.mark.parametrize("policy", [RandAugment(), TrivialAugment()], ids=repr)
def test_the_menu_of_signals_and_images(policy):
    signals = [
        None,
        "RandomTranslation",
        "RandomZoom",
        "RandomBrightness",
        "RandomContrast",
        "RandomBlur",
        "RandomNoise",
    ]
    images = ["RandomTranslation", "RandomRotation", "RandomShear", "RandomShear"]
    assert names(policy, 1) == signals
    assert names(policy, 2) == names(policy, 3) == signals + images


@pytest.mark.parametrize("spatial", [(9,), (6, 7), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("policy", [RandAugment(1), RandAugment(3), TrivialAugment()], ids=repr)
def test_every_operation_of_the_menu_is_as_likely(policy, spatial):
    policy = clone(policy).set_params(random_state=0)
    policy.set_params(input_shape=spatial if len(spatial) == 1 else (*spatial, 1))
    rounds = policy.draw(np.zeros((N, *spatial)))["rounds"]
    assert len(rounds) == getattr(policy, "n_operations", 1)
    for drawn in rounds:
        counts = np.bincount(drawn["choice"])
        assert len(counts) == len(policy._options(len(spatial)))
        assert stats.chisquare(counts).pvalue > 1e-4
    for one, other in zip(rounds[1:], rounds, strict=False):
        assert abs(np.corrcoef(one["choice"], other["choice"])[0, 1]) < 4 / N**0.5
        assert (one["options"][1]["fraction"] != other["options"][1]["fraction"])[:, -1].all()


@pytest.mark.parametrize("magnitude", [0.1, 0.5, 1.0])
def test_the_magnitude_scales_all_ranges(magnitude):
    policy = RandAugment(1, magnitude=magnitude, random_state=0)
    drawn = policy.draw(np.zeros((N, 20, 20)))["rounds"][0]["options"]
    limits = {
        1: ("fraction", -0.3 * magnitude, 0.3 * magnitude),
        2: ("factor", 0.6**magnitude, 1.6**magnitude),
        3: ("factor", 0.2**magnitude, 1.8**magnitude),
        4: ("factor", 0.2**magnitude, 1.8**magnitude),
        5: ("sigma", 0.0, 1.5 * magnitude),
        6: ("std", 0.0, 0.2 * magnitude),
        7: ("fraction", -0.3 * magnitude, 0.3 * magnitude),
        8: ("degrees", -45 * magnitude, 45 * magnitude),
        9: ("degrees", -25 * magnitude, 25 * magnitude),
        10: ("degrees", -25 * magnitude, 25 * magnitude),
    }
    for k, (name, low, high) in limits.items():
        values = drawn[k][name]
        width = high - low
        assert low - 1e-12 <= values.min() < low + 0.05 * width
        assert high - 0.05 * width < values.max() <= high + 1e-12
    assert (drawn[1]["fraction"][:, 0] == 0).all()  # sideways
    assert (drawn[7]["fraction"][:, 1] == 0).all()  # up and down
    assert (drawn[9]["degrees"][:, 1] == 0).all()
    assert (drawn[10]["degrees"][:, 0] == 0).all()


def test_a_trivial_augment_is_one_operation_of_full_magnitude():
    X = pictures(300, 9, 10)
    trivial, full = TrivialAugment(random_state=0), RandAugment(1, magnitude=1.0, random_state=0)
    np.testing.assert_array_equal(
        trivial.fit_transform(X).to_numpy(), full.fit_transform(X).to_numpy()
    )


def test_operations_are_applied_one_after_another_against_a_loop():
    X = pictures(80, 9, 10)
    policy = RandAugment(3, magnitude=0.7, random_state=0)
    params, options = policy.draw(X), policy._options(2)
    span = X.max() - X.min()
    got = policy.apply(X, params)
    n_joined = 0
    for i in range(len(X)):
        image = torch.from_numpy(X[i : i + 1, None])
        motions = []  # neighbours are interpolated once
        for drawn in params["rounds"]:
            k = drawn["choice"][i]
            if options[k] is None:
                continue
            one = {name: value[i : i + 1] for name, value in drawn["options"][k].items()}
            assert one["applied"].all()
            if isinstance(options[k], GeometricOperation):
                motions.append(options[k]._motion(one, (9, 10)))
                continue
            image = join_and_move(image, motions)
            image, motions = options[k]._apply(image, one, span), []
        n_joined += len(motions) > 1
        image = join_and_move(image, motions)
        np.testing.assert_allclose(got[i], image.numpy()[0, 0], atol=1e-12)
    assert n_joined > 5


def join_and_move(image, motions):
    return functools.reduce(Motion.then, motions).move(image) if motions else image


@pytest.mark.parametrize(
    "policy", [RandAugment(3, magnitude=0.0), RandAugment(p=0.0), TrivialAugment(p=0.0)], ids=repr
)
def test_without_magnitude_nothing_changes(policy):
    X = pictures(60, 9, 10).astype(np.float32)
    np.testing.assert_array_equal(policy.fit_transform(X).to_numpy(), X)


@EACH_PADDING
@pytest.mark.parametrize("cls", [RandAugment, TrivialAugment])
def test_the_padding_is_that_of_all_operations(cls, padding):
    options = [o.get_params() for o in cls(**padding)._options(2) if o is not None]
    padded = [params for params in options if "padding_mode" in params]
    assert len(padded) == 6
    assert all(padding.items() <= params.items() for params in padded)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("cls", [RandAugment, TrivialAugment])
def test_any_number_of_channels(cls, n_channels):
    X = (255 * pictures(30, 9, 10, n_channels)).astype(np.uint8)
    out = cls(random_state=0, input_shape=(9, 10, n_channels)).fit_transform(X).to_numpy()
    assert out.shape == X.shape
    assert (out != X).any((1, 2, 3)).sum() > 15


@pytest.mark.parametrize(
    "policy",
    [RandomChoice([RandomRotation(90), RandomNoise(0.5)]), RandAugment(), TrivialAugment()],
    ids=repr,
)
def test_strength_reaches_the_operations(policy):
    X = np.tile(np.add.outer(np.arange(9.0), np.arange(10.0)) / 17, (100, 1, 1, 1))
    images = torch.from_numpy(X)

    def change(strength):
        run = BatchAugmenter([Step(policy, 0)], (9, 10), 1.0, 0, strength)
        return float((run.images(images, np.arange(100)) - images).abs().mean())

    assert change(0.0) == 0
    assert 0 < change(0.1) < change(0.5) < change(1.0)


def test_choices_stay_the_same_at_any_strength():
    keys = row_keys(0, np.arange(100), 0, 0)
    policy = RandAugment(2)
    weak, strong = (policy._draw_all(keys, (9, 10), s)["rounds"] for s in (0.1, 2.0))
    for one, other in zip(weak, strong, strict=True):
        np.testing.assert_array_equal(one["choice"], other["choice"])


def test_the_axes_of_options_are_checked():
    volumes = np.zeros((3, 4, 5, 6, 1))
    sideways = RandomChoice([RandomShear(30, axis=0)])
    with pytest.raises(ValueError, match="'axis' parameter of RandomShear"):
        sideways.fit_transform(volumes).to_numpy()
    upright = RandomChoice([RandomTranslation(axis="vertical"), None], input_shape=(64,))
    with pytest.raises(InputShapeError, match=r"RandomTranslation.* needs an axis"):
        upright.fit_transform(np.zeros((3, 64)))
