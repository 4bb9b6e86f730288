"""TrainingState: all that the rest of a training depends on, taken and set again."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skcnn._data.value_texts import hash_of
from skcnn._network.network import WrappedNet
from skcnn._training.batches import BatchIterator
from skcnn._training.checkpointing.callback_state import CallbackStates
from skcnn._training.checkpointing.tensors import (
    digest_of,
    optimizer_state,
    other_state,
    packed,
    plain_settings,
    set_optimizer_state,
    set_packed,
    settings_of,
    tensors_of,
)
from skcnn._training.early_stopping import EarlyStopping
from skcnn._training.epoch_state import EpochState
from skcnn._training.monitor import TrainingMonitor
from skcnn._training.schedules import Schedule
from skcnn._utils.compat import callbacks_of
from skcnn._utils.interrupts import deferred_interrupts
from skcnn._utils.validation import is_number
from skcnn.exceptions import ModelFileError, UnsupportedModelError
from skcnn.layers._dropout import dropout_generator

SCHEDULE = ("steps_done", "_factor", "_best", "_epochs_since_best")
STOPPING = ("_best", "_threshold", "_epochs_without")


class TrainingState:
    """All that the rest of a training depends on.

    Parameters
    ----------
    engine : ConvNetEngine
        The network with its optimizer, history and callbacks.
    batches : BatchIterator
        The training batches, with the generator of their order.
    schedule : Schedule
        The learning rates.
    epochs : EpochState
        Goes back to the last finished epoch.
    stopping : EarlyStopping or None
        Has the best weights.
    parts : PartTraining
        What is trained when.
    monitor : TrainingMonitor
        The figures of the finished epochs, and scikit-learn's callbacks.
    """

    def __init__(
        self,
        engine: Any,
        batches: BatchIterator,
        schedule: Schedule,
        epochs: EpochState,
        stopping: EarlyStopping | None,
        parts: Any,
        monitor: TrainingMonitor,
    ) -> None:
        self._engine = engine
        self._batches = batches
        self._schedule = schedule
        self._epochs = epochs
        self._stopping = stopping
        self._parts = parts
        self._monitor = monitor
        self._time_limit = monitor.time_limit
        self._other: list[Any] = []
        self._noted: dict[str, Any] = {}
        self._callbacks = CallbackStates(())

    @property
    def n_done(self) -> int:
        """The number of finished epochs."""
        return len(self._monitor.rows)

    def begin(self) -> str:
        """Note what must not change, and return a hash of the weights at the beginning."""
        sklearn_s = self._monitor.callbacks
        self._callbacks = CallbackStates(
            [
                *(callback for _, callback in self._engine.callbacks_),
                *([] if sklearn_s is None else callbacks_of(sklearn_s.estimator)),
            ]
        )
        self._other = self._other_state()
        return digest_of(self._engine.module_)

    def changing(self) -> dict[str, Any]:
        """Return a copy of what an interrupted epoch changes and cannot take back.

        Raises
        ------
        UnsupportedModelError
            If a callback or a module has a state that is not kept.
        """
        if self._other_state() != self._other:
            raise UnsupportedModelError(
                "a module of the network has changed attributes that are no parameters and no "
                "buffers, or a callback has changed settings of the training"
            )
        self._callbacks.check_memory(tensors_of(self._engine.module_).values())
        return {
            "order": self._order.get_state(),
            "generators": [each.get_state() for each in self._generators()],
            "next_epoch": self._batches.next_epoch,
            "schedule": {name: getattr(self._schedule, name) for name in SCHEDULE},
            "callbacks": self._callbacks.get(),
            "time_limit": None if self._time_limit is None else self._time_limit.state(),
        }

    def note(self) -> None:
        """Note at the end of an epoch what the next one changes and nothing takes back."""
        stopping = self._stopping
        self._noted = {
            "frozen": self._frozen(),
            "settings": [settings_of(group) for group in self._engine.optimizer_.param_groups],
            "parts": self._parts.state(),
            "stopping": None
            if stopping is None
            else {name: getattr(stopping, name) for name in STOPPING},
            "best_weights": None if stopping is None else stopping.best_weights,
        }

    def lasting(self) -> dict[str, Any]:
        """Return all else, at the end of the epoch when `note` was called. It is no copy."""
        engine, noted = self._engine, self._noted
        state = {
            "weights": packed(tensors_of(engine.module_)),
            "frozen": self._frozen(),
            "optimizer": optimizer_state(engine.optimizer_, engine.optimizer_name),
            "parts": self._parts.state(),
            "rows": columns_of(self._monitor.rows),
            "history": columns_of([_without_batches(row) for row in engine.history]),
            "stopping": noted["stopping"],
            "best_weights": None
            if noted["best_weights"] is None
            else packed(noted["best_weights"]),
        }
        if state["parts"] == noted["parts"]:  # else they are those of the next part
            state["frozen"] = noted["frozen"]
            state["optimizer"]["groups"] = noted["settings"]
        return state

    def before_last_epoch(self) -> dict[str, Any]:
        """Return what `lasting` was an epoch ago, if `note` was called then.

        Raises
        ------
        RuntimeError
            If it is not known any more.
        """
        if self._parts.state() != self._noted["parts"]:
            raise RuntimeError("another part of the network is trained since the last epoch")
        with deferred_interrupts(), self._epochs.before_last_epoch():
            state = self.lasting()
        rows, history = self._monitor.rows[:-1], self._engine.history[:-1]
        return state | {
            "rows": columns_of(rows),
            "history": columns_of([_without_batches(row) for row in history]),
        }

    def _other_state(self) -> list[Any]:
        """Return texts of what must not change: it is in no file."""
        engine = self._engine
        parts = [other_state(engine.module_), other_state(engine.criterion_)]
        settings = {k: v for k, v in vars(engine).items() if not k.startswith("_")}
        return [*parts, hash_of(tensors_of(engine.criterion_)), repr(plain_settings(settings))]

    def _frozen(self) -> list[str]:
        return [n for n, p in self._engine.module_.named_parameters() if not p.requires_grad]

    def set(self, changing: dict[str, Any], lasting: dict[str, Any], n_epochs: int) -> None:
        """Go on from the state of an earlier process. The callbacks are told separately.

        Raises
        ------
        ModelFileError
            If it does not fit this training.
        """
        self._callbacks.check(changing["callbacks"])
        with deferred_interrupts():
            self._set(changing, lasting, n_epochs)

    def tell_callbacks(self, kept: list[Any], n_epochs: int) -> bool:
        """Set the states of the callbacks, and return whether one asks to stop."""
        if self._time_limit is not None:
            n_epochs = self._time_limit.n_planned
        return self._callbacks.set(kept, self.n_done, n_epochs)

    def _set(self, changing: dict[str, Any], lasting: dict[str, Any], n_epochs: int) -> None:
        engine = self._engine
        rows = rows_of(lasting["rows"], n_epochs)
        history = rows_of(lasting["history"], n_epochs)
        columns = {*self._monitor.columns}
        legal = all(row.keys() == columns and all(map(_is_figure, row.values())) for row in rows)
        if not legal or len(history) != len(rows):
            raise ModelFileError("its history is damaged")
        self._check_changing(changing, len(rows))
        self._resume_time_limit(changing["time_limit"], len(rows))
        self._parts.resume(len(rows), lasting["parts"])
        set_packed(tensors_of(engine.module_), lasting["weights"], "weights")
        for name, parameter in engine.module_.named_parameters():
            parameter.requires_grad_(name not in lasting["frozen"])
        set_optimizer_state(engine.optimizer_, engine.optimizer_name, lasting["optimizer"])
        self._set_stopping(lasting["stopping"], lasting["best_weights"])
        self._set_changing(changing)
        self._monitor.rows[:] = rows
        for row in history:
            engine.history.new_epoch()
            engine.history.record("epoch", len(engine.history))
            engine.history.new_batch()
            for name, value in row.items():
                engine.history.record(name, value)
        self._epochs.resume(len(rows))
        if self._monitor.callbacks is not None:
            self._monitor.callbacks.skip(len(rows))

    def _resume_time_limit(self, kept: Any, n_done: int) -> None:
        if self._time_limit is not None:
            self._time_limit.resume(kept, n_done)
        elif kept is not None:
            raise ModelFileError("its time limit is not that of this training")

    def _set_stopping(self, kept: Any, best_weights: Any) -> None:
        stopping = self._stopping
        if (stopping is None) != (kept is None):
            raise ModelFileError("its early stopping is not that of this training")
        if stopping is None:
            return
        best, threshold, n_without = (kept[name] for name in STOPPING)
        legal = type(best) is tuple and len(best) == 2 and all(map(_is_figure, best))
        if not legal or not _is_figure(threshold) or type(n_without) is not int:
            raise ModelFileError("its early stopping is damaged")
        vars(stopping).update(kept)
        if best_weights is not None:
            stopping.best_weights = self._engine.weights_copy()
            set_packed(stopping.best_weights, best_weights, "best weights")

    def _check_changing(self, kept: dict[str, Any], n_done: int) -> None:
        schedule = kept["schedule"]
        n_steps = n_done * self._schedule.steps_per_epoch
        legal = schedule.keys() == {*SCHEDULE} and all(map(_is_figure, schedule.values()))
        if not legal or schedule["steps_done"] != n_steps or kept["next_epoch"] != n_done:
            raise ModelFileError("its schedule is not that of this training")
        if len(kept["generators"]) != len(self._generators()):
            raise ModelFileError("its generators are not those of this training")

    def _set_changing(self, kept: dict[str, Any]) -> None:
        generators = self._generators()
        for generator, state in zip(generators, kept["generators"], strict=True):
            generator.set_state(state)
        self._order.set_state(kept["order"])
        self._batches.next_epoch = kept["next_epoch"]
        vars(self._schedule).update(kept["schedule"])

    @property
    def _order(self) -> torch.Generator:
        generator = self._batches.generator
        assert generator is not None  # a training shuffles
        return generator

    def _generators(self) -> list[torch.Generator]:
        """Return the generators of dropout, and those that a user's module may draw from."""
        own = dropout_generator(self._engine.module_)
        found = [] if own is None else [own]
        if isinstance(self._engine.module_, WrappedNet):
            found.append(torch.default_generator)
            device = torch.device(self._engine.device)
            if device.type == "cuda":
                index = torch.cuda.current_device() if device.index is None else device.index
                found.append(torch.cuda.default_generators[index])
        return found


def _without_batches(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("batches", "epoch")}


def _is_figure(value: Any) -> bool:
    return isinstance(value, float) or is_number(value)


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rows as columns, arrays where possible, which take less space in a file."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {"n": len(rows), "columns": {name: _column(rows, name) for name in names}}


def _column(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    places = [number for number, row in enumerate(rows) if name in row]
    values = [rows[place][name] for place in places]
    kinds = {type(value) for value in values}
    plain = kinds in ({float}, {bool}, {int}) and np.array(values).dtype.kind in "fbi"
    return {
        "places": np.array(places, np.int64),
        "values": np.array(values) if plain else [_copied(value) for value in values],
    }


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def rows_of(kept: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """Return the rows of columns.

    Raises
    ------
    ModelFileError
        If there are more than `most`.
    """
    if type(kept["n"]) is not int or not 0 <= kept["n"] <= most:
        raise ModelFileError("its history is damaged")
    rows: list[dict[str, Any]] = [{} for _ in range(kept["n"])]
    for name, column in kept["columns"].items():
        values = column["values"]
        values = values.tolist() if isinstance(values, np.ndarray) else values
        for place, value in zip(column["places"].tolist(), values, strict=True):
            rows[place][name] = value
    return rows
