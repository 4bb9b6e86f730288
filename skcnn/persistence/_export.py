"""`export_onnx` and `export_torch`: fitted estimators for programs without skcnn."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from skcnn._files.atomic import replaced
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import is_integer
from skcnn.persistence._intake import exporting

OPSET = 18
LEAST_OPSET, MOST_OPSET = 17, 20  # LayerNormalization is there since 17; torch writes up to 20
PRECISIONS = ("float32", "float16", "int8")


def export_onnx(
    estimator: Any,
    path: str | os.PathLike[str],
    *,
    precision: str = "float32",
    X: Any = None,
    y: Any = None,
    opset: int | None = None,
) -> pd.DataFrame:
    """Write a fitted estimator as an ONNX graph, which runs without skcnn and torch.

    Parameters
    ----------
    estimator : estimator
        A fitted ConvNet, `ConvNetFeatures`, a Pipeline with one, a calibrated classifier, or
        another estimator of scikit-learn that skl2onnx converts, with such estimators inside. Of
        a finished :class:`ConvNetSearchCV` its `best_estimator_` is exported.
    path : str or path-like
        The file. If it exists it is replaced, as a whole or not at all.
    precision : {"float32", "float16", "int8"}, default="float32"
        Of the network's weights and values. "float16" halves the weights. "int8" quarters them:
        the range of each value comes from `X`. The input and the outputs have the same types.
    X : array-like or None, default=None
        Samples as `predict` takes them. The graph's input gets their shape, and their dtype if
        that is uint8. The written graph is run on them, and compared with the estimator. None
        takes a few random ones for that, if the range of the training's values is known.
        Required for "int8".
    y : array-like or None, default=None
        Targets of `X`, for the scores of the report. A column is taken for its values.
    opset : int or None, default=None
        Version of ONNX's operators, from 17 to 20. None is 18.

    Returns
    -------
    DataFrame
        A row for the graph in float32 and, if `precision` is another one, a row for that, which
        are printed then too. Indexed by the precision, with the columns:

        - ``bytes``: size of the file;
        - ``n_samples``: samples in `X`;
        - ``largest_difference``: of the probabilities to those of `predict_proba`, or of the
          numbers to those of `predict`;
        - ``score``: accuracy, or R² of numbers; ``score_before``: that of the estimator itself.

        NaN stands for what is not known: without `X` or `y`, of a float32 graph if onnxruntime is
        not installed, and the difference of classifiers without `predict_proba`.

    Raises
    ------
    UnsupportedModelError
        If a part of the estimator cannot be exported. The message names it. Also if the graph's
        results for `X` are plainly wrong, or not finite.
    MissingDependencyError
        If onnx or skl2onnx is not installed, or onnxruntime for another precision.
    NotFittedError
        If the estimator is not fitted.
    InputShapeError
        If the shape of a sample is not known without `X`, or `X` has no samples, or others than
        in the fit.
    ValueError
        If `y` has another length or shape than the predictions, numbers that are not finite, or
        labels that the classifier does not know.
    OSError
        If the file cannot be written. An old file is then left as it was.

    See Also
    --------
    export_torch : Writes a program of torch.
    save : Writes a file that skcnn reads.

    Notes
    -----
    The graph takes ``X``, of shape ``(n, *sample_shape)`` with any n, and gives ``label`` and
    ``probabilities`` (float32), or ``variable`` for numbers (float64 of a ConvNetRegressor) and
    features. Without `X` the input is float32, or uint8 after `LoadImages` and for a pretrained
    base that was trained on bytes. Samples are flat rows if the network has an `input_shape`;
    those of one channel have no axis for it. The page "Exporting models" lists what is exported.

    The graph computes in float32. If its results for `X` differ by more than 0.001 from those of
    the estimator, of numbers 0.001 of their standard deviation, there is a UserWarning. If more
    than one sample in a hundred differs by more than 0.01, numbers by 0.1 of their standard
    deviation, or has another label though its probability is larger than the others by more than
    0.001 and twice the difference, there is an error, and no file. Exports of several threads run
    one after another.

    Values of NaN, which `predict` refuses without ``missing="mask"``, give probabilities of NaN.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> import onnxruntime
    >>> import skcnn
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.reshape(-1, 8, 8).astype("float32")
    >>> model = skcnn.ConvNetClassifier(max_epochs=2, random_state=0).fit(X[:500], y[:500])
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.onnx"
    ...     report = skcnn.persistence.export_onnx(model, path, X=X[1000:1200])
    ...     session = onnxruntime.InferenceSession(path)
    >>> label, probabilities = session.run(None, {"X": X[1000:]})
    >>> bool((label == model.predict(X[1000:])).all())
    True
    >>> bool(report.loc["float32", "largest_difference"] < 1e-5)
    True
    """
    opset = _check(precision, opset, X)
    with exporting(estimator) as model:
        graph, report = _graph_and_report(model, precision, X, y, opset)
    with replaced(Path(path)) as new:
        new.write_bytes(graph.SerializeToString(deterministic=True))
    if precision != "float32":
        print(report.to_string())
    return report


def _graph_and_report(
    model: Any, precision: str, X: Any, y: Any, opset: int
) -> tuple[Any, pd.DataFrame]:
    """Return the graph that is written, with facts about it, and the report."""
    from skcnn.persistence._onnx.measuring import check_made, measured, report_of
    from skcnn.persistence._onnx.precision import changed
    from skcnn.persistence._onnx.whole import exported, metadata, whole_graph

    what = exported(model, X)
    facts = metadata(model, what) | {"opset": str(opset)}
    runs = precision != "float32" or find_spec("onnxruntime") is not None
    samples = X if runs else None
    graph = whole_graph(what, opset)
    _add_facts(graph, facts | {"precision": "float32"})
    rows = [measured(model, graph, "float32", what, samples, y)]
    if precision != "float32":
        graph = changed(graph, precision, what, X)
        _add_facts(graph, facts | {"precision": precision})
        rows.append(measured(model, graph, precision, what, samples, y))
    if runs and X is None:
        check_made(graph, precision, what)
    return graph, report_of(rows)


def _add_facts(graph: Any, facts: dict[str, str]) -> None:
    del graph.metadata_props[:]
    for name, value in facts.items():
        graph.metadata_props.add(key=name, value=value)


def export_torch(estimator: Any, path: str | os.PathLike[str], *, X: Any = None) -> None:
    """Write a fitted network as a program of torch, which runs without skcnn.

    Parameters
    ----------
    estimator : estimator
        A fitted ConvNet, `ConvNetFeatures`, or a Pipeline with one behind transformers of skcnn.
        Of a finished :class:`ConvNetSearchCV` its `best_estimator_` is exported.
    path : str or path-like
        The file, usually with the ending ".pt2". If it exists it is replaced, as a whole or not at
        all.
    X : array-like or None, default=None
        Samples as `predict` takes them. The program's input gets their shape, and their dtype if
        that is uint8.

    Returns
    -------
    None
        The file is written.

    Raises
    ------
    UnsupportedModelError
        If a part of the estimator cannot be exported. The message names it.
    NotFittedError
        If the estimator is not fitted.
    InputShapeError
        If the shape of a sample is not known without `X`, or `X` has no samples, or others than
        in the fit.
    OSError
        If the file cannot be written. An old file is then left as it was.

    See Also
    --------
    export_onnx : Writes a graph that runs without torch, with more kinds of estimators.

    Notes
    -----
    The program takes a tensor of shape ``(n, *sample_shape)``, as the input of `export_onnx`. Of
    a classifier it returns the places of the labels in `classes_` (for several labels a sample,
    the indicators) and the probabilities; of a regressor the numbers, in float64. The extra file
    "facts.json" has the classes and other facts, the same as the metadata of `export_onnx`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> import torch
    >>> import skcnn
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.reshape(-1, 8, 8).astype("float32")
    >>> model = skcnn.ConvNetClassifier(max_epochs=1, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.pt2"
    ...     skcnn.persistence.export_torch(model, path)
    ...     program = torch.export.load(path).module()
    >>> places, probabilities = program(torch.from_numpy(X))
    >>> bool((model.classes_[places] == model.predict(X)).all())
    True
    """
    with exporting(estimator) as model:
        _write_program(model, Path(path), X)


@in_standard_torch_state
def _write_program(model: Any, path: Path, X: Any) -> None:
    from skcnn.persistence._onnx.torch_program import write_program
    from skcnn.persistence._onnx.whole import exported, metadata

    what = exported(model, X)
    facts = json.dumps(metadata(model, what))
    with replaced(path) as new:
        write_program(what, new, facts)


def _check(precision: str, opset: Any, X: Any) -> int:
    """Check parameters, and return the opset."""
    if precision not in PRECISIONS:
        raise ValueError(
            "The 'precision' parameter of export_onnx must be one of 'float32', 'float16' and "
            f"'int8'. Got {precision!r}."
        )
    if precision == "int8" and X is None:
        raise ValueError(
            "precision='int8' needs X, some hundred samples that predict takes: the ranges of "
            "values in the network come from them."
        )
    if opset is None:
        return OPSET
    if not is_integer(opset) or not LEAST_OPSET <= opset <= MOST_OPSET:
        raise ValueError(
            f"The 'opset' parameter of export_onnx must be an integer from {LEAST_OPSET} to "
            f"{MOST_OPSET} or None. Got {opset!r}."
        )
    return int(opset)
