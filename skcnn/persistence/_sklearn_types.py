"""The estimators of scikit-learn that model files hold, with their fitted attributes.

They are those whose predictions are computed by NumPy from arrays. Trees, nearest neighbours and
support vector machines with kernels are not here: their compiled code trusts what it is given.
"""

from typing import Any

import sklearn
from sklearn import (
    calibration,
    compose,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    feature_selection,
    frozen,
    impute,
    isotonic,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    pipeline,
    preprocessing,
    svm,
)

from skcnn._utils.compat import calibration_parts
from skcnn.exceptions import ModelFileError
from skcnn.persistence._checks import LARGEST
from skcnn.persistence._estimators import FUNCTIONS
from skcnn.persistence._registry import trust

MOST_TERMS = 2**24  # of a polynomial
NO_FOLDER = {"memory": (None,)}
NO_FUNCTION = {"func": (None,), "inverse_func": (None,)}
PARTS = "estimators=steps"
FITTED_PARTS = "estimators_=estimators named_estimators_=dict"


def _check_linear(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check that a linear classifier has coefficients for each class, or one row for two."""
    if fitted:
        n_classes, coefficients = len(fitted["classes_"]), fitted["coef_"]
        n_rows = len(coefficients) if coefficients.ndim == 2 else 1
        if n_rows != (1 if n_classes == 2 else n_classes):
            raise ModelFileError(f"{type(estimator).__name__} has {n_rows} rows of coefficients")


def _check_degree(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check that a transform takes no more memory or time than what `fit` can ask for."""
    if fitted and (fitted["_max_degree"] > LARGEST["degree"] or fitted["_n_out_full"] > MOST_TERMS):
        raise ModelFileError("PolynomialFeatures has too many terms")


def _check_steps(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    if not estimator.steps:
        raise ModelFileError("a Pipeline has no steps")


def _check_fitted(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    if not fitted:
        raise ModelFileError(f"{type(estimator).__name__} is not fitted")


def _check_whole(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Check that there is a calibrator for each class, or one for all."""
    _check_fitted(estimator, fitted, architecture)
    n_classes, n = len(fitted["classes"]), len(fitted["calibrators"])
    if n != (1 if n_classes == 2 or fitted["method"] == "temperature" else n_classes):
        raise ModelFileError(f"a calibrated classifier has {n} calibrators for {n_classes} classes")


def _restore_isotonic(estimator: Any, fitted: dict[str, Any], architecture: Any) -> None:
    """Let scikit-learn make the function between the thresholds."""
    if fitted:
        estimator.__setstate__({**vars(estimator), "_sklearn_version": sklearn.__version__})


FUNCTIONS.update(
    (name, getattr(feature_selection, name))
    for name in (
        "chi2",
        "f_classif",
        "f_regression",
        "mutual_info_classif",
        "mutual_info_regression",
    )
)

# Scaling and encoding
trust(
    preprocessing.StandardScaler,
    "n_samples_seen_=number|numeric(F) mean_=float(F)|none var_=float(F)|none scale_=float(F)|none",
)
trust(
    preprocessing.MinMaxScaler,
    "n_samples_seen_=number scale_=float(F) min_=float(F) data_min_=float(F) data_max_=float(F) "
    "data_range_=float(F)",
)
trust(preprocessing.MaxAbsScaler, "n_samples_seen_=number max_abs_=float(F) scale_=float(F)")
trust(preprocessing.RobustScaler, "center_=float(F)|none scale_=float(F)|none")
trust(preprocessing.Normalizer)
trust(preprocessing.Binarizer)
trust(
    preprocessing.QuantileTransformer,
    "n_quantiles_=count references_=float(Q) quantiles_=float(Q,F)",
)
trust(preprocessing.PowerTransformer, "lambdas_=float(F) _scaler?=estimator")
trust(
    preprocessing.PolynomialFeatures,
    "_min_degree=int _max_degree=int n_output_features_=count _n_out_full=count",
    restore=_check_degree,
)
trust(
    preprocessing.OneHotEncoder,
    "_infrequent_enabled=bool categories_=arrays(F) _drop_idx_after_grouping=any drop_idx_=any "
    "_n_features_outs=list _infrequent_indices?=list _default_to_infrequent_mappings?=list",
)
trust(
    preprocessing.OrdinalEncoder,
    "_infrequent_enabled=bool categories_=arrays(F) _missing_indices=dict "
    "_infrequent_indices?=list _default_to_infrequent_mappings?=list",
)
trust(preprocessing.LabelEncoder, "classes_=labels(C)")
trust(preprocessing.LabelBinarizer, "y_type_=text sparse_input_=bool classes_=labels(C)")
trust(preprocessing.FunctionTransformer, fixed=NO_FUNCTION)

# Missing values
trust(
    impute.SimpleImputer,
    "_fit_dtype=dtype _fill_dtype=dtype indicator_=estimator|none statistics_=labels(F)",
)
trust(
    impute.MissingIndicator,
    "_precomputed=bool _n_features=count features_=integer(M)",
)

# Selection and projection
trust(feature_selection.VarianceThreshold, "variances_=float(F)")
for cls in (feature_selection.SelectKBest, feature_selection.SelectPercentile):
    trust(cls, "scores_=float(F) pvalues_=float(F)|none")
trust(
    decomposition.PCA,
    "_fit_svd_solver=text mean_=float(F) noise_variance_=real n_samples_=count "
    "n_components_=int components_=float(K,F) explained_variance_=float(K) "
    "explained_variance_ratio_=float(K) singular_values_=float(K)",
)
trust(
    decomposition.TruncatedSVD,
    "components_=float(K,F) explained_variance_=float(K) explained_variance_ratio_=float(K) "
    "singular_values_=float(K)",
)

# Classifiers
trust(
    linear_model.LogisticRegression,
    "classes_=labels(C) n_iter_=integer(I) coef_=float(K,F) intercept_=float(K) l1_ratio_?=any",
    restore=_check_linear,
)
trust(
    linear_model.RidgeClassifier,
    "_label_binarizer=estimator classes_=labels(C) coef_=float(F)|float(K,F) n_iter_=any "
    "solver_=text intercept_=float(K)|real",
    restore=_check_linear,
)
trust(
    svm.LinearSVC,
    "classes_=labels(C) coef_=float(K,F) intercept_=float(K)|real n_iter_=int",
    restore=_check_linear,
)
trust(
    discriminant_analysis.LinearDiscriminantAnalysis,
    "classes_=labels(C) priors_=float(C) _max_components=int means_=float(C,F) xbar_?=float(F) "
    "explained_variance_ratio_?=float(E) scalings_?=float(F,S) intercept_=float(K) "
    "coef_=float(K,F) _n_features_out=int covariance_?=float(F,F)",
    restore=_check_linear,
)
trust(
    naive_bayes.GaussianNB,
    "classes_=labels(C) epsilon_=real theta_=float(C,F) var_=float(C,F) class_count_=float(C) "
    "class_prior_=float(C)",
)
trust(
    dummy.DummyClassifier,
    "_strategy=text sparse_output_=bool n_outputs_=count classes_=labels(C) n_classes_=count "
    "class_prior_=float(C)",
)

# Regressors
trust(
    linear_model.LinearRegression,
    "coef_=float(F)|float(K,F) rank_?=int singular_?=float(S) intercept_=real|float(K)",
)
trust(
    linear_model.Ridge,
    "coef_=float(F)|float(K,F) n_iter_=any solver_=text intercept_=real|float(K)",
)
trust(
    linear_model.RidgeCV,
    "alpha_=real|float(K) best_score_=real|float(K) coef_=float(F)|float(K,F) "
    "intercept_=real|float(K) cv_results_?=float(N,A)|float(N,K,A)",
)
for cls in (linear_model.Lasso, linear_model.ElasticNet):
    trust(
        cls,
        "l1_ratio?=real n_iter_=any coef_=float(F)|float(K,F) dual_gap_=real|float(K) "
        "intercept_=real|float(K)",
    )
trust(dummy.DummyRegressor, "n_outputs_=count constant_=numeric(O,K)")
trust(
    isotonic.IsotonicRegression,
    "increasing_=bool X_min_=real X_max_=real X_thresholds_=float(T) y_thresholds_=float(T)",
    derived="f_",
    restore=_restore_isotonic,
)

# Made of others
trust(pipeline.Pipeline, checked="steps=steps", fixed=NO_FOLDER, restore=_check_steps)
trust(pipeline.FeatureUnion, checked="transformer_list=steps")
trust(
    compose.ColumnTransformer,
    "_columns=list _transformer_to_input_indices=dict _remainder=tuple sparse_output_=bool "
    "transformers_=columns output_indices_=dict",
    checked="transformers=columns",
)
trust(
    compose.TransformedTargetRegressor,
    "_training_dim=count transformer_=estimator regressor_=estimator",
    fixed=NO_FUNCTION,
)
trust(calibration.CalibratedClassifierCV, "calibrated_classifiers_=predictors classes_=labels(C)")
CALIBRATED = {
    "_CalibratedClassifier": "estimator=estimator calibrators=estimators classes=labels(C) "
    "method=text",
    "_SigmoidCalibration": "a_=real b_=real",
    "_TemperatureScaling": "beta_=real",
}
for cls in calibration_parts():
    is_whole = cls.__name__ == "_CalibratedClassifier"
    trust(cls, CALIBRATED[cls.__name__], restore=_check_whole if is_whole else _check_fitted)
trust(ensemble.VotingClassifier, f"le_=estimator classes_=labels(C) {FITTED_PARTS}", checked=PARTS)
trust(ensemble.VotingRegressor, FITTED_PARTS, checked=PARTS)
STACKED = f"final_estimator_=estimator stack_method_=list _n_feature_outs=list {FITTED_PARTS}"
trust(
    ensemble.StackingClassifier,
    f"_label_encoder=estimator|list classes_=labels(C)|list {STACKED}",
    checked=PARTS,
)
trust(ensemble.StackingRegressor, f"stack_method?=text {STACKED}", checked=PARTS)
BAGGED = (
    "estimator_params=tuple _n_samples=count estimator_=estimator _max_samples=count "
    "_max_features=count _sample_weight=none|numeric(N) estimators_=estimators "
    "estimators_features_=list _seeds=integer(E) oob_score_?=real"
)
trust(
    ensemble.BaggingClassifier,
    f"{BAGGED} classes_=labels(C) n_classes_=count oob_decision_function_?=float(N,C)",
)
trust(ensemble.BaggingRegressor, f"{BAGGED} oob_prediction_?=float(N)")
trust(
    multiclass.OneVsRestClassifier,
    "label_binarizer_=estimator classes_=labels(C) estimators_=estimators",
)
trust(
    multiclass.OneVsOneClassifier,
    "classes_=labels(C) estimators_=estimators pairwise_indices_=none",
)
trust(multioutput.MultiOutputClassifier, "estimators_=estimators classes_=list")
trust(multioutput.MultiOutputRegressor, "estimators_=estimators")
trust(model_selection.FixedThresholdClassifier, "estimator_=estimator")
trust(frozen.FrozenEstimator)
