"""The private names of the libraries do what the package expects of them."""

import ast
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import CallbackSupportMixin, ProgressBar
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring, get_scorer, hinge_loss, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, check_cv
from skorch import NeuralNet
from torch import nn

PACKAGE = Path(__file__).parents[2] / "skcnn"
COMPAT = PACKAGE / "_utils" / "compat.py"
LIBRARIES = {"sklearn": "scikit-learn", "skorch": "skorch", "torch": "torch", "joblib": "joblib"}
# Private by their names only: documented by Python.
OF_PYTHON = {"_getframe", "_replace"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name != "_"


def library_imports(tree):
    """Return (module, name) of all names that are imported from the libraries."""
    return [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module.partition(".")[0] in {*LIBRARIES, "optuna"}
        for alias in node.names
    ]


@contextmanager
def unchanged(library, what):
    """Say which private name of which library has changed if the block fails."""
    try:
        yield
    except Exception as error:
        raise AssertionError(
            f"{library} {version(library)} has changed {what}: {type(error).__name__}: {error}. "
            "Adapt skcnn/_utils/compat.py to it."
        ) from error


@pytest.fixture(scope="module")
def compat():
    return import_module("skcnn._utils.compat")


@pytest.fixture
def search():
    return GridSearchCV(LogisticRegression(), {"C": [1.0]}, scoring=["accuracy", "f1_macro"])


class Declared(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """An estimator with a table of legal values, and callbacks."""

    def __init__(self, size=1):
        self.size = size

    def fit(self, X, y=None):
        return self


# The module itself


@pytest.mark.parametrize(("module", "name"), library_imports(ast.parse(COMPAT.read_text("utf-8"))))
def test_imported_names_exist(module, name):
    with unchanged(LIBRARIES[module.partition(".")[0]], f"{module}.{name}"):
        exec(f"from {module} import {name}", {})


def test_no_other_module_uses_private_names_of_the_libraries():
    trees = {path: ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
    nodes = {path: list(ast.walk(tree)) for path, tree in trees.items()}
    own = set()
    for each in (node for found in nodes.values() for node in found):
        if isinstance(each, ast.FunctionDef | ast.ClassDef):
            own.add(each.name)
        elif isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store):
            own.add(each.attr)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            own.add(each.id)
    used = []
    for path in {*nodes} - {COMPAT}:
        names = [each.attr for each in nodes[path] if isinstance(each, ast.Attribute)]
        for each in nodes[path]:
            if isinstance(each, ast.Call) and ast.unparse(each.func) in ("getattr", "hasattr"):
                names += [str(a.value) for a in each.args[1:2] if isinstance(a, ast.Constant)]
        found = {name for name in names if is_private(name)} - own - OF_PYTHON
        for module, name in library_imports(trees[path]):
            if is_private(name) or any(map(is_private, module.split("."))) or "externals" in module:
                found.add(f"{module}.{name}")
        used += [f"{path.relative_to(PACKAGE)}: {name}" for name in sorted(found)]
    # an attribute that the package keeps in `vars` is its own
    assert [line for line in used if not line.endswith(": _compiled")] == []


def test_attributes_that_classes_replace_exist(compat):
    for cls, names in compat.OVERRIDDEN.items():
        library = LIBRARIES[cls.__module__.partition(".")[0]]
        for name in names:
            with unchanged(library, f"{cls.__name__}.{name}"):
                assert hasattr(cls, name)


# scikit-learn


def test_checked_parameters(compat):
    Declared._parameter_constraints = {"size": [compat.Interval(Integral, 1, None, closed="left")]}
    with unchanged("scikit-learn", "BaseEstimator._validate_params"):
        compat.check_declared_parameters(Declared())
        with pytest.raises(compat.InvalidParameterError, match="'size' parameter"):
            compat.check_declared_parameters(Declared(0))


def test_constraints(compat):
    table = {
        "size": [compat.Interval(Integral, 1, None, closed="left")],
        "mode": [compat.StrOptions({"a", "b"}), compat.HasMethods(["fit"])],
        "axes": [compat.Options(Integral, {1, 2})],
    }
    with unchanged("scikit-learn", "sklearn.utils._param_validation"):
        compat.validate_parameter_constraints(table, {"size": 1, "mode": "a"}, "f")
        compat.validate_parameter_constraints(table, {"size": 1, "mode": Declared()}, "f")
        compat.validate_parameter_constraints(table, {"axes": 2}, "f")
        for bad in ({"size": 0}, {"mode": "c"}, {"axes": 3}):
            with pytest.raises(compat.InvalidParameterError, match="of f must be"):
                compat.validate_parameter_constraints(table, bad, "f")
        checked = compat.validate_params(table, prefer_skip_nested_validation=True)
        with pytest.raises(ValueError, match="of half must be"):
            checked(half)(0, "a")
        assert compat.StrOptions({"a"}).options == {"a"}


def half(size, mode):
    return size / 2


def test_indexing(compat):
    X = pd.DataFrame({"a": [1, 2, 3]})
    with unchanged("scikit-learn", "_safe_indexing or _num_samples"):
        assert compat.safe_indexing(X, [0, 2])["a"].tolist() == [1, 3]
        assert compat.safe_indexing([4, 5, 6], np.array([False, True, True])) == [5, 6]
        assert compat.num_samples(X) == 3
        with pytest.raises(TypeError):
            compat.num_samples(5)


def test_split(compat):
    X, y = np.arange(8).reshape(4, 2), np.arange(4)
    with unchanged("scikit-learn", "_safe_split"):
        part, targets = compat.safe_split(LogisticRegression(), X, y, [1, 3])
        assert part.tolist() == [[2, 3], [6, 7]]
        assert targets.tolist() == [1, 3]


def test_sample_weights(compat):
    X = np.zeros((3, 2))
    with unchanged("scikit-learn", "_check_sample_weight"):
        assert compat.check_sample_weight(None, X).tolist() == [1, 1, 1]
        with pytest.raises(ValueError, match="sample_weight"):
            compat.check_sample_weight([1, 2], X)


def test_method_params(compat):
    with unchanged("scikit-learn", "_check_method_params"):
        params = compat.check_method_params(np.zeros(3), {"w": [1, 2, 3], "flag": True}, [0, 2])
        assert params == {"w": [1, 3], "flag": True}


def test_feature_names(compat):
    estimator, X = Declared(), pd.DataFrame({"a": [1.0], "b": [2.0]})
    with unchanged("scikit-learn", "_check_feature_names or _check_feature_names_in"):
        compat.check_feature_names(estimator, X, reset=True)
        assert estimator.feature_names_in_.tolist() == ["a", "b"]
        assert compat.check_feature_names_in(estimator).tolist() == ["a", "b"]
        with pytest.raises(ValueError, match="feature names"):
            compat.check_feature_names(estimator, X[["b", "a"]], reset=False)


def test_wrapped_output(compat):
    class Named(Declared):
        def get_feature_names_out(self, input_features=None):
            return np.array(["p", "q"])

    X = np.zeros((2, 2))
    with unchanged("scikit-learn", "_wrap_data_with_container"):
        frame = compat.wrap_data_with_container(
            "transform", X, X, Named().set_output(transform="pandas")
        )
        assert frame.columns.tolist() == ["p", "q"]


def test_metadata_routing(compat):
    from sklearn import config_context

    with unchanged("scikit-learn", "_routing_enabled"):
        assert not compat.routing_enabled()
        with config_context(enable_metadata_routing=True):
            assert compat.routing_enabled()


def test_callbacks(compat):
    bar = ProgressBar()
    with unchanged("scikit-learn", "_skl_callbacks or _init_callback_context"):
        assert compat.callbacks_of(Declared()) == []
        assert compat.callbacks_of(Declared().set_callbacks(bar)) == [bar]
        assert compat.callback_context(Declared(), 3).max_subtasks == 3


def test_scorers(compat):
    one = get_scorer("accuracy")
    several = check_scoring(scoring=["accuracy", "r2"])
    unweighted = make_scorer(half)
    with unchanged("scikit-learn", "_scorers, _score_func or _accept_sample_weight"):
        assert [*compat.scorers_of(several)] == ["accuracy", "r2"]
        assert compat.scorers_of(one) is None
        assert compat.is_made_scorer(one)
        assert not compat.is_made_scorer(half)
        takes = [compat.takes_sample_weight(scorer) for scorer in (one, unweighted, half)]
        assert takes == [True, False, None]


def test_which_scorers_read_labels(compat):
    names = {
        True: ["accuracy", "f1_macro", "balanced_accuracy", "roc_auc", "average_precision"],
        False: ["neg_log_loss", "roc_auc_ovr", "neg_brier_score"],
    }
    hinge = make_scorer(hinge_loss, response_method=("decision_function", "predict_proba"))
    with unchanged("scikit-learn", "_PassthroughScorer, _response_method or _score_func"):
        for expected, each in names.items():
            assert [compat.scores_labels(get_scorer(name)) for name in each] == [expected] * len(
                each
            )
        assert compat.scores_labels(check_scoring(LogisticRegression()))
        assert not compat.scores_labels(hinge)
        assert not compat.scores_labels(lambda estimator, X, y: 0.0)


def test_splitters(compat):
    with unchanged("scikit-learn", "_CVIterableWrapper or GroupsConsumerMixin"):
        assert compat.is_list_of_splits(check_cv([([0], [1])]))
        assert not compat.is_list_of_splits(KFold())
        assert isinstance(GroupKFold(), compat.GroupsConsumerMixin)
        assert not isinstance(KFold(), compat.GroupsConsumerMixin)


def test_searches(compat, search):
    with unchanged("scikit-learn", "BaseSearchCV"):
        assert isinstance(search, compat.BaseSearchCV)
        assert {"estimator", "scoring", "refit", "cv", "n_jobs"} <= {*compat.search_constraints()}
        search.refit = "f1_macro"
        scorer, metric = compat.scorers_of_search(search)
        assert {*compat.scorers_of(scorer)} == {"accuracy", "f1_macro"}
        assert metric == "f1_macro"
        results = {"rank_test_f1_macro": np.array([2, 1])}
        assert compat.choose_best_index(search, metric, results) == 1
        search.refit = "r2"
        with pytest.raises(ValueError, match="refit"):
            compat.check_refit_for_multimetric(search, {"accuracy": 1})


def test_routed_params_of_a_search(compat):
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]})
    with unchanged("scikit-learn", "BaseSearchCV._get_routed_params_for_fit"):
        routed = compat.routed_fit_params(search, {"groups": [1], "sample_weight": [2]})
        assert routed.splitter.split == {"groups": [1]}
        assert routed.estimator.fit == {"sample_weight": [2]}
        assert isinstance(routed.scorer.score, dict)


