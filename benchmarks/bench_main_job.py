"""The main job: network against Cox model on simulated cohorts, and what a fit costs.

Run `OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_main_job.py accuracy --n-jobs 2`
(about 40 minutes on two cores) and `... bench_main_job.py cost` (about 10 minutes).

Accuracy: cohorts of 2,000 with 10 % events, 100 Hz, 10 s; 2-fold x 5 repeats, the same
folds for all. The Cox model is given the true parameters, age and sex, and chooses its
penalty by cross-validation. `--pretrained ptbxl-100hz` starts the network at a ready
encoder, `--seed` draws another cohort and other networks. Outcomes and signals are
simulated.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time

import numpy as np
from joblib import Parallel, delayed
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk import DualAttentionSurvival, encoders
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import compare_models, concordance_index
from ecgdan_sk.model_selection import RepeatedEventKFold
from ecgdan_sk.records import ECGRecords

N_SPLITS = 2


def fold_scores(risk, train, test, options):
    """C-index of network, Cox model and true log risk, and seconds of the fit."""
    cohort = _cohort(options.n_samples, risk, options.seed)
    table = cohort.parameters.join(cohort.covariates)
    cox = make_pipeline(SimpleImputer(), StandardScaler(), PenalisedCox())
    cox.fit(table.iloc[train], cohort.y[train])
    X = ECGRecords(cohort.X, 100)
    start = time.perf_counter()
    network = _network(options).fit(X[train], cohort.y[train])
    duration = time.perf_counter() - start
    risks = (
        network.predict(X[test]),
        cox.predict(table.iloc[test]),
        cohort.log_risk[test],
    )
    scores = [concordance_index(cohort.y[test], risk) for risk in risks]
    print(risk, *(f"{score:.4f}" for score in scores), f"{duration:.0f} s", flush=True)
    return scores


def _network(options):
    """The network with default settings, from a ready encoder if one is named."""
    name = options.pretrained
    network = DualAttentionSurvival(pretrained=name, random_state=options.seed)
    return network if name is None else make_pipeline(encoders.Prepare(name), network)


def accuracy(risk, options):
    """Print the table of one kind of risk."""
    cohort = _cohort(options.n_samples, risk, options.seed)
    cv = RepeatedEventKFold(N_SPLITS, n_repeats=options.n_repeats, random_state=0)
    scores = Parallel(n_jobs=options.n_jobs)(
        delayed(fold_scores)(risk, train, test, options)
        for train, test in cv.split(cohort.X, cohort.y)
    )
    network, cox, truth = np.transpose(scores)
    n_events = cohort.y["event"].sum()
    print(f"\nrisk={risk!r}: n = {options.n_samples}, {n_events} events")
    for name, values in [("network", network), ("Cox", cox), ("truth", truth)]:
        print(f"  C-index of {name:8} {values.mean():.3f}, SD {values.std(ddof=1):.3f}")
    gain = compare_models(network, cox, n_splits=N_SPLITS)
    print(
        f"  network - Cox {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], "
        f"p = {gain.p_value:.2g}"
    )
    way = [(c.mean() - 0.5) / (truth.mean() - 0.5) for c in (network, cox)]
    print(f"  of the way to the truth: network {way[0]:.0%}, Cox {way[1]:.0%}\n")


def cost(n_samples):
    """Print the time of a fit and of predictions, and whether a fit repeats itself."""
    cohort = _cohort(n_samples, "both", 0)
    start = time.perf_counter()
    model = DualAttentionSurvival(random_state=0).fit(cohort.X, cohort.y)
    print(f"fit of {n_samples} ECGs: {time.perf_counter() - start:.0f} s")
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        model.predict(cohort.X)
        rates.append(n_samples / (time.perf_counter() - start))
    print(f"prediction: {np.median(rates):.0f} ECGs/s ({min(rates):.0f} to ", end="")
    print(f"{max(rates):.0f})")
    command = [sys.executable, __file__, "digest"]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here = [_digest(), _digest()]
    print(f"bit for bit, twice in a row: {here[0] == here[1]}; ", end="")
    print(f"in another process: {here[0] == there.strip()}")


def _cohort(n_samples, risk, seed):
    return make_ecg_cohort(n_samples, sampling_rate=100, risk=risk, random_state=seed)


def _digest():
    """Digest of the predictions of a small fit."""
    cohort = _cohort(300, "both", 0)
    model = DualAttentionSurvival(max_epochs=5, random_state=0)
    risk = model.fit(cohort.X, cohort.y).predict(cohort.X)
    return hashlib.sha256(risk.tobytes()).hexdigest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["accuracy", "cost", "digest"])
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--n-repeats", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--pretrained", help="name of a ready encoder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--risks", nargs="+", default=["morphology", "both", "parameters"]
    )
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores", file=sys.stderr)
    if options.part == "digest":
        print(_digest())
    elif options.part == "cost":
        cost(options.n_samples)
    else:
        for kind in options.risks:
            accuracy(kind, options)
