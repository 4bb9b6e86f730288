"""The constructor parameters for training a part of a network, and what they mean in a fit."""
# ruff: noqa: RUF009  (`parameter` returns a dataclass field)

import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from skcnn._convnet.automatic import PRETRAINED_BLOCKS_SHARE
from skcnn._convnet.declaration import AUTO, one_of, parameter
from skcnn._convnet.network_parameters import NetworkParameters
from skcnn._convnet.pretrained_input import is_pretrained
from skcnn._data.feature_cache import MEMORY_NAME, resolve_feature_cache
from skcnn._network.split import EXTENTS, Trainable, is_trainable
from skcnn._network.trained_part import PartSchedule
from skcnn._utils.compat import Interval
from skcnn._utils.validation import did_you_mean, is_integer
from skcnn.exceptions import ArchitectureError
from skcnn.layers._sequence import TracedLayer

# Of the epochs, in which unfreezing="auto" trains the head alone.
AUTO_HEAD_SHARE = 0.2
PRETRAINED_HEAD_SHARE = 0.5


class NumberOfBlocks(Interval):
    """Constraint that a parameter is a whole number from 0, and not a boolean."""

    def __init__(self) -> None:
        super().__init__(Integral, 0, None, closed="left")

    def is_satisfied_by(self, value: Any) -> bool:
        """Return whether `value` is legal."""
        return is_integer(value) and super().is_satisfied_by(value)


@dataclass(kw_only=True, eq=False, repr=False)
class TransferParameters(NetworkParameters):
    """Which part of the network is trained, and at which rates."""

    trainable: str | int = parameter(
        "all",
        [one_of(EXTENTS), NumberOfBlocks()],
        """{"all", "head", "last_block"} or int
        Part of the network that is trained: all of it, the output layer alone, the last block
        and the output layer, or so many last blocks and the output layer. A block is the layers
        that work on maps of one spatial size; dense layers before the output layer are a block.
        The other layers are frozen: their weights and statistics stay as they are, and nothing
        is dropped in them. For modules of callables and other packages "all" and "head", the
        last ``torch.nn.Linear``.
        """,
    )
    learning_rate_decay: str | float = parameter(
        "auto",
        [AUTO, Interval(Real, 0, 1, closed="right")],
        """"auto" or float
        Factor of the learning rate from each block to the one before it, in (0, 1]: the output
        layer learns at the full rate, the last block at this share of it, the block before at
        the square of the share. "auto" is 1, but with `pretrained` weights all layers before
        the output layer learn at a tenth of its rate.
        """,
    )
    unfreezing: Any = parameter(
        None,
        [dict, one_of(["auto"]), None],
        """dict, "auto" or None
        Schedule by which more of the network is trained: a dict from the number of epochs done
        to a value as of `trainable`, which holds from then on, such as ``{0: "head", 3:
        "last_block", 6: "all"}``. Before the first number, `trainable` holds. The epochs of
        earlier calls of `fit` count. "auto" trains the output layer alone in the first fifth of
        the epochs of a new network, with `pretrained` weights in the first half, then what
        `trainable` says.
        """,
    )
    feature_cache: Any = parameter(
        None,
        [str, os.PathLike, None],
        """None, "memory" or folder
        Where the outputs of the frozen layers are kept, which are computed once for each sample
        that is not augmented: for this fit, in the memory of the process, at most 1 GiB, or in a
        folder that processes share and that grows until you delete it. They are found again by
        the content of the sample and of the frozen layers, also by other estimators and in
        predictions. No result depends on it. Networks of callables and other packages, and
        frozen layers of your own classes, keep features for one fit only.
        """,
    )


def check_transfer_parameters(params: TransferParameters) -> None:
    """Check what the table of legal values cannot say.

    Raises
    ------
    ValueError
        If a schedule or a folder is wrong.
    """
    if isinstance(params.unfreezing, dict):
        _check_schedule(params.unfreezing)
    if params.feature_cache is not None:
        _check_feature_cache(params.feature_cache)