# joblib


def test_died_worker(compat):
    from concurrent.futures.process import BrokenProcessPool

    with unchanged("joblib", "TerminatedWorkerError"):
        assert issubclass(compat.TerminatedWorkerError, BrokenProcessPool)


# skorch


class Net(NeuralNet):
    @property
    def _default_callbacks(self):
        return []


def test_net(compat):
    net = Net(nn.Linear, nn.MSELoss, module__in_features=1, module__out_features=1).initialize()
    with unchanged("skorch", "_default_callbacks, _set_training or _current_init_context"):
        assert net.callbacks_ == []
        for mode in (False, True):
            compat.set_training(net, mode)
            assert net.module_.training is mode
        with compat.context_of_creation(net, "optimizer"):
            assert net.init_context_ == "optimizer"
        assert net.init_context_ is None


# torch


HOOKS = {
    "register_forward_hook": (True, True),
    "register_forward_pre_hook": (True, True),
    "register_full_backward_hook": (False, True),
    "register_full_backward_pre_hook": (False, True),
}


@pytest.mark.parametrize("register", HOOKS)
def test_hooks_of_a_module(compat, register):
    module = nn.Linear(1, 1)
    with unchanged("torch", "the attributes of nn.Module that hold hooks"):
        assert not compat.has_hooks(module)
        assert compat.are_plain_float32([module])
        getattr(module, register)(lambda *arguments: None)
        assert (not compat.are_plain_float32([module]), compat.has_hooks(module)) == HOOKS[register]


