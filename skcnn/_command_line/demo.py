"""``skcnn demo``: a demonstration on scikit-learn's digits."""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from skcnn import ConvNetClassifier
from skcnn._command_line.output import OK
from skcnn.comparison import ModelComparison, ModelComparisonDisplay, compare_models
from skcnn.inspection import (
    FeatureMapsDisplay,
    FiltersDisplay,
    SaliencyDisplay,
    TopLossesDisplay,
    TrainingHistoryDisplay,
)
from skcnn.model_selection import ConvNetSearchCV, SearchDisplay

# Few samples, short trainings and small networks, so that the search lasts seconds.
N_SEARCHED, SEARCH_EPOCHS = 600, 4
LARGEST_NETWORK: dict[str, float] = {"multiply_accumulates": 2_000_000}


def add_demo(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser's commands."""
    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="train on scikit-learn's digits and compare",
        description="Train on scikit-learn's digits, compare with other models, search, and plot.",
    )
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("skcnn-demo"),
        metavar="FOLDER",
        help="where the plots are written (default: %(default)s)",
    )
    demo.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    run_demo(options.output)
    return OK


def run_demo(
    output: Path, *, max_epochs: str | int = "auto", n_splits: int = 5, n_trials: int = 12
) -> None:
    """Train on scikit-learn's digits, report, compare with other classifiers, search, plot.

    Parameters
    ----------
    output : Path
        Folder for the plots. It is created if it does not exist.
    max_epochs : "auto" or int, default="auto"
        Number of epochs of every network.
    n_splits : int, default=5
        Number of folds of the comparison.
    n_trials : int, default=12
        Number of trials of the search.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed, after everything but the plots is done.
    """
    output.mkdir(parents=True, exist_ok=True)
    net = ConvNetClassifier(input_shape=(8, 8), max_epochs=max_epochs, random_state=0)
    model, X_test, y_test = _train_and_report(net)
    _print_title(f"The same {n_splits} shuffled stratified folds of the digits")
    comparison = compare_with_peers(net, n_splits)
    print(comparison)
    search = _search_and_report(net, n_trials)
    displays: dict[str, Callable[[], Any]] = {
        "training_history": lambda: TrainingHistoryDisplay.from_estimator(model),
        "filters": lambda: FiltersDisplay.from_estimator(model),
        "feature_maps": lambda: FeatureMapsDisplay.from_estimator(model, X_test),
        "saliency": lambda: SaliencyDisplay.from_estimator(model, X_test),
        "confusion_matrix": lambda: ConfusionMatrixDisplay.from_estimator(model, X_test, y_test),
        "top_losses": lambda: TopLossesDisplay.from_estimator(model, X_test, y_test),
        "comparison": lambda: ModelComparisonDisplay.from_comparison(comparison),
        "search_history": lambda: SearchDisplay.from_estimator(search),
    }
    print()
    for name, draw in displays.items():
        path = (output / f"{name}.png").resolve()
        draw().figure_.savefig(path, dpi=150)
        print(f"{name.replace('_', ' ').capitalize()}: {path}")


def _train_and_report(net: ConvNetClassifier) -> tuple[ConvNetClassifier, Any, Any]:
    """Train and validate on parts of the digits; return the model, test samples and labels."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    _print_title(f"Training on {len(X)} digits of 8x8 pixels, {len(X_val)} for validation")
    model = clone(net).set_params(verbose=1).fit(X, y, X_val=X_val, y_val=y_val)
    _print_title("The network")
    print(_summary_text(model))
    _print_title(f"Report on {len(X_test)} test digits")
    print(classification_report(y_test, model.predict(X_test), digits=3))
    return model, X_test, y_test


def _summary_text(model: ConvNetClassifier) -> str:
    """Return the network's summary and its number of parameters as text."""
    table = model.summary()
    table["kernel"] = ["" if kernel is None else str(kernel) for kernel in table["kernel"]]
    return f"{table.to_string()}\n\nTotal parameters: {model.n_parameters_:,}"


def compare_with_peers(net: ConvNetClassifier, n_splits: int) -> ModelComparison:
    """Compare a network with scikit-learn's classifiers on the digits.

    Parameters
    ----------
    net : ConvNetClassifier
        The network.
    n_splits : int
        Number of folds.

    Returns
    -------
    ModelComparison
        The comparison, with support vectors as the baseline.
    """
    X, y = load_digits(return_X_y=True)
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=0)
    return compare_models(_models(net), X, y, cv=folds, baseline="support vectors", random_state=0)


def _models(net: ConvNetClassifier) -> dict[str, BaseEstimator]:
    """Return the models of the comparison, each peer with the scaler that suits it.

    StandardScaler enlarges border pixels that are nearly always zero, which harms SVC and
    MLPClassifier. LogisticRegression converges faster with it.
    """
    return {
        "ConvNetClassifier": net,
        "softmax regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "dense network": make_pipeline(MinMaxScaler(), MLPClassifier(max_iter=500, random_state=0)),
        "support vectors": make_pipeline(MinMaxScaler(), SVC()),
    }


def _search_and_report(net: ConvNetClassifier, n_trials: int) -> ConvNetSearchCV:
    """Search with short trainings on some of the digits and report; return the search."""
    X, y = load_digits(return_X_y=True)
    X, _, y, _ = train_test_split(X, y, train_size=N_SEARCHED, stratify=y, random_state=0)
    _print_title(f"A search of {n_trials} trials: {len(X)} digits, 3 folds, {SEARCH_EPOCHS} epochs")
    search = ConvNetSearchCV(
        clone(net).set_params(max_epochs=SEARCH_EPOCHS),
        n_trials=n_trials,
        cv=3,
        constraints=LARGEST_NETWORK,
        random_state=0,
        verbose=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)  # counted below
        search.fit(X, y)
    table = search.trials_dataframe()
    print(f"Best score: {search.best_score_:.4f}, default parameters: {table['score'].iloc[0]:.4f}")
    print("Best parameters:")
    for name, value in search.best_params_.items():
        print(f"  {name} = {value:.4g}" if isinstance(value, float) else f"  {name} = {value!r}")
    counts = table["state"].value_counts()
    print(f"Trials pruned: {counts.get('PRUNED', 0)}, failed: {counts.get('FAIL', 0)}")
    return search


def _print_title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)
