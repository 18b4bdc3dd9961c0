"""Make metrics.json: scores by scikit-survival, lifelines and pycox.

The tests read the inputs from here too, and need none of the three but the first.

Run `python tests/golden/make_metrics.py` with scikit-survival and lifelines installed.
pycox 0.3 needs an environment of its own; where it is missing its numbers are kept.
"""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sksurv import metrics
from sksurv.datasets import load_gbsg2, load_veterans_lung_cancer, load_whas500
from sksurv.util import Surv

FILE = Path(__file__).with_name("metrics.json")

# A risk with many ties and two times for each of scikit-survival's data sets.
COHORTS = {
    "whas500": (load_whas500, "age", 1, (365.0, 1500.0)),
    "gbsg2": (load_gbsg2, "pnodes", 1, (730.0, 1500.0)),
    "veterans": (load_veterans_lung_cancer, "Karnofsky_score", -1, (60.0, 200.0)),
}


def read_cohort(name):
    """Event, time, risk and predicted survival at the two times."""
    load, column, sign, times = COHORTS[name]
    X, y = load()
    risk = sign * X[column].to_numpy(float)
    event, time = (y[field] for field in y.dtype.names)
    spread = (risk - risk.mean()) / risk.std()
    hazard = np.exp(0.5 * spread) / np.median(time)
    survival = np.exp(-hazard[:, None] * np.array(times) / 2)
    return y, event, time.astype(float), risk, survival, list(times)


def untied(event, time):
    """A target without ties: of equal times, events come first.

    scikit-survival weighs an event by the probability of not being censored up to and
    including its time, which is the same as just before only where no times are tied.
    """
    order = np.lexsort((~event, time))
    time = time.copy()
    time[order] += 1e-6 * np.arange(len(time))
    return Surv.from_arrays(event, time)


def by_scikit_survival(name):
    """Scores of the odd rows, the censoring estimated from all rows."""
    _, event, time, risk, survival, times = read_cohort(name)
    train = untied(event, time)
    test = train[1::2]
    auc, mean_auc = metrics.cumulative_dynamic_auc(train, test, risk[1::2], times)
    brier = metrics.brier_score(train, test, survival[1::2], times)[1]
    return {
        "concordance_index": metrics.concordance_index_censored(event, time, risk)[0],
        "concordance_index_ipcw": metrics.concordance_index_ipcw(
            train, test, risk[1::2], times[1]
        )[0],
        "cumulative_dynamic_auc": list(auc),
        "integrated_auc": mean_auc,
        "brier_score": list(brier),
        "integrated_brier_score": metrics.integrated_brier_score(
            train, test, survival[1::2], times
        ),
    }


def by_lifelines(name):
    """Concordance, incidence at the first time, hazard ratio of the top quarter."""
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test
    from lifelines.utils import concordance_index

    _, event, time, risk, _, times = read_cohort(name)
    high = risk >= np.quantile(risk, 0.75)
    frame = pd.DataFrame({"time": time, "event": event, "high": high.astype(float)})
    exactly = {"precision": 1e-12, "r_precision": 1e-14}
    cox = CoxPHFitter().fit(frame, "time", "event", fit_options=exactly)
    low, upper = np.exp(cox.confidence_intervals_.to_numpy()[0])
    groups = (frame[high], frame[~high])
    test = logrank_test(
        *(group["time"] for group in groups), *(group["event"] for group in groups)
    )
    survival = KaplanMeierFitter().fit(time, event).predict(times[0])
    return {
        "concordance_index": concordance_index(time, -risk, event),
        "incidence": 1 - survival,
        "high_risk_group": [cox.hazard_ratios_.iloc[0], low, upper, test.p_value],
    }


def competing_risks(seed):
    """Causes and times without ties, which lifelines would break at random."""
    rng = np.random.default_rng(seed)
    return rng.choice(3, 200, p=[0.4, 0.35, 0.25]), rng.exponential(size=200)


def by_aalen_johansen(seed):
    """Cumulative incidence of the second cause at time 1."""
    from lifelines import AalenJohansenFitter

    causes, time = competing_risks(seed)
    fitter = AalenJohansenFitter(calculate_variance=False)
    curve = fitter.fit(time, causes, event_of_interest=2).cumulative_density_
    return float(curve[curve.index <= 1].iloc[-1, 0])


def random_follow_up(seed, ties):
    """Event, time and risk with ties in the time or in the risk."""
    rng = np.random.default_rng(seed)
    event, time, risk = rng.random(80) < 0.5, rng.random(80) + 1, rng.random(80)
    if ties == "time":
        time = np.ceil(time * 10)
    if ties == "risk":
        risk = np.ceil(risk * 10)
    return event, time, risk


def by_pycox(seed, ties):
    """Antolini's index of proportional hazards, which is Harrell's.

    The plain version ignores ties in the risk, the adjusted one handles ties in the
    time in its own way; neither knows both.
    """
    from pycox.evaluation.concordance import concordance_td

    event, time, risk = random_follow_up(seed, ties)
    grid, place = np.unique(time, return_inverse=True)
    steps = np.arange(1, len(grid) + 1)[:, None] / len(grid)
    # Small risks: a survival that underflows to 0 would be a tie of its own.
    survival = np.exp(-np.exp(risk / risk.max()) * steps)
    method = "adj_antolini" if ties == "risk" else "antolini"
    return concordance_td(time, event.astype(int), survival, place, method=method)


def main():
    """Write the file."""
    old = json.loads(FILE.read_text()) if FILE.exists() else {}
    golden = {
        "programs": {p: version(p) for p in ("scikit-survival", "lifelines")},
        "scikit-survival": {name: by_scikit_survival(name) for name in COHORTS},
        "lifelines": {name: by_lifelines(name) for name in COHORTS},
        "aalen-johansen": {str(seed): by_aalen_johansen(seed) for seed in range(3)},
    }
    try:
        golden["pycox"] = {
            ties: [by_pycox(seed, ties) for seed in range(5)]
            for ties in ("none", "time", "risk")
        }
        golden["programs"]["pycox"] = version("pycox")
    except ImportError:
        golden["pycox"] = old.get("pycox")
        golden["programs"]["pycox"] = old.get("programs", {}).get("pycox")
    FILE.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
