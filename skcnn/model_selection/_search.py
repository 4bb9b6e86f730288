"""ConvNetSearchCV: Optuna's search with GridSearchCV's interface.

Puts the parts together; Optuna itself is imported by the modules that ``fit`` loads.
"""

import time
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.callback import with_callbacks
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import indexable
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)
from sklearn.utils.validation import _check_method_params, check_is_fitted

from skcnn._convnet.pipelines import convnet_of
from skcnn._utils.random_state import draw_seed, set_random_states
from skcnn._utils.validation import warn_caller
from skcnn.model_selection._callbacks import SearchContext
from skcnn.model_selection._evaluation import merged_warnings
from skcnn.model_selection._folds import CrossValidation
from skcnn.model_selection._network_size import COSTS, read_outputs
from skcnn.model_selection._results import (
    TrialRecord,
    causes,
    format_results,
    pareto_front,
    trials_table,
    why_none_is_complete,
)

if TYPE_CHECKING:
    from optuna.study import Study

    from skcnn.model_selection._running.study import SearchPlan


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

    Takes the place of GridSearchCV: the same scores, results and methods. Trials are drawn
    by an Optuna sampler, which learns from those before; trials that fall behind are ended
    early, also inside a Pipeline.

    Parameters
    ----------
    estimator : estimator
        A ConvNet, or a Pipeline that ends in one. Any other estimator is searched too, with
        a `param_space` of its own and without pruning.
    param_space : "auto", dict or callable, default="auto"
        What to draw from.

        - "auto": blocks, convolutions a block, filters and their growth, kernel size, pool
          or stride, hidden layers and units, normalization, activation, dropout, optimizer,
          learning rate, weight decay, batch size, and the strength of the augmentation if
          there is one. Every draw fits the input, and has at most eight times the
          multiply-accumulates of the estimator's own network unless `constraints` say
          otherwise. The first trial is the estimator as it is,
          the next ones differ from it in a quarter of these. With an `architecture`, only
          what belongs to training is searched.
        - dict of parameter name to an Optuna distribution, a tuple ``(low, high)``, ``(low,
          high, "log")`` or ``(low, high, step)``, whose type says whether the numbers are
          whole, a list of choices, or a scipy distribution. Names inside a Pipeline are
          spelt as in `set_params`.
        - callable that takes an Optuna trial and returns a dict of parameters.
    n_trials : int or None, default=50
        Trials in all, with those of earlier calls on the same `storage`. None needs a
        `timeout` or `patience`.
    timeout : float or None, default=None
        Seconds after which the search ends. A trial under way is left at the end of its
        epoch and does not count.
    patience : int or None, default=None
        Trials without a better one after which the search ends.
    scoring : str, callable, list, tuple, dict or None, default=None
        As in GridSearchCV.
    refit : bool, str or callable, default=True
        As in GridSearchCV. Where the best trial stopped early, the refit takes all samples
        and the median of its folds' best epochs. With several scores the named one is
        searched for, without a name the first.
    cv : int, splitter, iterable or None, default=None
        As in GridSearchCV; split once, the same for all trials.
    sampler : {"auto", "tpe", "random"} or Optuna sampler, default="auto"
        "auto" is the tree-structured Parzen estimator [1]_ after ten random trials.
    pruner : {"auto", "racing", "median", "hyperband", "asha"}, Optuna pruner or None, \
            default="auto"
        When to end a trial early. "auto" and "racing" compare it fold by fold with the best
        one, and within a fold only late in the training: a network that learns slowly at
        first may still become the best. "median" compares the mean score so far with the
        median of other trials after as many epochs, which saves more epochs and sometimes
        misses the best. "hyperband" [2]_ and "asha" train an epoch of all folds at a time.
    objectives : sequence of str or None, default=None
        What to search for at once: "score" or the name of a score, and the costs
        "n_parameters", "multiply_accumulates", "predict_seconds" (of a fold's test
        samples), "fit_seconds" (of a fold) and "n_epochs". None is ("score",). With more
        than one there is no pruning, and `pareto_front_` has the best trade-offs.
    constraints : dict or None, default=None
        Upper bounds: of "n_parameters" and "multiply_accumulates" (of one sample), known
        before a training: "auto" then draws smaller networks, a dict draws again, and
        what a function or a sampler of yours draws is not trained but recorded as
        infeasible; and of "seconds" of a trial, which fails at the end of the epoch that
        exceeds them.
    storage : str, Path or None, default=None
        Where the study is kept: in memory, in a journal file of this path, or in the
        database of a URL ``postgresql://...`` (or ``sqlite:///...``).
    study_name : str or None, default=None
        The study's name in the storage; None is "ConvNetSearchCV".
    resume : bool, default=True
        Whether to continue a study that is in the storage already.
    initial_params : sequence of dict, default=()
        Parameters to try first; for a callable the values of its suggestions.
    n_jobs : int or None, default=None
        Processes, with one thread each. None is this process alone, -1 all processors.
    random_state : int, RandomState instance or None, default=None
        Seed of the sampler, and of the estimator's parts whose own `random_state` is None.
        With an integer a search in one process is always the same.
    verbose : int, default=0
        0 silent, 1 a progress bar, 2 or more a line a trial.
    error_score : "raise" or float, default=np.nan
        Score of a fold that failed. With NaN the trial fails and does not go on.
    return_train_score : bool, default=False
        Whether training samples are scored too.

    Attributes
    ----------
    cv_results_ : dict of str -> array
        As GridSearchCV's, a row a trial, and: state ("COMPLETE", "PRUNED", "FAIL",
        "INFEASIBLE"), pruned, n_epochs (of all folds), n_parameters, trial (its number in
        the study). Scores of folds that were not finished are NaN. It can be made a
        DataFrame.
    best_estimator_ : estimator
        Fitted on all samples with the best parameters, if `refit` is not False.
    best_score_ : float
        Mean score of the best trial.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its row.
    study_ : optuna.study.Study
        The study.
    pareto_front_ : DataFrame
        The complete trials that no other beats in all objectives: objectives and
        parameters, indexed by row.
    scorer_ : callable or dict
        The scorers.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
        Whether there are several scores.
    classes_ : ndarray of shape (n_classes,)
        Class labels, of a classifier.
    n_features_in_ : int
        Number of values of a sample.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of `X`, where it had any that are strings.

    See Also
    --------
    SearchDisplay : Draws a search.
    sklearn.model_selection.GridSearchCV : Tries all combinations.

    Notes
    -----
    The pruner's step is ``fold * n_epochs + epoch``; what is compared is the mean of the
    finished folds' scores and of the current one's on its test samples.

    Steps of a Pipeline before the ConvNet are fitted once a fold, and again only where
    their own parameters change.

    With `n_jobs` or several processes on one storage, what a trial learns from depends on
    which are finished: the search is not reproducible, though each trial's score is.

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
            for name, constraint in BaseSearchCV._parameter_constraints.items()
            if name != "pre_dispatch"
        },
        "estimator": [HasMethods(["fit"])],
        "param_space": [StrOptions({"auto"}), dict, callable],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "sampler": [
            StrOptions({"auto", "tpe", "random"}),
            HasMethods(["sample_relative", "sample_independent"]),
        ],
        "pruner": [
            StrOptions({"auto", "racing", "median", "hyperband", "asha"}),
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
        sampler: Any = "auto",
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
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Search, and fit the best estimator on all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
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
            If a parameter is illegal, the storage has a study of another search, or no
            trial is completed; then with the first failure's traceback.

        Warns
        -----
        FitFailedWarning
            If some trials failed.
        UserWarning
            If the search was interrupted (Ctrl-C): the best so far is refitted. What fits
            warned of is shown once, with how often.
        """
        from skcnn.model_selection._plan import check_search, fingerprint, make_plan
        from skcnn.model_selection._running.storage import quiet_optuna
        from skcnn.model_selection._running.workers import run_search

        check_search(self)
        scorer, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        net = convnet_of(self.estimator)
        if net is not None:
            read_outputs(net, X, y)  # bad targets are told of before they are split
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(cv.split(X, y, **routed.splitter.split))
        if not splits:
            raise ValueError("No fits were performed. Was the CV iterator empty?")
        seed = None if self.random_state is None else draw_seed(self.random_state)
        estimator = clone(self.estimator)
        if seed is not None:
            estimator = set_random_states(estimator, seed)
        data = CrossValidation(
            estimator,
            X,
            y,
            splits,
            scorer,
            main_metric=self._main_metric(),
            objectives=tuple(name for name in self._objectives() if name not in ("score", *COSTS)),
            own_scorer=_has_own_scorer(self.scoring),
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            error_score=self.error_score,
            return_train_score=self.return_train_score,
            time_predictions="predict_seconds" in self._objectives(),
        )
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
        self._keep(plan, study, records, refit_metric)
        if self.refit:
            self._refit(data, context)
        context.finish()
        self._warn(records, interrupted, earlier)
        return self

    def trials_dataframe(self) -> pd.DataFrame:
        """Return one row a trial, also of failed and pruned ones.

        Returns
        -------
        DataFrame
            Indexed by the trial's number in the study: state, objectives (scores are
            NaN unless complete), n_epochs, n_parameters, copy_of (a trial with the same parameters,
            which was not trained again), begin, seconds, reason (why it failed, in a line), and a
            column a parameter.
        """
        check_is_fitted(self, "study_")
        times = {
            trial.number: (trial.datetime_start, trial.datetime_complete)
            for trial in self.study_.get_trials(deepcopy=False)
        }
        return trials_table(self._records, self._objectives(), times)

    # Preparation

    def _objectives(self) -> tuple[str, ...]:
        return ("score",) if self.objectives is None else tuple(self.objectives)

    def _main_metric(self) -> str | None:
        """Return the name of the score that the pruner sees, None for the only or first one."""
        first = self._objectives()[0]
        if first not in ("score", *COSTS):
            return first
        return self.refit if isinstance(self.refit, str) else None

    # Results

    def _keep(
        self,
        plan: "SearchPlan",
        study: "Study",
        records: list[TrialRecord],
        refit_metric: str,
    ) -> None:
        """Set the fitted attributes but those of the refit."""
        complete = [record for record in records if record.complete]
        if not any(record.scored for record in records):
            raise ValueError(why_none_is_complete(records, self.timeout))
        n_splits = len(plan.cv.splits)
        results = format_results(records, n_splits, self.error_score, self.return_train_score)
        names = {
            name for r in complete for fold in r.result["folds"] for name in fold["test_scores"]
        }
        multimetric = bool(names - {"score"})
        if callable(self.scoring) and multimetric:
            self._check_refit_for_multimetric(dict.fromkeys(names))
            refit_metric = self.refit
        for name in OF_REFIT:
            self.__dict__.pop(name, None)  # of an earlier fit
        self.n_splits_ = n_splits
        self.multimetric_ = multimetric
        self.study_ = study
        self._records = records
        self.cv_results_ = results
        self.scorer_ = getattr(plan.cv.scorer, "_scorers", plan.cv.scorer)
        small = [direction.name == "MINIMIZE" for direction in plan.directions]
        self.pareto_front_ = pareto_front(records, plan.objectives, small)
        if self.refit or not multimetric:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not records[self.best_index_].complete:
                raise ValueError(
                    f"The 'refit' function must return the row of a complete trial. Got "
                    f"{self.best_index_}, whose state is {results['state'][self.best_index_]}: "
                    "scores that are not there are NaN, which np.argmax takes for the largest "
                    "and np.nanargmax leaves out."
                )
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]

    def _refit(self, cv: CrossValidation, context: SearchContext) -> None:
        """Fit the best parameters on all samples, for as long as was best for the folds."""
        estimator = clone(cv.estimator).set_params(**clone(self.best_params_, safe=False))
        net: Any = convnet_of(estimator)
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

    def _warn(self, records: list[TrialRecord], interrupted: bool, earlier: set[int]) -> None:
        """Tell once what went wrong in the trials of this call."""
        new = [record for record in records if record.number not in earlier]
        failed = [record for record in new if record.error]
        if interrupted:
            warn_caller(
                f"The search was interrupted after {len(records)} trials"
                + ("" if self.n_trials is None else f" of {self.n_trials}")
                + "; what was found until then is kept.",
                UserWarning,
            )
        for category, message in merged_warnings([r.result["warnings"] for r in new], "trials"):
            warn_caller(message, category)
        if failed:
            warn_caller(
                f"{len(failed)} of {len(new)} trials failed: {causes(failed)}. The first, trial "
                f"{failed[0].number}:\n{failed[0].error}",
                FitFailedWarning,
            )


def _has_own_scorer(scoring: Any) -> bool:
    """Return whether the user wrote a scorer, which may look into a Pipeline."""
    scorers = scoring.values() if isinstance(scoring, dict) else [scoring]
    return any(callable(scorer) and not hasattr(scorer, "_score_func") for scorer in scorers)
