"""Epochs of several engines at a time, with their networks computed as one.

Each engine keeps its optimizer, schedule, batches, dropout and history. Only the forward and
backward passes are joint. The results differ from those of separate training by rounding.
"""

import time
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from skcnn._network.joint_network import JointNetwork
from skcnn._training.batches import BatchIterator
from skcnn._training.divergence import BatchLosses
from skcnn._training.engine import ConvNetEngine
from skcnn._utils.threads import torch_threads
from skcnn._utils.worker_threads import WorkerThread
from skcnn.layers._dropout import dropout_generator

# The largest number of fits whose data and weights are in memory together.
MOST_TOGETHER = 10


def joint_training_pays(device: torch.device) -> bool:
    """Return whether fits of one architecture should be trained together on `device`.

    On the CPU it is faster for small networks only, and its scores would differ from those of
    `cross_validate` by rounding. The gain on an accelerator is not measured yet; see
    ``tests/benchmarks/folds_together.py``.
    """
    return device.type != "cpu"


def advance_together(threads: Sequence[WorkerThread]) -> None:
    """Run all worker threads to their next pause, with their networks trained together.

    Raises
    ------
    BaseException
        If it is not an Exception, such as a KeyboardInterrupt. An Exception is kept as the
        `error` of its thread.
    """
    _advance(threads)
    while asking := [thread for thread in threads if thread.request is not None]:
        _answer(asking)
        _advance(asking)


def _advance(threads: Sequence[WorkerThread]) -> None:
    for thread in threads:
        thread.advance()
        if thread.error is not None and not isinstance(thread.error, Exception):
            raise thread.error


def _answer(threads: Sequence[WorkerThread]) -> None:
    """Give each thread the mean loss of the epoch that it requests, or an error."""
    for group in _alike(threads):
        start = time.perf_counter()
        with torch_threads(group[0].n_threads, 0):  # the fits' number of threads, not this thread's
            answers = train_pass([thread.request[1:] for thread in group])
        seconds = (time.perf_counter() - start) / len(group)
        for thread, answer in zip(group, answers, strict=True):
            thread.answer = answer
            thread.seconds_away -= seconds


def _alike(threads: Sequence[WorkerThread]) -> list[list[WorkerThread]]:
    """Return the threads in groups whose networks can be computed as one."""
    groups: dict[Hashable, list[WorkerThread]] = {}
    for thread in threads:
        groups.setdefault(thread.request[0], []).append(thread)
    return list(groups.values())


def train_pass(
    requests: Sequence[tuple[ConvNetEngine, BatchIterator]],
) -> list[float | BaseException]:
    """Train each engine over its batches once, all at the same time.

    Parameters
    ----------
    requests : sequence of (ConvNetEngine, BatchIterator)
        Engines whose networks have the same `joint_structure`. Batches may differ in number
        and size. Only batches of equal size are computed as one.

    Returns
    -------
    list of float or BaseException
        The mean training loss of each engine, or the error that ended its training.
    """
    members = [_Member(*request) for request in requests]
    joints = _JointSteps()
    while stepping := [member for member in members if member.next_batch()]:
        for group in _of_one_size(stepping):
            joints.step(group)
    return [member.finish() for member in members]


class _Member:
    """One engine, its batches and its loss so far."""

    def __init__(self, engine: ConvNetEngine, batches: BatchIterator) -> None:
        self.engine = engine
        self.n_samples = batches.n_samples
        self.losses = BatchLosses(len(batches), engine.device)
        self.error: BaseException | None = None
        self.dropout = dropout_generator(engine.module_)
        self._batches: Iterator[Any] = iter(batches)

    def next_batch(self) -> bool:
        """Take the next batch; return whether there is one."""
        if self.error is not None:
            return False
        try:
            self.inputs, self.target = next(self._batches)
        except StopIteration:
            return False
        except Exception as error:  # for instance of a callable augmentation
            self.error = error
            return False
        self.engine.advance_schedule()
        return True

    def loss_of(self, outputs: Tensor) -> Tensor:
        """Return the loss of a batch's outputs."""
        if self.engine.autocast is not None:
            outputs = outputs.float()
        return self.engine.get_loss(outputs, self.target, X=self.inputs, training=True)

    def finish(self) -> float | BaseException:
        """Return the mean loss, or the error."""
        if self.error is not None:
            return self.error
        self.engine.history.new_batch()  # as in separate training
        try:
            return self.losses.mean(self.n_samples, self.engine)
        except Exception as error:  # of a training that diverged, or from the device
            return error


def _of_one_size(members: Sequence[_Member]) -> list[list[_Member]]:
    groups: dict[tuple[int, ...], list[_Member]] = {}
    for member in members:
        groups.setdefault(tuple(member.inputs.shape), []).append(member)
    return list(groups.values())


class _JointSteps:
    """Training steps of several engines, in parts if the device has too little memory."""

    def __init__(self) -> None:
        self._most = MOST_TOGETHER
        self._networks: dict[tuple[int, ...], JointNetwork] = {}

    def step(self, members: Sequence[_Member]) -> None:
        """Do one step of each engine."""
        for start in range(0, len(members), self._most):
            part = members[start : start + self._most]
            try:
                done = self._do(part)
            except Exception as error:  # ends these fits, the others continue
                for member in part:
                    member.error = error
                continue
            if not done:
                self._most = (len(part) + 1) // 2
                self.step(members[start:])
                return

    def _do(self, members: Sequence[_Member]) -> bool:
        """Do one joint step, or return False and change nothing if there is too little memory."""
        if not self._gradients(members):
            return False
        for member in members:
            member.engine.clip_gradient()
            member.engine.optimizer_.step()
        return True

    def _gradients(self, members: Sequence[_Member]) -> bool:
        """Compute the gradients, and return whether there was enough memory."""
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
        with members[0].engine.autocast_context():
            outputs = network([member.inputs for member in members])
        losses = [member.loss_of(own) for member, own in zip(members, outputs, strict=True)]
        torch.stack(losses).sum().backward()
        network.keep_statistics()
        for member, loss in zip(members, losses, strict=True):
            member.losses.add(loss.detach(), len(member.inputs))

    def _network(self, members: Sequence[_Member]) -> JointNetwork:
        key = tuple(map(id, members))
        if key not in self._networks:
            self._networks[key] = JointNetwork([member.engine.module_ for member in members])
        return self._networks[key]
