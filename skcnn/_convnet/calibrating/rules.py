"""Which fits are calibrated, and which cannot be."""

from typing import Any

import numpy as np

from skcnn._convnet.fitted_base import fitted_base, makes_module
from skcnn._data.hashing import image_hashes
from skcnn._data.samples import SampleSet
from skcnn._training.fit_plan import FitPlan
from skcnn._utils.compat import callbacks_of
from skcnn._utils.worker_threads import own_seconds

AUTO, TEMPERATURE = "auto", "temperature"
CALIBRATIONS = (AUTO, TEMPERATURE)
HELD_BACK = 0.2  # of the samples, from a second network
# Distinct samples that a temperature is found on. With fewer than ten the prior decides, and with
# fewer than sixty the temperature varies so much that "auto" leaves it.
FEWEST = {AUTO: 60, TEMPERATURE: 10}
# A network has learned its classes early if the least loss of the first epochs, as a share of the
# entropy of the classes, is below this. It is then wrong so rarely that it cannot be far too sure.
EARLY_LOSS = 0.08
EARLY_EPOCHS = 0.25  # of all
LAST_EARLY_EPOCH = 6  # until then few samples are known by heart


def asks_for_calibration(net: Any, plan: FitPlan) -> bool:
    """Return whether a fit may be calibrated, before its training.

    With "auto" the validation samples must be enough, if there are some.
    """
    if net.calibration is None or plan.is_partial or len(plan.train) == 0:
        return False
    is_chosen = net.calibration == TEMPERATURE
    return is_chosen or plan.valid is None or n_distinct(plan.valid) >= FEWEST[AUTO]


def n_distinct(samples: SampleSet) -> int:
    """Return the number of distinct samples, or of their groups such as recordings."""
    groups = samples.images.groups()
    kinds = image_hashes(samples.images) if groups is None else groups
    return len(np.unique(kinds[samples.index]))


def may_train_second(net: Any, n_samples: int) -> bool:
    """Return whether a fit on so many samples may train a second network.

    Parameters
    ----------
    net : ConvNetClassifier or ConvNetRegressor
        The estimator.
    n_samples : int
        Largest number of its training samples.
    """
    calibration = getattr(net, "calibration", None)
    if calibration == AUTO:
        return not net.early_stopping and round(HELD_BACK * n_samples) >= FEWEST[AUTO]
    return calibration is not None


def share_of_first(net: Any) -> float:
    """Return the share of `max_seconds` that the first of two networks has.

    "auto" takes no time from it: the second network is trained only if there is time left.
    """
    return 1 / (2 - HELD_BACK) if net.calibration == TEMPERATURE else 1.0


def is_worthwhile(net: Any) -> bool:
    """Return whether a network whose training has ended, with its `history_`, is calibrated.

    Not if a search has stopped the fit, since it has no use for the network then.
    """
    return not any(getattr(each, "cuts_short", False) for each in callbacks_of(net))


def needs_second_network(net: Any, plan: FitPlan) -> bool:
    """Return whether a second network is trained after the first one."""
    if net.calibration == TEMPERATURE:
        return True
    return _has_time(net, plan) and not has_learned_early(net, plan)


def _has_time(net: Any, plan: FitPlan) -> bool:
    """Return whether the time that is left holds a second training like the first."""
    if plan.max_seconds is None:
        return True
    took = float(net.history_["seconds"].sum())
    spent = max(own_seconds() - plan.began, took)  # of a resumed fit only the latter is all of it
    return spent + (1 - HELD_BACK) * took <= plan.max_seconds


def has_learned_early(net: Any, plan: FitPlan) -> bool:
    """Return whether the classes are so easy that a network is hardly ever wrong.

    The loss of the first epochs is that of samples which were seen a few times only: it says what
    the loss of new samples is at most. It does not if the network begins with trained
    weights, which learns few samples by heart at once; with `label_smoothing`, which makes a
    network less sure than it is right; for several labels a sample, which may all be rare; or if
    it is in other units than the entropy.
    """
    is_other_loss = net.label_smoothing or net.loss != "cross_entropy"
    if is_other_loss or plan.train.targets.ndim > 1 or _may_be_pretrained(net):
        return False
    n_early = min(int(np.ceil(EARLY_EPOCHS * net.n_iter_)), LAST_EARLY_EPOCH)
    loss = net.history_["train_loss"].iloc[:n_early].min()
    sums = np.bincount(plan.train.targets, plan.train.weights)
    shares = sums[sums > 0] / sums.sum()
    return bool(loss < EARLY_LOSS * -(shares @ np.log(shares)))


def _may_be_pretrained(net: Any) -> bool:
    made = net.architecture
    return net.pretrained is not False or fitted_base(made) is not None or makes_module(made)


def check_continued(net: Any, has_validation: bool) -> None:
    """Check that a fit can hold back samples that the network was never trained on.

    Raises
    ------
    ValueError
        If it continues an earlier fit, has no validation samples, and must have a calibration.
    """
    continues = net.warm_start and net.__sklearn_is_fitted__()
    if net.calibration == TEMPERATURE and continues and not (has_validation or net.early_stopping):
        raise ValueError(
            "The 'calibration' parameter must be 'auto' or None in a fit that continues an earlier "
            "one without validation samples: the network was trained on samples that would be held "
            f"back. Got {net.calibration!r} with warm_start=True: pass X_val and y_val to fit, or "
            "set early_stopping=True in all fits."
        )


def has_partial_fit(net: Any) -> bool:
    """Return True; `partial_fit`, which holds no samples back, finds no temperature.

    Raises
    ------
    AttributeError
        If a calibration must be made, so that there is no such method.
    """
    if net.calibration == TEMPERATURE:
        raise AttributeError(
            "The 'calibration' parameter must be 'auto' or None for partial_fit, which holds no "
            f"samples back. Got {net.calibration!r}."
        )
    return True
