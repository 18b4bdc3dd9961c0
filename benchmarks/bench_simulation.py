"""How many 12-lead ECGs of 10 s are simulated per second; what their truth predicts.

Run: python benchmarks/bench_simulation.py [--n-samples 2000] [--repeats 3]
"""

import argparse
from time import perf_counter, process_time

import numpy as np

from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import concordance_index


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print("| sampling rate, Hz | ECGs per second | ECGs per second of processor time |")
    print("|---|---|---|")
    for sampling_rate in (100, 250, 500, 1000):
        n_samples = max(1, arguments.n_samples * 100 // sampling_rate)
        runs = [seconds(n_samples, sampling_rate) for _ in range(arguments.repeats)]
        wall, processor = n_samples / np.min(runs, axis=0)
        print(f"| {sampling_rate} | {wall:.0f} | {processor:.0f} |")
    print()
    print("| risk | C-index of the true log risk, mean of five cohorts | SD |")
    print("|---|---|---|")
    for risk in ("parameters", "morphology", "both"):
        scores = [true_concordance(arguments.n_samples, risk, i) for i in range(5)]
        print(f"| {risk} | {np.mean(scores):.3f} | {np.std(scores, ddof=1):.3f} |")


def seconds(n_samples, sampling_rate):
    """Time of the clock, and of the processor, which a busy machine does not change."""
    start = np.array([perf_counter(), process_time()])
    make_ecg_cohort(n_samples, sampling_rate=sampling_rate, random_state=0)
    return np.array([perf_counter(), process_time()]) - start


def true_concordance(n_samples, risk, random_state):
    """C-index of the log risk that the follow-up was drawn from."""
    cohort = make_ecg_cohort(
        n_samples, duration=2, noise=0, risk=risk, random_state=random_state
    )
    return concordance_index(cohort.y, cohort.log_risk)


if __name__ == "__main__":
    main()
