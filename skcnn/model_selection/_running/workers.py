"""A study's trials run from begin to end, in this process or in several.

What a trial is and does is known by ``_trials``.
"""

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
import torch
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from optuna.study import Study
from optuna.trial import FrozenTrial
from sklearn.utils.parallel import Parallel, delayed

from skcnn._utils.progress import SearchProgress
from skcnn._utils.validation import warn_caller
from skcnn.model_selection._callbacks import FoldContext
from skcnn.model_selection._folds import processes_for
from skcnn.model_selection._results import TrialRecord
from skcnn.model_selection._running.storage import open_storage, quiet_optuna
from skcnn.model_selection._running.study import (
    KEY,
    SearchPlan,
    best_value,
    finished_trials,
    key_of,
    open_study,
    result_of,
)
from skcnn.model_selection._running.trials import TrialRunner

SEARCH_NAME = "ConvNetSearchCV"
MOST_RESTARTS = 3  # of worker processes that died
WATCH_SECONDS = 0.5


def run_search(
    plan: SearchPlan,
    *,
    storage: Any,
    study_name: str,
    fingerprint: Mapping[str, str],
    resume: bool,
    n_jobs: int | None,
    verbose: int,
    contexts: Callable[[int], Sequence[FoldContext]],
) -> tuple[Study, list[TrialRecord], bool, set[int]]:
    """Run the trials, here or in worker processes.

    Parameters
    ----------
    plan : SearchPlan
        What is searched.
    storage, study_name, resume, n_jobs, verbose
        As the parameters of ConvNetSearchCV.
    fingerprint : mapping
        What must be the same for the scores of two searches to be compared.
    contexts : callable
        Takes the number of folds; returns a callback context for each.

    Returns
    -------
    study, records
        With the trials of earlier calls.
    interrupted : bool
        Whether Ctrl-C ended it.
    earlier : set of int
        Trials that were there before.
    """
    n_jobs = processes_for([plan.cv.estimator], n_jobs, "trials", plan.n_trials)
    interrupted = False
    with ExitStack() as stack:
        where = storage
        if where is None and n_jobs > 1:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="skcnn-"))
            where = str(Path(folder) / "study.journal")
        opened = open_storage(where, study_name)
        stack.callback(opened.close)
        study = open_study(plan, opened, study_name, fingerprint, resume)
        earlier = {trial.number for trial in finished_trials(study)}
        progress = stack.enter_context(
            SearchProgress(verbose, SEARCH_NAME, plan.n_trials, len(plan.cv.splits))
        )
        progress.begin(len(earlier), best_value(study))
        runner = TrialRunner(plan, opened, study, progress, contexts)
        try:
            if n_jobs > 1:
                _run_workers(plan, where, study_name, n_jobs, progress)
            runner.run()  # alone, or what workers that died left
        except KeyboardInterrupt:
            runner.abandon()
            if best_value(study) is None:
                raise
            interrupted = True
        if where is not storage:  # the folder is about to go
            memory = optuna.storages.InMemoryStorage()
            optuna.copy_study(
                from_study_name=study_name, from_storage=opened.storage, to_storage=memory
            )
            study = optuna.load_study(study_name=study_name, storage=memory)
        else:  # without the sampler's hold on the data
            study = optuna.load_study(study_name=study_name, storage=opened.storage)
        return study, _records(plan, study, runner.params), interrupted, earlier


def _run_workers(
    plan: SearchPlan, storage: Any, study_name: str, n_jobs: int, progress: Any
) -> None:
    """Run trials in processes of their own until there are enough."""
    over = threading.Event()
    watcher = threading.Thread(
        target=_show_progress, args=(storage, study_name, progress, over), daemon=True
    )
    watcher.start()
    try:
        for restart in range(MOST_RESTARTS + 1):
            try:
                with parallel_config(backend="loky", inner_max_num_threads=1):
                    Parallel(n_jobs=n_jobs)(
                        delayed(_run_worker)(plan, storage, study_name) for _ in range(n_jobs)
                    )
                return
            except TerminatedWorkerError:
                if restart == MOST_RESTARTS:
                    warn_caller(
                        f"Worker processes died {restart + 1} times, perhaps for lack of "
                        "memory. The search goes on in this process alone.",
                        UserWarning,
                    )
    finally:
        over.set()
        watcher.join()


def _records(
    plan: SearchPlan, study: Study, own: Mapping[int, dict[str, Any]]
) -> list[TrialRecord]:
    """Return the finished trials; `own` are the parameters of those that ran here."""
    records = []
    for trial in finished_trials(study):
        result = result_of(trial)
        complete = result["state"] == "COMPLETE"
        params = own[trial.number] if trial.number in own else _params_again(plan, trial, complete)
        records.append(
            TrialRecord(trial.number, params, result, trial.values if complete else None)
        )
    return records


def _params_again(plan: SearchPlan, trial: FrozenTrial, complete: bool) -> dict[str, Any]:
    """Return the parameters of another process's trial; none of a failed one without any.

    Raises
    ------
    ValueError
        If the user's function does not return what it did for the trial.
    """
    problem: Exception | None = None
    params: dict[str, Any] = {}
    try:
        params = plan.space.params_of_trial(trial)
    except Exception as error:
        problem = error
    if complete and (problem is not None or key_of(params) != trial.user_attrs.get(KEY)):
        raise ValueError(
            "The 'param_space' function must return the same parameters whenever a trial "
            f"suggests the same values. For the values {trial.params} of trial {trial.number} "
            f"it did not: {problem or params}."
        ) from problem
    return params


def _run_worker(plan: SearchPlan, storage: Any, study_name: str) -> None:
    """Run trials in a process of its own."""
    torch.set_num_threads(1)
    with quiet_optuna(), SearchProgress(0, "", None, 0) as silent:
        opened = open_storage(storage, study_name)
        try:
            study = optuna.load_study(study_name=study_name, storage=opened.storage)
            TrialRunner(plan, opened, study, silent).run()
        finally:
            opened.close()


def _show_progress(
    storage: Any, study_name: str, progress: SearchProgress, over: threading.Event
) -> None:
    """Show what the workers have done, until it is over."""
    if not progress.verbose:
        return
    opened = open_storage(storage, study_name)
    try:
        study = optuna.load_study(study_name=study_name, storage=opened.storage)
        shown = {trial.number for trial in finished_trials(study)}
        done = False
        while not done:
            done = over.wait(WATCH_SECONDS)
            for trial in finished_trials(study):
                if trial.number in shown:
                    continue
                shown.add(trial.number)
                value = trial.values[0] if trial.values else None
                progress.trial_ended(
                    trial.number, trial.state.name, value, len(shown), best_value(study)
                )
    finally:
        opened.close()
