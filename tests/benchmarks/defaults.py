"""What the default networks reach on real small images, beside scikit-learn's models.

    python -m tests.benchmarks.defaults FOLDER [--columns NAME ...] [--sets NAME ...]
        [--seeds 0 1 2] [--results FILE] [--held-out] [--table]

FOLDER has the sets that `python -m tests.benchmarks._image_sets` prepares; its documentation says
where they are from. Each result is written to the file at once, and those that are there are not
computed again. `--table` computes nothing. A set that is held out is only measured with
`--held-out`.

The score is the set's metric (see `_image_sets`). Of classifiers with probabilities there are
besides: the expected calibration error (15 equal bins of the top probability) and the 95 % quantile
of what it would be if labels were drawn from the model's own probabilities, which is what chance
alone gives; the log loss, and that of the training labels' frequencies.

Keras and fastai are left out: they leave the network and the length of the training to the caller,
so that there are no defaults to compare with. `speed.py` measures their speed.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer, log_loss

from skcnn import ConvNetClassifier, ConvNetRegressor, recipe
from skcnn.augmentation import RandomAffine, RandomFlip
from skcnn.exceptions import ArchitectureError
from tests.benchmarks._baselines import BASELINES
from tests.benchmarks._image_sets import HELD_OUT, SETS, ImageSet, load
from tests.benchmarks._report import keep_result, results_in

N_BINS = 15
N_DRAWS = 500
SCORERS = {
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "ROC AUC": "roc_auc",
    "R2": "r2",
}


def convnet(image_set: ImageSet, shape: tuple[int, ...], seed: int, **how):
    """Return the convolutional network for a set."""
    kind = ConvNetRegressor if image_set.is_regression else ConvNetClassifier
    if image_set.n_spatial_dims != 2:
        how["n_spatial_dims"] = image_set.n_spatial_dims
    return kind(random_state=seed, **how)


def of_recipe(name: str):
    """Return the column of a recipe, which is for images only."""

    def column(image_set: ImageSet, shape: tuple[int, ...], seed: int):
        if image_set.n_spatial_dims != 2:
            return None
        return convnet(image_set, shape, seed, **recipe(name))

    return column


def augmented(image_set: ImageSet, shape: tuple[int, ...], seed: int):
    """Return the default with augmentations that keep the targets of any set.

    They shift and zoom a little, and flip where a mirror image has the same target.
    """
    flips = [RandomFlip()] if image_set.mirrored else []
    moves = RandomAffine(0.0, translation=0.08, zoom=0.1, shear=0.0)
    return convnet(image_set, shape, seed, augmentation=[*flips, moves])


COLUMNS = {
    "default": convnet,
    "augmented": augmented,
    "auto": lambda *how: convnet(*how, augmentation="auto"),
    "photos": of_recipe("photos"),
    "handwriting": of_recipe("handwriting"),
    "cifar-fast": of_recipe("cifar-fast"),
    **BASELINES,
}
WITHOUT_SEED = {"svc"}  # one run is enough


def calibration_error(top: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of top probabilities, and whether they were right."""
    bins = np.minimum((top * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(bins, weights=top - right, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(top))


def calibration(probabilities: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Return the calibration error, and its 95 % quantile where the probabilities are true."""
    top, rng = probabilities.max(1).clip(0, 1), np.random.default_rng(0)
    drawn = [calibration_error(top, rng.random(len(top)) < top) for _ in range(N_DRAWS)]
    return {
        "ece": calibration_error(top, probabilities.argmax(1) == codes),
        "ece_by_chance": float(np.quantile(drawn, 0.95)),
    }


def probability_scores(model, arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Return what is said of a classifier's probabilities, if it has them."""
    if not hasattr(model, "predict_proba"):
        return {}
    probabilities = model.predict_proba(arrays["X_test"])
    classes, counts = np.unique(arrays["y_train"], return_counts=True)
    codes = np.searchsorted(classes, arrays["y_test"])
    frequencies = np.tile(counts / counts.sum(), (len(codes), 1))
    labels = np.arange(len(classes))
    return {
        **calibration(probabilities, codes),
        "log_loss": float(log_loss(codes, probabilities, labels=labels)),
        "log_loss_of_frequencies": float(log_loss(codes, frequencies, labels=labels)),
    }


def measure(model, arrays: dict[str, np.ndarray], image_set: ImageSet) -> dict:
    """Fit a model and return its scores and seconds."""
    start, start_cpu = time.perf_counter(), time.process_time()
    model.fit(arrays["X_train"], arrays["y_train"])
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    scorer = get_scorer(SCORERS[image_set.metric])
    result = {
        "metric": image_set.metric,
        "score": float(scorer(model, arrays["X_test"], arrays["y_test"])),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
    }
    if not image_set.is_regression:
        result.update(probability_scores(model, arrays))
    return result


def means(results: dict, sets: list[str], columns: list[str], what: str) -> np.ndarray:
    """Return the means over seeds, of shape (n_sets, n_columns), nan where there are no results."""
    table = np.full((len(sets), len(columns)), np.nan)
    for i, name in enumerate(sets):
        for j, column in enumerate(columns):
            found = [r.get(what) for (a, b, _), r in results.items() if (a, b) == (name, column)]
            found = [value for value in found if value is not None]
            if found:
                table[i, j] = np.mean(found)
    return table


def ranks(scores: np.ndarray) -> np.ndarray:
    """Return the ranks in each row, 1 the best, ties sharing theirs; nan where a score lacks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # comparisons with nan
        better = (scores[:, None, :] > scores[:, :, None]).sum(2)
        same = (scores[:, None, :] == scores[:, :, None]).sum(2)
    return np.where(np.isnan(scores), np.nan, 1 + better + (same - 1) / 2)


def row(head: str, values, form: str) -> str:
    cells = ("" if np.isnan(value) else format(value, form) for value in values)
    return f"| {head} | " + " | ".join(cells) + " |"


def print_tables(results: dict, sets: list[str], columns: list[str]) -> None:
    """Print scores with ranks, calibration errors and seconds as Markdown."""
    sets = [name for name in sets if any(a == name for a, *_ in results)]
    columns = [name for name in columns if any(b == name for _, b, _ in results)]
    if not sets or not columns:
        print("There are no results.")
        return
    head = "| {} | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns)
    scores = means(results, sets, columns, "score")
    print(head.format("score"))
    for name, values in zip(sets, scores, strict=True):
        print(row(f"{name}, {SETS[name].metric}", values, ".3f"))
    whole = ~np.isnan(scores).any(1)
    if whole.any():
        print(row(f"mean of {whole.sum()} sets with all", scores[whole].mean(0), ".3f"))
        print(row("mean rank in them", ranks(scores[whole]).mean(0), ".2f"))
    errors, chance = (means(results, sets, columns, w) for w in ("ece", "ece_by_chance"))
    print("\n" + head.format("calibration error; chance gives up to"))
    for name, values, by_chance in zip(sets, errors, chance, strict=True):
        cells = [
            "" if np.isnan(value) else f"{value:.3f}; {most:.3f}"
            for value, most in zip(values, by_chance, strict=True)
        ]
        if any(cells):
            print(f"| {name} | " + " | ".join(cells) + " |")
    losses = means(results, sets, columns, "log_loss")
    frequencies = means(results, sets, columns, "log_loss_of_frequencies")
    print("\n" + head.format("log loss; that of the frequencies"))
    for name, values, constant in zip(sets, losses, frequencies, strict=True):
        if not np.isnan(values).all():
            print(row(f"{name}; {np.nanmax(constant):.3f}", values, ".3f"))
    print("\n" + head.format("CPU seconds of fit"))
    for name, values in zip(sets, means(results, sets, columns, "cpu_seconds"), strict=True):
        print(row(name, values, ".1f"))


def main() -> None:
    """Measure what is not in the file of results, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--columns", nargs="+", default=[*COLUMNS], choices=COLUMNS)
    parser.add_argument("--sets", nargs="+", choices=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=Path("defaults.jsonl"))
    parser.add_argument("--held-out", action="store_true", help="measure the sets held out")
    parser.add_argument("--table", action="store_true", help="print the tables only")
    options = parser.parse_args()
    sets = options.sets or [name for name in SETS if (name in HELD_OUT) == options.held_out]
    if not options.held_out and (held := sorted(set(sets) & set(HELD_OUT))):
        parser.error(f"{', '.join(held)}: held out, and measured with --held-out only")
    results = results_in(options.results)
    for seed in [] if options.table else options.seeds:
        for name in sets:
            measure_set(name, seed, options, results)
    print_tables(results, sets, options.columns)


def measure_set(name: str, seed: int, options, results: dict) -> None:
    """Measure the columns that have no result for a set and a seed."""
    wanted = [
        column
        for column in options.columns
        if (name, column, seed) not in results
        and not (column in WITHOUT_SEED and any(k[:2] == (name, column) for k in results))
    ]
    if not wanted:
        return
    arrays = load(options.folder, name)
    for column in wanted:
        model = COLUMNS[column](SETS[name], arrays["X_train"].shape, seed)
        if model is None:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                result = measure(model, arrays, SETS[name])
        except ArchitectureError as error:
            print(name, column, f"has no result: {error}", file=sys.stderr)
            continue
        keep_result(options.results, results, (name, column, seed), result)
        print(name, column, seed, f"{result['score']:.3f}", result["seconds"], file=sys.stderr)


if __name__ == "__main__":
    main()
