"""Ready encoders: what a probe finds in their features, and their worth for risk.

`OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_encoders.py PART`

probes       macro AUROC of five superclasses by labels: random, measurements,
             pretrained on 343 ECGs, "simulated-100hz", and the network beside
             "ptbxl-100hz" that was not trained on what is tested
risk         real signals of 343 ECGs, simulated follow-up by labels, with age, with
             voltage: C-index over draws, and over the best simple model
events       a network from a ready encoder beside the ridge Cox model of its features
             and one from scratch, by number of events, on simulated cohorts
unseen       zero-shot of each superclass, whose ECGs were left out of pretraining
ingredients  what each is worth: all, and all but one, from nothing, by seed
published    probes of the published network, pretrained by its own recipe for --epochs;
             its encoder goes to --out

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
from scipy.stats import ttest_1samp
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from study.inputs import computed

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer, encoders
from ecgdan_sk.architectures import Compact
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort, simulate_follow_up
from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.metrics import concordance_index
from ecgdan_sk.model_selection import EventKFold
from ecgdan_sk.preprocessing import MedianBeat
from ecgdan_sk.records import LEADS, ECGRecords
from ecgdan_sk.reports import SentenceEncoder, load_statements

PARTS = ("probes", "risk", "events", "unseen", "ingredients", "published")
# Log hazard of NORM, MI, STTC, CD and HYP.
HAZARDS = np.array([-0.5, 1.0, 0.7, 0.5, 0.8])
SIMPLE = ("age and sex", "measurements", "measurements, age and sex")
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
    tables = tables_of(X, np.column_stack([age, sex]), options)
    labels = ptbxl.superclasses.to_numpy() @ HAZARDS
    hazards = {
        "labels and voltage": labels + risk_of_voltage(ptbxl.X),
        "labels and age": labels + 0.04 * (age - 60),
        "labels": labels,
    }
    for what, log_risk in hazards.items():
        rows = [one_draw(X, tables, log_risk, d, options) for d in range(options.draws)]
        report(rows, what)


def tables_of(X, age_sex, options):
    """What the Cox models read of the ECGs, and their columns that are not shrunk."""
    measured = SimpleImputer().fit_transform(ECGMeasurements().fit_transform(X))
    encoded = encoders.Encoder(options.tested).fit_transform(X)
    return {
        "age and sex": (age_sex, 0),
        "measurements": (measured, 0),
        "measurements, age and sex": (np.hstack([age_sex, measured]), 2),
        "encoder": (encoded, 0),
        "encoder, age and sex": (np.hstack([age_sex, encoded]), 2),
        "all together": (np.hstack([age_sex, measured, encoded]), 2),
    }


def risk_of_voltage(records):
    """Log hazard by heights of QRS: Sokolow-Lyon voltage, and low voltage.

    They are read off median beats of the records as they are, not off the measurements.
    """
    beats = MedianBeat().fit_transform(records)
    beats = np.asarray(beats) - np.nanmedian(beats, axis=2, keepdims=True)
    qrs = beats[:, :, 195:255]  # 0.06 s before and after its place
    above, below = qrs.max(axis=2), -qrs.min(axis=2)
    v1, v5, v6 = (LEADS.index(lead) for lead in ("V1", "V5", "V6"))
    sokolow_lyon = below[:, v1] + np.maximum(above[:, v5], above[:, v6])
    low = (above + below)[:, :6].max(axis=1) < 0.5
    print(f"Sokolow-Lyon above 3.5 mV in {np.mean(sokolow_lyon > 3.5):.0%}, ", end="")
    print(f"all limb leads below 0.5 mV in {np.mean(low):.0%}")
    height = np.nan_to_num(sokolow_lyon, nan=np.nanmedian(sokolow_lyon))
    return 0.6 * (height - height.mean()) / height.std() + 1.0 * low


def one_draw(X, tables, log_risk, draw, options):
    """C-index of each model for one draw of the outcomes; seconds of the networks."""
    y = simulate_follow_up(log_risk, event_rate=0.15, random_state=draw)
    settings = {"n_members": 1, "random_state": 0}
    models = {name: (table, cox(free)) for name, (table, free) in tables.items()}
    if draw < options.network_draws:
        ready = DualAttentionSurvival(pretrained=options.tested, **settings)
        models["encoder, trained on"] = X, ready
        models["from scratch"] = X, DualAttentionSurvival(**settings)
    figures = {"truth": concordance_index(y, log_risk)}
    splits = list(EventKFold(3, random_state=draw).split(X, y))  # by patient
    for name, (inputs, model) in models.items():
        started, folds = time.perf_counter(), []
        for train, test in splits:
            model.fit(inputs[train], y[train])
            folds.append(concordance_index(y[test], model.predict(inputs[test])))
        figures[name] = np.mean(folds)
        if name in ("encoder, trained on", "from scratch"):
            figures[f"seconds {name}"] = time.perf_counter() - started
    return figures


def cox(n_unpenalised=0):
    return make_pipeline(StandardScaler(), PenalisedCox(n_unpenalised=n_unpenalised))


def report(rows, what):
    """Means over the draws, and differences from the best simple model, paired."""
    print(f"log hazard by {what}, {len(rows)} draws")
    best = max(SIMPLE, key=lambda name: np.mean([row[name] for row in rows]))
    for name in rows[0]:
        values = np.array([row[name] for row in rows if name in row])
        print(f"  {name:28} {values.mean():.3f}  (n={len(values)})", end="")
        base = np.array([row[best] for row in rows if name in row])
        if name.startswith("seconds") or name == best or len(values) < 2:
            print("  reference" * (name == best), flush=True)
            continue
        gain = values - base
        low, high = ttest_1samp(gain, 0.0).confidence_interval()
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


def published(options):
    """The published network, by its own recipe, on median beats of the same ECGs."""
    real, tests = shared_data(options)
    real = subset(real, ~real["held_out"])
    model = ECGReportPretrainer.paper(
        text_encoder=SentenceEncoder(options.text),
        max_epochs=options.epochs,
        patience=options.epochs,
        checkpoint_dir=options.checkpoints,
        device="cpu",
        verbose=1,
        random_state=0,
    )
    model.fit(median_beats(real["X"]), list(real["codes"]))
    if options.out:
        model.save_encoder(options.out)
    raw, *told = tests["own"]
    inputs = {"X": median_beats(tests["X"]), "own": (median_beats(raw), *told)}
    show("published network", probe_figures(model, **{**tests, **inputs}))


def median_beats(records):
    """The published input."""
    return records.with_signals(computed(records, "median-beat"), 500)


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
    parser.add_argument("--out", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--network-draws", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--n-simulated", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts = (probes, risk, events, unseen, ingredients, published)
    dict(zip(PARTS, parts))[arguments.part](arguments)
