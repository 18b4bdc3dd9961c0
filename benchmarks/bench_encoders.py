"""Ready encoders: what a probe finds in their features, and their worth for risk.

`OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_encoders.py PART`

probes       macro AUROC of five superclasses by labels: random, measurements,
             pretrained on 343 ECGs, "simulated-100hz", and the network beside
             "ptbxl-100hz" that was not trained on what is tested
risk         real signals of 343 ECGs, simulated follow-up: C-index by draw
events       a network from a ready encoder beside the ridge Cox model of its features
             and one from scratch, by number of events, on simulated cohorts
unseen       zero-shot of each superclass, whose ECGs were left out of pretraining
ingredients  what each is worth: all, and all but one, from nothing, by seed

--data is the folder that `make_encoders.py` reads, --tested the folder that it writes
beside its checkpoints. Outcomes are simulated.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from make_encoders import (
    CLASSES,
    OBJECTIVES,
    filtered,
    pretrained,
    shared_data,
    simulate,
)
from probes import feature_figures, nearest, probe_figures
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgdan_sk import DualAttentionSurvival, encoders
from ecgdan_sk.architectures import Compact
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort, simulate_follow_up
from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.reports import load_statements

PARTS = ("probes", "risk", "events", "unseen", "ingredients")
# Log hazard of NORM, MI, STTC, CD and HYP.
HAZARDS = np.array([-0.5, 1.0, 0.7, 0.5, 0.8])
# ECGs and events of `events`.
SIZES = ((160, 16), (320, 32), (500, 50), (800, 80), (2000, 200), (2000, 500))


def probes(options):
    """Features of each kind on the test fold and on the 343 raw ECGs."""
    _, tests = shared_data(options)
    X, (raw, classes, patients) = tests["X"], tests["own"]
    measured = make_pipeline(ECGMeasurements(), SimpleImputer(keep_empty_features=True))
    kinds = {
        "random": random_features,
        "measurements": measured.fit_transform,
        "simulated-100hz": encoders.Encoder("simulated-100hz").fit_transform,
    }
    if options.tested:
        kinds["as ptbxl-100hz"] = encoders.Encoder(options.tested).fit_transform
    for kind, features_of in kinds.items():
        own = features_of(raw), classes, patients
        told = {name: tests[name] for name in ("classes", "train", "test")}
        show(kind, feature_figures(features_of(X), **told, own=own))
    options.epochs = 40
    codes = np.array(load_ptbxl(options.data / "ptbxl").scp_codes, dtype=object)
    small = pretrained([{"X": raw, "codes": codes}], options)
    told = {name: tests[name] for name in ("classes", "train", "test")}
    show("pretrained on 343", feature_figures(small.transform(X), **told))


def random_features(records, seed=0):
    """Features of a network with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Compact(voltage_token=True).encoder(12, records.shape[2]).eval()
    with torch.no_grad():
        parts = torch.from_numpy(np.asarray(records)).split(64)
        return torch.cat([network(part) for part in parts]).numpy()


def show(kind, figures):
    print(kind)
    for what, figure in figures.items():
        print(f"  {figure:.3f}  {what}", flush=True)


def risk(options):
    """Out-of-fold concordance of each model, by draw of the outcomes."""
    ptbxl = load_ptbxl(options.data / "ptbxl")
    X = filtered(ptbxl.X)
    age = ptbxl.covariates["age"].fillna(60).to_numpy()
    sex = ptbxl.covariates["sex"].fillna(0).to_numpy()
    tables = {
        "age and sex": np.column_stack([age, sex]),
        "measurements": SimpleImputer().fit_transform(
            ECGMeasurements().fit_transform(X)
        ),
        "encoder": encoders.Encoder(options.tested).fit_transform(X),
    }
    labels = ptbxl.superclasses.to_numpy() @ HAZARDS
    for with_age in (False, True):
        log_risk = labels + (0.04 * (age - 60) if with_age else 0.0)
        rows = [one_draw(X, tables, log_risk, d, options) for d in range(options.draws)]
        report(rows, "labels and age" if with_age else "labels alone")


def one_draw(X, tables, log_risk, draw, options):
    """C-index of each model for one draw of the outcomes; seconds of the networks."""
    y = simulate_follow_up(log_risk, event_rate=0.15, random_state=draw)
    settings = {"n_members": 1, "random_state": 0}
    models = {name: (table, cox()) for name, table in tables.items()}
    if draw < options.network_draws:
        ready = DualAttentionSurvival(pretrained=options.tested, **settings)
        models["encoder, trained on"] = X, ready
        models["from scratch"] = X, DualAttentionSurvival(**settings)
    figures = {"truth": concordance_index(y, log_risk)}
    for name, (inputs, model) in models.items():
        started, folds = time.perf_counter(), []
        for train, test in EventKFold(3, random_state=draw).split(inputs, y):
            model.fit(inputs[train], y[train])
            folds.append(concordance_index(y[test], model.predict(inputs[test])))
        figures[name] = np.mean(folds)
        if name in ("encoder, trained on", "from scratch"):
            figures[f"seconds {name}"] = time.perf_counter() - started
    return figures


