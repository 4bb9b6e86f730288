"""Opens the checkpoint of a fit, and marks clones, whose fits have files of their own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from skcnn._convnet.resuming.fingerprint import fingerprint, name_of
from skcnn._data.samples import SampleSet
from skcnn._training.checkpointing.checkpoint import Checkpoint
from skcnn._training.checkpointing.file import check_place, opened_file
from skcnn._utils.validation import is_integer
from skcnn._utils.worker_threads import current_worker_thread
from skcnn.augmentation._batch_augmenter import Step

MARK = "_checkpoint_of_clone"  # the attribute of a clone, with the path of the original


def mark_clone(copied: Any, original: Any) -> Any:
    """Return a clone whose fits have files of their own beside the path of the original."""
    if original.checkpoint is not None:
        setattr(copied, MARK, original.checkpoint)
    return copied


def check_checkpoint(net: Any, is_partial: bool, chooses: bool) -> None:
    """Check the parameter `checkpoint` before a fit reads its data.

    Raises
    ------
    CheckpointError
        If there is no such folder, or the path is no file.
    ValueError
        If the fit continues an earlier one, or its choice cannot be made again.
    """
    if net.checkpoint is None or is_partial:
        return
    check_place(net.checkpoint)
    if net.warm_start and net.__sklearn_is_fitted__():
        raise ValueError(
            "The 'checkpoint' parameter must be None in a fit that continues an earlier one. Got "
            f"{net.checkpoint!r} with warm_start=True and a fitted network: set checkpoint=None or "
            "warm_start=False."
        )
    if chooses and not is_integer(net.random_state):
        raise ValueError(
            "The 'checkpoint' parameter with pretrained='auto' needs an integer as random_state, "
            f"so that a resumed fit chooses the same way to train. Got {net.random_state!r}."
        )


@contextmanager
def opened_checkpoint(
    net: Any,
    samples: SampleSet,
    given: SampleSet | None,
    steps: Sequence[Step],
    seed: int,
    is_partial: bool,
    *,
    first: Checkpoint | None = None,
) -> Iterator[Checkpoint | None]:
    """Open the checkpoint of a fit; None if there is none. It is deleted after a whole fit.

    With `first`, it is that of a second network, which has a file beside that of the first one.

    Raises
    ------
    CheckpointError
        If the file is of another fit, used by another one, damaged, or cannot be written.
    """
    if net.checkpoint is None or is_partial:
        yield None
        return
    path = check_place(net.checkpoint) if first is None else _second_path(first)
    texts = fingerprint(net, samples, given, steps)
    is_clone = first is None and getattr(net, MARK, None) == net.checkpoint
    with opened_file(path, name_of(texts) if is_clone else None) as file:
        checkpoint = Checkpoint(file, texts, seed, float(net.checkpoint_seconds))
        yield checkpoint
        thread = current_worker_thread()
        if thread is None or not thread.interrupted:
            checkpoint.remove()
            with suppress(OSError):  # of a killed fit that was to train a second network
                _second_path(checkpoint).unlink(missing_ok=True)


def _second_path(first: Checkpoint) -> Path:
    """Return the path of the checkpoint of a second network, which follows from the first fit."""
    path = first.file.path
    return path.with_name(f"{path.stem}-{name_of(first.fingerprint)}-second{path.suffix}")
