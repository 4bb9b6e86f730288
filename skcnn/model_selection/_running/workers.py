"""Runs the trials of a study in this process, or in several worker processes."""

import pickle
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import torch
from joblib import parallel_config
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial
from sklearn.utils.parallel import Parallel, delayed

from skcnn._data.value_texts import key_of
from skcnn._utils.compat import TerminatedWorkerError
from skcnn._utils.progress import SearchProgress
from skcnn._utils.validation import warn_caller
from skcnn.model_selection._callbacks import FoldContext
from skcnn.model_selection._evaluation import Outcome
from skcnn.model_selection._parallel import processes_for
from skcnn.model_selection._plan import SearchPlan
from skcnn.model_selection._results import TrialRecord
from skcnn.model_selection._running.nesting import is_called_by_many_fits
from skcnn.model_selection._running.runner import TrialRunner
from skcnn.model_selection._running.storage import open_storage, quiet_optuna
from skcnn.model_selection._running.study import (
    KEY,
    best_value,
    finished_trials,
    load_study,
    open_study,
    result_of,
)
from skcnn.model_selection._running.trial_index import TrialIndex

SEARCH_NAME = "ConvNetSearchCV"
MOST_RESTARTS = 3  # of worker processes that died
WATCH_SECONDS = 0.5
UNKNOWN_PARAMS = (
    "The 'param_space' function must return the same parameters whenever a trial suggests the "
    "same values."
)


def run_search(
    plan: SearchPlan,
    *,
    storage: Any,
    study_name: str,
    fingerprint: Mapping[str, Any],
    resume: bool,
    n_jobs: int | None,
    verbose: int,
    contexts: Callable[[int], Sequence[FoldContext]],
) -> tuple[Study, list[TrialRecord], bool, set[int]]:
    """Run the trials, here or in worker processes.

    Parameters
    ----------
    plan : SearchPlan
        The plan of the search.
    storage, study_name, resume, n_jobs, verbose
        The parameters of ConvNetSearchCV.
    fingerprint : mapping
        Descriptions that are the same for two searches with comparable scores.
    contexts : callable
        Takes the number of folds; returns a callback context for each.

    Returns
    -------
    study : Study
        Optuna's study.
    records : list of TrialRecord
        The finished trials, also of earlier calls.
    interrupted : bool
        Whether Ctrl-C ended the search.
    earlier : set of int
        Numbers of the trials of earlier calls.
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
                runner.params |= _run_workers(plan, where, study_name, n_jobs, progress)
            runner.run()  # all trials, or those left by workers that died
        except KeyboardInterrupt:
            runner.abandon()
            if best_value(study) is None or is_called_by_many_fits():
                raise
            interrupted = True
        study = _reload(study_name, opened.storage, to_memory=where is not storage)
        return study, _records(plan, study, runner.params), interrupted, earlier


def _reload(study_name: str, storage: BaseStorage, *, to_memory: bool) -> Study:
    """Return the study without its sampler, which refers to the data.

    `to_memory` copies it, for a storage in a temporary folder.
    """
    if to_memory:
        memory = InMemoryStorage()
        optuna.copy_study(from_study_name=study_name, from_storage=storage, to_storage=memory)
        storage = memory
    return load_study(study_name, storage)


def _run_workers(
    plan: SearchPlan, storage: Any, study_name: str, n_jobs: int, progress: Any
) -> dict[int, dict[str, Any]]:
    """Run trials in worker processes until the search is over, also if some of them die.

    Returns
    -------
    dict of int to dict
        The parameters of trials, where they do not follow from a trial's values.
    """
    over = threading.Event()
    watcher = threading.Thread(
        target=_show_progress, args=(storage, study_name, progress, over), daemon=True
    )
    watcher.start()
    try:
        for restart in range(MOST_RESTARTS + 1):
            try:
                with parallel_config(backend="loky", inner_max_num_threads=1):
                    found = Parallel(n_jobs=n_jobs)(
                        delayed(_run_worker)(plan, storage, study_name) for _ in range(n_jobs)
                    )
                return {n: params for of_worker in found for n, params in of_worker.items()}
            except TerminatedWorkerError:
                if restart == MOST_RESTARTS:
                    warn_caller(
                        f"Worker processes died {restart + 1} times, perhaps for lack of "
                        "memory. The search continues in this process alone.",
                        UserWarning,
                    )
    finally:
        over.set()
        watcher.join()
    return {}


def _records(
    plan: SearchPlan, study: Study, own: Mapping[int, dict[str, Any]]
) -> list[TrialRecord]:
    """Return the finished trials; `own` has the parameters of those that this call ran."""
    records, unknown = [], []
    for trial in finished_trials(study):
        result = result_of(trial)
        params = own[trial.number] if trial.number in own else _params_again(plan, trial)
        if params is None and result["state"] == "COMPLETE":
            unknown.append(trial)
            result = asdict(Outcome("FAIL", reason=UNKNOWN_PARAMS))
        complete = result["state"] == "COMPLETE"
        records.append(
            TrialRecord(trial.number, params or {}, result, trial.values if complete else None)
        )
    if unknown:
        warn_caller(
            f"{UNKNOWN_PARAMS} For {len(unknown)} trials it did not, such as trial "
            f"{unknown[0].number} with the values {unknown[0].params}. They count as failed; "
            "study_ has their scores.",
            UserWarning,
        )
    return records


def _params_again(plan: SearchPlan, trial: FrozenTrial) -> dict[str, Any] | None:
    """Return the parameters of another process's trial, None if they are not known."""
    try:
        params = plan.space.params_of_trial(trial)
    except Exception:
        return None
    if plan.space.follows_values or key_of(params) == trial.user_attrs.get(KEY):
        return params
    return None


def _run_worker(plan: SearchPlan, storage: Any, study_name: str) -> dict[int, dict[str, Any]]:
    """Run trials in this worker process; return parameters that do not follow from values."""
    torch.set_num_threads(1)
    with quiet_optuna(), SearchProgress(0, "", None, 0) as silent:
        opened = open_storage(storage, study_name)
        try:
            study = load_study(study_name, opened.storage)
            runner = TrialRunner(plan, opened, study, silent)
            runner.run()
        finally:
            opened.close()
    if plan.space.follows_values:
        return {}
    return {number: params for number, params in runner.params.items() if _is_picklable(params)}


def _is_picklable(params: Mapping[str, Any]) -> bool:
    try:
        pickle.dumps(params)
    except Exception:
        return False
    return True


def _show_progress(
    storage: Any, study_name: str, progress: SearchProgress, over: threading.Event
) -> None:
    """Show the trials that the workers have finished, until `over` is set."""
    if not progress.verbose:
        return
    opened = open_storage(storage, study_name)
    try:
        index = TrialIndex(load_study(study_name, opened.storage))
        n_shown = len(index.refresh())
        done = False
        while not done:
            done = over.wait(WATCH_SECONDS)
            for trial in index.refresh():
                n_shown += 1
                value = trial.values[0] if trial.values else None
                progress.trial_ended(
                    trial.number, trial.state.name, value, n_shown, index.best_value
                )
    finally:
        opened.close()