@pytest.mark.parametrize(
    "register", ["register_module_forward_hook", "register_module_forward_pre_hook"]
)
def test_hooks_of_all_modules(compat, register):
    with unchanged("torch", "torch.nn.modules.module._global_forward_hooks or _pre_hooks"):
        assert not compat.has_global_forward_hooks()
        handle = getattr(nn.modules.module, register)(lambda *arguments: None)
        try:
            assert compat.has_global_forward_hooks()
        finally:
            handle.remove()


def test_parts_of_a_module(compat):
    module = nn.Sequential(nn.Linear(2, 1, bias=False), nn.ReLU())
    with unchanged("torch", "nn.Module._parameters or _modules"):
        assert compat.submodules_of([module, module[0]]) == [[module[0], module[1]], []]
        assert compat.are_plain_float32(module.modules())
        assert not compat.are_plain_float32(module.double().modules())
        module.float()[0].forward = len
        assert not compat.are_plain_float32(module.modules())


def test_several_tensors_at_once(compat):
    one, two = torch.zeros(2), torch.ones(3)
    with unchanged("torch", "_foreach_add_ or _foreach_copy_"):
        compat.add_to_each([one, two], 1)
        assert (one.tolist(), two.tolist()) == ([1, 1], [2, 2, 2])
        compat.copy_to_each((one,), (torch.full((2,), 5.0),))
        assert one.tolist() == [5, 5]


