"""The table of one metric: each model's mean score, its tests and its costs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skcnn.comparison._paired_tests import corrected_interval, holm, paired_differences, paired_test

TESTED = [
    "mean",
    "ci_low",
    "ci_high",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
    "p_better",
    "p_equivalent",
    "p_worse",
]


def metric_table(
    fold_scores: pd.DataFrame,
    models: Sequence[str],
    baseline: str,
    test_share: float,
    rope: float,
) -> pd.DataFrame:
    """Return a row per model, with the columns of `ModelComparison.table`.

    Parameters
    ----------
    fold_scores : DataFrame
        The rows of one metric, as `check_fold_scores` returns them.
    models : sequence of str
        The models, in the order of the rows.
    baseline : str
        The model that the others are compared with.
    test_share : float
        Test samples of a split over its training samples.
    rope : float
        Differences of at most this size are equivalent.
    """
    scores = fold_scores.pivot(index="split", columns="model", values="score")
    rows = {model: _tested(scores, model, baseline, test_share, rope) for model in models}
    tests = pd.DataFrame.from_dict(rows, orient="index", columns=TESTED)
    tests["p_adjusted"] = holm(tests["p_value"].to_numpy(float))
    groups = fold_scores.groupby("model")
    # medians, since the first fit of a process also imports modules
    seconds = groups[["fit_seconds", "predict_seconds"]].median()
    costs = seconds.join(groups["n_parameters"].mean()).astype(float).reindex(models)
    failed = scores.isna().sum().reindex(models).rename("n_failed")
    return pd.concat([tests, costs, failed], axis=1)


def _tested(
    scores: pd.DataFrame, model: str, baseline: str, test_share: float, rope: float
) -> dict[str, float]:
    values = scores[model].to_numpy(float)
    mean, low, high = corrected_interval(values, test_share)
    row = {"mean": mean, "ci_low": low, "ci_high": high}
    if model == baseline:
        return row
    differences = paired_differences(values, scores[baseline].to_numpy(float))
    test = paired_test(differences, test_share, rope)
    return row | {
        "difference": test.difference,
        "difference_low": test.low,
        "difference_high": test.high,
        "p_value": test.p_value,
        "p_adjusted": np.nan,
        "p_better": test.p_better,
        "p_equivalent": test.p_equivalent,
        "p_worse": test.p_worse,
    }
