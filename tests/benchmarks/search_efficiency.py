"""Best cross-validated score against training epochs, for five ways to search.

Every search has the same number of candidates, folds and epochs of a candidate. What is
compared is how many epochs ConvNetSearchCV trains until its best score is the final one
of another. The peers draw from the space that a user would write; ConvNetSearchCV from its
automatic one, whose first trial is the constructor's defaults, and, for comparison, from the
peers' space. The best network of each is fitted on all samples and scored on samples that no
search saw.

Run: python tests/benchmarks/search_efficiency.py [--mnist FILE] [--seeds N] [--trials N]
"""

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution, FloatDistribution
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)

from skcnn import ConvNetClassifier
from skcnn.model_selection import ConvNetSearchCV

CHOICES = {
    "filters": [(16,), (32,), (16, 32), (32, 64), ((32, 32), (64, 64)), (16, 32, 64)],
    "kernel_size": [3, 5],
    "pooling": ["max", "average"],
    "hidden_units": [(), (64,), (128,), (256, 64)],
    "normalization": ["batch", "group", None],
    "activation": ["relu", "elu", "silu", "tanh"],
    "optimizer": ["adamw", "adam", "sgd"],
    "batch_size": [16, 32, 64, 128],
}
SMALLER = {
    **CHOICES,
    "filters": [(16,), (32,), (16, 32), (32, 64), (16, 32, 64)],
    "batch_size": [32, 64, 128],
}
GRID = {
    "filters": [(16, 32), (32, 64)],
    "kernel_size": [3, 5],
    "learning_rate": [1e-3, 3e-3, 1e-2],
    "dropout": [0.0, 0.3],
}


def load_task(mnist, seed):
    """Return the estimator, samples to search with and samples to test with."""
    if mnist is None:
        X, y = load_digits(return_X_y=True)
        parts = train_test_split(X, y, test_size=450, stratify=y, random_state=seed)
        net = ConvNetClassifier(input_shape=(8, 8), max_epochs=12, random_state=seed)
    else:
        data = np.load(mnist)
        chosen = np.random.default_rng(seed).permutation(60000)[:10000]
        parts = data["X_train"][chosen], data["X_test"], data["y_train"][chosen], data["y_test"]
        net = ConvNetClassifier(max_epochs=5, random_state=seed)
    return net, *parts


