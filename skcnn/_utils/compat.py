"""Every private name of scikit-learn, skorch, torch, Optuna and joblib that the package uses.

No other module uses one, so that a release that changes one needs a change here alone. A name
that takes part in every prediction is read without a default: if it is gone, an error says so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import BaseEstimator
from sklearn.metrics import average_precision_score, roc_auc_score, top_k_accuracy_score
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._split import GroupsConsumerMixin
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils._set_output import _wrap_data_with_container as wrap_data_with_container
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.validation import _check_feature_names as check_feature_names
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples
from skorch import NeuralNet
from torch import Tensor, nn
from torch.optim import optimizer as optimizer_module

__all__ = [
    "OVERRIDDEN",
    "BaseSearchCV",
    "GroupsConsumerMixin",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "TerminatedWorkerError",
    "add_to_each",
    "are_plain_float32",
    "calibration_parts",
    "callback_context",
    "callbacks_of",
    "check_declared_parameters",
    "check_feature_names",
    "check_feature_names_in",
    "check_method_params",
    "check_refit_for_multimetric",
    "check_sample_weight",
    "choose_best_index",
    "context_of_creation",
    "copy_to_each",
    "declares_parameters",
    "fused_kernel",
    "has_global_forward_hooks",
    "has_hooks",
    "has_optimizer_hooks",
    "holds",
    "is_forked_from_cuda",
    "is_list_of_splits",
    "is_made_scorer",
    "multiplies_bfloat16",
    "num_samples",
    "parameter_names",
    "routed_fit_params",
    "routing_enabled",
    "safe_indexing",
    "safe_split",
    "scorers_of",
    "scorers_of_search",
    "scores_labels",
    "search_constraints",
    "set_training",
    "submodules_of",
    "takes_sample_weight",
    "validate_parameter_constraints",
    "validate_params",
    "wrap_data_with_container",
    "wrapped_pruner",
]

# Private attributes that classes of the package replace.
OVERRIDDEN: dict[type, tuple[str, ...]] = {
    BaseEstimator: ("_doc_link_module", "_doc_link_template"),
    NeuralNet: ("_default_callbacks",),
}

# scikit-learn


def check_declared_parameters(estimator: Any) -> None:
    """Check the parameters against the estimator's table `_parameter_constraints`."""
    estimator._validate_params()


def calibration_parts() -> list[type]:
    """Return the classes that CalibratedClassifierCV is made of when it is fitted."""
    from sklearn import calibration

    names = ("_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling")
    return [getattr(calibration, name) for name in names]


def parameter_names(cls: type) -> list[str]:
    """Return the names of the parameters of an estimator's class."""
    return cls._get_param_names()  # type: ignore[attr-defined]


def declares_parameters(estimator: Any) -> bool:
    """Return whether an estimator has a table of the legal values of its parameters."""
    return hasattr(estimator, "_parameter_constraints")


def callback_context(estimator: Any, max_subtasks: int | None) -> Any:
    """Return the context in which the callbacks of an estimator are called during its fit."""
    return estimator._init_callback_context(max_subtasks=max_subtasks)


def callbacks_of(estimator: Any) -> list[Any]:
    """Return the callbacks that `set_callbacks` gave to an estimator."""
    return getattr(estimator, "_skl_callbacks", [])


def scorers_of(scorer: Any) -> dict[str, Any] | None:
    """Return the named scorers of a scorer of several metrics, None for any other scorer."""
    return getattr(scorer, "_scorers", None)


def is_made_scorer(scorer: Any) -> bool:
    """Return whether `make_scorer` made a scorer, which then holds a metric."""
    return hasattr(scorer, "_score_func")


def takes_sample_weight(scorer: Any) -> bool | None:
    """Return whether the metric of a scorer takes weights, None for any other function."""
    return scorer._accept_sample_weight() if hasattr(scorer, "_accept_sample_weight") else None


# Metrics of the order of scores, which are called with the outputs of decision_function.
_OF_RANKS = (roc_auc_score, average_precision_score, top_k_accuracy_score)


def scores_labels(scorer: Any) -> bool:
    """Return whether a scorer reads the labels, or the ranks of scores, and no probabilities.

    That of an estimator's method `score` reads what this method does: labels for classifiers of
    scikit-learn.
    """
    if type(scorer).__name__ == "_PassthroughScorer":
        return True
    methods = getattr(scorer, "_response_method", None)
    if methods == ("decision_function", "predict_proba"):
        return scorer._score_func in _OF_RANKS
    return bool(methods == "predict")


