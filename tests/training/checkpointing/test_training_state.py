"""Rows of a history as columns; states that do not fit a training."""

import copy

import numpy as np
import pytest
import torch

from skcnn._training.checkpointing import checkpoint as module
from skcnn._training.checkpointing.training_state import columns_of, rows_of
from skcnn._training.checkpointing.values import decoded, encoded
from skcnn.exceptions import CheckpointError, ModelFileError
from tests.helpers.small_fits import data, tiny
from tests.helpers.stopped_fits import stopped


def test_rows_come_back_with_their_types():
    rows = [
        {"loss": 0.5, "best": True, "n": 1, "name": "a", "mixed": 1},
        {"loss": float("nan"), "best": False, "n": 2, "mixed": 2.0, "late": np.float64(3)},
        {"loss": 0.25, "best": False, "n": 2**70, "tensor": torch.ones(2)},
    ]
    node, arrays = encoded(columns_of(rows))
    found = rows_of(decoded(node, dict(arrays)), 3)
    assert torch.equal(found[2].pop("tensor"), torch.ones(2))
    del rows[2]["tensor"]
    np.testing.assert_equal(found, rows)
    for row, like in zip(found, rows, strict=True):
        assert {k: type(v) for k, v in row.items()} == {k: type(v) for k, v in like.items()}


def test_no_rows():
    assert rows_of(columns_of([]), 0) == []
    assert rows_of(columns_of([{}, {}]), 5) == [{}, {}]


@pytest.mark.parametrize("n", [10**12, -1, 4, True, "3"])
def test_more_rows_than_epochs_are_damaged(n):
    with pytest.raises(ModelFileError, match="its history is damaged"):
        rows_of({"n": n, "columns": {}}, 3)


def without_stopping(state):
    state["lasting"]["stopping"] = None


CHANGES = {
    "history": lambda s: s["lasting"]["history"].update(n=7),
    "rows": lambda s: s["lasting"]["rows"]["columns"].pop("seconds"),
    "figures": lambda s: s["lasting"]["rows"]["columns"]["seconds"].update(values=["a", "b"]),
    "parts": lambda s: s["lasting"]["parts"].update(trained={0: "head"}),
    "part": lambda s: s["lasting"]["parts"].update(current="head"),
    "weights": lambda s: s["lasting"]["weights"].update(like=""),
    "optimizer": lambda s: s["lasting"].pop("optimizer"),
    "best weights": lambda s: s["lasting"]["best_weights"].update(like=""),
    "stopping": without_stopping,
    "no best figure": lambda s: s["lasting"]["stopping"].pop("_best"),
    "best figure": lambda s: s["lasting"]["stopping"].update(_best=(0.0, "a")),
    "threshold": lambda s: s["lasting"]["stopping"].update(_threshold="high"),
    "epoch": lambda s: s["changing"].update(next_epoch=3),
    "steps": lambda s: s["changing"]["schedule"].update(steps_done=5),
    "factor": lambda s: s["changing"]["schedule"].update(_factor="small"),
    "generators": lambda s: s["changing"]["generators"].clear(),
    "a generator": lambda s: s["changing"].update(order=torch.zeros(3, dtype=torch.uint8)),
    "no generator": lambda s: s["changing"].update(order=5),
    "schedule": lambda s: s["changing"]["schedule"].pop("_factor"),
    "time limit": lambda s: s["changing"].update(time_limit={"seconds": 1.0, "cuts": []}),
    "callbacks": lambda s: s["changing"].update(callbacks=[{"kind": "A", "state": {}}]),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A checkpoint after two epochs, and its path."""
    path = tmp_path_factory.mktemp("written") / "fit.ckpt"
    patch = pytest.MonkeyPatch()
    net = tiny(early_stopping=True, dropout=0.5, checkpoint=path, checkpoint_seconds=0)
    stopped(patch, net, 7, *data())
    return path, path.read_bytes(), net


@pytest.mark.parametrize("name", CHANGES)
def test_a_damaged_state_is_an_error(name, written, monkeypatch):
    path, content, net = written
    path.write_bytes(content)
    read = module.decoded

    def damaged(node, arrays):
        state = read(node, arrays)
        CHANGES[name](state)
        return state

    monkeypatch.setattr(module, "decoded", damaged)
    with pytest.raises(CheckpointError, match=r"fit\.ckpt' does not fit this fit: .*Delete the f"):
        copy.deepcopy(net).fit(*data())
    assert path.read_bytes() == content
