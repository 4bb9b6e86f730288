"""Serve an exported classifier with FastAPI: neither torch nor skcnn is needed to run this.

    pip install numpy onnxruntime fastapi uvicorn
    MODEL=digits.onnx uvicorn --factory serve_onnx:make_app

The file comes from ``skcnn.persistence.export_onnx(model, "digits.onnx", X=X_train)``. A request
has samples as nested lists, in the shape that ``predict`` takes:

    curl localhost:8000/predict --json '{"samples": [[[0, 5], [9, 1]]]}'
"""

import json
import os

import numpy as np
import onnxruntime


class Classifier:
    """An exported classifier: its session, and the shape and dtype of its input."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        if "probabilities" not in {each.name for each in self.session.get_outputs()}:
            raise ValueError(f"{path} is no classifier: it has no probabilities")
        self.facts = self.session.get_modelmeta().custom_metadata_map
        given = json.loads(self.facts["input"])
        self.shape, self.dtype = tuple(given["shape"][1:]), np.dtype(given["dtype"])

    def predict(self, samples):
        """Return labels, and the probability of each class, as JSON has them.

        Raises ValueError for samples of another shape or type, or with values that are not
        finite or too large.
        """
        values = np.asarray(samples)  # which raises if samples differ in their shapes
        if values.dtype.kind not in "iuf":
            raise ValueError("samples must be numbers")
        values = values.astype(np.float64)
        if values.ndim == 0 or values.shape[1:] != self.shape:
            raise ValueError(f"samples must have the shape {self.shape}, got {values.shape[1:]}")
        if not np.isfinite(values).all():
            raise ValueError("samples must be finite numbers")
        if self.dtype == np.uint8 and ((values < 0) | (values > 255) | (values % 1 != 0)).any():
            raise ValueError("samples must be whole numbers from 0 to 255")
        if self.dtype == np.float32 and (np.abs(values) > np.finfo(np.float32).max).any():
            raise ValueError("samples must be numbers that float32 holds")
        names = ["label", "probabilities"]
        label, probabilities = self.session.run(names, {"X": values.astype(self.dtype)})
        if not np.isfinite(probabilities).all():
            raise ValueError("samples have values too large for the model")
        return {"label": label.tolist(), "probabilities": probabilities.tolist()}


def make_app():
    """Return the application for the file that the variable MODEL names."""
    from fastapi import Body, FastAPI, HTTPException

    classifier = Classifier(os.environ["MODEL"])
    app = FastAPI(title="A classifier of skcnn")

    @app.get("/")
    def about():
        return {name: classifier.facts[name] for name in ("classes", "input", "bases")}

    @app.post("/predict")
    def predict(samples: list = Body(embed=True)):  # noqa: B008  (FastAPI's way)
        try:
            return classifier.predict(samples)
        except ValueError as error:
            raise HTTPException(status_code=422, detail=str(error)) from None

    return app


if __name__ == "__main__":
    print(__doc__)
