"""Passes over the data for several engines at a time, their networks computed as one.

Each engine keeps its optimizer, schedule, batches, dropout and history; only forward and
backward of a step are common. Gives what one engine after the other gives, but for
rounding. Knows no estimator; who holds the strands decides which fits run side by side.
"""

import time
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from skcnn._network.joint_network import JointNetwork
from skcnn._network.modules import ByteDropout
from skcnn._training.batches import BatchIterator
from skcnn._training.engine import ConvNetEngine
from skcnn._utils.device import torch_threads
from skcnn._utils.worker_threads import Strand

# Data and weights of all fits that run side by side lie in memory together.
MOST_TOGETHER = 10


def joint_training_pays(device: torch.device) -> bool:
    """Return whether fits of one architecture are to be trained together on `device`.

    Not measured on an accelerator yet. On the CPU it pays for small networks only (five
    folds, one thread, seconds alone and together: digits with 4 filters 0.80 and 0.46, with
    the default network 3.1 and 2.3; 28x28 1.9 and 2.3; 32x32x3 5.0 and 10.2,
    `tests/benchmarks/folds_together.py`). There scores that are those of `cross_validate`,
    bit for bit and for any `n_jobs`, are worth more.
    """
    return device.type != "cpu"


def advance_together(strands: Sequence[Strand]) -> None:
    """Run all strands to their next pause; those in training are trained together.

    Raises
    ------
    BaseException
        An interrupt in one of them. An error stays in its strand.
    """
    _advance(strands)
    while asking := [strand for strand in strands if strand.request is not None]:
        _answer(asking)
        _advance(asking)


def _advance(strands: Sequence[Strand]) -> None:
    for strand in strands:
        strand.advance()
        if strand.error is not None and not isinstance(strand.error, Exception):
            raise strand.error


def _answer(strands: Sequence[Strand]) -> None:
    """Give each strand the mean loss of the pass that it asks for, or an error."""
    for group in _alike(strands):
        start = time.perf_counter()
        with torch_threads(group[0].n_threads, 0):  # those of the fits, not of this thread
            answers = train_pass([strand.request[1:] for strand in group])
        seconds = (time.perf_counter() - start) / len(group)
        for strand, answer in zip(group, answers, strict=True):
            strand.answer = answer
            strand.seconds_away -= seconds


def _alike(strands: Sequence[Strand]) -> list[list[Strand]]:
    """Return the strands in groups whose networks can be computed as one."""
    groups: dict[Hashable, list[Strand]] = {}
    for strand in strands:
        groups.setdefault(strand.request[0], []).append(strand)
    return list(groups.values())


def train_pass(
    requests: Sequence[tuple[ConvNetEngine, BatchIterator]],
) -> list[float | BaseException]:
    """Train each engine over its batches once, all at a time.

    Parameters
    ----------
    requests : sequence of (ConvNetEngine, BatchIterator)
        Engines whose networks have one `joint_structure`. Batches may differ in number
        and size: only those of one size are computed as one.

    Returns
    -------
    list of float or BaseException
        The mean training loss of each, or what ended its pass.
    """
    members = [_Member(*request) for request in requests]
    joints = _JointSteps()
    while stepping := [member for member in members if member.next_batch()]:
        for group in _of_one_size(stepping):
            joints.step(group)
    return [member.finish() for member in members]


class _Member:
    """One engine on its way through its batches."""

    def __init__(self, engine: ConvNetEngine, batches: BatchIterator) -> None:
        self.engine = engine
        self.n_samples = batches.n_samples
        self.total = torch.zeros((), device=engine.device)
        self.error: BaseException | None = None
        self.dropout = _dropout_generator(engine)
        self._batches: Iterator[Any] = iter(batches)

    def next_batch(self) -> bool:
        """Take the next batch; return whether there is one."""
        if self.error is not None:
            return False
        try:
            self.inputs, self.target = next(self._batches)
        except StopIteration:
            return False
        except Exception as error:  # such as of a function among its augmentations
            self.error = error
            return False
        self.engine._advance_schedule()
        return True

    def loss_of(self, outputs: Tensor) -> Tensor:
        """Return the loss to be differentiated."""
        if self.engine.autocast is not None:
            outputs = outputs.float()
        return self.engine.get_loss(outputs, self.target, X=self.inputs, training=True)

    def finish(self) -> float | BaseException:
        """Return the mean loss, or what ended the pass."""
        if self.error is not None:
            return self.error
        self.engine.history.new_batch()  # as after a pass alone
        try:
            return self.total.item() / self.n_samples
        except Exception as error:  # of the device
            return error


def _of_one_size(members: Sequence[_Member]) -> list[list[_Member]]:
    groups: dict[tuple[int, ...], list[_Member]] = {}
    for member in members:
        groups.setdefault(tuple(member.inputs.shape), []).append(member)
    return list(groups.values())


class _JointSteps:
    """Training steps of several engines, in parts where the device has too little memory."""

    def __init__(self) -> None:
        self._most = MOST_TOGETHER
        self._networks: dict[tuple[int, ...], JointNetwork] = {}

    def step(self, members: Sequence[_Member]) -> None:
        """Do one step of each."""
        for start in range(0, len(members), self._most):
            part = members[start : start + self._most]
            try:
                done = self._do(part)
            except Exception as error:  # which ends these fits; others go on
                for member in part:
                    member.error = error
                continue
            if not done:
                self._most = (len(part) + 1) // 2
                self.step(members[start:])
                return

    def _do(self, members: Sequence[_Member]) -> bool:
        """Do one step of each as one; return False, with nothing changed, if memory is short."""
        if not self._gradients(members):
            return False
        for member in members:
            member.engine.clip_gradient()
            member.engine.optimizer_.step()
        return True

    def _gradients(self, members: Sequence[_Member]) -> bool:
        """Compute the gradients; return whether there was memory enough."""
        states = [m.dropout.get_state() if m.dropout is not None else None for m in members]
        try:
            self._backward(members)
        except torch.OutOfMemoryError:
            if len(members) == 1:
                raise
        else:
            return True
        for member, state in zip(members, states, strict=True):
            if member.dropout is not None and state is not None:
                member.dropout.set_state(state)
        return False

    def _backward(self, members: Sequence[_Member]) -> None:
        network = self._network(members)
        for member in members:
            member.engine.optimizer_.zero_grad(set_to_none=True)
        with members[0].engine._autocast():
            outputs = network([member.inputs for member in members])
        losses = [member.loss_of(own) for member, own in zip(members, outputs, strict=True)]
        torch.stack(losses).sum().backward()
        network.keep_figures()
        for member, loss in zip(members, losses, strict=True):
            member.total.add_(loss.detach(), alpha=len(member.inputs))

    def _network(self, members: Sequence[_Member]) -> JointNetwork:
        key = tuple(map(id, members))
        if key not in self._networks:
            self._networks[key] = JointNetwork([member.engine.module_ for member in members])
        return self._networks[key]


def _dropout_generator(engine: ConvNetEngine) -> torch.Generator | None:
    """Return the generator that all dropout layers of an engine have in common."""
    layers = (part for part in engine.module_.modules() if isinstance(part, ByteDropout))
    return next((layer.generator for layer in layers), None)
