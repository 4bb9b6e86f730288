"""What augmentation="auto" chooses from."""

import numpy as np
import pytest

from skcnn._convnet.augmenting.candidates import augmentations_of, make_candidates, table_of
from skcnn.augmentation import RandomFlip, RandomRotation

IMAGES = np.zeros((4, 8, 8))


def test_candidates_of_images_and_volumes():
    names = [each.name for each in make_candidates((8, 8), True, IMAGES)]
    assert names == ["shift and zoom", "flip horizontal", "flip vertical"]
    names = [each.name for each in make_candidates((4, 8, 8), True, IMAGES)]
    assert names == ["shift and zoom", "flip horizontal", "flip vertical", "flip depth"]


def test_motions_of_numbers_are_open_and_those_of_classes_decided():
    assert make_candidates((8, 8), True, IMAGES)[0].chosen
    assert make_candidates((8, 8), False, IMAGES)[0].reason == ""


def test_a_side_of_one_is_not_flipped():
    reasons = [each.reason for each in make_candidates((1, 8), True, IMAGES)[1:]]
    assert reasons == ["", "the side is 1"]


@pytest.mark.parametrize(
    ("flip", "reasons"),
    [
        (RandomFlip(), ["the Pipeline flips", ""]),
        (RandomFlip("vertical"), ["", "the Pipeline flips"]),
        (RandomFlip((0, 1)), ["the Pipeline flips", "the Pipeline flips"]),
        (RandomRotation(), ["", ""]),
    ],
)
def test_flips_of_the_pipeline_are_not_doubled(flip, reasons):
    X = flip.fit_transform(IMAGES)
    assert [each.reason for each in make_candidates((8, 8), True, X)[1:]] == reasons


def test_chosen_flips_are_one_augmentation_before_the_motion():
    volumes = make_candidates((8, 8, 8), True, IMAGES)
    for each in volumes:
        each.decide(True, "")
    flip, motion = augmentations_of(volumes)
    assert flip.axis == ("horizontal", "vertical", 0)
    assert motion.degrees == 0
    volumes[0].decide(False, "")
    volumes[1].decide(False, "")
    volumes[3].decide(False, "")
    [flip] = augmentations_of(volumes)
    assert (flip.axis, flip.p) == ("vertical", 0.5)
    volumes[2].decide(False, "")
    assert augmentations_of(volumes) == []


def test_the_table_without_candidates_has_its_columns():
    table = table_of([])
    assert [*table] == ["chosen", "score", "changed_score", "reason"]
    assert (len(table), table.index.name) == (0, "candidate")
    full = table_of(make_candidates((8, 8), True, IMAGES))
    assert [*full] == [*table]
    assert full["chosen"].dtype == bool
