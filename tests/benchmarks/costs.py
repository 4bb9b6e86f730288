"""How seconds and memory grow: of a search's trials, splits, predictions, copies and batches.

    python tests/benchmarks/costs.py [--only NAME ...] [--quick]

Each line runs in a process of its own, so that the peak of its memory is its own (Linux).
Columns are the size, the figure before the costs were made linear and the figure now.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np

MIB = 2**20
# Measured by this script on 2026-11-30, before the costs were made linear, on two busy cores.
BEFORE = {
    "a trial, random; 1,000 finished trials": 0.018,
    "a trial, random; 10,000 finished trials": 0.18,
    "a trial, random; 100,000 finished trials": 1.6,
    "a trial, tpe; 1,000 finished trials": 0.024,
    "a trial, tpe; 10,000 finished trials": 0.24,
    "a trial, random, journal; 20,000 finished trials": 0.33,
    "racing, the end of a fold; 1,000 complete trials": 0.030,
    "racing, the end of a fold; 5,000 complete trials": 0.22,
    "racing, the end of a fold; 100,000 complete trials": 3.8,
    "racing, a late epoch; 1,000 complete trials": 0.039,
    "racing, a late epoch; 5,000 complete trials": 0.22,
    "racing, a late epoch; 100,000 complete trials": 4.9,
    "racing, a late epoch, which prunes; 1,000 complete trials": 0.042,
    "racing, a late epoch, which prunes; 5,000 complete trials": 0.27,
    "racing, a late epoch, which prunes; 100,000 complete trials": 2.3,
    "Pareto front of 2 objectives; 5,000 trials": 2.2,
    "Pareto front of 2 objectives; 20,000 trials": 36,
    "Pareto front of 3 objectives; 5,000 trials": 2.9,
    "Pareto front of 3 objectives; 20,000 trials": 46,
    "predict; 20,000 samples, 10,000 classes: logits of 763 MiB": 2291,
    "stratified validation split; 1,000,000 samples, 10,000 classes": 5.6,
    "multilabel fit; 200,000 samples, 500 labels: 95 MiB of uint8": 1144,
    "Augmented; 100,000 images of 28x28 and a copy: 150 MiB of uint8": 598,
    "a batch of the default fit; 3,072 signals of 100,000": 10526,
    "graph breaks of compile=True; default network, conv_dropout=0.1": 5,
}


def seconds(action, repeats=3):
    """Return the median seconds of a call."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def peak_mib(action):
    """Return the largest growth of the memory in use during a call, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    action()
    return (_status("VmHWM") - before) / MIB


def _status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


# Searches


def finished_study(n, storage, plan, sampler):
    """Return a study with `n` finished trials of two folds."""
    import optuna
    from optuna.trial import TrialState, create_trial

    from skcnn.model_selection._running.study import KEY, RESULT, WORKER

    study = optuna.create_study(
        storage=storage, study_name="s", direction="maximize", sampler=sampler
    )
    draws = np.random.default_rng(0).random((n, 3))
    fold = {"test_scores": {"score": 0.5}, "train_scores": {}, "fit_time": 0.1, "error": ""}
    result = {"state": "COMPLETE", "folds": [fold, fold], "n_epochs": None, "reason": ""}
    for i, row in enumerate(draws.tolist()):
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=row[0],
                params=dict(zip("abc", row, strict=True)),
                distributions=plan.space.distributions,
                user_attrs={KEY: f"{i:032x}", RESULT: result, WORKER: "w"},
            )
        )
    return study


def search_plan(sampler, n_trials):
    from sklearn.base import BaseEstimator, ClassifierMixin

    from skcnn.model_selection import ConvNetSearchCV
    from skcnn.model_selection._plan import cross_validation_of, make_plan

    class Constant(ClassifierMixin, BaseEstimator):
        def __init__(self, a=0.0, b=0.0, c=0.0):
            self.a, self.b, self.c = a, b, c

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.zeros(len(X), int)

    X, y = np.zeros((8, 2)), np.arange(8) % 2
    space = dict.fromkeys("abc", (0.0, 1.0))
    search = ConvNetSearchCV(
        Constant(), space, cv=2, sampler=sampler, n_trials=n_trials, random_state=0
    )
    cv, seed = cross_validation_of(search, X, y, lambda *_: 0.5, {})
    return make_plan(search, cv, seed)


def trial_seconds(n, sampler="random", journal=False):
    """Return the seconds of a trial after `n` finished ones, and those of Optuna alone."""
    import optuna
    from optuna.samplers import RandomSampler, TPESampler

    from skcnn._utils.progress import SearchProgress
    from skcnn.model_selection._running.runner import TrialRunner
    from skcnn.model_selection._running.storage import open_storage

    n_more = 5 if n > 20_000 else 20
    plan = search_plan(sampler, n + n_more + 1)
    with tempfile.TemporaryDirectory() as folder:
        storage = open_storage(Path(folder) / "journal" if journal else None, "s")
        own = TPESampler(seed=0, multivariate=True) if sampler == "tpe" else RandomSampler(0)
        study = finished_study(n, storage.storage, plan, own)

        def ask_and_tell():
            trial = study.ask(plan.space.distributions)
            study.tell(trial, state=optuna.trial.TrialState.FAIL)

        alone = seconds(ask_and_tell, 3)
        with SearchProgress(0, "", None, 0) as silent:
            runner = TrialRunner(plan, storage, study, silent)
            marks = []
            run_trial = runner._run_trial

            def timed(claim):
                run_trial(claim)
                marks.append(time.perf_counter())

            runner._run_trial = timed
            runner.run()
        storage.close()
    return float(np.median(np.diff(marks))), alone


def trials(quick):
    for n in (1_000, 10_000) if quick else (1_000, 10_000, 100_000):
        for sampler in ("random", "tpe") if n <= 10_000 else ("random",):
            ours, alone = trial_seconds(n, sampler)
            yield f"a trial, {sampler}", f"{n:,} finished trials", ours, "s"
            yield f"of it Optuna's ask and tell, {sampler}", f"{n:,} finished trials", alone, "s"
    n = 1_000 if quick else 20_000
    ours, alone = trial_seconds(n, journal=True)
    yield "a trial, random, journal", f"{n:,} finished trials", ours, "s"
    yield "of it Optuna's ask and tell, journal", f"{n:,} finished trials", alone, "s"


def pruner(quick):
    import optuna
    from optuna.trial import TrialState, create_trial

    from skcnn.model_selection._pruners import RacingPruner

    for n in (1_000, 5_000) if quick else (1_000, 5_000, 100_000):
        study = optuna.create_study(direction="maximize")
        draws = np.random.default_rng(0).random((n, 5))
        for means in (draws.cumsum(axis=1) / np.arange(1, 6)).tolist():
            values = {10 * fold + 9: mean for fold, mean in enumerate(means)}
            values |= {48: means[-1]}
            study.add_trial(create_trial(value=means[-1], intermediate_values=values))
        racing = RacingPruner(10)
        for step, value, name in (
            (9, 0.0, "the end of a fold"),
            (48, 0.5, "a late epoch"),
            (48, 0.0, "a late epoch, which prunes"),
        ):
            trial = create_trial(state=TrialState.RUNNING, intermediate_values={step: value})
            racing.prune(study, trial)
            taken = seconds(partial(racing.prune, study, trial), 1 if n > 9_000 else 3)
            yield f"racing, {name}", f"{n:,} complete trials", taken, "s"


def pareto(quick):
    from skcnn.model_selection._results import TrialRecord, pareto_front

    for n_objectives in (2, 3):
        for n in (2_000,) if quick else (5_000, 20_000):
            values = np.random.default_rng(0).random((n, n_objectives)).tolist()
            records = [
                TrialRecord(i, {}, {"state": "COMPLETE"}, row) for i, row in enumerate(values)
            ]
            names, signs = list("abc"[:n_objectives]), [True] * n_objectives
            taken = seconds(lambda r=records, n=names, s=signs: pareto_front(r, n, s), 1)
            yield f"Pareto front of {n_objectives} objectives", f"{n:,} trials", taken, "s"


# Data and networks


def predict(quick):
    import torch

    from skcnn import ConvNetClassifier
    from skcnn.layers import Flatten

    n, n_classes = (4_000, 2_000) if quick else (20_000, 10_000)
    X = np.random.default_rng(0).random((n, 16)).astype(np.float32)
    y = np.arange(n) % n_classes
    model = ConvNetClassifier(
        architecture=[Flatten()], max_epochs=1, batch_size=1_000, calibration=None, random_state=0
    ).fit(X, y)
    model.predict(X[:1000])
    torch.set_num_threads(1)
    logits = n * n_classes * 4 / MIB
    size = f"{n:,} samples, {n_classes:,} classes: logits of {logits:.0f} MiB"
    yield "predict", size, peak_mib(lambda: model.predict(X)), "MiB"


def split(quick):
    from skcnn._data import validation_split

    n, n_classes = (100_000, 1_000) if quick else (1_000_000, 10_000)
    targets = np.random.default_rng(0).integers(0, n_classes, n)
    taken = seconds(lambda: validation_split._choose_validation(targets, 0.1, 0, True), 1)
    yield "stratified validation split", f"{n:,} samples, {n_classes:,} classes", taken, "s"


def multilabel(quick):
    from skcnn import ConvNetClassifier
    from skcnn.layers import Flatten

    n, n_labels = (20_000, 100) if quick else (200_000, 500)
    rng = np.random.default_rng(0)
    X = rng.random((n, 4)).astype(np.float32)
    y = (rng.random((n, n_labels), np.float32) > 0.5).astype(np.uint8)
    model = ConvNetClassifier(
        architecture=[Flatten()], max_epochs=1, batch_size=1_000, calibration=None
    )
    model.fit(X[:1000], y[:1000])
    peak = peak_mib(lambda: model.fit(X, y))
    size = f"{n:,} samples, {n_labels} labels: {y.nbytes / MIB:.0f} MiB of uint8"
    yield "multilabel fit", size, peak, "MiB"


def augmented(quick):
    from sklearn.base import BaseEstimator, ClassifierMixin

    from skcnn.augmentation import Augmented, RandomFlip

    class Nothing(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            return self

    n = 5_000 if quick else 100_000
    X = np.random.default_rng(0).integers(0, 256, (n, 784), np.uint8)
    y = np.arange(n) % 2
    model = Augmented(Nothing(), [RandomFlip()], n_copies=1, input_shape=(28, 28), random_state=0)
    model.fit(X[:100], y[:100])
    peak = peak_mib(lambda: model.fit(X, y))
    size = f"{n:,} images of 28x28 and a copy: {2 * X.nbytes / MIB:.0f} MiB of uint8"
    yield "Augmented", size, peak, "MiB"


def batch(quick):
    from skorch.callbacks import Callback

    from skcnn import ConvNetClassifier

    class OneBatch(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    n, length = (256, 100_000) if quick else (3_072, 100_000)
    X = np.random.default_rng(0).integers(0, 256, (n, length), np.uint8)
    y = np.arange(n) % 2
    model = ConvNetClassifier(callbacks=[OneBatch()], random_state=0)

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(KeyboardInterrupt):
                model.fit(X, y)

    yield "a batch of the default fit", f"{n:,} signals of {length:,}", peak_mib(fit), "MiB"


def compiled(quick):
    import torch

    from skcnn import ConvNetClassifier

    rng = np.random.default_rng(0)
    X, y = rng.random((64, 16, 16)).astype(np.float32), np.arange(64) % 2
    model = ConvNetClassifier(max_epochs=1, random_state=0, conv_dropout=0.1).fit(X, y)
    module = model.net_.module_.train()
    model.net_.seed_dropout(0)
    try:
        from skcnn.layers._dropout import draw_in_compiled_graphs

        draw_in_compiled_graphs(module)
    except ImportError:  # an earlier version
        pass
    explained = torch._dynamo.explain(module)(torch.zeros(8, 1, 16, 16))
    breaks = len(explained.break_reasons)
    yield "graph breaks of compile=True", "default network, conv_dropout=0.1", breaks, ""


LINES = {
    each.__name__: each
    for each in (trials, pruner, pareto, predict, split, multilabel, augmented, batch, compiled)
}


def as_text(value, unit):
    if value is None:
        return "-"
    digits = f"{value:.2g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{digits} {unit}".strip()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(LINES), default=list(LINES))
    parser.add_argument("--quick", action="store_true", help="small sizes, about a minute")
    parser.add_argument("--child", choices=list(LINES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        for row in LINES[options.child](options.quick):
            print(json.dumps(row), flush=True)
        return
    print("| what | size | before | now |\n|---|---|---|---|", flush=True)
    for name in options.only:
        command = [sys.executable, __file__, "--child", name, *["--quick"] * options.quick]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                what, size, value, unit = json.loads(line)
                before = as_text(BEFORE.get(f"{what}; {size}"), unit)
                print(f"| {what} | {size} | {before} | {as_text(value, unit)} |", flush=True)
        if child.returncode:
            sys.exit(f"{name} failed")


if __name__ == "__main__":
    main()
