"""ONNX files that are run by onnxruntime and compared with their estimators."""

import numpy as np
import onnxruntime


def run_onnx(path, X):
    """Return the outputs of a file by their names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def assert_same_predictions(path, model, X, given=None, most=1e-5):
    """Compare labels and probabilities, or numbers; `given` is X as the graph takes it."""
    outputs = run_onnx(path, X if given is None else given)
    if "probabilities" not in outputs:
        expected = model.predict(X) if hasattr(model, "predict") else model.transform(X)
        got = outputs["variable"]
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() <= most * max(1, np.abs(expected).max())
        return
    expected, probabilities = model.predict_proba(X), outputs["probabilities"]
    assert probabilities.shape == expected.shape
    assert probabilities.dtype == np.float32
    assert np.abs(probabilities - expected).max() <= most
    two = np.sort(expected, axis=1)[:, -2:]
    clear = two[:, 1] - two[:, 0] > 2 * most
    assert clear.any()
    assert (outputs["label"] == model.predict(X))[clear].all()
