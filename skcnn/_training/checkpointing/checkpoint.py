"""Checkpoint: writes the state of a training to its file, and goes on from what is there."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from skcnn._training.checkpointing.file import CheckpointFile
from skcnn._training.checkpointing.training_state import TrainingState
from skcnn._training.checkpointing.values import decoded, encoded
from skcnn._utils.interrupts import deferred_interrupts
from skcnn._utils.validation import warn_caller
from skcnn.exceptions import CheckpointWarning, SkcnnError

# What the state of a damaged or crafted file may raise while it is read.
DAMAGED = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
NOT_WRITTEN = (OSError, MemoryError, RuntimeError, SkcnnError)
HASH_AT_THE_END = re.compile(r" \[[0-9a-f]+\]$")


class Checkpoint:
    """Keeps the state of one training in a file.

    Parameters
    ----------
    file : CheckpointFile
        The open file.
    fingerprint : mapping of str to str
        Data and parameters of the fit.
    seed : int
        The seed of the fit, unless the file has one.
    seconds : float
        The least time between two writings.

    Attributes
    ----------
    fingerprint : dict of str to str
        Data and parameters of the fit.
    seed : int
        The seed of the fit that the file is of.
    outlasts_training : bool
        Whether the fit goes on after this training, so that its end is written too.

    Raises
    ------
    CheckpointError
        If the file is no checkpoint, or one of other data or parameters.
    """

    def __init__(
        self, file: CheckpointFile, fingerprint: Mapping[str, str], seed: int, seconds: float
    ) -> None:
        self.file = file
        self.seed = seed
        self._seconds = seconds
        self.fingerprint = dict(fingerprint)
        self._found = file.read()
        if self._found is not None:
            manifest, _ = self._found
            different = differences(manifest["fingerprint"], self.fingerprint)
            if different:
                raise file.error(f"is the checkpoint of another fit: {'; '.join(different)}")
            if type(manifest["seed"]) is not int or not 0 <= manifest["seed"] < 2**64:
                raise file.error("has a damaged manifest")
            self.seed = manifest["seed"]
        self._about: dict[str, Any] = {}  # empty if nothing can be written
        self._changing: dict[str, Any] | None = None  # after the last epoch
        self._n_done = -1  # epochs, at that time
        self._over = False
        self._written_at = time.monotonic()
        self._has_warned = False
        self.outlasts_training = False

    def connect(self, state: TrainingState) -> None:
        """Take the training whose state is kept."""
        self.state = state

    def begin(self, n_epochs: int, precision: str) -> tuple[int, bool]:
        """Go on where the file ends, and return the epochs done and whether it was the end.

        Parameters
        ----------
        n_epochs : int
            Number of epochs of the training.
        precision : str
            Of its arithmetic.

        Raises
        ------
        CheckpointError
            If the file does not fit the training.
        """
        try:
            start = self.state.begin()
        except NOT_WRITTEN as error:  # nor was it, so that nothing is found
            self._warn(error)
            return 0, False
        self._about = {
            "fingerprint": self.fingerprint,
            "environment": environment(precision),
            "seed": self.seed,
            "start": start,
        }
        if self._found is None:
            return 0, False
        (manifest, arrays), self._found = self._found, None
        other_conditions = differences(manifest["environment"], self._about["environment"])
        if manifest["start"] != start and not other_conditions:
            raise self.file.error(
                "is the checkpoint of another fit: the weights at its beginning were others"
            )
        try:
            state = decoded(manifest["state"], arrays)
            self.state.set(state["changing"], state["lasting"], n_epochs)
        except DAMAGED as error:
            raise self.file.error(f"does not fit this fit: {error}") from error
        if other_conditions:
            warn_caller(
                f"The fit goes on from the checkpoint {str(self.file.path)!r} under other "
                f"conditions: {'; '.join(other_conditions)}. Its result may differ by rounding "
                "from that of a fit in one piece.",
                CheckpointWarning,
            )
        self._changing, self._n_done = state["changing"], self.state.n_done
        self.state.note()
        over = self.state.tell_callbacks(state["changing"]["callbacks"], n_epochs)
        self._over = over or manifest["over"] is True
        return self._n_done, self._over

    def epoch_done(self, over: bool) -> None:
        """Write the file if it is time, `over` is whether no epoch comes after this one."""
        if not self._about:
            return
        with deferred_interrupts():  # all of it is of one epoch
            try:
                self._changing = self.state.changing()
                self.state.note()
            except NOT_WRITTEN as error:
                self._changing = None
                self._warn(error)
            self._n_done, self._over = self.state.n_done, over
        is_time = time.monotonic() - self._written_at >= self._seconds
        if self.outlasts_training if over else is_time:
            self._save(self.state.lasting)

    def save_last(self) -> None:
        """Write the state after the last epoch whose callbacks have ended.

        The training has gone back to its last finished epoch, whose callbacks may not have.
        """
        if self.state.n_done == self._n_done:
            self._save(self.state.lasting)
        elif self._n_done > 0 and self.state.n_done == self._n_done + 1:
            self._save(self.state.before_last_epoch)

    def remove(self) -> None:
        """Delete the file of a training that is over."""
        try:
            self.file.remove()
        except OSError as error:
            warn_caller(
                f"The checkpoint {str(self.file.path)!r} of a finished fit cannot be deleted: "
                f"{error}.",
                CheckpointWarning,
            )

    def _save(self, lasting: Callable[[], dict[str, Any]]) -> None:
        if self._changing is None:
            return
        try:
            state = {"changing": self._changing, "lasting": lasting()}
            node, arrays = encoded(state)
            self.file.write(self._about | {"over": self._over, "state": node}, arrays)
        except NOT_WRITTEN as error:
            self._warn(error)
        self._written_at = time.monotonic()

    def _warn(self, error: BaseException) -> None:
        """Warn, once, that a killed fit would not go on from its last epochs."""
        if not self._has_warned:
            self._has_warned = True
            left = "The older one stays" if self.file.path.exists() else "There is none"
            warn_caller(
                f"The checkpoint {str(self.file.path)!r} cannot be written: {error}. {left}. The "
                "fit goes on.",
                CheckpointWarning,
            )


def environment(precision: str) -> dict[str, str]:
    """Return what may change a training by rounding."""
    return {
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "precision": precision,
        "number of threads": str(torch.get_num_threads()),
    }


# A difference in the first explains those of the others, which are in its order.
EXPLAINED = {"X": ("y", "sample_weight")}


def differences(known: Any, now: Mapping[str, str]) -> list[str]:
    """Return in words how texts of two fits differ."""
    known = known if isinstance(known, dict) else {}
    every = dict.fromkeys([*now, *known])
    names = [n for n in every if content_of(known.get(n)) != content_of(now.get(n))]
    explained = {each for name in names for each in EXPLAINED.get(name, ())}
    return [
        _difference(str(name)[:80], known.get(name), now.get(name))
        for name in names
        if name not in explained
    ]


def content_of(text: Any) -> Any:
    """Return the hash at the end of a text, which says all, or the text if it has none.

    Texts of equal values may differ: sets have no order, and printing can be configured.
    """
    found = HASH_AT_THE_END.search(text) if isinstance(text, str) else None
    return text if found is None else found.group()


def _difference(name: str, known: Any, now: str | None) -> str:
    before = "not there" if known is None else str(known)[:300]
    after = "not there" if now is None else now
    same = HASH_AT_THE_END.sub("", before)
    if same == HASH_AT_THE_END.sub("", after):
        return f"{name} was {same} with other content"
    return f"{name} was {before}, is now {after}"
