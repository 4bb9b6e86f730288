"""The results of augmentation="auto" on given predictions."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skcnn._convnet.augmenting.check_results import (
    CheckResult,
    _gini,
    if_apart,
    log_odds,
    of_codes,
    of_labels,
    of_numbers,
    too_few,
)

CODES = np.repeat(np.arange(4), 10)


def changed(**by_class):
    """Return the codes, with those of a class predicted as another one in its first samples."""
    after = CODES.copy()
    for name, (n, other) in by_class.items():
        after[np.flatnonzero(int(name[1:]) == CODES)[:n]] = other
    return after


def test_predictions_that_stay_keep_the_classes():
    result = of_codes(CODES, CODES, changed(c0=(2, 1)), 4)
    assert result.keeps
    assert result.score == 1
    assert result.changed_score == pytest.approx(0.95)
    assert result.reason == "changed samples are recognised"


def test_scores_are_means_of_the_classes():
    codes = np.array([0] * 90 + [1] * 10)
    before = codes.copy()
    before[:9] = 1
    result = of_codes(codes, before, np.zeros(100, int), 2)
    assert (result.score, result.changed_score) == (0.95, 0.5)


def test_four_tenths_of_the_skill_may_be_lost():
    # recall 1 and chance 1/4: a skill of 0.6 is a mean recall of 0.7, 12 of 40 samples lost
    spread = {"c0": (3, 1), "c1": (3, 2), "c2": (3, 3), "c3": (2, 0)}
    assert of_codes(CODES, CODES, changed(**spread), 4).keeps
    result = of_codes(CODES, CODES, changed(**spread | {"c3": (4, 0)}), 4)
    assert not result.keeps
    assert result.reason == "changed samples are not recognised"


def test_a_class_that_is_lost_is_found_among_others():
    result = of_codes(CODES, CODES, changed(c0=(8, 1)), 4)  # mean recall 0.8
    assert not result.keeps
    assert result.reason == "changed samples of a class are not recognised"


def test_a_class_of_few_samples_that_is_lost_may_be_chance():
    # five of five that become wrong are by chance in one of 32 cases
    codes = np.concatenate([np.zeros(5, int), np.repeat(np.arange(1, 8), 10)])
    after = codes.copy()
    after[:5] = 3
    assert of_codes(codes, codes, after, 8).keeps


def test_two_classes_that_change_places_are_found():
    codes = np.repeat(np.arange(10), 5)
    after = codes.copy()
    after[:4], after[5:9] = 1, 0
    result = of_codes(codes, codes, after, 10)
    assert not result.keeps
    assert result.reason == "changed samples of two classes look like those of the other"
    after[:4] = 2  # one of them is mistaken for a third class
    assert of_codes(codes, codes, after, 10).keeps


@pytest.mark.parametrize(("n_right", "decided"), [(4, False), (40, True)])
def test_a_network_that_predicts_badly_decides_nothing(n_right, decided):
    before = (CODES + 1) % 4
    before[np.arange(40) % 10 < n_right / 4] = CODES[np.arange(40) % 10 < n_right / 4]
    result = of_codes(CODES, before, before, 4)
    assert result.keeps is decided
    assert result.reason.startswith("not decided") is not decided


def test_little_skill_counts_if_many_samples_show_it():
    few, many = np.repeat([0, 1], 10), np.repeat([0, 1], 1000)
    for codes, keeps in ((few, False), (many, True)):
        before = codes.copy()
        before[:: len(codes) // (len(codes) // 3)] ^= 1  # a third is wrong, the skill a third
        assert of_codes(codes, before, before, 2).keeps is keeps


def test_labels_count_where_they_are_and_where_they_are_not():
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 10)
    assert of_labels(labels, labels == 1, labels == 1).keeps
    swapped = of_labels(labels, labels == 1, labels[:, ::-1] == 1)
    assert not swapped.keeps
    assert (swapped.score, swapped.changed_score) == (1.0, 0.5)
    lost = np.column_stack([labels[:, 0] == 1, np.zeros(40, bool)])
    assert not of_labels(labels, labels == 1, lost).keeps


def test_scores_of_a_class_are_above_those_of_others():
    rng = np.random.default_rng(0)
    members = np.repeat(np.arange(3), [5, 20, 40])[:, None] == np.arange(3)
    scores = rng.integers(0, 9, members.shape) + 3.0 * members
    areas = [roc_auc_score(members[:, k], scores[:, k]) for k in range(3)]
    np.testing.assert_allclose(_gini(members, scores), 2 * np.array(areas) - 1)
    logits = rng.normal(size=(4, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(log_odds(logits), np.log(p / (1 - p)))


def test_a_rare_class_that_is_never_predicted_keeps_its_scores():
    kept = CheckResult(0.9, 0.9, True, "")
    members = np.repeat(np.arange(2), [90, 10])[:, None] == np.arange(2)
    order = np.concatenate([np.arange(90), np.arange(90, 100)])  # the rare ones above
    before = np.stack([-order, order - 200.0], axis=1)  # but below the others' outputs
    assert if_apart(kept, members, before, before) is kept
    after = before[np.r_[10:100, 0:10]]  # others above the rare ones
    assert "look like others" in if_apart(kept, members, before, after).reason
    assert not if_apart(kept, members, before, after).keeps
    mixed = before[np.r_[0:45, 55:100, 45:55]]  # the rare ones in the middle
    result = if_apart(kept, members, mixed, mixed)
    assert not result.keeps
    assert result.reason.startswith("not decided")
    refused = CheckResult(0.9, 0.2, False, "another reason")
    assert if_apart(refused, members, before, after) is refused


@pytest.mark.parametrize(("n_rare", "decided"), [(5, False), (20, True)])
def test_a_class_of_few_samples_must_be_told_apart_clearly(n_rare, decided):
    # three quarters of the others are below the rare class: a Gini coefficient of a half
    members = np.repeat(np.arange(2), [100, n_rare])[:, None] == np.arange(2)
    order = np.concatenate([np.arange(100), np.full(n_rare, 74.5)])
    scores = np.stack([-order, order], axis=1)
    result = if_apart(CheckResult(0.9, 0.9, True, ""), members, scores, scores)
    assert result.keeps is decided


def test_numbers_keep_the_error_of_each_output():
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(200, 2))
    errors = 0.1 * rng.choice([-1, 1], size=(200, 2))
    before = targets + errors
    assert of_numbers(targets, before, targets - errors).keeps
    result = of_numbers(targets, before, targets + errors * [1, 1.2])  # 1.44 times the square
    assert not result.keeps
    assert result.reason == "changed samples have other targets"
    np.testing.assert_allclose(result.score, 1 - (0.01 / targets.var(axis=0)).mean())
    flipped = of_numbers(targets, before, before * [-1, 1])
    assert not flipped.keeps
    assert flipped.changed_score < 0


def test_numbers_that_are_hardly_predicted_keep_their_r2():
    targets = np.repeat([-1.0, 1.0], 200)[:, None]
    noise = np.sqrt(0.7) * np.tile([-1.0, 1.0], 200)[:, None]
    before = targets + noise  # an R2 of 0.3
    assert of_numbers(targets, before, targets + 1.02 * noise).keeps  # 1.04 times: 0.27
    result = of_numbers(targets, before, targets + 1.06 * noise)  # 1.12 times: 0.21
    assert not result.keeps
    assert result.score == pytest.approx(0.3)
    assert result.reason == "changed samples have other targets"


def test_numbers_that_are_not_predicted_decide_nothing():
    targets = np.random.default_rng(0).normal(size=(100, 1))
    result = of_numbers(targets, np.zeros((100, 1)), np.zeros((100, 1)))
    assert not result.keeps
    assert result.reason.startswith("not decided")
    constant = np.ones((100, 1))
    assert not of_numbers(constant, constant + 0.1, constant + 0.1).keeps


@pytest.mark.parametrize(
    ("targets", "n_classes", "reason"),
    [
        (np.repeat([0, 1], 5), 2, ""),
        (np.repeat([0, 1], [5, 4]), 2, "4 samples of a class can be held back, not 5"),
        (np.repeat([0, 1], 5), 3, "0 samples of a class"),
        (np.repeat([[0, 1], [1, 0]], 5, axis=0), 2, ""),
        (np.repeat([[0, 1], [1, 1]], 5, axis=0), 2, "0 samples with or without a label"),
        (np.arange(30.0), None, ""),
        (np.arange(29.0), None, "29 samples can be held back, not 30"),
    ],
)
def test_few_samples_are_no_check(targets, n_classes, reason):
    found = too_few(targets, n_classes)
    assert reason in found
    assert bool(found) is bool(reason)
