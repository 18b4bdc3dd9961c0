"""Intervals and tests on simulated cohorts: small versions of the benchmark.

`benchmarks/bench_statistics.py` runs the same with enough cohorts for tight figures.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ecgdan_sk.metrics import (
    bootstrap_ci,
    compare_models,
    concordance_index,
    paired_c_index_difference,
)

PATH = Path(__file__).parents[1] / "benchmarks" / "bench_statistics.py"


@pytest.fixture(scope="module")
def bench():
    """The benchmark, which knows how to simulate."""
    spec = importlib.util.spec_from_file_location("bench_statistics", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_predictions_of_the_benchmark_are_calibrated(bench):
    y, read, _ = bench.patients(1, 20_000, 1)
    assert bench.slope(y, bench.predicted(read)) == pytest.approx(1, abs=0.08)
    assert bench.intercept(y, bench.predicted(read)) == pytest.approx(0, abs=0.06)


def test_intervals_by_patient_cover_and_those_by_ecg_do_not(bench):
    y, read, _ = bench.patients(10**6, 50_000, 1)
    truth, hits = concordance_index(y, read), {True: 0, False: 0}
    for seed in range(60):
        y, read, owner = bench.patients(seed, 200, 4)
        for by_patient in hits:
            interval = bootstrap_ci(
                concordance_index,
                y,
                read,
                groups=owner if by_patient else None,
                method="percentile",
                n_resamples=100,
                random_state=seed,
            )
            hits[by_patient] += interval.low <= truth <= interval.high
    assert hits[True] >= 52
    assert hits[False] <= 48


def test_repeated_folds_are_compared_at_their_level_and_pooled_ranks_are_not(bench):
    cv, repeated, pooled = bench.FOLDS["2 folds x 5"], [], []
    for seed in range(80):
        X, y = bench.null_cohort(seed, signal=0.0)
        scores, ranks = bench.cross_validated(X, y, cv)
        repeated.append(compare_models(*scores, n_splits=2).p_value < 0.05)
        pooled.append(paired_c_index_difference(y, *ranks).p_value < 0.05)
    assert np.mean(repeated) <= 0.1
    assert np.mean(pooled) > np.mean(repeated)
