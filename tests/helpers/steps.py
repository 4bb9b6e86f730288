"""Steps of Pipelines that write into their samples, learn nothing, or resample in a fit."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline


class Halve(TransformerMixin, BaseEstimator):
    """A step that writes into its samples, and learns nothing."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        X /= 2
        return X


class Double(TransformerMixin, BaseEstimator):
    """A step without fitted attributes, which counts its calls of `transform`."""

    n_calls = 0

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        Double.n_calls += 1
        return X * 2


class RepeatFirstClass(BaseEstimator):
    """A sampler as imbalanced-learn's: `fit_resample` and no `transform`."""

    def fit_resample(self, X, y):
        rows = np.concatenate([np.arange(len(y)), np.flatnonzero(y == y[0])])
        return X[rows], y[rows]


def _resampled(sampler, X, y, **params):
    return *sampler.fit_resample(X, y), sampler


def _transformed(step, X, y, **params):
    return step.fit(X, y).transform(X), step


class SamplingPipeline(Pipeline):
    """A Pipeline that passes over samplers in predictions, as imbalanced-learn's does."""

    def _validate_steps(self):
        pass

    def _iter(self, with_final=True, filter_passthrough=True):
        for number, name, step in super()._iter(with_final, filter_passthrough):
            if not hasattr(step, "fit_resample"):
                yield number, name, step

    def fit(self, X, y=None):
        self.steps = list(self.steps)
        keeps = self.memory is not None
        resample = self.memory.cache(_resampled) if keeps else _resampled
        transform = self.memory.cache(_transformed) if keeps else _transformed
        for number, (name, step) in enumerate(self.steps[:-1]):
            step = clone(step)
            if hasattr(step, "fit_resample"):
                X, y, step = resample(step, X, y)
            else:
                X, step = transform(step, X, y)
            self.steps[number] = name, step
        self.steps[-1][1].fit(X, y)
        return self


def sampling_pipeline(*steps):
    """Return a SamplingPipeline of steps named by their numbers, the last one "net"."""
    *before, last = steps
    return SamplingPipeline([*((f"step{i}", s) for i, s in enumerate(before)), ("net", last)])
