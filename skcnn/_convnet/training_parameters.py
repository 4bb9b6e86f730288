"""The constructor parameters that describe the training, and those of each estimator."""
# ruff: noqa: RUF009  (`parameter` returns a dataclass field)

from dataclasses import dataclass, field
from numbers import Real
from os import PathLike
from typing import Any

from skcnn._convnet.calibrating.rules import CALIBRATIONS
from skcnn._convnet.declaration import AUTO, COUNT, NOT_NEGATIVE, POSITIVE, SHARE, one_of, parameter
from skcnn._convnet.transfer_parameters import TransferParameters
from skcnn._training.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from skcnn._training.optimizers import OPTIMIZERS
from skcnn._training.schedules import SCHEDULES
from skcnn._utils.compat import Interval


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNetParameters(TransferParameters):
    """All parameters, in the order of the signature.

    ``field(init=False)`` only keeps the place of a parameter that the classifier or the
    regressor declares.
    """

    loss: str = field(init=False)
    label_smoothing: float = field(init=False)
    optimizer: str = parameter(
        "auto",
        [one_of(["auto", *OPTIMIZERS])],
        """{"auto", "adamw", "adam", "sgd", "muon", "rmsprop", "adagrad"}
        Update rule. "muon" orthogonalises the updates of kernels and hidden dense layers
        and keeps the norm of their weights fixed, so that it is for layers that are followed by
        normalisation. All other parameters are updated as by "adamw". "auto" is "muon" in `fit`
        for images and volumes if the parameters from `filters` to `conv_dropout` describe the
        network, with a `normalization`, if `learning_rate` and `weight_decay` are "auto",
        `l1_penalty` is 0 and `lr_schedule` is neither "constant" nor "plateau". Otherwise it is
        "adamw", for whose steps numbers are usually meant. Fits that continue keep the optimizer.
        """,
    )
    learning_rate: str | float = parameter(
        "auto",
        [AUTO, POSITIVE],
        """"auto" or float
        Full learning rate, before `lr_schedule`. "auto" is 0.005 for adam and adamw, 0.05
        for sgd, 0.2 for muon (a twentieth of it in `partial_fit`), 0.001 for rmsprop and 0.01 for
        adagrad, and a fifth of that with `pretrained` weights or a fitted network as
        `architecture`.
        """,
    )
    momentum: str | float = parameter(
        "auto",
        [AUTO, SHARE],
        """"auto" or float
        Momentum of sgd, muon and rmsprop, in [0, 1). "auto" is 0.6 for muon and 0.9 for the
        others.
        """,
    )
    nesterov: bool = parameter(
        True,
        ["boolean"],
        """bool
        Whether sgd and muon use Nesterov momentum.
        """,
    )
    weight_decay: str | float = parameter(
        "auto",
        [AUTO, NOT_NEGATIVE],
        """"auto" or float
        L2 penalty on kernels and dense matrices, not on biases and normalisation: half
        its product with the squared weights is added to the loss. With adamw, weights
        shrink by ``learning_rate * weight_decay`` per step instead. "auto" is 0.05 for
        adamw and muon (which applies it to the output layer only), and
        0.0001 for the others.
        """,
    )
    l1_penalty: float = parameter(
        0.0,
        [NOT_NEGATIVE],
        """float
        Factor of the sum of absolute weights that is added to the loss.
        """,
    )
    lr_schedule: str = parameter(
        "one_cycle",
        [one_of(SCHEDULES)],
        """{"one_cycle", "constant", "step", "cosine", "linear", "plateau", \
"inverse_scaling"}
        Course of the learning rate. "one_cycle": linear from 4 % to full over the first
        quarter of the epochs, then a cosine to zero. "linear": from 4 % to full over the
        first twentieth, then straight to zero. "step": a tenth after half and again
        after three quarters. "plateau": a fifth after 5 epochs without a lower loss.
        "inverse_scaling": divided by the square root of the epoch.
        """,
    )
    batch_size: str | int | None = parameter(
        "auto",
        [AUTO, COUNT, None],
        """"auto", int or None
        Largest number of samples in a batch. The samples of an epoch are spread evenly
        over the batches. None is all samples at once. "auto" is a power of two near
        n_samples / 24, from 8 to 128, and less for large samples: all layers together
        return at most 2**29 values for a batch (2 GiB of float32), unless two samples
        have more.
        """,
    )
    max_epochs: str | int = parameter(
        "auto",
        [AUTO, COUNT],
        """"auto" or int
        Passes over the training samples. "auto" makes about 24 * sqrt(n_samples) batches
        of the automatic batch size (120 + 10 * sqrt(n_samples) with "muon"), within 10 and 60
        epochs; three times as many (four with "muon") if augmentations can change the samples; or
        at most 20 if `pretrained` layers before the output layer are trained. The default network
        of signals has another number.
        """,
    )
    max_seconds: float | None = parameter(
        None,
        [POSITIVE, None],
        """float or None
        Limit in seconds for `fit`, beginning with the reading of the samples and the check of
        ``augmentation="auto"``. After each epoch the number of epochs is lowered if the time that
        is left does not hold them at their pace so far, and `lr_schedule` goes evenly to its end
        in those that remain. The first epoch is always finished. A result that the limit has
        changed cannot be reproduced: it depends on the speed of the machine. With
        ``calibration="temperature"`` a second network has its share of the time. None is no limit,
        and `partial_fit` has none.
        """,
    )
    class_weight: Any = field(init=False)
    calibration: str | None = field(init=False)
    augmentation: Any = parameter(
        None,
        "no_validation",  # by training_steps
        """"auto", augmentation, callable, list of them or None
        Changes of the training samples, drawn again for every batch of every epoch:
        augmentations such as :class:`RandomRotation`, or callables from a float tensor
        (n_samples, n_channels, *spatial) to one of the same shape. They act after those
        in the Pipeline before the estimator. Validation samples are not augmented. "auto" shifts
        and zooms images and volumes a little, and flips them along each axis for which a check on
        samples held back finds that they keep their class; for a regressor it checks shifts and
        zooms, too. It leaves signals as they are. See `augmentation_`, `augmentation_choice_`.
        """,
    )
    augmentation_strength: float = parameter(
        1.0,
        [NOT_NEGATIVE],
        """float
        Factor of all ranges of `augmentation` and of the augmentations in the Pipeline, so
        that a search can tune one number. 0 changes nothing. It has no effect on callables.
        """,
    )
    test_time_augmentation: Any = parameter(
        None,
        "no_validation",  # by check_views
        """"flip", list or None
        Views of a sample whose outputs (logits or numbers) are averaged with those of the
        sample itself in predictions. "flip" is its mirror image. In a list each entry is
        one view: an augmentation with a fixed range such as ``RandomRotation((5, 5))``, a
        deterministic callable, or a list of them that are applied in turn. A view is the
        same in every call: the `p` of an augmentation is ignored, and random values are
        drawn once.
        """,
    )
    standardize: bool = parameter(
        True,
        ["boolean"],
        """bool
        Whether each channel is shifted and scaled to mean 0 and standard deviation 1 of
        the training samples (of the first batch in `partial_fit`). With `pretrained`, True
        brings values to the scale of the network's own images, and False expects them so.
        """,
    )
    gradient_clip: float | None = parameter(
        None,
        [POSITIVE, None],
        """float or None
        Largest norm of the gradient. None does not limit it.
        """,
    )
    early_stopping: bool = parameter(
        False,
        ["boolean"],
        """bool
        Whether training stops when the validation score no longer improves, and the best
        weights are restored.
        """,
    )
    validation_fraction: float = parameter(
        0.1,
        [Interval(Real, 0, 1, closed="neither")],
        """float
        Share of the samples split off for early stopping if `fit` gets no `X_val`,
        stratified for classes.
        """,
    )
    n_iter_no_change: int = parameter(
        10,
        [COUNT],
        """int
        Number of epochs without an improvement after which early stopping ends training. With
        `unfreezing` those after the last change count.
        """,
    )
    tol: float = parameter(
        1e-4,
        [NOT_NEGATIVE],
        """float
        Smallest rise of the validation score that counts as an improvement.
        """,
    )
    warm_start: bool = parameter(
        False,
        ["boolean"],
        """bool
        Whether `fit` continues from the weights of the last call, with its architecture,
        optimizer and loss.
        """,
    )
    callbacks: Any = parameter(
        None,
        [list, tuple, None],
        """list of skorch callbacks or None
        Callbacks with batch-level hooks make training use skorch's slower loop. Set
        scikit-learn's callbacks with `set_callbacks`.
        """,
    )
    checkpoint: Any = parameter(
        None,
        [str, PathLike, None],
        """str, path-like or None
        File in which `fit` keeps the state of its training. The same `fit` after a kill or an
        error goes on from it, and ends with the same bits; at the end it deletes the file. A
        file of other data or parameters raises an error. Fits of clones, as in
        cross-validations, searches and ensembles, have files of their own beside it. None keeps
        nothing, and `partial_fit` does not use it.
        """,
    )
    checkpoint_seconds: float = parameter(
        60,
        [NOT_NEGATIVE],
        """float
        Least time in seconds from one writing of the `checkpoint` to the next. It is written at
        the end of an epoch, with 0 of each.
        """,
    )
    device: str = parameter(
        "auto",
        [str],
        """str
        "auto" takes CUDA, else the CPU. Others are "cpu", "cuda", "cuda:1" and "mps",
        which has not been tried yet.
        """,
    )
    precision: str = parameter(
        "auto",
        [one_of(["auto", "float32", "bfloat16"])],
        """{"auto", "float32", "bfloat16"}
        Arithmetic of training. "auto" is bfloat16 (weights kept in float32) if the
        processor multiplies it natively and the network is large enough to gain, but not
        for volumes on the CPU. Predictions always use float32.
        """,
    )
    n_threads: int | None = parameter(
        None,
        [COUNT, None],
        """int or None
        CPU threads. None takes one for small networks and torch's current number for
        others. The same number gives the same bits, so set it to compare runs with
        different n_jobs.
        """,
    )
    compile: bool = parameter(
        False,
        ["boolean"],
        """bool
        Whether training runs the network through ``torch.compile``.
        """,
    )
    random_state: Any = parameter(
        None,
        ["random_state"],
        """int, RandomState instance or None
        Seed of weights, order of samples, dropout, validation split, and augmentations
        without a seed of their own. None draws a seed from the operating system. Global
        random states are neither read nor changed.
        """,
    )
    verbose: int = parameter(
        0,
        ["verbose"],
        """int
        0 is silent, 1 shows a progress bar, 2 prints a line per epoch.
        """,
    )


