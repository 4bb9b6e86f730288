"""How many fits run at a time: in processes, or networks trained together on one device."""

from collections.abc import Sequence
from typing import Any

import torch
from joblib import effective_n_jobs

from skcnn._convnet.calibrating.rules import may_train_second
from skcnn._convnet.fitted_base import makes_module
from skcnn._convnet.pipelines import all_convnets, find_convnet
from skcnn._training.joint_training import joint_training_pays
from skcnn._utils.device import resolve_device
from skcnn._utils.validation import warn_caller


def device_of(net: Any) -> torch.device:
    """Return the device that trains a network; the CPU for None or an illegal device."""
    try:
        return torch.device("cpu") if net is None else resolve_device(net.device)
    except ValueError:  # the fits raise it
        return torch.device("cpu")


def trains_together(estimator: Any, n_samples: int) -> bool:
    """Return whether fits of `estimator` are trained together if their networks allow it.

    They are trained one by one if a callable makes the network, whose structure is unknown, if
    each fit shows its own progress, has a checkpoint or may train a second network for its
    calibration: a resumed fit must have the same bits whatever fits are beside it, and second
    networks end at different times. So they are with `max_seconds`, the time of one fit.

    Parameters
    ----------
    estimator : estimator
        What is fitted.
    n_samples : int
        Largest number of training samples of a fit.
    """
    net = find_convnet(estimator)
    if net is None or makes_module(net.architecture) or net.verbose or net.checkpoint is not None:
        return False
    if net.max_seconds is not None or may_train_second(net, n_samples):
        return False
    return joint_training_pays(device_of(net))


def processes_for(
    estimators: Sequence[Any], n_jobs: int | None, runs: str, most: int | None
) -> int:
    """Return the number of processes for fits: one if networks share an accelerator.

    Parameters
    ----------
    estimators : sequence of estimators
        What is fitted.
    n_jobs : int or None
        As in scikit-learn.
    runs : str
        What shares a device, in the plural, for the warning.
    most : int or None
        Number of runs, if it is known.
    """
    n_processes = effective_n_jobs(n_jobs)
    if most is not None:
        n_processes = min(n_processes, most)
    nets = [net for model in estimators for net in all_convnets(model)] if n_processes > 1 else []
    for net in nets:
        device = resolve_device(net.device)
        if device.type != "cpu":
            warn_caller(
                f"n_jobs={n_jobs}: all {runs} share the device {device}, so they run "
                "one at a time. Pass n_jobs=None, or device='cpu' to the network.",
                UserWarning,
            )
            return 1
    return n_processes
