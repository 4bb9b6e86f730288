"""Which fits are calibrated, and which cannot be."""

from typing import Any

from skcnn._utils.compat import callbacks_of

TEMPERATURE = "temperature"
CALIBRATIONS = (TEMPERATURE,)
HELD_BACK = 0.2  # of the samples, from a second network


def wants_calibration(calibration: str | None, n_samples: int) -> bool:
    """Return whether samples may be held back for a calibration.

    Parameters
    ----------
    calibration : {"temperature"} or None
        The parameter of the estimator.
    n_samples : int
        Number of training samples.
    """
    return calibration == TEMPERATURE and n_samples > 0


def seconds_of_training(net: Any, has_validation: bool) -> float | None:
    """Return the part of `max_seconds` that the first network has, None without a limit."""
    if net.max_seconds is None or has_validation:
        return net.max_seconds
    is_followed = getattr(net, "calibration", None) == TEMPERATURE
    return float(net.max_seconds / (2 - HELD_BACK) if is_followed else net.max_seconds)


def is_worthwhile(net: Any) -> bool:
    """Return whether a network whose training has ended, with its `history_`, is calibrated.

    Not if a search has stopped the fit, since it has no use for the network then.
    """
    return not any(getattr(each, "cuts_short", False) for each in callbacks_of(net))


def check_continued(net: Any, has_validation: bool) -> None:
    """Check that a fit can hold back samples that the network was never trained on.

    Raises
    ------
    ValueError
        If it continues an earlier fit, and has no validation samples.
    """
    continues = net.warm_start and net.__sklearn_is_fitted__()
    if net.calibration == TEMPERATURE and continues and not (has_validation or net.early_stopping):
        raise ValueError(
            "The 'calibration' parameter must be None in a fit that continues an earlier one "
            "without validation samples: the network was trained on samples that would be held "
            f"back. Got {net.calibration!r} with warm_start=True: pass X_val and y_val to fit, or "
            "set early_stopping=True in all fits."
        )


def has_partial_fit(net: Any) -> bool:
    """Return True; `partial_fit`, which holds no samples back, has no calibration.

    Raises
    ------
    AttributeError
        If a calibration is asked for, so that there is no such method.
    """
    if net.calibration == TEMPERATURE:
        raise AttributeError(
            "The 'calibration' parameter must be None for partial_fit, which holds no samples "
            f"back. Got {net.calibration!r}."
        )
    return True
