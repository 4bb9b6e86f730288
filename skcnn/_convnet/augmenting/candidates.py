"""The changes of samples that augmentation="auto" chooses from, and the table of its choice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skcnn.augmentation._affine import RandomAffine
from skcnn.augmentation._augmented_array import AugmentedArray
from skcnn.augmentation._base import Augmentation
from skcnn.augmentation._flip_and_crop import RandomFlip
from skcnn.augmentation._geometric import axis_numbers

# Chosen by results on real sets of small images; see docs/performance.md.
TRANSLATION, ZOOM = 0.08, 0.1
PADDING = "edge"
MOTION = "shift and zoom"
FLIPS = {-1: "horizontal", -2: "vertical", -3: 0}  # the value of `axis` by the number of an axis


@dataclass
class Candidate:
    """A change of samples, and what the check says about it.

    Attributes
    ----------
    name : str
        Its name in `augmentation_choice_`.
    axis : int or None
        The axis of a flip, from the last; None for the shift and zoom.
    chosen : bool
        Whether the training samples are changed so.
    score, changed_score : float
        Of samples held back, as they are and changed.
    reason : str
        Why it was chosen or not; empty until that is decided.
    """

    name: str
    axis: int | None = None
    chosen: bool = False
    score: float = np.nan
    changed_score: float = np.nan
    reason: str = ""

    def decide(self, chosen: bool, reason: str) -> None:
        """Choose it or not."""
        self.chosen, self.reason = chosen, reason

    def change(self) -> Augmentation:
        """Return the augmentation that changes each sample."""
        return _motion() if self.axis is None else RandomFlip(FLIPS[self.axis], p=1.0)


def _motion() -> RandomAffine:
    return RandomAffine(0, translation=TRANSLATION, zoom=ZOOM, padding_mode=PADDING)


def make_candidates(spatial: Sequence[int], of_classes: bool, X: object) -> list[Candidate]:
    """Return the candidates for images or volumes.

    Shifts and zooms of images of classes are chosen, flips of the Pipeline before are not.

    Parameters
    ----------
    spatial : sequence of int
        Sides of the samples.
    of_classes : bool
        Whether the targets are classes.
    X : array-like
        The samples as the estimator gets them.
    """
    motion = Candidate(MOTION)
    if of_classes:
        motion.decide(True, "not checked: small motions keep a class")
    flipped = _flipped_before(X, len(spatial))
    found = [motion]
    for axis in range(-1, -len(spatial) - 1, -1):
        each = Candidate(f"flip {FLIPS[axis] or 'depth'}", axis)
        if axis in flipped:
            each.decide(False, "the Pipeline flips")
        elif spatial[axis] == 1:
            each.decide(False, "the side is 1")
        found.append(each)
    return found


def _flipped_before(X: object, n_axes: int) -> set[int]:
    """Return the axes, from the last, that augmentations of the Pipeline flip."""
    steps = X.steps if isinstance(X, AugmentedArray) else ()
    return {
        number - n_axes
        for step in steps
        if isinstance(step.augmentation, RandomFlip)
        for number in axis_numbers(step.augmentation.axis, n_axes, "RandomFlip")
    }


def augmentations_of(candidates: Sequence[Candidate]) -> list[Augmentation]:
    """Return the augmentations that were chosen."""
    axes = tuple(FLIPS[each.axis] for each in candidates if each.chosen and each.axis is not None)
    flips = [RandomFlip(axes if len(axes) > 1 else axes[0])] if axes else []
    moves = any(each.chosen and each.axis is None for each in candidates)
    return [*flips, *([_motion()] if moves else [])]


def table_of(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Return the table `augmentation_choice_`, one row a candidate."""
    columns = {
        "chosen": np.array([each.chosen for each in candidates], bool),
        "score": np.array([each.score for each in candidates], float),
        "changed_score": np.array([each.changed_score for each in candidates], float),
        "reason": [each.reason for each in candidates],
    }
    return pd.DataFrame(columns, pd.Index([each.name for each in candidates], name="candidate"))
