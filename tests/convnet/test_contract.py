"""scikit-learn's own checks of estimators: all passed, none skipped, none expected to fail."""

from collections import Counter

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_inplace_ensure_writeable,
    check_param_validation,
)

from skcnn import ConvNetClassifier, ConvNetRegressor

# What scikit-learn 1.9.1 runs; an empty or shortened run must not pass.
N_CHECKS = {ConvNetClassifier: 67, ConvNetRegressor: 60}


def run_checks(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    problems = [r for r in results if r["status"] != "passed"]
    assert problems == []
    return Counter(r["status"] for r in results)


@pytest.mark.parametrize("cls", N_CHECKS)
def test_check_estimator_passes_on_a_small_network(cls):
    # the checks themselves set random_state=0
    small = cls(filters=(4,), hidden_units=(), max_epochs=6, learning_rate=0.03)
    assert run_checks(small)["passed"] == N_CHECKS[cls]


@pytest.mark.slow
@pytest.mark.parametrize("cls", N_CHECKS)
def test_check_estimator_passes_on_the_default_constructor(cls):
    assert run_checks(cls())["passed"] == N_CHECKS[cls]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 10))
@pytest.mark.parametrize("cls", N_CHECKS)
def test_check_estimator_passes_for_any_random_state(cls, seed):
    assert run_checks(cls(random_state=seed))["passed"] == N_CHECKS[cls]


@pytest.mark.slow
@pytest.mark.parametrize("cls", N_CHECKS)
def test_check_estimator_passes_where_parts_are_trained(cls):
    schedule = {0: "last_block", 3: "all"}
    estimator = cls(unfreezing=schedule, learning_rate_decay=0.7, feature_cache="memory")
    assert run_checks(estimator)["passed"] == N_CHECKS[cls]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:calibration='temperature' would hold back")
def test_check_estimator_passes_where_logits_have_a_temperature():
    assert run_checks(ConvNetClassifier(calibration="temperature"))["passed"] == 67


@pytest.mark.slow
@pytest.mark.parametrize("cls", N_CHECKS)
def test_check_estimator_passes_where_values_may_be_missing(cls):
    # without the check that NaN raises an error
    assert run_checks(cls(missing="mask"))["passed"] == N_CHECKS[cls] - 1


@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
    ],
)
@pytest.mark.parametrize("cls", N_CHECKS)
def test_further_common_checks_pass(cls, check):
    check(cls.__name__, cls(max_epochs=2))
