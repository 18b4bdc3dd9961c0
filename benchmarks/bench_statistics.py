"""Do the intervals cover, and the tests reject as often as they say?

Run `OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_statistics.py
--n-jobs 2`; `--quick` takes a tenth of the cohorts, `--only` a part. Every cohort is
simulated, so that the truth is known: as an expectation over the predictions, or from
one large cohort.

Coverage should lie between 93 and 97 %, rejection of true nulls between 3 and 7 %; the
figures are printed with the 95 % interval (Wilson) that so many cohorts leave.
"""

import argparse
import time
from functools import partial

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import binomtest, rankdata
from sklearn.base import BaseEstimator
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.calibration import CalibratedSurvival
from ecgdan_sk.metrics import (
    bootstrap_ci,
    brier_score,
    calibration,
    compare_models,
    concordance_index,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
    high_risk_group,
    paired_c_index_difference,
)
from ecgdan_sk.model_selection import EventKFold, RepeatedEventKFold
from ecgdan_sk.records import ECGRecords

AT = 1.0
EVENT_RATE = 0.15
ECG_NOISE = 0.5  # of the log risk read from one ECG of a patient


def patients(seed, n_patients, n_ecgs, *, per_year=None):
    """Outcomes of patients, the log risk read from each ECG, and whose it is.

    The hazard is exp(log risk - 2.4), so that about 15 % have the event before the
    censoring, which is uniform from 0.5 to 2.5.
    """
    rng = np.random.default_rng(seed)
    log_risk = rng.normal(size=n_patients)
    own = rng.exponential(np.exp(2.4 - log_risk))
    censoring = rng.uniform(0.5, 2.5, n_patients)
    if per_year:
        own, censoring = (np.ceil(t * per_year) / per_year for t in (own, censoring))
    owner = np.repeat(np.arange(n_patients), n_ecgs)
    read = log_risk[owner] + ECG_NOISE * rng.normal(size=len(owner))
    y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring))
    return y[owner], read, owner


def predicted(read, at=AT):
    """Probability of the event given what an ECG says: the model is calibrated.

    The log risk given a reading is normal; its expectation is taken over 21 quantiles.
    """
    share = 1 / (1 + ECG_NOISE**2)
    steps = np.polynomial.hermite_e.hermegauss(21)
    spread = np.sqrt(1 - share) * steps[0]
    hazard = np.exp(share * read[:, None] + spread - 2.4)
    return (-np.expm1(-hazard * at) * steps[1]).sum(axis=1) / steps[1].sum()


def slope(y_true, y_pred):
    """Calibration slope."""
    return calibration(y_true, y_pred, time=AT, n_bins=1).slope


def intercept(y_true, y_pred):
    """Calibration in the large."""
    return calibration(y_true, y_pred, time=AT, n_bins=1).intercept


def brier(y_true, y_pred):
    """Brier score of the probability of the event."""
    return brier_score(y_true, 1 - y_pred, times=AT)


AUC = partial(cumulative_dynamic_auc, times=AT)
UNO = partial(concordance_index_ipcw, tau=2.0)
RANKS = (concordance_index, UNO, AUC)
METRICS = {
    "C": concordance_index,
    "Uno's C": UNO,
    "AUC": AUC,
    "Brier": brier,
    "calibration slope": slope,
    "calibration intercept": intercept,
}
# Of few events replicates of these scores diverge.
BY_JACKKNIFE = ("calibration slope", "calibration intercept")


def truths(n_patients=100_000):
    """True values of the scores, from one large cohort with one ECG per patient."""
    y, read, _ = patients(10**6, n_patients, 1)
    risk = predicted(read)
    ranked = {
        name: metric(y, read) for name, metric in METRICS.items() if metric in RANKS
    }
    return ranked | {
        "Brier": np.mean(risk * (1 - risk)),
        "calibration slope": 1.0,
        "calibration intercept": 0.0,
        "hazard ratio": high_risk_group(y, read, quantile=0.8).hazard_ratio,
    }


