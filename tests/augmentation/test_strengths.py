"""No strength, as "auto" searches it, leads out of the legal range of a parameter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skcnn.augmentation import (
    RandAugment,
    RandomAffine,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomElastic,
    RandomErasing,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    TrivialAugment,
)
from skcnn.augmentation._batch_augmenter import BatchAugmenter, Step
from skcnn.augmentation._draws import row_keys
from skcnn.model_selection._spaces.latents import LATENTS
from tests.helpers.augmentations import EVERY
from tests.helpers.geometry import normal_values

SPATIAL = (6, 8)
STRENGTHS = [0.0, 1e-9, 0.5, 1.0, 1.1, LATENTS["augmentation_strength"].high, 40.0, 1e6]
CLASSES = {type(make()): make for make in reversed(EVERY.values())}


def extreme_settings():
    """Return augmentations with a parameter at the ends of its legal range, and its name."""
    rows = {}
    for cls, make in CLASSES.items():
        for name, legal in cls._ranges.items():
            middle = legal.low if legal.neutral is None else legal.neutral
            for value in (
                (legal.low, legal.high),
                (legal.low, legal.low),
                (legal.high, legal.high),
                (legal.low, middle),
                (middle, legal.high),
            ):
                rows[f"{cls.__name__} {name}={value}"] = make, name, value
        rows |= {f"{cls.__name__} p={p}": (make, "p", p) for p in (0.0, 1.0)}
    return rows


EXTREMES = extreme_settings()
LARGEST = [
    RandAugment(20, magnitude=1.0),
    TrivialAugment(),
    RandomCrop(0.999),
    RandomCrop(10**9),
    RandomFlip(p=1.0, alternate=True),
    RandomElastic(1.0, n_points=64),
]


def drawn(augmentation, strength, spatial=SPATIAL, n=200):
    return augmentation._draw_all(row_keys(0, np.arange(n), 0, 0), spatial, strength)


def values_of(augmentation, name, strength):
    """Return what was drawn for the parameter `name`, in its units; None if it is not drawn."""
    params = drawn(augmentation, strength)
    if name == "gain_db":
        with np.errstate(divide="ignore"):
            return 20 * np.log10(params["factor"])
    if isinstance(augmentation, RandomElastic) and name == "displacement":
        widest = drawn(type(augmentation)((1.0, 1.0)), 1.0)
        return (params[name] / widest[name]).reshape(len(params[name]), -1)[:, 0]
    if isinstance(augmentation, RandomErasing) and name == "area":
        return np.prod((params["high"] - params["low"]) / SPATIAL, axis=1)
    return params.get(name)


def check_that_it_runs(augmentation, strength):
    images = torch.from_numpy(normal_values(30, 1, *SPATIAL)).float()
    run = BatchAugmenter([Step(augmentation, 0)], SPATIAL, 1.0, 0, strength)
    out = run.images(images, np.arange(30))
    assert out.shape == images.shape
    assert torch.isfinite(out).all()
    if strength == 0:
        assert torch.equal(out, images)


@pytest.mark.parametrize(("make", "name", "value"), EXTREMES.values(), ids=EXTREMES)
def test_draws_are_legal_values_and_can_be_applied(make, name, value):
    augmentation = make().set_params(**{name: value})
    augmentation._check_parameters()
    for strength in STRENGTHS:
        check_that_it_runs(augmentation, strength)
        if name == "p":
            continue
        values = values_of(augmentation, name, strength)
        if values is None:  # boxes are not drawn by an aspect in its own units
            assert name == "aspect"
            continue
        ends = float(np.min(values)), float(np.max(values))
        if name in ("gain_db", "displacement"):  # computed here from what is drawn
            ends = tuple(round(end, 9) for end in ends)
        augmentation.set_params(**{name: ends})._check_parameters()
        augmentation.set_params(**{name: value})


@pytest.mark.parametrize("augmentation", LARGEST, ids=repr)
def test_the_largest_settings_can_be_applied(augmentation):
    for strength in STRENGTHS:
        check_that_it_runs(augmentation, strength)


SCALED = [
    (cls, name)
    for cls in CLASSES
    for name in cls._ranges
    if name not in ("aspect", "gain_db", "displacement", "area")
]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(("cls", "name"), SCALED)
def test_draws_of_any_legal_range_are_legal(cls, name, data):
    legal = cls._ranges[name]
    ends = st.floats(legal.low, legal.high)
    value = tuple(sorted((data.draw(ends), data.draw(ends))))
    strength = data.draw(st.floats(0, 1.5) | st.floats(0, 1e300))
    values = drawn(cls(**{name: value}), strength, n=50)[name]
    assert legal.low <= values.min() <= values.max() <= legal.high


@pytest.mark.parametrize("strength", [1.5, 4.0])
@pytest.mark.parametrize(
    ("augmentation", "name"),
    [
        (RandomTranslation(1.0), "fraction"),
        (RandomRotation((-360, 200)), "degrees"),
        (RandomAffine(translation=(-0.1, 1.0)), "translation"),
        (RandomNoise(90), "std"),
        (RandomNoise(snr_db=(-199, -180)), "snr_db"),
    ],
    ids=str,
)
def test_draws_are_uniform_in_what_remains_of_their_range(augmentation, name, strength):
    values = drawn(augmentation, strength, n=4000)[name].reshape(4000, -1)[:, 0]
    low, high = values.min(), values.max()
    assert stats.kstest((values - low) / (high - low), "uniform").pvalue > 1e-4
    legal, (first, last) = augmentation._ranges[name], augmentation._limits(name)
    scaled = lambda v: v - 20 * np.log10(strength) if name == "snr_db" else v * strength  # noqa: E731
    ends = np.clip([scaled(first), scaled(last)], legal.low, legal.high)
    np.testing.assert_allclose([low, high], ends, atol=0.01 * (ends[1] - ends[0]))


@pytest.mark.parametrize(
    ("augmentation", "name", "largest"),
    [
        (RandomZoom((1, 15)), "factor", 20),
        (RandomZoom((0.1, 1)), "factor", 0.05),
        (RandomBrightness((1, 900)), "factor", 1000),
        (RandomContrast((1, 900)), "factor", 1000),
    ],
    ids=str,
)
def test_scaled_factors_end_at_the_legal_range_and_do_not_collect_there(
    augmentation, name, largest
):
    values = drawn(augmentation, 1.5, n=4000)[name]
    assert (values == largest).mean() < 0.01
    assert abs(np.log(values) - np.log(largest)).min() < 0.05


def test_a_magnitude_is_at_most_one():
    one, more = (drawn(RandAugment(magnitude=m), s) for m, s in ((1.0, 1.0), (0.9, 1.5)))
    for rounds in zip(one["rounds"], more["rounds"], strict=True):
        degrees = [options["options"][8]["degrees"] for options in rounds]
        np.testing.assert_array_equal(*degrees)
