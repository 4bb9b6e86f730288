"""Models compared on the same splits, with tests that allow for them."""

from skcnn.comparison._compare import compare_models
from skcnn.comparison._dataset_comparison import DatasetComparison, RankTest, compare_datasets
from skcnn.comparison._model_comparison import ModelComparison
from skcnn.comparison._plot import ModelComparisonDisplay

__all__ = [
    "DatasetComparison",
    "ModelComparison",
    "ModelComparisonDisplay",
    "RankTest",
    "compare_datasets",
    "compare_models",
]
