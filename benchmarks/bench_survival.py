"""Survival of the network: time of the Cox loss, and whether absolute risks hold.

Run `OMP_NUM_THREADS=1 python benchmarks/bench_survival.py`; takes about fifteen
minutes. pycox and torchsurv are timed where they are installed. Rivals run in turns in
the same process; ratios are given with their range over turns.
"""

import time
import warnings

import numpy as np
import torch
from sksurv.nonparametric import kaplan_meier_estimator

from ecgdan_sk import DualAttentionSurvival
from ecgdan_sk.calibration import CalibratedSurvival
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.losses import cox_loss
from ecgdan_sk.metrics import calibration, concordance_index, integrated_brier_score

N_TRAIN, N_TEST = 1000, 4000


def rivals():
    """Cox losses (log_risk, event, time) of the programs that are installed."""
    losses = {}
    try:
        from pycox.models.loss import cox_ph_loss

        losses["pycox"] = lambda r, e, t: cox_ph_loss(r, t, e.float())
    except ImportError:
        print("pycox is not installed")
    try:
        from torchsurv.loss.cox import neg_partial_log_likelihood

        losses["torchsurv"] = neg_partial_log_likelihood
    except ImportError:
        print("torchsurv is not installed")
    return losses


def seconds(loss, log_risk, event, when):
    """Time of one loss with its gradient."""
    log_risk.grad = None
    start = time.perf_counter()
    loss(log_risk, event, when).backward()
    return time.perf_counter() - start


def time_loss(n_samples, tied, n_turns=25):
    """Print the time of our loss, and its ratio to that of the rivals."""
    g = torch.Generator().manual_seed(0)
    log_risk = torch.randn(n_samples, generator=g, requires_grad=True)
    event = torch.rand(n_samples, generator=g) < 0.3
    # Ranks, as the estimator has them; float32 would tie random numbers.
    when = torch.randperm(n_samples, generator=g).float()
    when = (when / 20).floor() if tied else when
    losses = {"ours": cox_loss, **rivals()}
    turns = np.array(
        [
            [seconds(loss, log_risk, event, when) for loss in losses.values()]
            for _ in range(n_turns)
        ]
    )
    ours, text = (
        turns[:, 0],
        f"n = {n_samples:,}, {'20 at a time' if tied else 'no'} ties",
    )
    text += f": {1e3 * np.median(ours):.2f} ms"
    for name, theirs in zip(list(losses)[1:], turns.T[1:]):
        low, middle, high = np.quantile(ours / theirs, [0.1, 0.5, 0.9])
        text += (
            f"; {name} {1e3 * np.median(theirs):.2f} ms, ours takes {middle:.2f} times "
            f"as long ({low:.2f} to {high:.2f})"
        )
    print(text, flush=True)


def judge_risks():
    """Print how well predicted survival holds for unseen patients of a simulation."""
    cohort = make_ecg_cohort(
        N_TRAIN + N_TEST,
        sampling_rate=100,
        duration=2.5,
        event_rate=0.3,
        random_state=0,
    )
    X, y = cohort.X[:N_TRAIN], cohort.y[:N_TRAIN]
    X_test, y_test = cohort.X[N_TRAIN:], cohort.y[N_TRAIN:]
    end = min(y["time"].max(), y_test["time"].max())
    times = np.linspace(0, end, 22)[1:-1]
    observed, curve = kaplan_meier_estimator(y["event"], y["time"])
    km = curve[np.searchsorted(observed, times, side="right") - 1]
    report("Kaplan-Meier", np.zeros(N_TEST), np.tile(km, (N_TEST, 1)), y_test, times)
    members = {"n_members": 3, "random_state": 0}
    for name, model in {
        "cox": DualAttentionSurvival(**members),
        "cox, baseline of validation": DualAttentionSurvival(
            baseline="validation", **members
        ),
        "cox, CalibratedSurvival": CalibratedSurvival(DualAttentionSurvival(**members)),
        "logistic-hazard": DualAttentionSurvival(loss="logistic-hazard", **members),
        "deephit": DualAttentionSurvival(loss="deephit", **members),
    }.items():
        model.fit(X, y)
        survival = model.predict_survival_at(X_test, times)
        report(name, model.predict(X_test), survival, y_test, times)
    truth = concordance_index(y_test, cohort.log_risk[N_TRAIN:])
    print(f"C-index of the true log risk: {truth:.3f}")


def report(name, risk, survival, y, times):
    """Print concordance, Brier score and calibration in the middle of follow-up."""
    middle = len(times) // 2
    held = calibration(y, 1 - survival[:, middle], time=times[middle])
    print(
        f"{name}: C {concordance_index(y, risk):.3f}, integrated Brier score "
        f"{integrated_brier_score(y, survival, times=times):.4f}, slope "
        f"{held.slope:.2f}, intercept {held.intercept:.2f}, ICI {held.ici:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for n_samples in (1000, 10_000, 100_000):
        time_loss(n_samples, tied=False)
    time_loss(10_000, tied=True)
    judge_risks()
