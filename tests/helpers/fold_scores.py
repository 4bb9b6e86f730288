"""Tables of scores for comparisons, without any fit."""

import numpy as np
import pandas as pd

from skcnn.comparison import ModelComparison

RNG = np.random.default_rng(0)
PLAIN = {
    "first": 0.90 + RNG.normal(0, 0.02, 10),
    "second": 0.92 + RNG.normal(0, 0.02, 10),
    "third": 0.80 + RNG.normal(0, 0.02, 10),
}


def long_table(scores=PLAIN, metric="accuracy", **columns):
    """Return fold scores in long format of arrays by model."""
    wide = pd.DataFrame(scores).rename_axis("split").reset_index()
    long = wide.melt("split", var_name="model", value_name="score")
    return long.assign(metric=metric, n_train=80, n_test=20).assign(**columns)


def compare(scores=PLAIN, rope=0.01, baseline=None, **columns):
    return ModelComparison(long_table(scores, **columns), rope=rope, baseline=baseline)
