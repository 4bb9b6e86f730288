"""Ranges of draws, and the messages for parameters that are not legal."""

import numpy as np
import pytest
from sklearn.utils._param_validation import InvalidParameterError

from skcnn.augmentation import (
    CutMix,
    MixUp,
    RandAugment,
    RandomBrightness,
    RandomChoice,
    RandomCrop,
    RandomElastic,
    RandomErasing,
    RandomFlip,
    RandomNoise,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from skcnn.augmentation._ranges import Range
from tests.helpers.augmentations import EVERY, pictures

BAD_COMMON = [
    ({"p": 1.5}, r"The 'p' parameter of {} must be a float in the range \[0\.0, 1\.0\]. Got 1\.5"),
    ({"p": -0.1}, r"The 'p' parameter of {} must be a float in the range .* Got -0\.1"),
    ({"p": "often"}, r"The 'p' parameter of {} must be .* Got 'often'"),
    ({"p": None}, r"The 'p' parameter of {} must be .* Got None"),
    ({"p": float("nan")}, r"The 'p' parameter of {} must be .* Got nan"),
    (
        {"channels": "middle"},
        r"The 'channels' parameter of {} must be a str among .*'first'.*Got 'middle'",
    ),
    ({"channels": "lst"}, r"The 'channels' parameter of {} must be .* Did you mean 'last'\?"),
    ({"random_state": "no"}, r"The 'random_state' parameter of {} must be .* Got 'no'"),
    ({"random_state": -1}, r"The 'random_state' parameter of {} must be .* Got -1"),
    ({"random_state": 0.5}, r"The 'random_state' parameter of {} must be .* Got 0\.5"),
    ({"input_shape": "8x9"}, r"The 'input_shape' parameter of {} must be .* Got '8x9'"),
    ({"input_shape": 8}, r"The 'input_shape' parameter of {} must be .* Got 8 "),
]


BAD_PADDING = [
    (
        {"padding_mode": "reflect"},
        r"The 'padding_mode' parameter of {} must be a str among .*'mirror'.* Got 'reflect'",
    ),
    (
        {"padding_mode": "miror"},
        r"The 'padding_mode' parameter of {} must be .* Did you mean 'mirror'\?",
    ),
    ({"fill_value": "mean"}, r"The 'fill_value' parameter of {} must be .* Got 'mean'"),
    ({"fill_value": None}, r"The 'fill_value' parameter of {} must be .* Got None"),
    ({"fill_value": float("nan")}, r"The 'fill_value' parameter of {} must be .* Got nan"),
    ({"fill_value": float("inf")}, r"The 'fill_value' parameter of {} must be .* Got inf"),
]


BAD_RANGES = [
    "15",
    None,
    True,
    (1, 2, 3),
    (1,),
    (),
    (0.3, 0.1),
    ("a", "b"),
    (float("nan"), 1),
    float("inf"),
    float("nan"),
    1e9,
    {0.1, 0.2},
]


SINGLE = {type(make()): make for make in reversed(EVERY.values())}


def bad_parameters():
    """Return (class, parameters, pattern of the message) for everything illegal."""
    rows = []
    for cls, make in SINGLE.items():
        legal = make().get_params(deep=False)
        rows += [(cls, bad, pattern) for bad, pattern in BAD_COMMON]
        if "padding_mode" in legal:
            rows += [(cls, bad, pattern) for bad, pattern in BAD_PADDING]
        for name, allowed in cls._ranges.items():
            pattern = rf"The '{name}' parameter of {{}} must be a number.* or a range \(low, high\) with low <= high, between .* Got .* instead\."
            rows += [
                (cls, {name: bad}, pattern)
                for bad in BAD_RANGES
                if not (bad is None and allowed.optional)
            ]
    return rows


@pytest.mark.parametrize(("cls", "bad", "pattern"), bad_parameters(), ids=str)
def test_illegal_parameters_are_named(cls, bad, pattern):
    augmentation = SINGLE[cls]().set_params(**bad)
    X = pictures(4, 8, 9)
    for use in (augmentation.fit, augmentation.fit_transform, augmentation.draw):
        with pytest.raises(InvalidParameterError, match=pattern.format(cls.__name__)):
            use(X)


@pytest.mark.parametrize(
    ("augmentation", "pattern"),
    [
        (
            RandomTranslation(1.1),
            r"'fraction'.*r between 0 and 1, meaning -r to r,.*between -1 and 1",
        ),
        (RandomTranslation(-0.1), r"'fraction'.*Got -0\.1"),
        (RandomRotation((-400, 0)), r"'degrees'.*between -360 and 360"),
        (RandomZoom(1.0), r"'factor'.*meaning 1 - r to 1 \+ r,.*between 0\.05 and 20"),
        (RandomShear(89), r"'degrees'.*between -80 and 80"),
        (RandomElastic(-0.1), r"'displacement'.*of at least 0, meaning 0 to it,.*between 0 and 1"),
        (RandomElastic(n_points=1), r"'n_points' parameter of RandomElastic.*\[2, 64\].*Got 1"),
        (RandomElastic(n_points=2.5), r"'n_points' parameter of RandomElastic.*Got 2\.5"),
        (RandomBrightness(gain_db=200), r"'gain_db'.*between -120 and 120 or None"),
        (RandomNoise(snr_db=(30, 10)), r"'snr_db'.*a number or a range.* or None"),
        (RandomCrop(-1), r"'padding' parameter of RandomCrop.*Got -1"),
        (RandomCrop(1.5), r"'padding' parameter of RandomCrop.*Got 1\.5"),
        (RandomCrop("1"), r"'padding' parameter of RandomCrop.*Got '1'"),
        (RandomErasing(fill_value="median"), r"'fill_value' parameter of RandomErasing.*'mean'"),
        (RandomErasing(fill_value=np.inf), r"'fill_value' parameter of RandomErasing.*Got inf"),
        (RandomErasing(fill_value=np.nan), r"'fill_value' parameter of RandomErasing.*Got nan"),
        (RandomErasing(aspect=0.5), r"'aspect'.*of at least 1, meaning 1 to it"),
        (MixUp(0), r"'alpha' parameter of MixUp must be a float in the range \(0\.0, inf\)"),
        (CutMix(-1.0), r"'alpha' parameter of CutMix.*Got -1\.0"),
        (CutMix("1"), r"'alpha' parameter of CutMix.*Got '1'"),
        (RandAugment(0), r"'n_operations' parameter of RandAugment.*\[1, inf\).*Got 0"),
        (RandAugment(magnitude=1.5), r"'magnitude' parameter of RandAugment.*Got 1\.5"),
        (RandomChoice([]), r"'augmentations' parameter of RandomChoice.*at least one.*Got \[\]"),
        (RandomChoice(RandomFlip()), r"'augmentations' parameter of RandomChoice.*Got RandomFlip"),
        (RandomChoice([MixUp()]), r"'augmentations'.*not MixUp or CutMix"),
        (RandomChoice([RandomFlip]), r"'augmentations' parameter of RandomChoice.*RandomFlip"),
        (RandomChoice([lambda b: b]), r"'augmentations' parameter of RandomChoice"),
        (RandomChoice([RandomFlip(p=2)]), r"'p' parameter of RandomFlip.*Got 2"),
        (RandomChoice([RandomZoom(7)]), r"'factor' parameter of RandomZoom.*Got 7"),
        (RandomFlip("diagonal"), r"'axis' parameter of RandomFlip.*Got 'diagonal'"),
        (RandomFlip(None), r"'axis' parameter of RandomFlip.*Got None"),
        (RandomFlip(True), r"'axis' parameter of RandomFlip.*Got True"),
        (RandomFlip(0.5), r"'axis' parameter of RandomFlip.*Got 0\.5"),
        (RandomFlip(("horizontal", "up")), r"'axis' parameter of RandomFlip.*'up'"),
        (RandomFlip(()), r"'axis' parameter of RandomFlip.*Got \(\)"),
        (RandomShear(axis="diagonal"), r"'axis' parameter of RandomShear.*Got 'diagonal'"),
        (RandomTranslation(axis="up"), r"'axis' parameter of RandomTranslation.*Got 'up'"),
        (RandomChoice([RandomFlip("up")]), r"'axis' parameter of RandomFlip.*Got 'up'"),
    ],
    ids=lambda value: str(value).split(" at 0x")[0],
)
def test_illegal_values_of_one_augmentation_are_named_at_fit(augmentation, pattern):
    X = pictures(4, 8, 9)
    for use in (augmentation.draw, augmentation.fit, augmentation.fit_transform):
        with pytest.raises(InvalidParameterError, match=pattern):
            use(X)


@pytest.mark.parametrize(
    ("augmentation", "name", "expected"),
    [
        (RandomTranslation(np.float32(0.25)), "fraction", (-0.25, 0.25)),
        (RandomTranslation([0.1, 0.2]), "fraction", (0.1, 0.2)),
        (RandomRotation(np.int64(10)), "degrees", (-10, 10)),
        (RandomRotation((5, 5)), "degrees", (5, 5)),
        (RandomZoom(0.5), "factor", (0.5, 1.5)),
        (RandomZoom((2, 3)), "factor", (2, 3)),
        (RandomNoise(0.2), "std", (0, 0.2)),
        (RandomNoise(snr_db=12), "snr_db", (12, 12)),
        (RandomErasing(aspect=2), "aspect", (1, 2)),
        (RandomBrightness(gain_db=6), "gain_db", (-6, 6)),
    ],
    ids=str,
)
def test_numbers_and_pairs_are_ranges(augmentation, name, expected):
    assert augmentation._limits(name) == expected


def test_a_range_describes_its_values():
    assert Range(None, False, -1.0, 1.0).description() == (
        "a number or a range (low, high) with low <= high, between -1 and 1"
    )
    assert Range(0.0, False, 0.0, 1.0, optional=True).description() == (
        "a number of at least 0, meaning 0 to it, or a range (low, high) with low <= high, between "
        "0 and 1 or None"
    )
