"""Fitted estimators as graphs of ONNX, and as programs of torch."""