def covered(seed, n_patients, n_ecgs, truth, n_resamples):
    """Which intervals of one cohort hold the truth."""
    y, read, owner = patients(seed, n_patients, n_ecgs)
    risk, hits = predicted(read), {}
    for name, metric in METRICS.items():
        interval = bootstrap_ci(
            metric,
            y,
            risk,
            groups=owner,
            method="jackknife" if name in BY_JACKKNIFE else "bca",
            n_resamples=n_resamples,
            random_state=seed,
        )
        hits[name] = interval.low <= truth[name] <= interval.high
    # Two equally noisy versions of the reading: the true difference is 0.
    noise = np.random.default_rng(seed + 10**7).normal(size=(2, len(y)))
    difference = paired_c_index_difference(y, *(read + noise), groups=owner)
    hits["paired difference"] = difference.low <= 0 <= difference.high
    # Of the quarters: whose expectation is the mean prediction.
    bins = calibration(y, risk, time=AT, n_bins=4, groups=owner)
    inside = (bins.low <= bins.predicted) & (bins.predicted <= bins.high)
    hits["calibration, bins"] = inside[np.isfinite(bins.low)].mean()
    if n_ecgs == 1:
        group = high_risk_group(y, risk, quantile=0.8)
        hits["hazard ratio"] = group.low <= truth["hazard ratio"] <= group.high
    return hits


def coverage(n_cohorts, n_resamples, n_jobs):
    """Print the coverage of each interval, by events and ECGs per patient."""
    truth = truths()
    print("coverage of 95 % intervals")
    for n_events in (30, 200):
        for n_ecgs in (1, 4):
            n_now = n_cohorts if n_events == 30 else n_cohorts // 2
            run = partial(covered, truth=truth, n_resamples=n_resamples)
            n_patients = round(n_events / EVENT_RATE)
            hits = Parallel(n_jobs)(
                delayed(run)(seed, n_patients, n_ecgs) for seed in range(n_now)
            )
            print(f"  {n_events} events, {n_ecgs} ECGs each, {n_now} cohorts")
            for name in hits[0]:
                print(f"    {name}: {share([hit[name] for hit in hits])}", flush=True)


def share(hits):
    """How often, as a percentage with its 95 % interval."""
    # Several bins of one cohort count as one trial.
    found, n = float(np.sum(hits)), len(hits)
    interval = binomtest(round(found), n).proportion_ci(method="wilson")
    return f"{found / n:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def score_direction(X, event, time):
    """One step of Cox's model from 0, ridged: a model that costs one product."""
    order = np.argsort(-time)
    X, event = X[order], event[order]
    mean = np.cumsum(X, axis=0) / np.arange(1, len(X) + 1)[:, None]
    return (X - mean)[event].sum(axis=0)


def null_cohort(seed, signal, n_samples=300, n_features=8):
    """Two tables that say equally much of an outcome, of shape (2, n, n_features)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2, n_samples, n_features))
    log_risk = signal * X[:, :, 0].sum(axis=0)
    own = rng.exponential(np.exp(1 - log_risk))
    censoring = rng.uniform(0.2, 2, n_samples)
    return X, Surv.from_arrays(own <= censoring, np.minimum(own, censoring))


def cross_validated(X, y, cv):
    """Concordance of both models in each fold, and their pooled ranks."""
    scores, ranks = [], np.zeros(X.shape[:2])
    for train, test in cv.split(X[0], y):
        known = y["event"][train], y["time"][train]
        risks = [x[test] @ score_direction(x[train], *known) for x in X]
        ranks[:, test] += [rankdata(risk) / len(test) for risk in risks]
        scores.append([concordance_index(y[test], risk) for risk in risks])
    return np.transpose(scores), ranks


FOLDS = {
    "2 folds x 5": RepeatedEventKFold(2, n_repeats=5, random_state=0),
    "5 folds x 10": RepeatedEventKFold(5, n_repeats=10, random_state=0),
    "5 folds": EventKFold(5, random_state=0),
}


def null_p_values(seed, signal):
    """P-values where two models learn from equally good features."""
    (X, y), p_values = null_cohort(seed, signal), {}
    for name, cv in FOLDS.items():
        scores, ranks = cross_validated(X, y, cv)
        compared = compare_models(*scores, n_splits=cv.n_splits)
        p_values[f"compare_models, {name}"] = compared.p_value
        pooled = paired_c_index_difference(y, *ranks)
        p_values[f"paired_c_index_difference of pooled ranks, {name}"] = pooled.p_value
    # Risks of models that have not seen these patients.
    rng = np.random.default_rng(seed + 10**7)
    fresh = X[:, :, 0] * signal + rng.normal(size=X.shape[:2])
    paired = paired_c_index_difference(y, *fresh)
    p_values["paired_c_index_difference on a test set"] = paired.p_value
    group = high_risk_group(y, rng.normal(size=len(y)), quantile=0.7)
    p_values["high_risk_group, log-rank"] = group.p_value
    return p_values


def rejections(n_cohorts, n_jobs):
    """Print how often tests find a difference where there is none."""
    for what, signal in (("noise", 0.0), ("signal", 0.5)):
        p_values = Parallel(n_jobs)(
            # The degrees of freedom of compare_models were chosen on seeds below 1000.
            delayed(null_p_values)(seed + 1000, signal)
            for seed in range(n_cohorts)
        )
        print(f"p below 0.05, models equally good, {what}, {n_cohorts} cohorts")
        for name in p_values[0]:
            rejected = [p[name] < 0.05 for p in p_values]
            print(f"  {name}: {share(rejected)}", flush=True)


def at_the_time(y, risk, at):
    """Brier score with weights at the time of an event, as scikit-survival's."""
    from sksurv.metrics import brier_score as theirs

    return theirs(y, y, 1 - risk[:, None], [at])[1][0]


