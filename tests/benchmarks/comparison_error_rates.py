"""How often the tests of ``compare_models`` are wrong, and how often they find a difference.

Each simulation is a study: samples are drawn, three models are compared with 10 times
5 folds. Two of the models see as much as each other of what decides the label, so that
their true accuracy is the same; the third sees more. A test at the 5 % level must reject
the first pair in 5 % of the studies. Shown beside it is the usual paired t-test on the
same scores.

Run: python tests/benchmarks/comparison_error_rates.py [--studies 400]
"""

import argparse

import numpy as np
from scipy import stats
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn.comparison import compare_models

N_SAMPLES, N_FEATURES, N_SEEN, SHIFT = 200, 25, 10, 0.35
LEVEL = 0.05


def draw(rng, n_samples):
    """Return samples of two classes whose features all tell equally much."""
    y = rng.integers(0, 2, n_samples)
    return rng.normal(size=(n_samples, N_FEATURES)) + SHIFT * y[:, None], y


def seen(start, stop):
    """Return a model that sees some of the features."""
    return make_pipeline(FunctionTransformer(lambda X: X[:, start:stop]), GaussianNB())


MODELS = {
    "first": seen(0, N_SEEN),
    "as good": seen(N_SEEN, 2 * N_SEEN),
    "better": seen(0, N_FEATURES),
}


def true_accuracy(n_trainings=200):
    """Return each model's accuracy on fresh samples, mean of many trainings."""
    rng = np.random.default_rng(0)
    n_train = N_SAMPLES * 4 // 5
    X_test, y_test = draw(rng, 20_000)
    scores = {name: [] for name in MODELS}
    for _ in range(n_trainings):
        X, y = draw(rng, n_train)
        for name, model in MODELS.items():
            scores[name].append(model.fit(X, y).score(X_test, y_test))
    return {name: np.mean(values) for name, values in scores.items()}


def study(seed):
    """Return the p values of one study: corrected and plain, and the posterior."""
    X, y = draw(np.random.default_rng(seed), N_SAMPLES)
    cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=seed)
    comparison = compare_models(MODELS, X, y, cv=cv, random_state=seed)
    table = comparison.table.loc["accuracy"]
    scores = comparison.fold_scores.pivot(index="split", columns="model", values="score")
    return {
        name: (
            table.loc[name, "p_value"],
            stats.ttest_rel(scores[name], scores["first"]).pvalue,
            table.loc[name, "p_adjusted"],
            table.loc[name, ["p_better", "p_equivalent", "p_worse"]].sum(),
            table.loc[name, "difference_low"],
            table.loc[name, "difference_high"],
        )
        for name in ("as good", "better")
    }


def main():
    """Print error rates and power."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=400)
    n_studies = parser.parse_args().studies
    accuracy = true_accuracy()
    equal = (accuracy["first"] + accuracy["as good"]) / 2
    print("True accuracy:", {name: f"{value:.4f}" for name, value in accuracy.items()})
    studies = [study(seed) for seed in range(n_studies)]
    print(f"{n_studies} studies of 10x5 folds, {N_SAMPLES} samples; rejected at {LEVEL:.0%}:")
    for name in ("as good", "better"):
        corrected, plain, adjusted, total, low, high = np.array([s[name] for s in studies]).T
        true = 0.0 if name == "as good" else accuracy[name] - equal  # by symmetry
        covered = np.mean((low <= true) & (true <= high))
        print(
            f"{name:>8}: corrected t-test {np.mean(corrected < LEVEL):.3f}, paired t-test "
            f"{np.mean(plain < LEVEL):.3f}, after Holm {np.mean(adjusted < LEVEL):.3f}; interval "
            f"holds the true difference of {true:+.4f} in {covered:.3f}; probabilities sum to "
            f"1 within {np.abs(total - 1).max():.1e}"
        )


if __name__ == "__main__":
    main()
