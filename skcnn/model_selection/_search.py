"""ConvNetSearchCV: Optuna's search with GridSearchCV's interface.

Optuna is imported by the modules that ``fit`` loads.
"""

import time
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.callback import with_callbacks
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from skcnn._convnet.pipelines import find_convnet
from skcnn._utils.compat import (
    BaseSearchCV,
    HasMethods,
    Interval,
    StrOptions,
    check_method_params,
    check_refit_for_multimetric,
    choose_best_index,
    scorers_of,
    scorers_of_search,
    search_constraints,
)
from skcnn._utils.torch_state import in_standard_torch_state
from skcnn._utils.validation import warn_caller
from skcnn.model_selection._callbacks import SearchContext
from skcnn.model_selection._cross_validation import CrossValidation
from skcnn.model_selection._results import (
    TrialRecord,
    explain_missing_scores,
    format_results,
    pareto_front,
    trials_table,
    warn_of_failures,
)

if TYPE_CHECKING:
    from optuna.study import Study

    from skcnn.model_selection._plan import SearchPlan


STUDY_NAME = "ConvNetSearchCV"
OF_REFIT = (
    "best_index_",
    "best_score_",
    "best_params_",
    "best_estimator_",
    "refit_time_",
    "feature_names_in_",
)


class ConvNetSearchCV(BaseSearchCV):
    """Search of architecture and training by Optuna, with cross-validation.

    It has the scores, results and methods of GridSearchCV. An Optuna sampler draws each
    trial and learns from the earlier ones. A pruner stops unpromising trials early, also
    inside a Pipeline.

    Parameters
    ----------
    estimator : estimator
        A ConvNet, or a Pipeline that ends in one. Any other estimator is searched too, with
        a `param_space` of its own and without pruning.
    param_space : "auto", dict, list of dicts or callable, default="auto"
        What to draw from.

        - "auto": number of blocks and of convolutions in a block, filters and their growth, kernel
          size, pool or stride, global pool, hidden layers and units, normalization, activation,
          dropout, optimizer, learning rate, weight decay, batch size, and the strength of an
          augmentation if there is one. Every draw fits the input, and has at most eight times the
          multiply-accumulates of the estimator's own network unless `constraints` bounds them. The
          first trial has the estimator's own parameters, and the next ones change about a quarter
          of them. With an `architecture`, only the parameters of the training are searched. For
          signals with the automatic network: number of residual blocks and of modules, filters,
          length and number of parallel kernels, epochs, and the training as above, with at most
          three times the multiply-accumulates.
        - dict of parameter name to an Optuna distribution, a tuple ``(low, high)``, ``(low,
          high, "log")`` or ``(low, high, step)``, a list of choices, or a scipy
          distribution. A tuple of integers draws integers, other tuples draw floats. Names
          inside a Pipeline are those of `set_params`.
        - list of such dicts: each trial takes one of them, as in GridSearchCV.
        - callable that takes an Optuna trial and returns a dict of parameters.
    n_trials : int or None, default=50
        Number of trials, including those of earlier calls on the same `storage`. None
        needs a `timeout` or `patience`.
    timeout : float or None, default=None
        Seconds after which the search ends. A running trial stops at the end of its epoch
        and does not count.
    patience : int or None, default=None
        Number of trials in a row without a better one after which the search ends.
    scoring : str, callable, list, tuple, dict or None, default=None
        As in GridSearchCV.
    refit : bool, str or callable, default=True
        As in GridSearchCV. If the folds of the best trial stopped early, the refit trains on
        all samples for the median of their best epochs. With several scores trials are
        ranked by the one that `refit` names, else by the first.
    cv : int, splitter, iterable or None, default=None
        As in GridSearchCV; split once, the same for all trials.
    sampler : {"tpe", "random"} or Optuna sampler, default="tpe"
        "tpe" is the tree-structured Parzen estimator [1]_, after ten random trials.
    pruner : {"auto", "median", "hyperband", "asha"}, Optuna pruner or None, default="auto"
        When to end a trial early. "auto" compares it fold by fold with the best one, and
        within a fold only late in the training, because a network that learns slowly at
        first may still become the best; with several objectives it prunes nothing. "median"
        compares the mean score so far with the median of other trials after as many epochs,
        which saves more epochs and sometimes misses the best. "hyperband" [2]_ and "asha"
        train an epoch of all folds at a time.
    objectives : sequence of str or None, default=None
        One or more objectives: "score" or the name of a score, and the costs
        "n_parameters", "multiply_accumulates", "predict_seconds" (of a fold's test
        samples), "fit_seconds" (of a fold) and "n_epochs". None is ("score",). With more
        than one there is no pruning, and `pareto_front_` has the best trade-offs.
    constraints : dict or None, default=None
        Upper bounds. Those of "n_parameters" and "multiply_accumulates" (of one sample) are
        checked before a training: "auto" then draws smaller networks, and a dict is drawn
        from again. With a callable `param_space` or your own sampler, a network that exceeds
        them is recorded as infeasible and not trained. With a bound of "seconds", a trial
        fails at the end of the epoch that exceeds it.
    storage : str, Path or None, default=None
        Where the study is kept: in memory (None), in a journal file of this path, or in the
        database of a URL ``postgresql://...`` or ``sqlite:///...``.
    study_name : str or None, default=None
        Name of the study in the storage; None is "ConvNetSearchCV".
    resume : bool, default=True
        Whether to continue a study that the storage already has.
    initial_params : sequence of dict, default=()
        Parameters to try first. For a callable `param_space` these are the values that it
        suggests, by their names.
    n_jobs : int or None, default=None
        Number of processes with one thread each. None is this process alone, -1 uses all
        processors.
    random_state : int, RandomState instance or None, default=None
        Seed of the sampler, and of the estimator's parts, estimators in the space and
        splitters whose own `random_state` is None. With an integer, searches in one process
        are reproducible, and with the sampler "random" also those in several.
    verbose : int, default=0
        0 is silent, 1 shows a progress bar, 2 or more prints a line for each trial.
    error_score : "raise" or float, default=np.nan
        Score of a fold that failed. With NaN the trial fails at once.
    return_train_score : bool, default=False
        Whether training samples are scored too.

    Attributes
    ----------
    cv_results_ : dict of str -> array
        The columns of GridSearchCV with a row for each trial, and: state ("COMPLETE",
        "PRUNED", "FAIL", "INFEASIBLE"), pruned, n_epochs (of all folds), n_parameters,
        trial (its number in the study). Scores of unfinished folds are NaN. It can be
        passed to `pandas.DataFrame`.
    best_estimator_ : estimator
        Fitted on all samples with the best parameters, if `refit` is not False.
    best_score_ : float
        Mean score of the best trial.
    best_params_ : dict
        Parameters of the best trial.
    best_index_ : int
        Row of the best trial in `cv_results_`.
    study_ : optuna.study.Study
        Optuna's study.
    pareto_front_ : DataFrame
        Objectives and parameters of the complete trials that no other trial beats in all
        objectives, indexed by the row in `cv_results_`.
    scorer_ : callable or dict
        The scorers.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
        Whether there are several scores.
    classes_ : ndarray of shape (n_classes,)
        Class labels of a classifier.
    n_features_in_ : int
        Number of values of a sample.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, if it has names that are all strings.

    See Also
    --------
    SearchDisplay : Plots of a search.
    sklearn.model_selection.GridSearchCV : Tries all combinations.

    Notes
    -----
    The pruner's step is ``fold * n_epochs + epoch``. It compares the mean score of the
    finished folds and of the current one, each on its test samples.

    If a fit, a callback of the network or a scorer raises ``optuna.TrialPruned``, the trial is
    pruned, as by a pruner.

    Steps of a Pipeline before the ConvNet are fitted once a fold, and again only if their
    own parameters change.

    With `n_jobs` or several processes on one storage, the draws of "tpe" and the decisions of
    a pruner depend on which trials are finished: the search is not reproducible, but the
    score of each trial is. With ``sampler="random"`` and ``pruner=None`` the search is, too.

    References
    ----------
    .. [1] J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for hyper-parameter
       optimization", NeurIPS 2011.
    .. [2] L. Li et al., "Hyperband: a novel bandit-based approach to hyperparameter
       optimization", JMLR 18 (2018).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skcnn import ConvNetClassifier
    >>> from skcnn.model_selection import ConvNetSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ConvNetClassifier(input_shape=(8, 8), max_epochs=3)
    >>> search = ConvNetSearchCV(net, n_trials=3, cv=3, random_state=0)
    >>> bool(search.fit(X[:600], y[:600]).best_score_ > 0.7)
    True
    >>> len(search.cv_results_["params"])
    3
    """

    _parameter_constraints: dict[str, Any] = {
        **{
            name: constraint
            for name, constraint in search_constraints().items()
            if name != "pre_dispatch"
        },
        "estimator": [HasMethods(["fit"])],
        "param_space": [StrOptions({"auto"}), dict, list, tuple, callable],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "sampler": [
            StrOptions({"tpe", "random"}),
            HasMethods(["sample_relative", "sample_independent"]),
        ],
        "pruner": [
            StrOptions({"auto", "median", "hyperband", "asha"}),
            HasMethods(["prune"]),
            None,
        ],
        "objectives": [list, tuple, None],
        "constraints": [dict, None],
        "storage": [str, Path, None],
        "study_name": [str, None],
        "resume": ["boolean"],
        "initial_params": [list, tuple],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        param_space: Any = "auto",
        *,
        n_trials: int | None = 50,
        timeout: float | None = None,
        patience: int | None = None,
        scoring: Any = None,
        refit: Any = True,
        cv: Any = None,
        sampler: Any = "tpe",
        pruner: Any = "auto",
        objectives: Any = None,
        constraints: Mapping[str, float] | None = None,
        storage: Any = None,
        study_name: str | None = None,
        resume: bool = True,
        initial_params: Any = (),
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.estimator = estimator
        self.param_space = param_space
        self.n_trials = n_trials
        self.timeout = timeout
        self.patience = patience
        self.scoring = scoring
        self.refit = refit
        self.cv = cv
        self.sampler = sampler
        self.pruner = pruner
        self.objectives = objectives
        self.constraints = constraints
        self.storage = storage
        self.study_name = study_name
        self.resume = resume
        self.initial_params = initial_params
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.error_score = error_score
        self.return_train_score = return_train_score

    @with_callbacks
    @in_standard_torch_state
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Search, and fit the best estimator on all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples in a form that the estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            Passed to the estimator's `fit`, the scorer and the splitter, as in
            GridSearchCV: ``sample_weight``, ``groups``.

        Returns
        -------
        ConvNetSearchCV
            The search itself.

        Raises
        ------
        ValueError
            If a parameter is illegal, if the storage has a study of another search, or if no
            trial is completed: the message then has the traceback of the first failure.

        Warns
        -----
        FitFailedWarning
            If some trials failed.
        UserWarning
            If the search was interrupted by Ctrl-C: the best trial so far is refitted. Inside
            a cross-validation it raises KeyboardInterrupt instead.
            Each warning of the fits is shown once, with its number of occurrences.
        LeakageWarning
            If images of a test fold have near-duplicates among its training samples: in ImageFiles
            or arrays of bytes, of 20,000 samples at most.
        """
        from skcnn.model_selection._fingerprint import fingerprint
        from skcnn.model_selection._plan import check_search, cross_validation_of, make_plan
        from skcnn.model_selection._running.storage import quiet_optuna
        from skcnn.model_selection._running.workers import run_search

        check_search(self)
        scorer, refit_metric = scorers_of_search(self)
        X, y = indexable(X, y)
        params = check_method_params(X, params=params)
        data, seed = cross_validation_of(self, X, y, scorer, params)
        metadata = {"sample_weight": params["sample_weight"]} if "sample_weight" in params else None
        context = SearchContext(self, {"X": X, "y": y, "metadata": metadata})
        with quiet_optuna():
            plan = make_plan(self, data, seed)
            study, records, interrupted, earlier = run_search(
                plan,
                storage=self.storage,
                study_name=self.study_name or STUDY_NAME,
                fingerprint={} if self.storage is None else fingerprint(plan, self.scoring),
                resume=self.resume,
                n_jobs=self.n_jobs,
                verbose=self.verbose,
                contexts=context.of_trial,
            )
        self._set_results(plan, study, records)
        self._set_best(refit_metric)
        if self.refit:
            self._refit(data, context)
        context.finish()
        if interrupted:
            self._warn_of_interruption(len(records))
        warn_of_failures([record for record in records if record.number not in earlier])
        return self

    def trials_dataframe(self) -> pd.DataFrame:
        """Return a row for each trial, also of failed and pruned ones.

        Returns
        -------
        DataFrame
            Indexed by the trial's number in the study: state, objectives (scores are NaN
            unless complete), n_epochs, n_parameters, copy_of (number of an earlier trial
            with the same parameters, whose scores were copied), begin, seconds, reason
            (why it failed, in a line), and a column for each parameter.
        """
        check_is_fitted(self, "study_")
        times = {
            trial.number: (trial.datetime_start, trial.datetime_complete)
            for trial in self.study_.get_trials(deepcopy=False)
        }
        return trials_table(self._records, self._objectives(), times)

    def _objectives(self) -> tuple[str, ...]:
        return ("score",) if self.objectives is None else tuple(self.objectives)

    def _set_results(self, plan: "SearchPlan", study: "Study", records: list[TrialRecord]) -> None:
        """Set the fitted attributes that do not depend on the best trial."""
        if not any(record.scored for record in records):
            raise ValueError(explain_missing_scores(records, self.timeout))
        complete = [record.result for record in records if record.complete]
        names = {name for r in complete for fold in r["folds"] for name in fold["test_scores"]}
        multimetric = bool(names - {"score"})
        if callable(self.scoring) and multimetric:
            check_refit_for_multimetric(self, dict.fromkeys(names))
        for name in OF_REFIT:
            self.__dict__.pop(name, None)  # of an earlier fit
        self.n_splits_ = len(plan.cv.splits)
        self.multimetric_ = multimetric
        self.study_ = study
        self._records = records
        self.cv_results_ = format_results(
            records, self.n_splits_, self.error_score, self.return_train_score
        )
        self.scorer_ = scorers_of(plan.cv.scorer) or plan.cv.scorer
        self.pareto_front_ = pareto_front(records, plan.objectives, plan.minimized)

    def _set_best(self, refit_metric: str) -> None:
        """Set the fitted attributes of the best trial, if one is to be chosen."""
        if not self.refit and self.multimetric_:
            return
        if callable(self.scoring) and self.multimetric_:
            refit_metric = self.refit
        results = self.cv_results_
        index = choose_best_index(self, refit_metric, results)
        if not self._records[index].complete:
            raise ValueError(
                "The 'refit' function must return the row of a complete trial. Got "
                f"{index}, whose state is {results['state'][index]}. The scores of such trials "
                "are NaN: np.argmax takes NaN for the largest value, np.nanargmax ignores it."
            )
        self.best_index_ = index
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{refit_metric}"][index]
        self.best_params_ = results["params"][index]

    def _refit(self, cv: CrossValidation, context: SearchContext) -> None:
        """Fit the best parameters on all samples, for the median of the folds' best epochs."""
        estimator = cv.candidate(self.best_params_)
        net: Any = find_convnet(estimator)
        epochs = [fold["best_epoch"] for fold in self._records[self.best_index_].result["folds"]]
        if net is not None and net.early_stopping and all(epochs) and epochs:
            net.set_params(early_stopping=False, max_epochs=int(np.ceil(np.median(epochs))))
        targets = () if cv.y is None else (cv.y,)
        start = time.perf_counter()
        with context.of_refit().around(estimator):
            estimator.fit(cv.X, *targets, **cv.fit_params)
        self.refit_time_ = time.perf_counter() - start
        self.best_estimator_ = estimator
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_

    def _warn_of_interruption(self, n_trials: int) -> None:
        total = "" if self.n_trials is None else f" of {self.n_trials}"
        warn_caller(
            f"The search was interrupted after {n_trials} trials{total}; their results are kept.",
            UserWarning,
        )