@dataclass(kw_only=True, eq=False, repr=False)
class ClassifierParameters(ConvNetParameters):
    """The parameters of ConvNetClassifier."""

    loss: str = parameter(
        "cross_entropy",
        [one_of(CLASSIFICATION_LOSSES)],
        """{"cross_entropy", "squared_error"}
        Loss that training minimises: the negative log-likelihood, or the squared error of
        the probabilities (the Brier score). Probabilities are sigmoids for multilabel
        targets, softmax for others.
        """,
    )
    label_smoothing: float = parameter(
        0.0,
        [SHARE],
        """float
        Share of the target probability spread evenly over the classes, in [0, 1).
        """,
    )
    class_weight: Any = parameter(
        None,
        [dict, one_of(["balanced"]), None],
        """dict, "balanced" or None
        Weights of the classes, ``{label: weight}``. "balanced" weighs inversely to the
        class frequencies. A weight equals repetition of the samples of a class, without
        augmentation bit for bit.
        """,
    )
    calibration: str | None = parameter(
        "auto",
        [one_of(CALIBRATIONS), None],
        """{"auto", "temperature"} or None
        "temperature" divides the logits by `temperature_`, for which the log loss of held-back
        samples is smallest. These are the validation samples, if there are some. Else a fifth
        of the samples is held back from a second network, trained in the same way, which takes
        about 0.8 of the time of the fit. "auto" does so where at least 60 distinct samples are
        held back, which are those of about 300, and trains no second network if the first one
        has learned the classes easily, or if `max_seconds` leaves no time. Predicted labels stay
        the same. None leaves the logits as they are.
        """,
    )


@dataclass(kw_only=True, eq=False, repr=False)
class RegressorParameters(ConvNetParameters):
    """The parameters of ConvNetRegressor."""

    loss: str = parameter(
        "squared_error",
        [one_of(REGRESSION_LOSSES)],
        """{"squared_error", "absolute_error", "huber"}
        Loss that training minimises, on targets standardised to mean 0 and standard
        deviation 1. Huber's changes from squared to absolute at one standard deviation.
        """,
    )