@pytest.mark.parametrize(("name", "first"), [("adam", 0.9), ("adamw", 0.9 - 0.05)])
def test_fused_kernels(compat, name, first):
    """A first step is the learning rate long; AdamW also takes rate times decay from a weight."""
    weight, zero = torch.ones(1), torch.zeros(1)
    decay = 0.5 if name == "adamw" else 0.0
    settings = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "weight_decay": decay, "eps": 0.0}
    with unchanged("torch", f"torch._fused_{name}_"):
        step = compat.fused_kernel(name)
        lists = [[weight], [torch.ones(1)], [zero], [zero.clone()], [], [torch.ones(())]]
        step(*lists, **settings, amsgrad=False, maximize=False)
        assert weight.item() == pytest.approx(first, rel=1e-5)
    assert compat.fused_kernel("") is None


def test_optimizer_hooks(compat):
    from torch.optim.optimizer import (
        register_optimizer_step_post_hook,
        register_optimizer_step_pre_hook,
    )

    def fresh():
        return torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1)

    one, two, without = fresh(), fresh(), fresh()
    with unchanged("torch", "the attributes of optimizers that hold hooks"):
        one.register_step_pre_hook(lambda *arguments: None)
        two.register_step_post_hook(lambda *arguments: None)
        assert compat.has_optimizer_hooks(one)
        assert compat.has_optimizer_hooks(two)
        assert not compat.has_optimizer_hooks(without)
        for register in (register_optimizer_step_pre_hook, register_optimizer_step_post_hook):
            handle = register(lambda *arguments: None)
            try:
                assert compat.has_optimizer_hooks(without)
            finally:
                handle.remove()


@pytest.mark.parametrize("check", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_bfloat16_of_the_processor(compat, monkeypatch, check):
    with unchanged("torch", f"torch.cpu.{check}"):
        assert isinstance(getattr(torch.cpu, check)(), bool)
        for each in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, each, lambda result=each == check: result)
        assert compat.multiplies_bfloat16()


# Optuna


def test_values_of_a_distribution(compat):
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    with unchanged("optuna", "BaseDistribution._contains"):
        assert compat.holds(FloatDistribution(0, 1), 0.5)
        assert not compat.holds(FloatDistribution(0, 1), 1.5)
        assert compat.holds(CategoricalDistribution(["a"]), "a")


def test_wrapped_pruner(compat):
    from optuna.exceptions import ExperimentalWarning
    from optuna.pruners import MedianPruner, PatientPruner

    inner = MedianPruner()
    with pytest.warns(ExperimentalWarning):
        outer = PatientPruner(inner, patience=1)
    with unchanged("optuna", "PatientPruner._wrapped_pruner"):
        assert compat.wrapped_pruner(outer) is inner
        assert compat.wrapped_pruner(inner) is inner


def test_names_and_tables_of_parameters(compat):
    with unchanged("sklearn", "BaseEstimator's parameters"):
        assert compat.parameter_names(Estimator) == ["a", "b"]
        assert compat.declares_parameters(LogisticRegression())
        assert not compat.declares_parameters(Estimator())


class Estimator(BaseEstimator):
    def __init__(self, b=1, a=2):
        self.b = b
        self.a = a


@pytest.mark.filterwarnings("ignore")
def test_parts_of_a_calibrated_classifier(compat):
    X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    with unchanged("sklearn", "what CalibratedClassifierCV is made of"):
        for method in ("sigmoid", "temperature"):
            model = CalibratedClassifierCV(LogisticRegression(), method=method, cv=2).fit(X, y)
            whole = model.calibrated_classifiers_[0]
            assert {type(whole), type(whole.calibrators[0])} <= {*compat.calibration_parts()}


def test_a_process_that_is_not_forked_may_use_cuda(compat, monkeypatch):
    with unchanged("torch", "torch.cuda._is_in_bad_fork"):
        assert torch.cuda._is_in_bad_fork() is False
    assert not compat.is_forked_from_cuda()
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    assert compat.is_forked_from_cuda()
    monkeypatch.delattr(torch.cuda, "_is_in_bad_fork")
    assert not compat.is_forked_from_cuda()