def is_list_of_splits(splitter: Any) -> bool:
    """Return whether `check_cv` made a splitter of a list of splits."""
    return type(splitter).__name__ == "_CVIterableWrapper"


def search_constraints() -> dict[str, Any]:
    """Return the table of legal values of the parameters that all searches have."""
    return BaseSearchCV._parameter_constraints


def scorers_of_search(search: Any) -> tuple[Any, str]:
    """Return the scorer of a search and the name of the metric for its refit."""
    return search._get_scorers()


def routed_fit_params(search: Any, params: Mapping[str, Any]) -> Any:
    """Return the arguments of a search's `fit` for the estimator, the splitter and the scorer."""
    return search._get_routed_params_for_fit(params)


def check_refit_for_multimetric(search: Any, scores: Mapping[str, Any]) -> None:
    """Raise ValueError if the parameter `refit` of a search does not name one of `scores`."""
    search._check_refit_for_multimetric(scores)


def choose_best_index(search: Any, metric: str, results: Mapping[str, Any]) -> int:
    """Return the row of the results that the parameter `refit` of a search chooses."""
    return search._select_best_index(search.refit, metric, results)


# skorch


def set_training(net: NeuralNet, training: bool) -> None:
    """Put the module and the criterion of a net into the mode of training or of evaluation."""
    net._set_training(training)


def context_of_creation(net: NeuralNet, part: str) -> AbstractContextManager[Any]:
    """Return the context in which a net may create its `part`, such as "optimizer"."""
    return net._current_init_context(part)


# torch

_MODULES: Any = nn.modules.module  # holds the hooks of all modules
_OPTIMIZERS: Any = optimizer_module  # holds the hooks of all optimizers


def has_global_forward_hooks() -> bool:
    """Return whether any hook is called with the forward passes of all modules."""
    return bool(_MODULES._global_forward_hooks or _MODULES._global_forward_pre_hooks)


def has_hooks(module: nn.Module) -> bool:
    """Return whether a module has hooks of its forward or backward pass."""
    forward = module._forward_hooks or module._forward_pre_hooks
    return bool(forward or module._backward_hooks or module._backward_pre_hooks)


def are_plain_float32(modules: Iterable[nn.Module]) -> bool:
    """Return whether no module has forward hooks, and all their own parameters are float32.

    Called for all modules at every prediction: written for speed.
    """
    for each in modules:
        if each._forward_hooks or each._forward_pre_hooks or "forward" in each.__dict__:
            return False
        for p in each._parameters.values():
            if p is not None and p.dtype != torch.float32:
                return False
    return True


def submodules_of(modules: Iterable[nn.Module]) -> list[list[nn.Module | None]]:
    """Return the modules directly inside of each module, as now and with None for absent ones."""
    return [[*module._modules.values()] for module in modules]


def add_to_each(tensors: list[Tensor], number: float) -> None:
    """Add a number to several tensors at once, in place."""
    torch._foreach_add_(tensors, number)


def copy_to_each(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values to several tensors at once, in place."""
    torch._foreach_copy_(tuple(tensors), tuple(values))


def fused_kernel(name: str) -> Callable[..., Any] | None:
    """Return torch's fused step of the optimizer "adam" or "adamw", None if it has none."""
    return getattr(torch, f"_fused_{name}_", None)


def has_optimizer_hooks(optimizer: Any) -> bool:
    """Return whether any hook is called with the steps of an optimizer."""
    return bool(
        _OPTIMIZERS._global_optimizer_pre_hooks
        or _OPTIMIZERS._global_optimizer_post_hooks
        or optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
    )


def is_forked_from_cuda() -> bool:
    """Return whether this process was forked from one that used CUDA, as far as torch tells."""
    return bool(getattr(torch.cuda, "_is_in_bad_fork", lambda: False)())


def multiplies_bfloat16() -> bool:
    """Return whether the processor multiplies in bfloat16, False if torch does not tell."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


# Optuna, which is not imported here


def holds(distribution: Any, value: Any) -> bool:
    """Return whether a distribution of Optuna has a value."""
    return distribution._contains(distribution.to_internal_repr(value))


def wrapped_pruner(pruner: Any) -> Any:
    """Return the pruner inside of a PatientPruner, or `pruner` itself."""
    return getattr(pruner, "_wrapped_pruner", pruner)
