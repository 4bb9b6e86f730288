"""Models compared on the same splits, with tests that account for correlated scores."""

from skcnn.comparison._compare_datasets import compare_datasets
from skcnn.comparison._compare_models import compare_models
from skcnn.comparison._dataset_comparison import DatasetComparison
from skcnn.comparison._model_comparison import ModelComparison
from skcnn.comparison._plot import ModelComparisonDisplay
from skcnn.comparison._rank_tests import RankTest

__all__ = [
    "DatasetComparison",
    "ModelComparison",
    "ModelComparisonDisplay",
    "RankTest",
    "compare_datasets",
    "compare_models",
]
