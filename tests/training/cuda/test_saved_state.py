"""The state that steps are compared from, and how far results are apart."""

import pytest
import torch

from skcnn._training.cuda.saved_state import SavedState, largest_difference
from tests.helpers.small_fits import data, tiny


def tensors(*values):
    return [torch.tensor(each, dtype=torch.float32) for each in values]


@pytest.mark.parametrize(
    ("found", "expected", "origin", "difference"),
    [
        ([[1.0, 2.0], 3.0], [[1.0, 2.0], 3.0], None, 0.0),
        ([[3.0, 4.0]], [[0.0, 4.0]], None, 3 / 4),
        ([[11.0, 10.0]], [[12.0, 10.0]], [[10.0, 10.0]], 1 / 2),
        ([0.0], [0.0], None, 0.0),
        ([1.0], [0.0], None, float("inf")),
        ([float("nan")], [1.0], None, float("inf")),
    ],
)
def test_difference_is_a_norm_relative_to_the_change(found, expected, origin, difference):
    origin = None if origin is None else tensors(*origin)
    got = largest_difference(tensors(*found), tensors(*expected), origin)
    assert got == pytest.approx(difference)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_state_is_restored_in_place(optimizer):
    X, y = data()
    model = tiny(optimizer=optimizer).fit(X, y)
    engine = model.net_
    before = SavedState(engine)
    weights, place = before.weights_now(), next(engine.module_.parameters()).data_ptr()
    state = [
        v.clone() if isinstance(v, torch.Tensor) else v
        for s in engine.optimizer_.state.values()
        for v in s.values()
    ]
    model.partial_fit(X, y)
    assert not torch.equal(before.weights_now()[0], weights[0])
    before.restore()
    torch.testing.assert_close(before.weights_now(), weights, rtol=0, atol=0)
    assert next(engine.module_.parameters()).data_ptr() == place
    now = [v for s in engine.optimizer_.state.values() for v in s.values()]
    torch.testing.assert_close(now, state, rtol=0, atol=0)
