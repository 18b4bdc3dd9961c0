"""Scores against scikit-survival's and lifelines': time, NaN folds, coverage.

Run `OMP_NUM_THREADS=1 python benchmarks/bench_metrics.py`; takes about three minutes.
Rivals run in turns in the same process; ratios are given with their range over turns.
"""

import time
import tracemalloc
import warnings

import numpy as np
from lifelines.utils import concordance_index as by_lifelines
from sklearn.model_selection import KFold, cross_val_score, cross_validate
from sksurv import metrics as sksurv_metrics
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from ecgdan_sk.metrics import (
    WithCensoring,
    bootstrap_ci,
    concordance_index,
    paired_c_index_difference,
    survival_scorers,
)


def follow_up(seed, n_samples, event_rate):
    """A target and an informative risk."""
    rng = np.random.default_rng(seed)
    log_risk = rng.normal(size=n_samples)
    own = rng.exponential(np.exp(-log_risk))
    event = rng.random(n_samples) < event_rate
    observed = own * np.where(event, 1, rng.random(n_samples))
    return Surv.from_arrays(event, observed + 1e-6), log_risk + rng.normal(
        size=n_samples
    )


def seconds(function):
    """Time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def by_scikit_survival(y, risk):
    """Its concordance index."""
    return sksurv_metrics.concordance_index_censored(y["event"], y["time"], risk)[0]


def time_concordance(n_samples, event_rate, n_turns=9):
    """Print the ratio of the times of the rivals to ours."""
    y, risk = follow_up(0, n_samples, event_rate)
    rivals = {
        "scikit-survival": lambda: by_scikit_survival(y, risk),
        "lifelines": lambda: by_lifelines(y["time"], -risk, y["event"]),
    }
    ours = [seconds(lambda: concordance_index(y, risk)) for _ in range(3)]
    turns = [
        (seconds(lambda: concordance_index(y, risk)), *map(seconds, rivals.values()))
        for _ in range(n_turns)
    ]
    ours, *theirs = np.transpose(turns)
    text = f"n = {n_samples:,}, {event_rate:.0%} events: {1e3 * np.median(ours):.1f} ms"
    for name, other in zip(rivals, theirs):
        ratio = other / ours
        text += (
            f"; {name} {1e3 * np.median(other):.0f} ms, {np.median(ratio):.0f} times "
            f"as long ({ratio.min():.0f} to {ratio.max():.0f})"
        )
    print(text)


def time_a_million():
    """Print time and memory at n = 1,000,000."""
    y, risk = follow_up(0, 1_000_000, 0.5)
    turns = [seconds(lambda: concordance_index(y, risk)) for _ in range(3)]
    tracemalloc.start()
    concordance_index(y, risk)
    peak = tracemalloc.get_traced_memory()[1] / len(y)
    tracemalloc.stop()
    fastest, slowest = min(turns), max(turns)
    print(f"n = 1,000,000: {fastest:.2f} to {slowest:.2f} s, {peak:.0f} bytes a sample")


def time_bootstrap(method, n_turns=3):
    """Print the time of 1,000 replicates at n = 5,000."""
    y, risk = follow_up(0, 5000, 0.1)

    def run():
        bootstrap_ci(concordance_index, y, risk, method=method, random_state=0)

    turns = [seconds(run) for _ in range(n_turns)]
    print(f"1,000 replicates, {method}: {min(turns):.1f} to {max(turns):.1f} s")


def count_nan_folds(n_cohorts=40):
    """Print the share of NaN folds of scikit-survival's wrapped scores, and of ours."""
    cox = CoxPHSurvivalAnalysis(alpha=0.1)
    theirs, ours = {}, []
    for seed in range(n_cohorts):
        X, y, times = cohort(seed)
        folds = KFold(5, shuffle=True, random_state=seed)
        for name, model in {
            "IPCW concordance": sksurv_metrics.as_concordance_index_ipcw_scorer(cox),
            "dynamic AUC": sksurv_metrics.as_cumulative_dynamic_auc_scorer(cox, times),
            "integrated Brier": sksurv_metrics.as_integrated_brier_score_scorer(
                cox, times
            ),
        }.items():
            theirs.setdefault(name, []).extend(cross_val_score(model, X, y, cv=folds))
        scores = cross_validate(
            WithCensoring(cox), X, y, cv=folds, scoring=survival_scorers(times)
        )
        ours.extend(zip(*(v for k, v in scores.items() if k.startswith("test_"))))
    for name, values in theirs.items():
        print(f"{name}, scikit-survival: {np.isnan(values).mean():.1%} of folds NaN")
    n_nan, n_scores = np.isnan(ours).any(axis=1).sum(), len(ours[0])
    print(f"survival_scorers: {n_nan} of {len(ours)} folds NaN in any of {n_scores}")


def cohort(seed):
    """300 samples, and times that cover most of their follow-up."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 3))
    own = rng.exponential(1000 * np.exp(-X[:, 0]))
    censoring = rng.exponential(2000, 300)
    y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring) + 1)
    return X, y, np.quantile(y["time"], np.linspace(0.1, 0.95, 5))


def count_coverage(n_samples=300, event_rate=0.1, n_cohorts=400):
    """Print how often 95 % intervals hold the truth."""
    y, risk = follow_up(10**6, 400_000, event_rate)
    truth, hits = concordance_index(y, risk), {"bca": 0, "percentile": 0, "paired": 0}
    for seed in range(n_cohorts):
        y, risk = follow_up(seed, n_samples, event_rate)
        for method in ("bca", "percentile"):
            interval = bootstrap_ci(
                concordance_index, y, risk, method=method, random_state=seed
            )
            hits[method] += interval.low <= truth <= interval.high
        # Two equally noisy versions of the risk: the true difference is 0.
        noise = np.random.default_rng(seed + 10**6).normal(size=(2, n_samples))
        difference = paired_c_index_difference(y, *(risk + noise))
        hits["paired"] += difference.low <= 0 <= difference.high
    text = ", ".join(f"{name} {hit / n_cohorts:.1%}" for name, hit in hits.items())
    print(f"coverage at n = {n_samples}, {event_rate:.0%} events: {text}")


if __name__ == "__main__":
    # The failing folds of the rival warn one by one.
    warnings.simplefilter("ignore")
    for event_rate in (0.1, 0.5, 0.9):
        time_concordance(10_000, event_rate)
    time_concordance(100_000, 0.1, n_turns=3)
    time_a_million()
    time_bootstrap("percentile")
    time_bootstrap("bca")
    count_nan_folds()
    count_coverage()
