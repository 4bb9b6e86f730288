"""What pruning saves and what it costs, on a fixed pool of configurations.

Every configuration of the pool, drawn uniformly from the automatic space, is trained on all
folds of scikit-learn's digits, and its score on the test samples of the fold is recorded
after every epoch. Searches are then replayed: 50 configurations of the pool in random order,
with each pruner, many times over. Cost is the share of all epochs that a search trains,
regret how far the best score of its unpruned trials is behind the best of the 50.

Run: python tests/benchmarks/search_pruning.py [--pool FILE] [--configurations 100]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold

from skcnn import ConvNetClassifier
from skcnn.model_selection._pruners import RacingPruner
from skcnn.model_selection._spaces.auto_space import AutoSpace

N_FOLDS, N_EPOCHS, N_TRIALS = 5, 15, 50
PRUNERS = {
    "none": (NopPruner, False),
    "auto": (lambda: RacingPruner(N_EPOCHS), False),
    "median": (lambda: MedianPruner(n_startup_trials=5), False),
    "hyperband, folds together": (lambda: HyperbandPruner(1, N_EPOCHS, 3), True),
    "asha, folds together": (lambda: SuccessiveHalvingPruner(1, reduction_factor=3), True),
    "asha, fold by fold": (lambda: SuccessiveHalvingPruner(1, reduction_factor=3), False),
}


def make_pool(n_configurations):
    """Yield the score of each fold after each epoch, configuration by configuration."""
    X, y = load_digits(return_X_y=True)
    folds = list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(X, y))
    net = ConvNetClassifier(input_shape=(8, 8), max_epochs=N_EPOCHS, random_state=0)
    space = AutoSpace("", (8, 8), len(folds[0][0]), net.get_params(), False, (), None)
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    while n_configurations > 0:
        start = time.time()
        params = space.suggest(study.ask(space.distributions))
        net.set_params(**params)
        try:
            curves = [
                net.fit(X[train], y[train], X_val=X[test], y_val=y[test])
                .history_["valid_score"]
                .tolist()
                for train, test in folds
            ]
        except ValueError as error:  # it diverged
            print(f"left out: {error}", flush=True)
            continue
        n_configurations -= 1
        print(f"{np.mean(curves, axis=0)[-1]:.4f} in {time.time() - start:.0f} s", flush=True)
        yield curves


def replay(curves, pruner, together):
    """Return the share of epochs trained and the best score of trials not pruned."""
    study = optuna.create_study(direction="maximize", pruner=pruner, study_name="replay")
    n_epochs, best = 0, -np.inf
    for curve in curves:
        trial = study.ask()
        if together:
            steps = [(epoch, curve[:, epoch].mean(), N_FOLDS) for epoch in range(N_EPOCHS)]
        else:
            ends = curve[:, -1]
            steps = [
                (fold * N_EPOCHS + epoch, np.mean([*ends[:fold], curve[fold, epoch]]), 1)
                for fold in range(N_FOLDS)
                for epoch in range(N_EPOCHS)
            ]
        for step, value, n in steps:
            n_epochs += n
            trial.report(float(value), step)
            if step < steps[-1][0] and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[:, -1].mean())
            best = max(best, curve[:, -1].mean())
    return n_epochs / (len(curves) * N_FOLDS * N_EPOCHS), best


def compare(pool, n_seeds):
    """Return cost and regret of each pruner."""
    rows = []
    for name, (make, together) in PRUNERS.items():
        for seed in range(n_seeds):
            order = np.random.default_rng(seed).permutation(len(pool))[:N_TRIALS]
            cost, best = replay(pool[order], make(), together)
            regret = pool[order, :, -1].mean(axis=1).max() - best
            rows.append({"pruner": name, "cost": cost, "regret": 100 * regret})
    grouped = pd.DataFrame(rows).groupby("pruner", sort=False)
    table = grouped.mean()
    table["largest regret"] = grouped["regret"].max()
    table["best kept"] = grouped["regret"].apply(lambda regret: (regret < 1e-9).mean())
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, help="where curves are kept, read if it exists")
    parser.add_argument("--configurations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if options.pool and options.pool.exists():
        curves = json.loads(options.pool.read_text())
    else:
        curves = list(make_pool(options.configurations))
        if options.pool:
            options.pool.write_text(json.dumps(curves))
    pool = np.array(curves)
    final = pool[:, :, -1].mean(axis=1)
    print(f"{len(pool)} configurations: best {final.max():.4f}, median {np.median(final):.4f}")
    print(compare(pool, options.seeds).round(3).to_string())
    others = np.delete(pool, final.argmax(), axis=0)
    print("without the best configuration")
    print(compare(others, options.seeds).round(3).to_string())


if __name__ == "__main__":
    main()
