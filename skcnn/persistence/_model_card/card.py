"""`model_card` and `ModelCard`: the facts about a fitted estimator as Markdown and HTML."""

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skcnn._convnet.pipelines import find_convnet
from skcnn._data.containers import as_array
from skcnn._files.atomic import replaced
from skcnn._utils.text import plural, printable, shorten
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import is_integer
from skcnn.persistence._model_card import scores
from skcnn.persistence._origins import base_origins
from skcnn.persistence._save_load import inner_estimator

FEWEST_SAMPLES, FEWEST_OF_A_CLASS = 100, 10  # below which a test set is called small
MOST_LETTERS = 200  # of a parameter's value
MOST_CLASSES = 100  # in tables
PACKAGES = ("skcnn", "scikit-learn", "torch", "numpy", "scipy", "pandas", "skorch")
Block = str | pd.DataFrame


@dataclass(frozen=True)
class ModelCard:
    """Facts about a fitted estimator, as sections of sentences and tables.

    `model_card` makes them.

    Parameters
    ----------
    title : str
        The heading.
    sections : dict of str to list of (str or DataFrame)
        Sentences and tables by the title of their section.
    tables : dict of str to DataFrame
        The same tables by name, with unrounded numbers: "scores", "classes", "reliability",
        "robustness", "history". Those that do not apply are left out.

    See Also
    --------
    model_card : Makes a card.

    Examples
    --------
    >>> import pandas as pd
    >>> from skcnn.persistence import ModelCard
    >>> table = pd.DataFrame({"value": [0.5]}, index=pd.Index(["accuracy"], name="score"))
    >>> card = ModelCard("Coins", {"Scores": ["Of 10 throws.", table]}, {"scores": table})
    >>> print(card.to_markdown())
    # Coins
    <BLANKLINE>
    ## Scores
    <BLANKLINE>
    Of 10 throws.
    <BLANKLINE>
    | score | value |
    |---|---|
    | accuracy | 0.5 |
    <BLANKLINE>
    """

    title: str
    sections: dict[str, list[Block]]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def to_markdown(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the card as Markdown.

        Parameters
        ----------
        path : str, path-like or None, default=None
            A file that is written too, such as README.md.

        Returns
        -------
        str
            The text.
        """
        from skcnn.persistence._model_card.rendering import markdown

        return _written(markdown(self.title, self.sections), path)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the card as a page of HTML, without scripts and without anything from outside.

        Parameters
        ----------
        path : str, path-like or None, default=None
            A file that is written too.

        Returns
        -------
        str
            The page.
        """
        from skcnn.persistence._model_card.rendering import html

        return _written(html(self.title, self.sections), path)

    def _repr_html_(self) -> str:
        from skcnn.persistence._model_card.rendering import fragment

        return fragment(self.title, self.sections)


def _written(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        with replaced(Path(path)) as new:
            new.write_text(text, encoding="utf-8")
    return text


@in_standard_torch_state
def model_card(
    estimator: Any,
    X_test: Any,
    y_test: Any,
    *,
    title: str | None = None,
    description: str = "",
    random_state: int = 0,
) -> ModelCard:
    """Return a card of a fitted classifier or regressor: data, scores, limits, origin.

    Parameters
    ----------
    estimator : estimator
        A fitted ConvNet, a Pipeline that ends in one, a calibrated classifier, or any other
        classifier or regressor. Of a finished search the `best_estimator_` is described.
    X_test : array-like
        Samples that the estimator was not trained on, as `predict` takes them.
    y_test : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their labels, indicators or numbers.
    title : str or None, default=None
        The heading. None takes the estimator's name.
    description : str, default=""
        What the model is for and how the data were collected, in your words.
    random_state : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    ModelCard
        With the methods `to_markdown` and `to_html`.

    Raises
    ------
    ValueError
        If `X_test` and `y_test` differ in length, or labels are not among the classes.
    NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    Intervals are for a confidence of 95 %. Those of shares (accuracy, recall) are Wilson's. Those
    of other scores are the percentiles of 1000 bootstrap samples of the test set, so they tell
    how the score varies with the test set, not with the training. The expected calibration error
    is the mean over 15 bins of equal width of the gap between the mean probability of the
    predicted class and the accuracy, weighted by the bins' samples [1]_. Robustness is measured
    on at most 200 samples. The same model and data give the same card.

    References
    ----------
    .. [1] C. Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> import skcnn
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.reshape(-1, 8, 8)
    >>> model = skcnn.ConvNetClassifier(max_epochs=5, random_state=0).fit(X[:1000], y[:1000])
    >>> card = skcnn.persistence.model_card(model, X[1000:], y[1000:], title="Digits")
    >>> print(card.to_markdown()[:18])
    # Digits
    <BLANKLINE>
    ## Summary
    >>> float(card.tables["scores"].loc["accuracy", "value"]) > 0.9
    True
    """
    _check_seed(random_state)
    model = inner_estimator(estimator)
    check_is_fitted(model)
    X, y = as_array(X_test), np.asarray(y_test)
    if len(X) != len(y):
        raise ValueError(f"X_test has {len(X)} samples, but y_test has {len(y)}.")
    if len(y) == 0:
        raise ValueError("X_test has no samples, of which the scores are computed.")
    tables: dict[str, pd.DataFrame] = {}
    net = find_convnet(model)
    sections = {
        "Summary": _summary(model, net, description),
        "Data": _data(model, net, X, y),
        **_performance(model, X, y, tables, random_state),
        "Robustness": _robustness(model, X, y, tables),
        "Training": _training(net, tables),
        "Parameters": _parameters(model),
        "Origin of pretrained weights": _origins(model),
        "Versions": [_versions()],
    }
    return ModelCard(title or type(model).__name__, sections, tables)


def _check_seed(random_state: Any) -> None:
    if not is_integer(random_state) or random_state < 0:
        raise ValueError(
            "The 'random_state' parameter of model_card must be an integer >= 0. Got "
            f"{random_state!r}."
        )


# Sections


def _summary(model: Any, net: Any, description: str) -> list[Block]:
    name = type(model).__name__
    kind = "a classifier" if is_classifier(model) else "a regressor"
    size = "" if net is None else f" with {net.n_parameters_:,} parameters"
    blocks: list[Block] = [f"{name}{size}, {kind}."]
    if isinstance(model, Pipeline):
        steps = " → ".join(type(step).__name__ for _, step in model.steps)
        blocks.append(f"Steps: {steps}.")
    return [*blocks, *([description] if description else [])]


def _data(model: Any, net: Any, X: Any, y: np.ndarray) -> list[Block]:
    blocks: list[Block] = []
    if net is not None:
        values = net._value_range
        blocks.append(
            f"The network reads samples of shape {net.input_shape_} (channels "
            f"{net._layout.channels}). Their values in training lay in [{values.low:g}, "
            f"{values.high:g}]."
        )
    shape = np.shape(X)[1:]
    blocks.append(f"The test set has {plural(len(y), 'sample')} of shape {shape}.")
    classes = _classes(model)
    if classes is not None and y.ndim == 1:
        counts = [int((y == label).sum()) for label in classes.tolist()]
        shown = pd.DataFrame({"test samples": counts}, index=pd.Index(classes, name="class"))
        blocks += [f"There are {len(classes)} classes.", shown.head(MOST_CLASSES)]
    return [*blocks, *_warnings(y, classes)]


def _classes(model: Any) -> np.ndarray | None:
    classes = getattr(model, "classes_", None)
    return classes if is_classifier(model) and isinstance(classes, np.ndarray) else None


def _warnings(y: np.ndarray, classes: np.ndarray | None) -> list[Block]:
    """Return what must be known about a small test set."""
    found: list[Block] = []
    if len(y) < FEWEST_SAMPLES:
        found.append(
            f"Warning: the test set has fewer than {FEWEST_SAMPLES} samples, so the scores are "
            "uncertain."
        )
    if classes is None or y.ndim > 1:
        return found
    counts = {label: int((y == label).sum()) for label in classes.tolist()}
    rare = [f"{label} ({n})" for label, n in counts.items() if n < FEWEST_OF_A_CLASS]
    if rare:
        found.append(
            f"Warning: these classes have fewer than {FEWEST_OF_A_CLASS} test samples: "
            f"{shorten(', '.join(rare), MOST_LETTERS)}."
        )
    return found


def _performance(
    model: Any, X: Any, y: np.ndarray, tables: dict[str, pd.DataFrame], seed: int
) -> dict[str, list[Block]]:
    """Return the sections of scores and of calibration."""
    predicted = np.asarray(model.predict(X))
    if not is_classifier(model):
        y = y.reshape(predicted.shape).astype(float)
        metrics = scores.regressor_metrics(y, predicted)
        tables["scores"] = scores.score_table(metrics, None, len(y), seed)
        return {"Scores": [INTERVALS, tables["scores"]]}
    if y.shape != predicted.shape:
        raise ValueError(f"y_test has the shape {y.shape}, but predictions {predicted.shape}.")
    classes = np.asarray(model.classes_)
    probabilities = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    if y.ndim == 1:
        unknown = sorted({*y.tolist()} - {*classes.tolist()}, key=str)
        if unknown:
            raise ValueError(
                f"y_test has labels that the classifier was not trained on: {unknown[:5]}."
            )
        metrics = scores.classifier_metrics(y, predicted, probabilities, classes)
        right = y == predicted
    else:
        metrics, right = scores.multilabel_metrics(y, predicted), (y == predicted).all(axis=1)
    tables["scores"] = scores.score_table(metrics, right, len(y), seed)
    tables["classes"] = scores.class_table(y, predicted, classes)
    found: dict[str, list[Block]] = {
        "Scores": [INTERVALS, tables["scores"], tables["classes"].head(MOST_CLASSES)]
    }
    if probabilities is not None:
        found["Calibration"] = _calibration(y, predicted, probabilities, tables)
    return found


INTERVALS = (
    "Intervals are for a confidence of 95 %: Wilson's of shares, percentiles of 1000 bootstrap "
    "samples of the test set for others. They say nothing about another training."
)


def _calibration(
    y: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray,
    tables: dict[str, pd.DataFrame],
) -> list[Block]:
    if y.ndim == 1:
        confidence, right = probabilities.max(axis=1), y == predicted
        what = "of the predicted class"
    else:
        confidence = np.maximum(probabilities, 1 - probabilities).ravel()
        right = (y == predicted).ravel()
        what = "of each single answer"
    table = scores.reliability_table(confidence, right)
    tables["reliability"] = table.set_index("low")
    error = scores.calibration_error(table)
    words = (
        f"The expected calibration error is {error:.4f}: the mean gap between the probability "
        f"{what} and the share that is right, in {scores.N_BINS} bins of equal width."
    )
    return [words, tables["reliability"]]


def _robustness(
    model: Any, X: Any, y: np.ndarray, tables: dict[str, pd.DataFrame]
) -> list[Block]:
    try:
        tables["robustness"] = scores.robustness_table(model, X, y)
    except (TypeError, ValueError, IndexError) as error:
        return [f"Not measured for these samples: {printable(str(error))}"]
    n = min(len(y), scores.MOST_MOVED)
    words = (
        f"Scores for {plural(n, 'test sample')} that are changed before the prediction; what "
        "moves in from outside is zero."
    )
    return [words, tables["robustness"]]


def _training(net: Any, tables: dict[str, pd.DataFrame]) -> list[Block]:
    if net is None:
        return ["The estimator has no network with a history of its own."]
    history = net.history_
    seconds = float(history["seconds"].sum())
    words = (
        f"{plural(len(history), 'epoch')} in {seconds:.1f} seconds on the device {net.device_}. "
        f"The epoch of the smallest loss is {net.best_epoch_}."
    )
    tables["history"] = history
    known = history.drop(columns="seconds").dropna(axis=1, how="all")
    kept = sorted({known.index[0], known.index[-1], *known.index[known.index == net.best_epoch_]})
    return [words, known.loc[kept]]


def _parameters(model: Any) -> list[Block]:
    """Return the parameters that differ from their defaults."""
    rows: list[tuple[str, str, str]] = []
    steps = model.steps if isinstance(model, Pipeline) else [("", model)]
    for name, step in steps:
        before = f"{name}__" if name else ""
        rows += [(before + key, *values) for key, *values in _changed(step)]
    if not rows:
        return ["All parameters have their defaults."]
    names = [row[0] for row in rows]
    values = {"value": [row[1] for row in rows], "default": [row[2] for row in rows]}
    table = pd.DataFrame(values, index=pd.Index(names, name="parameter"))
    return ["Parameters that differ from their defaults:", table]


def _changed(step: Any) -> list[tuple[str, str, str]]:
    import inspect

    if not hasattr(step, "get_params"):
        return []
    signature = inspect.signature(type(step).__init__).parameters
    given = step.get_params(deep=False)
    return [
        (name, _shown(value), "required" if default is inspect.Parameter.empty else repr(default))
        for name, value in given.items()
        if (default := signature[name].default) is not value and repr(default) != repr(value)
    ]


def _shown(value: Any) -> str:
    if hasattr(value, "get_params") and hasattr(value, "fit"):
        try:
            value = clone(value)  # fitted networks have long texts
        except (TypeError, ValueError):
            return type(value).__name__
    return shorten(" ".join(printable(repr(value)).split()), MOST_LETTERS)


def _origins(model: Any) -> list[Block]:
    found = base_origins(model)
    if not found:
        return ["The model has no pretrained weights."]
    return [pd.DataFrame(found).set_index("architecture")]


def _versions() -> pd.DataFrame:
    found = {"Python": platform.python_version()}
    found |= {name: version(name).partition("+")[0] for name in PACKAGES}
    return pd.DataFrame({"version": found}).rename_axis("package")
