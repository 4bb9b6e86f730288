"""Occlusion against a plain loop and captum."""

import numpy as np
import pytest
from captum.attr import Occlusion
from numpy.testing import assert_allclose

from skcnn.inspection import saliency
from tests.helpers.explained import assert_agree, channels_last
from tests.helpers.inspected import fitted


@pytest.mark.parametrize("window", [None, 3, (1, 5)])
@pytest.mark.parametrize("baseline", [0.0, "sample"])
def test_occlusion_is_that_of_a_plain_loop(window, baseline):
    X, net = fitted((8, 7))
    X = X[:6]
    baseline = X.mean(0) if baseline == "sample" else baseline
    found = saliency(net, X, method="occlusion", target=2, window=window, baseline=baseline)
    height, width = {None: (2, 2), 3: (3, 3)}.get(window, window)
    filled = np.broadcast_to(baseline, X.shape)
    whole = net.decision_function(X)[:, 2]
    total, count = np.zeros(X.shape), np.zeros(X.shape)
    for i in range(8 - height + 1):
        for j in range(7 - width + 1):
            box = (slice(None), slice(i, i + height), slice(j, j + width))
            covered = X.copy()
            covered[box] = filled[box]
            total[box] += (whole - net.decision_function(covered)[:, 2])[:, None, None]
            count[box] += 1
    assert found.shape == (6, 8, 7, 1)
    assert_allclose(found[..., 0], total / count, rtol=1e-4, atol=1e-6)


def test_occlusion_covers_all_channels_and_any_number_of_axes():
    X, net = fitted((2, 9), n_spatial_dims=1, channels="first")
    found = saliency(net, X, method="occlusion", target=0, window=9, baseline=0.5)
    fall = net.decision_function(X) - net.decision_function(np.full_like(X, 0.5))
    assert found.shape == (40, 1, 9)
    assert_allclose(found[:, 0], np.repeat(fall[:, :1], 9, axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("window", [(2, 2), (3, 5), (9, 8)])
def test_occlusion_is_captums(beside_captum, window):
    X, net, module, images, codes = beside_captum
    X, images, codes = X[:8], images[:8].detach(), codes[:8]
    expected = Occlusion(module).attribute(
        images, sliding_window_shapes=(2, *window), baselines=-0.5, target=codes
    )
    found = saliency(net, X, method="occlusion", window=window, baseline=-0.5)
    assert_agree(found, channels_last(expected)[..., :1])