def grids(n_cohorts, n_patients=4000):
    """Print the bias of IPCW scores on grids of times, over no censoring at all."""
    print(f"bias of the Brier score on grids, {n_cohorts} cohorts of {n_patients:,}")
    for name, per_year in (
        ("days", 365),
        ("months", 12),
        ("half-years", 2),
        ("years", 1),
    ):
        bias = []
        for seed in range(n_cohorts):
            rng = np.random.default_rng(seed)
            hazard = np.exp(rng.normal(size=n_patients) - 3)
            own, censoring = rng.exponential(1 / hazard), rng.uniform(0, 15, n_patients)
            risk = -np.expm1(-5 * hazard)
            uncensored = np.mean((risk - (own <= 5)) ** 2)
            own, censoring = (
                np.ceil(t * per_year) / per_year for t in (own, censoring)
            )
            y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring))
            ours = brier_score(y, 1 - risk, times=5.0)
            bias.append(np.array([ours, at_the_time(y, risk, 5.0)]) / uncensored - 1)
        ours, theirs = np.mean(bias, axis=0)
        error = np.std(bias, axis=0)[0] / np.sqrt(n_cohorts)
        text = f"{ours:+.1%} (SE {error:.1%}); weights at the time {theirs:+.1%}"
        print(f"  {name}: {text}", flush=True)


def informative_censoring(n_cohorts, n_patients=5000):
    """Print the calibration of true risks if censoring depends on them."""
    print("calibration of the true risks; censoring hazard exp(a * log risk)")
    for a in (-1, 0, 1, 2):
        results = []
        for seed in range(n_cohorts):
            rng = np.random.default_rng(seed)
            log_risk = 0.8 * rng.normal(size=n_patients)
            own = rng.exponential(np.exp(1 - log_risk))
            censoring = rng.exponential(1.5 * np.exp(-a * log_risk))
            y = Surv.from_arrays(own <= censoring, np.minimum(own, censoring))
            risk = -np.expm1(-np.exp(log_risk - 1))
            result = calibration(y, risk, time=AT)
            top = result.observed[-1] - result.predicted[-1]
            results.append((result.slope, result.intercept, result.ici, top))
        names = ("slope", "intercept", "ICI", "top tenth, observed - predicted")
        text = ", ".join(
            f"{name} {value:.2f}"
            for name, value in zip(names, np.mean(results, axis=0))
        )
        print(f"  a = {a}: {text}", flush=True)


class Extreme(BaseEstimator):
    """Model with the log risks of `aged`, times four."""

    def fit(self, X, y, *, entry=None):
        """Learn nothing."""
        return self

    def predict(self, X):
        """Log risks."""
        return 2 * X[:, 0]


def aged(seed, n):
    """A feature, ages at entry and outcomes; the hazard rises with both."""
    rng = np.random.default_rng(seed)
    entry, X = rng.uniform(40, 70, n), rng.normal(size=(n, 1))
    grown = np.exp(0.1 * entry) + 300 * rng.exponential(np.exp(-0.5 * X[:, 0]))
    own, end = 10 * np.log(grown), entry + rng.uniform(5, 15, n)
    return X, entry, Surv.from_arrays(own <= end, np.minimum(own, end))


def late_entry(n_cohorts, n_patients=1500):
    """Print predicted over true risks on the age scale, with `entry` and without."""
    print(f"calibration on the age scale, {n_cohorts} cohorts of {n_patients}")
    new, at, _ = aged(10**6, 5000)
    for given in (False, True):
        rows = []
        for seed in range(n_cohorts):
            X, entry, y = aged(seed, n_patients)
            model = CalibratedSurvival(Extreme(), cv=3)
            model.fit(X, y, entry=entry if given else None)
            ratios = []
            for age in (50, 60, 70):
                young = at < age - 5
                hazard = (np.exp(0.1 * age) - np.exp(0.1 * at[young])) / 300
                truth = -np.expm1(-hazard * np.exp(0.5 * new[young, 0]))
                alive = model.predict_survival_at(new[young], age, entry=at[young])
                ratios.append((1 - alive).mean() / truth.mean())
            rows.append((model.slope_, *ratios))
        error = np.std(rows, axis=0) / np.sqrt(n_cohorts)
        names = ("slope (true 0.25)", "by 50", "by 60", "by 70")
        text = ", ".join(
            f"{name} {value:.2f} (SE {se:.2f})"
            for name, value, se in zip(names, np.mean(rows, axis=0), error)
        )
        print(f"  {'with' if given else 'without'} entry: {text}", flush=True)


