"""`model_card` and `ModelCard`: the facts about a fitted estimator as Markdown and HTML."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from skcnn._convnet.pipelines import find_convnet
from skcnn._data.containers import as_array
from skcnn._files.atomic import replaced
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import is_integer
from skcnn.exceptions import InputShapeError
from skcnn.persistence._intake import fitted_estimator
from skcnn.persistence._model_card import sections
from skcnn.persistence._targets import n_rows, targets_like


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
    sections: dict[str, list[str | pd.DataFrame]]
    tables: dict[str, pd.DataFrame]

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
        If `X_test` and `y_test` differ in length, labels are not among the classes, or numbers
        are not finite.
    TypeError
        If `estimator` is no classifier of one target and no regressor.
    NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    Intervals are for a confidence of 95 %. Those of shares (accuracy, recall) are Wilson's. Those
    of other scores are the percentiles of 1000 bootstrap samples of the test set, so they tell
    how the score varies with the test set, not with the training. The expected calibration error
    is the mean over 15 bins of equal width of the gap between the mean probability of the
    predicted class and the accuracy, weighted by the bins' samples [1]_. Robustness is measured
    on at most 200 samples, which must be images or volumes. The same model and data give the
    same card.

    References
    ----------
    .. [1] C. Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv:1706.04599.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> import skcnn
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.reshape(-1, 8, 8)
    >>> model = skcnn.ConvNetClassifier(max_epochs=5, random_state=0).fit(X[:500], y[:500])
    >>> card = skcnn.persistence.model_card(model, X[1500:], y[1500:], title="Digits")
    >>> print(card.to_markdown().splitlines()[2])
    ## Summary
    >>> float(card.tables["scores"].loc["accuracy", "value"]) > 0.8
    True
    """
    _check_seed(random_state)
    model = fitted_estimator(estimator)
    model = getattr(model, "best_estimator_", model)  # of searches of scikit-learn
    _check_kind(model)
    X, y = _samples(X_test), np.asarray(y_test)
    n_samples, n_targets = n_rows(X), n_rows(y)
    if n_samples != n_targets:
        raise ValueError(f"X_test has {n_samples} samples, but y_test has {n_targets}.")
    if n_samples == 0:
        raise ValueError("X_test has no samples, of which the scores are computed.")
    predicted = np.asarray(model.predict(X))
    y = targets_like(y, predicted, model, ("X_test", "y_test"))
    tables: dict[str, pd.DataFrame] = {}
    net = find_convnet(model)
    parts = {
        "Summary": sections.summary(model, net, description),
        "Data": sections.data(model, net, X, y),
        **sections.performance(model, X, (y, predicted), tables, random_state),
        "Robustness": sections.robustness(model, X, y, tables),
        "Training": sections.training(net, tables),
        "Parameters": sections.parameters(model),
        "Origin of pretrained weights": sections.origins(model),
        "Versions": [sections.versions()],
    }
    return ModelCard(title or type(model).__name__, parts, tables)


def _check_kind(model: Any) -> None:
    """Check that an estimator is a classifier of one target, or a regressor."""
    name = type(model).__name__
    if not hasattr(model, "predict") or not (is_classifier(model) or is_regressor(model)):
        raise TypeError(f"model_card describes classifiers and regressors. Got {name}.")
    if isinstance(getattr(model, "classes_", None), list):
        raise TypeError(
            f"model_card describes classifiers of one target. Got {name} with "
            f"{len(model.classes_)}: make a card of each of its estimators_."
        )


def _samples(X_test: Any) -> Any:
    """Return samples as an array, and signals of several lengths as they are."""
    try:
        return as_array(X_test, "X_test")
    except InputShapeError:
        if not isinstance(X_test, list | tuple | np.ndarray):
            raise
        return X_test  # which predict takes, or explains why not


def _check_seed(random_state: Any) -> None:
    if not is_integer(random_state) or random_state < 0:
        raise ValueError(
            "The 'random_state' parameter of model_card must be an integer >= 0. Got "
            f"{random_state!r}."
        )
