"""Validation: level and power of its tests, its ladder, its times.

Run `python benchmarks/bench_validation.py tests --n-jobs 2` (cohorts with known
hazards), `robustness` (a network from scratch and Cox on measurements, on a simulated
cohort), `times` (one page of 2,000 patients, one million people through PREVENT).
"""

import argparse
import time

import numpy as np
import pandas as pd
from bench_encoders import HAZARDS
from joblib import Parallel, delayed
from scipy.stats import binomtest
from sklearn.base import BaseEstimator
from sksurv.functions import StepFunction
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.baselines import PreventHF, cox_measurements
from ecgdan_sk.calibration import recalibrate
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort, simulate_follow_up
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.validation import incremental_value, robustness, subgroups, validate

RATE, GRID = 0.03, np.linspace(0.02, 12, 600)


class Known(BaseEstimator):
    """A model that knows the hazards, RATE * exp(X @ weights)."""

    def __init__(self, weights):
        self.weights = weights

    def predict(self, X):
        """Log risks."""
        return np.asarray(X)[:, : len(self.weights)] @ self.weights

    def predict_survival_function(self, X):
        """Curves on a grid."""
        hazard = RATE * np.exp(self.predict(X))
        return [StepFunction(GRID, np.exp(-h * GRID)) for h in hazard]

    def predict_risk(self, X, time):
        """Probability of the event by a time."""
        return -np.expm1(-time * RATE * np.exp(self.predict(X)))


def cohort(n, seed, *, factor=1.0, slope=1.0):
    """Columns and outcomes; about one in ten has the event by time 5."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    hazard = RATE * factor * np.exp(slope * X @ [0.7, 0.4, 0.0])
    event_time, end = rng.exponential(1 / hazard), rng.uniform(2, 8, n)
    y = Surv.from_arrays(event_time <= end, np.minimum(event_time, end))
    return X, y


def null_subgroups(seed, n, n_bootstrap):
    """p-values of equal groups, and of groups with a hazard ratio of two."""
    model, half = Known(np.array([0.7, 0.4])), np.arange(n) % 2 == 0
    X, y = cohort(n, seed)
    rows = {}
    for name, factor in (("equal groups", 1.0), ("twice the hazard in one", 2.0)):
        factors = np.where(half, factor, 1.0)
        X, y = cohort(n, seed, factor=factors)
        tests = subgroups(
            model, X, y, by=half, times=5, n_bootstrap=n_bootstrap, random_state=seed
        ).tests["p_value"]
        for (_, measure), p in tests.items():
            rows[name, measure] = p < 0.05
    return rows


def null_increment(seed, n):
    """p-values of a column of noise, and of one that carries risk."""
    X, y = cohort(n, seed)
    full, weak = Known(np.array([0.7, 0.4])), Known(np.array([0.7]))
    noisy = Known(np.array([0.7, 0.4, 0.3]))
    noise = incremental_value(noisy, full, X, y, times=5, n_bootstrap=0)
    signal = incremental_value(full, weak, X, y, times=5, n_bootstrap=0)
    return {
        ("noise added", "likelihood ratio"): noise.p_value < 0.05,
        ("a risk added", "likelihood ratio"): signal.p_value < 0.05,
    }


def ladder(seed, n):
    """Which step is taken, where none, the level, or the slope is wrong."""
    rows = {}
    model = Known(np.array([0.7, 0.4]))
    for name, change, step in (
        ("model is right", {}, "none"),
        ("twice the event rate", {"factor": 2.0}, "in-the-large"),
        ("half the slope", {"slope": 0.5}, "slope"),
    ):
        chosen = recalibrate(model, *cohort(n, seed, **change)).method_
        rows[name, f"step is {step!r}"] = chosen == step
    return rows


def bench_tests(options):
    n, seeds = options.n, range(options.n_cohorts)
    tasks = [delayed(null_subgroups)(s, n, options.n_bootstrap) for s in seeds]
    tasks += [delayed(null_increment)(s, n) for s in seeds]
    tasks += [delayed(ladder)(s, n) for s in seeds]
    found = {}
    for row in Parallel(n_jobs=options.n_jobs, verbose=1)(tasks):
        for key, value in row.items():
            found.setdefault(key, []).append(value)
    print(f"\n{options.n_cohorts} cohorts of {n} patients\n")
    print("| cohort | what | share (95 % interval) |\n|---|---|---|")
    for (name, what), values in found.items():
        result = binomtest(int(np.sum(values)), len(values))
        low, high = result.proportion_ci()
        share = f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"
        print(f"| {name} | {what} | {share} |")


def simulated(options):
    """Simulated ECGs with simulated outcomes."""
    made = make_ecg_cohort(
        options.n, sampling_rate=100, duration=10, event_rate=0.2, random_state=0
    )
    return ECGRecords(made.X, 100), made.y


def real(options):
    """ECGs of PTB-XL with outcomes simulated from the physicians' statements."""
    ptbxl = load_ptbxl(options.data, sampling_rate=100)
    # NORM, MI, STTC, CD and HYP, as a share of the physicians' certainty.
    log_risk = ptbxl.superclasses.to_numpy() @ HAZARDS
    return ptbxl.X, simulate_follow_up(log_risk, event_rate=0.3, random_state=0)


def bench_robustness(options):
    X, y = simulated(options) if options.data is None else real(options)
    train, test = next(EventKFold(2, random_state=0).split(X, y))
    models = {
        "ready encoder": DualAttentionSurvival(
            pretrained="ptbxl-100hz" if options.data is None else "simulated-100hz",
            random_state=0,
        ),
        "network from scratch": DualAttentionSurvival(random_state=0),
        "Cox on measurements": cox_measurements(),
    }
    for name, model in models.items():
        model.fit(X[train], y[train])
        found = robustness(
            model, X[test], y[test], n_jobs=options.n_jobs, random_state=0
        )
        print(f"\n{name}: C-index {found.c_index:.3f} on {len(test)} ECGs\n")
        print(found.table.round(3).to_string(), flush=True)


def bench_times(options):
    X, y = cohort(2000, 0)
    start = time.perf_counter()
    report = validate(
        Known(np.array([0.7, 0.4])),
        X,
        y,
        times=5,
        n_bootstrap=1000,
        n_jobs=options.n_jobs,
        random_state=0,
    )
    report.save_html("/dev/null")
    seconds = time.perf_counter() - start
    print(f"page of 2,000 patients, 1,000 replicates: {seconds:.1f} s")
    rng = np.random.default_rng(0)
    people = pd.DataFrame(
        {
            "age": rng.uniform(30, 79, 1_000_000),
            "systolic_bp": rng.uniform(95, 180, 1_000_000),
            "bmi": rng.uniform(18, 40, 1_000_000),
            "egfr": rng.uniform(30, 120, 1_000_000),
        }
    )
    for name in ("sex", "diabetes", "smoking", "bp_treated"):
        people[name] = rng.integers(0, 2, 1_000_000)
    start = time.perf_counter()
    PreventHF().predict_risk(people)
    print(f"PREVENT, 1,000,000 people: {time.perf_counter() - start:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["tests", "robustness", "times"])
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--n-cohorts", type=int, default=200)
    parser.add_argument("--n-bootstrap", type=int, default=50)
    parser.add_argument("--data", help="PTB-XL, for robustness on real ECGs")
    parser.add_argument("--n-jobs", type=int, default=1)
    options = parser.parse_args()
    {"tests": bench_tests, "robustness": bench_robustness, "times": bench_times}[
        options.what
    ](options)


if __name__ == "__main__":
    main()
