"""Cost of the features of each encoder: CPU time and memory.

`OMP_NUM_THREADS=2 python benchmarks/bench_foundation.py [--n 1000] [NAME ...]`

Each encoder runs in a process of its own on `n` simulated ECGs of 10 s at 500 Hz, after
a warm-up on 4 of them, so that the peak of the resident memory is its own. Weights are
random: cost does not depend on them. Seconds are those of all threads together, which
other work on the machine hardly changes. Memory is what fitting and `transform` add to
a process that holds the ECGs and has imported the package.
"""

import argparse
import resource
import subprocess
import sys
import time

from ecgdan_sk import encoders
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.records import ECGRecords

OURS = "ptbxl-100hz"


def measure(name, n):
    """Print a row of the table: weights, features, seconds and memory."""
    # Drawing thousands would take longer than embedding them.
    few = make_ecg_cohort(min(n, 50), sampling_rate=500, random_state=0).X
    X = ECGRecords(few[[i % len(few) for i in range(n)]], 500)
    before = peak()
    if name == OURS:
        encoder, n_parameters = encoders.Encoder(name).fit(X), 47_616
    else:
        encoder = encoders.FoundationEncoder(name).fit(X)
        n_parameters = sum(p.numel() for p in encoder._network().parameters())
    encoder.transform(X[:4])
    start = time.process_time()
    width = encoder.transform(X).shape[1]
    seconds = time.process_time() - start
    print(
        f"| {name} | {n_parameters / 1e6:.2f} | {width} | {n} | {seconds:.1f} | "
        f"{1000 * seconds / n:.3g} | {peak() - before:.0f} |",
        flush=True,
    )


def peak():
    """Highest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = [OURS, *encoders.foundation_names()]
    parser.add_argument("names", nargs="*", default=every, metavar="NAME")
    parser.add_argument("--n", type=int, default=1000, help="ECGs")
    parser.add_argument("--alone", action="store_true", help="in this process")
    options = parser.parse_args()
    if options.alone:
        return measure(options.names[0], options.n)
    print("| encoder | million weights | features | ECGs | s | ms per ECG | MB |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in options.names:
        command = [sys.executable, __file__, name, "--alone", "--n", str(options.n)]
        subprocess.run(command, check=True)
    return None


if __name__ == "__main__":
    main()