def waves(seed, n, effects):
    """ECGs whose amplitude comes with age (correlation 0.6), age, and outcomes."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=n)
    strength = 0.6 * age + 0.8 * rng.normal(size=n)
    wave = np.sin(np.arange(1, 13)[:, None] * np.arange(60) / 10)
    X = 0.5 * np.exp(0.4 * strength)[:, None, None] * wave
    X = X + 0.1 * rng.standard_normal(X.shape)
    own = rng.exponential(np.exp(2 - effects[0] * age - effects[1] * strength))
    censoring = rng.uniform(0.5, 2.5, n)
    time = 1000 * np.minimum(own, censoring) + 1
    table = pd.DataFrame({"age": 60 + 10 * age, "strength": strength})
    X = ECGRecords(X.astype(np.float32), covariates=table)
    return X, Surv.from_arrays(own <= censoring, time)


def covariate_coefficients(n_cohorts):
    """Print the coefficient of age beside an ECG, and C, of 600 ECGs."""
    print(f"covariates beside a network, {n_cohorts} cohorts of 600; true (age, ECG)")
    for effects in ((0.0, 1.0), (-0.4, 0.8), (0.8, 0.0)):
        rows = []
        for seed in range(n_cohorts):
            X, y = waves(seed, 600, effects)
            X_new, y_new = waves(seed + 1000, 3000, effects)
            both = CoxPHSurvivalAnalysis().fit(X.covariates, y)
            net = DualAttentionSurvival(
                covariates=["age"], n_members=1, crop=1.0, random_state=seed
            ).fit(X, y)
            scores = net.score(X_new, y_new), both.score(X_new.covariates, y_new)
            rows.append((net.covariates_.coef_[0, 0], *scores))
        coef, ours, joint = np.mean(rows, axis=0)
        error = np.std(rows, axis=0)[0] / np.sqrt(n_cohorts)
        text = f"age {coef:+.2f} (SE {error:.2f}), C {ours:.3f}, jointly {joint:.3f}"
        print(f"  {effects}: {text}", flush=True)


def baselines(n_cohorts):
    """Print predicted over observed risk of new patients, by `baseline`."""
    print(f"mean predicted / observed risk, 3 networks, {n_cohorts} cohorts of 600")
    for baseline in ("train", "validation"):
        ratios = []
        for seed in range(n_cohorts):
            X, y = waves(seed, 600, (0.0, 1.0))
            X_new, y_new = waves(seed + 1000, 4000, (0.0, 1.0))
            model = DualAttentionSurvival(
                max_epochs=20, baseline=baseline, random_state=seed
            ).fit(X.signals, y)
            curves = model.predict_survival_function(X_new.signals)
            risk = np.array([1 - curve(1001.0) for curve in curves])
            observed = calibration(y_new, risk, time=1001.0, n_bins=1).observed[0]
            ratios.append(risk.mean() / observed)
        error = np.std(ratios) / np.sqrt(n_cohorts)
        print(f"  {baseline}: {np.mean(ratios):.3f} (SE {error:.3f})", flush=True)


PARTS = ("tests", "scores", "entry", "networks", "coverage")


def main():
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-cohorts", type=int, default=200)
    parser.add_argument("--n-resamples", type=int, default=200)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    n_cohorts = options.n_cohorts // 10 if options.quick else options.n_cohorts
    n_few, n_jobs = max(3, n_cohorts // 20), options.n_jobs
    parts = {
        "tests": lambda: rejections(2 * n_cohorts, n_jobs),
        "scores": lambda: (grids(n_few), informative_censoring(n_few)),
        "entry": lambda: late_entry(n_few),
        "networks": lambda: (covariate_coefficients(n_few), baselines(n_few)),
        "coverage": lambda: coverage(n_cohorts, options.n_resamples, n_jobs),
    }
    start = time.perf_counter()
    for name in [options.only] if options.only else parts:
        parts[name]()
    print(f"{(time.perf_counter() - start) / 60:.0f} minutes, {n_cohorts} cohorts")


if __name__ == "__main__":
    main()
