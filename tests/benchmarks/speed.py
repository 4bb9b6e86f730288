"""Speed, memory and growth of skcnn beside its peers, in alternating runs.

    python tests/benchmarks/speed.py [--quick] [--section NAME ...] [--peer NAME ...]
        [--mnist mnist.npz] [--cifar cifar10.tar.gz] [--rounds 5] [--out bench-results]

Peers with environments of their own (Keras on TensorFlow, Keras on JAX, fastai) get them
under --environments on first use. The MNIST file holds X_train (60000, 28, 28) uint8, y_train,
X_test and y_test; the CIFAR-10 archive train/CLASS/*.jpg and test/CLASS/*.jpg. Sections that
miss their file are left out. The section gpu needs a GPU.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import _machine
import _report
from _peers import PEERS, PeerError
from _workers import Bench
from sections import SECTIONS

ROOT = Path(__file__).parents[2]
QUICK_ROUNDS, ROUNDS = 2, 5


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, about three minutes")
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME")
    parser.add_argument(
        "--section", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), metavar="NAME"
    )
    parser.add_argument("--mnist", metavar="FILE")
    parser.add_argument("--cifar", metavar="FILE")
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument("--out", default=str(ROOT / "bench-results"), metavar="DIR")
    parser.add_argument("--environments", default=str(ROOT / ".bench-peers"), metavar="DIR")
    options = parser.parse_args()
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


def measure(options, machine, bench):
    """Do the sections one after the other; what is measured is written after each."""
    tables = []
    for name in options.section:
        try:
            for table in SECTIONS[name](bench):
                tables.append(table)
                print(f"\n{table.markdown()}\n", flush=True)
                _report.write(options.out, machine, options, tables, bench)
        except PeerError as error:
            bench.left_out[f"section {name}"] = str(error)
            print(f"\nleft out: section {name}: {error}\n", flush=True)
    _report.write(options.out, machine, options, tables, bench)


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    machine = _machine.describe()
    print(_report.heading(machine, options))
    if _machine.caution(machine):
        print(f"\n{_machine.caution(machine)}", flush=True)
    folder = tempfile.mkdtemp(prefix="skcnn-speed-")
    bench = Bench(options, folder)
    if _machine.caution(machine):
        bench.cautions.append(_machine.caution(machine))
    try:
        measure(options, machine, bench)
    except KeyboardInterrupt:
        sys.exit("stopped")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one must not stop this
            signal.signal(number, signal.SIG_IGN)
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Written to {options.out}/speed.md and speed.json")


if __name__ == "__main__":
    main()
