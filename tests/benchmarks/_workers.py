"""Contenders as processes: started once, idle in turn, each with its own interpreter."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from _peers import OURS, SCRIPTS, Contender, PeerError, interpreter

# With its default thresholds glibc may return freed memory to the system at every step,
# depending on the layout of the heap. Raised thresholds keep it. They are set for the
# hand-tuned loops only; the other contenders run with their defaults.
KEEP_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(2**31))
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
ANSWER_SECONDS = 3600
# Share of one core that all waiting workers may use together.
IDLE_SHARE = 0.02


def _environment(settings):
    """Return the environment of a process; only those for a GPU see it."""
    hidden = {} if settings.get("device") == "cuda" else NO_GPU
    return {**os.environ, **hidden, **(KEEP_MEMORY if "tuned" in settings else {})}


class Worker:
    """A process that does one task at a time and answers in JSON."""

    def __init__(self, contender, python, log):
        settings = {"threads": torch.get_num_threads(), **contender.settings}
        self._log = Path(log)
        with open(log, "w") as errors:
            self._process = subprocess.Popen(
                [python, str(SCRIPTS / contender.script), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=_environment(settings),
                start_new_session=True,  # Ctrl-C is the command's to handle
            )
        try:
            self.versions = self._read()["versions"]
        except BaseException:  # also Ctrl-C: nobody else knows of the process yet
            self.close()
            raise

    def ask(self, task, **args):
        """Return the answer to one task.

        Raises
        ------
        PeerError
            If the task failed or the process ended.
        """
        try:
            print(json.dumps({"task": task, **args}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise PeerError(self._last_line()) from None
        answer = self._read()
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _read(self):
        watchdog = threading.Timer(ANSWER_SECONDS, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            self.close()
            raise PeerError(self._last_line())
        return json.loads(line)

    def _last_line(self):
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"ended with status {self._process.poll()}"

    def processor_seconds(self):
        """Return the processor time used so far, 0 where /proc does not tell."""
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self):
        """End the process."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Run:
    """A row of a table: a contender's task, and what is different in the warm-up."""

    label: str
    contender: Contender
    task: str
    args: dict
    warm: dict = field(default_factory=dict)


class Bench:
    """The workers of one command, their data, and who was left out.

    Parameters
    ----------
    options : argparse.Namespace
        With `quick`, `rounds`, `peer`, `environments`, `mnist` and `cifar`.
    folder : Path
        Where data and logs go.
    """

    def __init__(self, options, folder):
        self.options = options
        self.quick = options.quick
        self.left_out = {}
        self.cautions = []
        self.versions = {}
        self._folder = Path(folder)
        self._workers = {}

    def close(self):
        """End all processes."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def wanted(self, contender):
        """Return whether the contender's peer is to take part and did not fail."""
        chosen = contender.peer == OURS or contender.peer in self.options.peer
        return chosen and contender.name not in self.left_out

    def path(self, name):
        """Return a path for a file of this command."""
        return str(self._folder / name)

    def arrays(self, name, *arrays):
        """Write arrays for the workers and return the file."""
        file = self.path(f"{name}.npz")
        np.savez(file, *arrays)
        return file

    def noise(self, shape, n):
        """Return a file of `n` random images and labels."""
        rng = np.random.default_rng(0)
        shape = shape[:-1] if shape[-1] == 1 else shape
        X = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
        name = f"noise-{n}-{'x'.join(map(str, shape))}"
        return self.arrays(name, X, rng.integers(0, 10, n))

    def worker(self, contender):
        """Return the contender's process, started on first use."""
        if contender.name not in self._workers:
            worker = self.fresh(contender)
            self._workers[contender.name] = worker
            self.versions[contender.name] = worker.versions
        return self._workers[contender.name]

    def fresh(self, contender):
        """Start a process of the contender that the caller closes."""
        python = interpreter(contender.peer, self.options.environments)
        log = self.path(f"{contender.name.replace(' ', '-')}.log")
        return Worker(contender, python, log)

    def once(self, contender, task, **args):
        """Return the answer of a process that does this one task."""
        worker = self.fresh(contender)
        try:
            return worker.ask(task, **args)
        finally:
            worker.close()

    def _leave_out(self, contender, error):
        """Stop a contender's process and say why; without skcnn there is nothing to compare."""
        if contender.name in self._workers:
            self._workers.pop(contender.name).close()
        if contender.peer == OURS:
            raise PeerError(f"{contender.name}: {error}")
        self.left_out[contender.name] = str(error)
        print(f"left out: {contender.name}: {error}", flush=True)

    def alternate(self, runs, rounds=None, warm=True):
        """Do all runs in turn, `rounds` times.

        Parameters
        ----------
        runs : list of Run
        rounds : int or None
            None is the command's number.
        warm : bool
            Whether each run is done once ahead, with its changes for the warm-up.

        Returns
        -------
        dict of str to list of dict
            The answers of each run by its label, of those that did not fail.

        Raises
        ------
        PeerError
            If skcnn itself fails.
        """
        runs = [run for run in runs if self.wanted(run.contender)]
        readings = {run.label: [] for run in runs}
        if warm:
            for run in runs:
                self._do(run, {**run.args, **run.warm})
            self._look_at_idle()
        for number in range(rounds or self.options.rounds):
            for run in runs:
                answer = self._do(run, run.args)
                if answer is not None:
                    readings[run.label].append(answer)
            _progress(f"round {number + 1}")
        return {run.label: readings[run.label] for run in runs if self.wanted(run.contender)}

    def _do(self, run, args):
        if not self.wanted(run.contender):
            return None
        try:
            return self.worker(run.contender).ask(run.task, **args)
        except PeerError as error:
            self._leave_out(run.contender, error)
            return None

    def _look_at_idle(self):
        """Note a caution if a worker computes while it waits."""
        time.sleep(0.2)
        before = {name: w.processor_seconds() for name, w in self._workers.items()}
        start = time.perf_counter()
        time.sleep(1)
        seconds = time.perf_counter() - start
        for name, worker in self._workers.items():
            share = (worker.processor_seconds() - before[name]) / seconds
            if share > IDLE_SHARE:
                self.cautions.append(f"{name} used {share:.0%} of a core while it waited")
                print(f"caution: {self.cautions[-1]}", flush=True)


def _progress(text):
    if sys.stderr.isatty():
        print(f"  {text}", file=sys.stderr, flush=True)


def median(readings, key="seconds"):
    """Return the median of one figure."""
    return statistics.median(reading[key] for reading in readings)


def paired_ratio(above, below, key="seconds"):
    """Return the median over rounds of above / below."""
    pairs = zip(above, below, strict=True)
    return statistics.median(a[key] / b[key] for a, b in pairs)