def searches(net, choices, cv, n_trials, seed):
    """Return the searches by name."""
    scipy_space = {
        **choices,
        "dropout": uniform(0, 0.6),
        "learning_rate": loguniform(1e-4, 5e-2),
        "weight_decay": loguniform(1e-5, 1e-1),
    }
    # Optuna's choices are numbers or text: a subclass would be needed for tuples
    optuna_space = {
        **{name: CategoricalDistribution(values) for name, values in choices.items()},
        "dropout": FloatDistribution(0, 0.6),
        "learning_rate": FloatDistribution(1e-4, 5e-2, log=True),
        "weight_decay": FloatDistribution(1e-5, 1e-1, log=True),
    }
    own_space = {
        **choices,
        "dropout": (0.0, 0.6),
        "learning_rate": (1e-4, 5e-2, "log"),
        "weight_decay": (1e-5, 1e-1, "log"),
    }
    common = {"cv": cv, "refit": False}
    seeds = {"random_state": seed}
    import optuna
    from optuna_integration import OptunaSearchCV

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    return {
        "ConvNetSearchCV": ConvNetSearchCV(net, n_trials=n_trials, **common, **seeds),
        "ConvNetSearchCV, peers' space": ConvNetSearchCV(
            net, own_space, n_trials=n_trials, **common, **seeds
        ),
        "OptunaSearchCV": OptunaSearchCV(net, optuna_space, n_trials=n_trials, **common, **seeds),
        "RandomizedSearchCV": RandomizedSearchCV(
            net, scipy_space, n_iter=n_trials, **common, **seeds
        ),
        "HalvingRandomSearchCV": HalvingRandomSearchCV(
            net,
            scipy_space,
            n_candidates=n_trials,
            resource="max_epochs",
            max_resources=net.max_epochs,
            min_resources=max(net.max_epochs // 4, 1),
            factor=2,
            **common,
            **seeds,
        ),
        "GridSearchCV": GridSearchCV(net, GRID, **common),
    }


def course(search, net, n_folds):
    """Return epochs and best mean score so far, a row a candidate, and the best parameters."""
    if "params" in getattr(search, "cv_results_", {}):
        results = search.cv_results_
        scores = np.asarray(results["mean_test_score"], dtype=float)
        if "n_epochs" in results:
            epochs = np.asarray(results["n_epochs"])
        else:
            epochs = n_folds * np.asarray(results.get("n_resources", net.max_epochs))
        params = results["params"]
    else:
        trials = search.study_.trials
        scores = np.array([np.nan if t.value is None else t.value for t in trials])
        epochs = n_folds * net.max_epochs
        params = [trial.params for trial in trials]
    epochs = np.cumsum(np.broadcast_to(epochs, scores.shape))
    best = params[int(np.nanargmax(scores))]
    return epochs, np.fmax.accumulate(scores), best


def run(mnist, seed, n_trials, n_folds, done):
    """Yield a record of each search that is not in `done`."""
    net, X, X_test, y, y_test = load_task(mnist, seed)
    cv = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    default = cross_val_score(net, X, y, cv=cv).mean()
    test_default = clone(net).fit(X, y).score(X_test, y_test)
    choices = CHOICES if mnist is None else SMALLER
    for name, search in searches(net, choices, cv, n_trials, seed).items():
        if (seed, name) in done:
            continue
        search.fit(X, y)
        epochs, best, params = course(search, net, n_folds)
        params = {**params, "max_epochs": net.max_epochs}
        test = clone(net).set_params(**params).fit(X, y).score(X_test, y_test)
        yield {
            "seed": seed,
            "search": name,
            "epochs": epochs.tolist(),
            "best": best.tolist(),
            "default": default,
            "test": test,
            "test_default": test_default,
            "params": repr(params),
        }


def table(records, ours):
    """Return, for each peer and seed, the share of epochs until the peer's score is reached.

    Of all the peer's epochs (share), and of those until the peer reached it itself (share of
    first); infinite where it is not reached.
    """
    rows = []
    for record in records:
        own = next(r for r in records if r["seed"] == record["seed"] and r["search"] == ours)
        goal = record["best"][-1] - 1e-12
        reached = np.flatnonzero(np.array(own["best"]) >= goal)
        needed = own["epochs"][reached[0]] if len(reached) else np.inf
        first = record["epochs"][int(np.flatnonzero(np.array(record["best"]) >= goal)[0])]
        rows.append(
            {
                "search": record["search"],
                "seed": record["seed"],
                "best": record["best"][-1],
                "epochs": record["epochs"][-1],
                "share": needed / record["epochs"][-1],
                "share of first": needed / first,
                "test": record["test"],
                "default": record["default"],
                "test default": record["test_default"],
            }
        )
    return pd.DataFrame(rows)


def summary(result):
    """Return means over seeds, medians of the shares, and how often a score was reached."""
    grouped = result.groupby("search", sort=False)
    means = grouped[["best", "epochs", "test", "default", "test default"]].mean()
    shares = grouped[["share", "share of first"]].median()
    reached = grouped["share"].apply(lambda share: f"{np.isfinite(share).sum()} of {len(share)}")
    return means.join(shares).join(reached.rename("reached"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", metavar="FILE", help="an npz file with X_train, y_train, ...")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument(
        "--output", type=Path, help="where records are kept, a line each; those there are kept"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # Optuna's, of choices that are tuples
    records = []
    if options.output and options.output.exists():
        records = [json.loads(line) for line in options.output.read_text().splitlines()]
    done = {(record["seed"], record["search"]) for record in records}
    for seed in range(options.seeds):
        for record in run(options.mnist, seed, options.trials, options.folds, done):
            records.append(record)
            shown = f"{record['best'][-1]:.4f} after {record['epochs'][-1]} epochs"
            print(f"seed {seed} {record['search']}: {shown}, test {record['test']:.4f}", flush=True)
            if options.output:
                with options.output.open("a") as file:
                    file.write(json.dumps(record) + "\n")
    for ours in ("ConvNetSearchCV", "ConvNetSearchCV, peers' space"):
        result = table(records, ours)
        print(f"\nshare: epochs of {ours} until the search's final score, over the search's")
        print(result.round(4).to_string(index=False))
        print(summary(result).round(4).to_string())


if __name__ == "__main__":
    main()