def check_trained_whole(params: TransferParameters) -> None:
    """Check that all of a network for signals of unequal length is trained.

    Raises
    ------
    ValueError
        If layers would be frozen, whose outputs are kept for samples of one length.
    """
    for name, whole in (("trainable", "all"), ("unfreezing", None)):
        value = getattr(params, name)
        if value != whole:
            raise ValueError(
                f"The {name!r} parameter must be {whole!r} for signals of unequal length, whose "
                f"networks are trained as a whole. Got {value!r}."
            )


def _check_feature_cache(feature_cache: str | os.PathLike[str]) -> None:
    wanted = "The 'feature_cache' parameter must be None, 'memory' or the path of a folder."
    if os.fspath(feature_cache) == "":
        raise ValueError(f"{wanted} Got ''.")
    if isinstance(feature_cache, str) and feature_cache.strip().lower() == MEMORY_NAME:
        if feature_cache == MEMORY_NAME:
            return
        raise ValueError(
            f"{wanted} Got {feature_cache!r}. Did you mean {MEMORY_NAME!r}? For a folder of that "
            f"name give {os.path.join(os.curdir, feature_cache)!r}."
        )


def _check_schedule(unfreezing: dict[Any, Any]) -> None:
    for n_epochs, trainable in unfreezing.items():
        if not is_integer(n_epochs) or n_epochs < 0:
            raise ValueError(
                "The keys of the 'unfreezing' parameter must be whole numbers >= 0, numbers of "
                f"epochs done. Got {n_epochs!r}."
            )
        if not is_trainable(trainable):
            raise ValueError(
                f"The values of the 'unfreezing' parameter must be among {list(EXTENTS)} or whole "
                f"numbers of blocks >= 0. Got {trainable!r} for {n_epochs} epochs."
                f"{did_you_mean(trainable, EXTENTS)}"
            )


def part_schedule(
    params: TransferParameters,
    rows: Sequence[TracedLayer] | None,
    n_epochs_before: int,
    n_epochs: int,
) -> PartSchedule:
    """Return which part of a network is trained in each epoch.

    Parameters
    ----------
    params : TransferParameters
        The estimator.
    rows : sequence of TracedLayer or None
        The layers, None for a user's module.
    n_epochs_before, n_epochs : int
        Number of epochs of earlier fits, and of this one.

    Raises
    ------
    ArchitectureError
        If the network has no such part.
    """
    trainable: dict[int, Trainable] = {0: params.trainable}
    if params.unfreezing == "auto":
        share = PRETRAINED_HEAD_SHARE if is_pretrained(params.pretrained) else AUTO_HEAD_SHARE
        n_head = round(share * n_epochs)
        if n_epochs_before == 0 and n_head > 0:
            trainable = {0: "head", n_head: params.trainable}
    elif params.unfreezing is not None:
        trainable |= {int(n): value for n, value in params.unfreezing.items()}
    if rows is None:
        _check_module(trainable, params)
    schedule = PartSchedule(
        rows,
        trainable,
        1.0 if params.learning_rate_decay == "auto" else float(params.learning_rate_decay),
        _blocks_share(params),
        resolve_feature_cache(params.feature_cache),
    )
    schedule.fewest_frozen()  # checks that there are so many blocks
    return schedule


def _blocks_share(params: TransferParameters) -> float:
    """Return the factor of the learning rate of all layers before the output layer."""
    is_auto = params.learning_rate_decay == "auto"
    return PRETRAINED_BLOCKS_SHARE if is_auto and is_pretrained(params.pretrained) else 1.0


def _check_module(trainable: dict[int, Trainable], params: TransferParameters) -> None:
    """Check that a user's module is trained whole, or its head alone."""
    for value in trainable.values():
        if value not in ("all", "head"):
            raise ArchitectureError(
                f"trainable={value!r} needs a network of skcnn.layers, whose blocks are known: a "
                "name, a sequence of layers, or the parameters from 'filters' on. For a callable "
                "and networks of other packages use 'all' or 'head'."
            )
    if params.learning_rate_decay not in ("auto", 1):
        raise ArchitectureError(
            f"learning_rate_decay={params.learning_rate_decay!r} needs a network of skcnn.layers, "
            "whose blocks are known. For a callable and networks of other packages use 1.0."
        )
