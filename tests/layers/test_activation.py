"""Activations: the scalar formulas, after layers that bring one."""

import numpy as np
import pytest
import torch

from skcnn.layers import Activation, Conv, Dense
from skcnn.layers._activation import ACTIVATIONS, MONOTONE
from tests.helpers.layer_modules import NORMALIZED_SHAPES, TOLERANCE, apply, build, naive_activation


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("shape", NORMALIZED_SHAPES)
def test_activation_equals_the_scalar_formula(kind, shape):
    x = np.random.default_rng(1).normal(scale=3, size=(2, *shape))
    expected = naive_activation(x, kind)
    np.testing.assert_allclose(apply(build([Activation(kind)], shape), x), expected, **TOLERANCE)


def test_relu6_is_torchs():
    x = np.random.default_rng(1).normal(scale=6, size=(2, 3, 5, 5))
    expected = torch.nn.functional.relu6(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(apply(build([Activation("relu6")], (3, 5, 5)), x), expected)
    assert expected.max() == 6


def test_monotone_activations_never_fall():
    x = np.linspace(-8, 8, 1001)
    rises = {kind for kind in ACTIVATIONS if np.all(np.diff(naive_activation(x, kind)) >= 0)}
    assert rises == MONOTONE


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize(
    ("layer", "shape"), [(Conv(3), (2, 5)), (Conv(3), (2, 4, 4)), (Dense(3), (4,))]
)
def test_activation_of_a_layer_comes_after_it(kind, layer, shape):
    x = np.random.default_rng(1).normal(size=(2, *shape))
    plain = apply(build([layer], shape), x)
    spec = type(layer)(3, activation=kind)
    np.testing.assert_allclose(
        apply(build([spec], shape), x), naive_activation(plain, kind), **TOLERANCE
    )


@pytest.mark.parametrize("option", [*ACTIVATIONS, None])
def test_every_activation_is_accepted(option):
    assert Conv(4, activation=option).output_shape((1, 5)) == (4, 5)
    assert Dense(4, activation=option).output_shape((5,)) == (4,)