def cox():
    return make_pipeline(StandardScaler(), PenalisedCox())


def report(rows, what):
    """Means over the draws, and paired differences from the measurements."""
    print(f"log hazard by {what}, {len(rows)} draws")
    for name in rows[0]:
        values = np.array([row[name] for row in rows if name in row])
        print(f"  {name:28} {values.mean():.3f}  (n={len(values)})", end="")
        base = np.array([row["measurements"] for row in rows if name in row])
        if name.startswith("seconds") or len(values) < 2:
            print(flush=True)
            continue
        gain = values - base
        half = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
        low, high = gain.mean() - half, gain.mean() + half
        print(f"  {gain.mean():+.3f} [{low:+.3f}, {high:+.3f}]", flush=True)


def events(options):
    """C-index on 2,000 unseen ECGs, and seconds of a fit, by size and draw."""
    cohort = make_ecg_cohort(4000, sampling_rate=100, risk="both", random_state=77)
    X = filtered(ECGRecords(cohort.X, 100))
    features = encoders.Encoder(options.tested).fit_transform(X)
    settings = {"n_members": 1, "random_state": 0}
    networks = {
        "ready": DualAttentionSurvival(pretrained=options.tested, **settings),
        "scratch": DualAttentionSurvival(**settings),
    }
    for n, n_events in SIZES:
        for draw in range(options.draws):
            order = np.random.default_rng(draw).permutation(len(X))
            train, test = order[:n], order[2000:]
            risks = cohort.log_risk
            follow_up = {"event_rate": n_events / n, "random_state": draw}
            y = simulate_follow_up(risks[train], **follow_up)
            y_test = simulate_follow_up(risks[test], event_rate=0.5, random_state=draw)
            line = f"{n_events} events of {n}, draw {draw}:"
            ridge = cox().fit(features[train], y)
            scored = concordance_index(y_test, ridge.predict(features[test]))
            line += f" ridge Cox {scored:.3f}"
            for name, network in networks.items():
                if name == "scratch" and draw >= options.network_draws:
                    continue
                started = time.process_time()
                network.fit(X[train], y)
                took = time.process_time() - started
                scored = concordance_index(y_test, network.predict(X[test]))
                line += f", {name} {scored:.3f} in {took:.1f} s"
            print(line, flush=True)


def unseen(options):
    """Zero-shot AUROC of each superclass, of a network that met none of its ECGs."""
    cohorts, tests = training_parts(options)
    raw, classes, _ = tests["own"]
    aurocs = []
    for j, name in enumerate(CLASSES):
        without = [subset(c, ~holds(c["codes"], name)) for c in cohorts]
        model = pretrained(without, options)
        sides = (tests["X"][tests["test"]], tests["classes"][tests["test"]])
        own = [
            roc_auc_score(truth[:, j], nearest(model, X)[:, j])
            for X, truth in (sides, (raw, classes))
        ]
        aurocs.append(own)
        print(f"  {own[0]:.3f} test fold, {own[1]:.3f} raw  {name}", flush=True)
    print(f"  {np.mean(aurocs, axis=0).round(3)}  mean")


def ingredients(options):
    """Figures with all that teaches, and with each left out, by seed."""
    cohorts, tests = training_parts(options)
    kinds = {"all": (cohorts, {})}
    kinds["no simulated ECGs"] = cohorts[:1], {}
    kinds["no real ECGs"] = cohorts[1:], {}
    for weight in OBJECTIVES:
        kinds[f"no {weight.removesuffix('_weight')}"] = cohorts, {weight: 0.0}
    for seed in range(options.seeds):
        for kind, (own, changes) in kinds.items():
            model = pretrained(own, options, random_state=seed, **changes)
            show(f"{kind}, seed {seed}", probe_figures(model, **tests))


def training_parts(options):
    """Real ECGs that are not tested, simulated ones, and the tests."""
    real, tests = shared_data(options)
    real = subset(real, ~real["held_out"])
    return [real, simulate(options.n_simulated, 1)], tests


def subset(cohort, rows):
    return {name: values[rows] for name, values in cohort.items()}


def holds(codes, superclass):
    """Which ECGs have a statement of a superclass."""
    kinds = load_statements()["superclass"]
    of = {*kinds.index[kinds == superclass]}
    return np.array([bool(of & own.keys()) for own in codes])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tested", type=Path)
    parser.add_argument("--text", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--network-draws", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--n-simulated", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts = (probes, risk, events, unseen, ingredients)
    dict(zip(PARTS, parts))[arguments.part](arguments)
