"""RandomElastic against scipy's splines and interpolation."""

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.interpolate import BSpline

from skcnn.augmentation import RandomElastic
from tests.helpers.geometry import EACH_PADDING, SCIPY_MODES, as_samples


@EACH_PADDING
@pytest.mark.parametrize("spatial", [(12,), (8, 11), (4, 5, 6)], ids=str)
@pytest.mark.parametrize("n_points", [2, 4])
def test_elastic_against_naive_splines_and_scipy(spatial, n_points, padding):
    X, reading = as_samples(spatial, 2)
    elastic = RandomElastic((0.2, 0.2), n_points=n_points, random_state=0, **padding, **reading)
    params = elastic.draw(X)
    points = params["displacement"]
    assert points.shape == (3, len(spatial), *[n_points + 2] * len(spatial))
    got = elastic.apply(X, params)
    bump = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    bases = [
        np.nan_to_num(bump(1 + np.linspace(0, n_points - 1, s)[:, None] - np.arange(n_points + 2)))
        for s in spatial
    ]
    for i in range(3):
        field = points[i]
        for axis, basis in enumerate(bases):
            field = np.moveaxis(np.tensordot(basis, field, (1, axis + 1)), 0, axis + 1)
        where = np.indices(spatial) + field * np.array(spatial).reshape(-1, *[1] * len(spatial))
        for c in range(2):
            expected = ndimage.map_coordinates(
                X[i, ..., c],
                where,
                order=1,
                mode=SCIPY_MODES[padding["padding_mode"]],
                cval=padding.get("fill_value", 0.0),
            )
            np.testing.assert_allclose(got[i, ..., c], expected, atol=1e-10)


def test_elastic_displacements_have_the_documented_size():
    X = np.zeros((4000, 20, 30))
    points = RandomElastic((0.07, 0.07), random_state=0).draw(X)["displacement"]
    assert stats.kstest(points[:, :, 0, 0].ravel() / 0.07, "norm").pvalue > 1e-4
    sizes = RandomElastic(0.07, random_state=0).draw(X)["displacement"].std(axis=(1, 2, 3))
    assert stats.kstest(sizes / 0.07, "uniform").statistic < 0.1
