"""Does attention across leads or over time help where it should?

Run `OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_attention.py
ready`, and the same with `scratch`.

Four compact networks, with both attentions, with one, and with neither, are pretrained
on the same simulated ECGs with reports (`ready`), or not at all (`scratch`). Each is
trained on the same cohorts of ten draws: a wave planted in one lead, at one moment of
all leads, or in two leads of which only the product of their doses carries risk; and
the usual simulated risk. A product of two leads cannot be seen in one. ECGs and
follow-up are simulated; intervals are t-intervals over draws, for the same encoders.
"""

import argparse
from functools import partial

import numpy as np
import pandas as pd
from bench_explanation import planted_cohort
from joblib import Parallel, delayed
from scipy.stats import t as student

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk.architectures import Compact
from ecgdan_sk.datasets import make_ecg_cohort
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.reports import TfidfEncoder

NETWORKS = {
    "both": Compact(),
    "no lead attention": Compact(lead_attention=False),
    "no temporal attention": Compact(temporal_attention=False),
    "neither": Compact(lead_attention=False, temporal_attention=False),
}
DURATION = 5  # seconds


def planted(plants, n_samples, seed):
    """ECGs with added waves, whose positions carry the risk."""
    return planted_cohort(n_samples, plants, DURATION, seed)


def usual_risk(n_samples, seed):
    """ECGs whose rate, QRS, T waves, shapes and rhythm carry the risk."""
    settings = {"sampling_rate": 100, "duration": DURATION, "event_rate": 0.2}
    cohort = make_ecg_cohort(n_samples, risk="both", random_state=seed, **settings)
    return ECGRecords(cohort.X, 100), cohort.y, cohort.log_risk


COHORTS = {
    "one lead": partial(planted, ["ST of V5"]),
    "one moment": partial(planted, ["P wave"]),
    "product of two leads": partial(planted, ["ST of V5", "ST of V2"]),
    "usual risk": usual_risk,
}


def pretrained(architecture, cohort):
    """Encoder weights that have learned the reports of a simulated cohort."""
    model = ECGReportPretrainer(
        architecture=architecture,
        text_encoder=TfidfEncoder(),
        classification_weight=1.0,
        max_epochs=12,
        validation_fraction=None,
        random_state=0,
    )
    model.fit(ECGRecords(cohort.X, 100), cohort.scp_codes)
    return model.encoder_weights_


def c_index(kind, draw, name, start, options):
    """C-index of one network on new ECGs of the cohort of one draw."""
    make, n = COHORTS[kind], options.n_samples
    X, y, _ = make(n, 2 * draw)
    X_test, y_test, log_risk = make(options.n_test, 2 * draw + 1)
    model = DualAttentionSurvival(
        architecture=NETWORKS[name], pretrained=start, n_members=1, random_state=draw
    )
    predicted = model.fit(X, y).predict(X_test)
    return {
        "cohort": kind,
        "draw": draw,
        "network": name,
        "C": concordance_index(y_test, predicted),
        "truth": concordance_index(y_test, log_risk),
    }


def main(options):
    """Print the C-index of each network and the gain by both attentions, by cohort."""
    starts = dict.fromkeys(NETWORKS)
    if options.start == "ready":
        cohort = make_ecg_cohort(
            options.n_pretraining,
            sampling_rate=100,
            duration=DURATION,
            random_state=12345,
        )
        starts = {name: pretrained(own, cohort) for name, own in NETWORKS.items()}
    jobs = [
        delayed(c_index)(kind, draw, name, starts[name], options)
        for kind in COHORTS
        for draw in range(options.draws)
        for name in NETWORKS
    ]
    rows = Parallel(options.n_jobs, return_as="generator", verbose=1)(jobs)
    table = pd.DataFrame(rows)
    for kind, own in table.groupby("cohort", sort=False):
        print(f"{kind}, truth {own['truth'].mean():.3f}")
        wide = own.pivot(index="draw", columns="network", values="C")
        for name in NETWORKS:
            gain = interval(wide["both"] - wide[name]) if name != "both" else ""
            print(f"  {name:22} {wide[name].mean():.3f}  {gain}")


def interval(differences):
    """Mean difference, both attentions over fewer, with its t-interval over draws."""
    mean, n = differences.mean(), len(differences)
    half = student.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return f"both over it {mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("start", choices=["ready", "scratch"])
    parser.add_argument("--n-samples", type=int, default=1000)
    parser.add_argument("--n-test", type=int, default=1000)
    parser.add_argument("--n-pretraining", type=int, default=4000)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--n-jobs", type=int, default=1)
    main(parser.parse_args())
