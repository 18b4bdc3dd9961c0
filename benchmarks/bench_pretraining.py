"""Report pretraining: does it collapse, what does it know, what is it worth for risk?

`OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/bench_pretraining.py PART`

collapse    retrieval and spread after training on shuffled pairs, by alignment
real        macro AUROC on PTB-XL by fold: zero-shot, probes, labels, measurements
text        codes, words and statements found in free text: probe, zero-shot, retrieval
unseen      zero-shot for a superclass that pretraining never met
transfer    real signals, simulated follow-up: C-index by draw of the outcomes
efficiency  simulated cohorts of n = 100 to 800, by kind of pretraining
cost        time of pretraining on 2,000 simulated ECGs of 12 x 1000

All but `efficiency` and `cost` need a PTB-XL folder: --ptbxl FOLDER. Outcomes are
simulated everywhere; signals and reports are in `efficiency` and `cost`.
"""

import argparse
import ast
import tempfile
import time
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy.stats import t as student
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, GroupShuffleSplit
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from ecgdan_sk import DualAttentionSurvival, ECGReportPretrainer
from ecgdan_sk._training import ECGDataset
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort, simulate_follow_up
from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.metrics import concordance_index, retrieval_recall
from ecgdan_sk.pretraining._network import SHARED_DIM
from ecgdan_sk.records import ECGRecords
from ecgdan_sk.reports import SentenceEncoder

CLASSES = ["NORM", "MI", "STTC", "CD", "HYP"]
# How reports are read, and what embeds them.
WAYS = [
    f"{r}/{e}"
    for r in ("codes", "text", "statements")
    for e in ("TF-IDF", "MiniLM", "E5")
]
WAYS += ["both/MiniLM", "both/E5"]
SMALL = {"batch_size": 32, "max_epochs": 25, "patience": 25}


def probe():
    """A linear probe, strongly shrunken."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=3000))


def interval(values):
    """Mean, and 95 % interval of the mean over independent values."""
    values = np.asarray(values)
    mean, half = values.mean(), 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


# --- collapse ------------------------------------------------------------------------


def collapse(options):
    """Train on shuffled pairs; retrieve held-out pairs; measure the spread.

    Most real reports say the same, so that a constant is a good guess; where each ECG
    has words of its own it is not.
    """
    data = _ptbxl(options)
    rng = np.random.default_rng(0)
    n_samples = len(data.codes)
    codes = [data.codes[i] for i in rng.permutation(n_samples)]
    own = list(rng.standard_normal((n_samples, 32)).astype(np.float32))
    split = GroupShuffleSplit(1, test_size=0.3, random_state=0)
    train, test = next(split.split(data.X, groups=data.patients))
    for what, reports in (("reports of PTB-XL", codes), ("each its own words", own)):
        for alignment in ("sigmoid", "infonce", "cosine"):
            fitted, unseen = ([reports[i] for i in rows] for rows in (train, test))
            print(what, _shuffled(data.X, alignment, train, test, fitted, unseen))


def _shuffled(X, alignment, train, test, fitted, unseen):
    """What one alignment makes of ECGs with reports of others."""
    model = ECGReportPretrainer(
        alignment=alignment,
        callbacks=[Spread()],
        random_state=0,
        batch_size=32,
        max_epochs=60,
        patience=60,
    )
    if isinstance(fitted[0], np.ndarray):
        fitted, unseen = np.array(fitted), np.array(unseen)
    model.fit(X[train], fitted)
    encoded = model.embedder_.transform(unseen)
    places = model._places(X[test]), model._text_places(encoded.embeddings)
    recall = retrieval_recall(encoded.keys, places, k=10)
    chance = np.mean([_chance(encoded.keys, key, 10) for key in encoded.keys])
    first, last = model.history_[0], model.history_[-1]
    return (
        f"{alignment:8} recall@10 {recall:.3f} (chance {chance:.3f}), mean pairwise "
        f"cosine {last['cosine']:+.2f}, training loss {first['train_loss']:.3f} -> "
        f"{last['train_loss']:.3f}"
    )


class Spread(Callback):
    """Mean pairwise cosine of the validation ECGs after each epoch."""

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        """Record it."""
        with torch.no_grad():
            batches = net.get_iterator(dataset_valid)
            places = torch.cat([net.module_.eval()(x) for x, _ in batches])
        others = ~torch.eye(len(places), dtype=torch.bool)
        net.history.record("cosine", float((places @ places.T)[others].mean()))


def _chance(keys, key, k):
    """Probability that k of n draws hold one of the reports that say the same."""
    n, same = len(keys), (keys == key).sum()
    misses = np.prod([(n - same - i) / (n - i) for i in range(k)])
    return 1 - max(misses, 0.0)


# --- real ----------------------------------------------------------------------------


def real(options):
    """Print macro AUROC of each way to five superclasses, over seeds."""
    data = _ptbxl(options)
    jobs = [
        (seed, train, test)
        for seed in range(options.n_seeds)
        for train, test in GroupKFold(5, shuffle=True, random_state=seed).split(
            data.X, groups=data.patients
        )
    ]
    scores = Parallel(n_jobs=options.n_jobs)(
        delayed(_real_fold)(data, *job) for job in jobs
    )
    table = pd.DataFrame(
        [
            {"seed": seed, "way": way, "of": of} | {"auroc": value}
            for (seed, _, _), fold in zip(jobs, scores)
            for (way, of), value in fold.items()
        ]
    )
    by_seed = table.groupby(["of", "way", "seed"])["auroc"].mean()
    print(f"{len(data.codes)} records, 5 folds by patient, {options.n_seeds} seeds")
    for (of, way), values in by_seed.groupby(level=["of", "way"]):
        spread = f"SD of seeds {values.std():.3f}" if len(values) > 1 else ""
        print(f"  {of:8} {way:36} {values.mean():.3f} {spread}")


def _real_fold(data, seed, train, test):
    """AUROC of all ways on one fold, on all records and on the abnormal ones."""
    X, labels, table = data.X, data.labels, data.measurements
    codes = [data.codes[i] for i in train]
    fitted = {
        "aligned": ECGReportPretrainer(random_state=seed, **SMALL),
        "aligned + reconstruction": ECGReportPretrainer(
            reconstruction_weight=1.0, random_state=seed, **SMALL
        ),
        "reconstruction alone": ECGReportPretrainer(
            alignment_weight=0.0, reconstruction_weight=1.0, random_state=seed, **SMALL
        ),
        "labels": ECGReportPretrainer(
            alignment_weight=0.0, classification_weight=1.0, random_state=seed, **SMALL
        ),
        # Statistics settle in one epoch of steps that change nothing.
        "random": ECGReportPretrainer(
            random_state=seed, **{**SMALL, "max_epochs": 1, "lr": 1e-12}
        ),
    }
    latent, scores = {}, {}
    for name, model in fitted.items():
        if name == "labels":
            superclasses = [
                {c: 100 for c, true in zip(CODE_OF, labels[i]) if true} or {"SR": 100}
                for i in train
            ]
            model.fit(X[train], superclasses)
            statements = model.embedder_.codes_
            outputs = model.net_.predict(ECGDataset(X[test]))[:, SHARED_DIM:]
            scores["(e) trained on the labels"] = outputs[
                :, [statements.index(c) for c in CODE_OF]
            ]
            continue
        model.fit(X[train], codes)
        latent[name] = model.transform(X)
        if name == "aligned":
            scores["(a) zero-shot"] = model.zero_shot(X[test], CLASSES)
    for letter, name in (
        ("(b)", "aligned"),
        ("(b')", "aligned + reconstruction"),
        ("(c)", "random"),
        ("(d)", "reconstruction alone"),
    ):
        scores[f"{letter} probe, {name}"] = _probed(latent[name], labels, train, test)
    filled = make_pipeline(SimpleImputer(), StandardScaler())
    table = filled.fit(table[train]).transform(table)
    scores["(f) measurements, logistic"] = _probed(table, labels, train, test)
    trees = ExtraTreesClassifier(500, min_samples_leaf=3, random_state=seed)
    trees.fit(table[train], labels[train])
    scores["(f) measurements, ExtraTrees"] = np.column_stack(
        [p[:, 1] for p in trees.predict_proba(table[test])]
    )
    logits = {
        name: scores[name]
        for name in ("(b) probe, aligned", "(f) measurements, ExtraTrees")
    }
    ranks = [pd.DataFrame(s).rank().to_numpy() for s in logits.values()]
    scores["(g) probe and ExtraTrees, mean rank"] = np.mean(ranks, axis=0)
    both = np.hstack([latent["aligned"], table])
    scores["(g') probe of both"] = _probed(both, labels, train, test)
    abnormal = ~labels[test][:, 0].astype(bool)
    return {
        (way, of): roc_auc_score(
            labels[test][rows][:, columns], score[rows][:, columns], average="macro"
        )
        for way, score in scores.items()
        for of, rows, columns in (
            ("all", slice(None), slice(None)),
            ("abnormal", abnormal, slice(1, None)),
        )
    }


# One statement for each superclass, so that the labels can be given as codes.
CODE_OF = ["NORM", "IMI", "NST_", "IRBBB", "LVH"]


def _probed(features, labels, train, test):
    model = MultiOutputClassifier(probe()).fit(features[train], labels[train])
    return np.column_stack([p[:, 1] for p in model.predict_proba(features[test])])


# --- text ----------------------------------------------------------------------------


def text(options):
    """Print what each way to read reports teaches, by language model.

    The 343 raw records, and where --zscored names them those of the z-scored ones that
    have a report. All ways see the same ECGs.
    """
    with tempfile.TemporaryDirectory() as cache:
        encoders = {"TF-IDF": None} | {
            name: SentenceEncoder(model, cache=cache)
            for name, model in (
                ("MiniLM", "all-MiniLM-L6-v2"),
                ("E5", "multilingual-e5-small"),
            )
        }
        for name, data in _with_reports(options).items():
            _text_of(name, data, encoders, options)


def _text_of(name, data, encoders, options):
    """Print a table for one collection, over folds by patient and seeds."""
    rows = []
    for seed in range(options.n_seeds):
        folds = GroupKFold(options.n_folds, shuffle=True, random_state=seed)
        parts = enumerate(folds.split(data.X, groups=data.patients))
        for (fold, (train, test)), way in product(parts, options.ways):
            reads, _, encoder = way.partition("/")
            scores = _text_fold(data, train, test, reads, encoders[encoder], seed)
            rows.append({"way": way, "seed": seed, "fold": fold, **scores})
            print(name, len(rows), rows[-1], flush=True)
    print(
        f"{name}, {len(data.X)} ECGs, {options.n_folds} folds, {options.n_seeds} seeds"
    )
    _tell_text(pd.DataFrame(rows), options.n_folds)


def _tell_text(table, n_folds):
    """Print means, and differences from the first way with 95 % intervals.

    Folds share their training ECGs, and seeds all of them, so that differences vary
    less than they would on new ECGs: their variance is corrected for that (Nadeau and
    Bengio, 2003).
    """
    wide = table.pivot(index=["seed", "fold"], columns="way")
    for way in table["way"].unique():
        told = f"  {way:20}"
        for score in ("probe", "zero-shot", "reciprocal rank"):
            own = wide[score][way]
            gain = own - wide[score][table["way"].iloc[0]]
            half = gain.std() * np.sqrt(1 / len(gain) + 1 / (n_folds - 1))
            half *= student.ppf(0.975, len(gain) - 1)
            told += f" {score} {own.mean():.3f}, {gain.mean():+.3f}"
            told += f" [{gain.mean() - half:+.3f}, {gain.mean() + half:+.3f}]"
        print(told, flush=True)


def _text_fold(data, train, test, reads, encoder, seed):
    """Macro AUROC of a probe and of zero-shot prompts, and the mean reciprocal rank."""
    reports = data.codes if reads == "codes" else data.reports
    model = ECGReportPretrainer(
        text_encoder=encoder,
        reports_as="auto" if reads == "codes" else reads,
        random_state=seed,
        **SMALL,
    ).fit(data.X[train], [reports[i] for i in train])
    labels = data.labels
    probed = _probed(model.transform(data.X), labels, train, test)
    prompted = model.zero_shot(data.X[test], CLASSES)
    return {
        "probe": roc_auc_score(labels[test], probed, average="macro"),
        "zero-shot": roc_auc_score(labels[test], prompted, average="macro"),
        "reciprocal rank": model.score(data.X[test], [reports[i] for i in test]),
    }


def _with_reports(options):
    """Collections of ECGs with codes and with a report in words."""
    raw = _ptbxl(options)
    raw.reports = list(raw.data.reports)
    collections = {"raw": raw}
    if options.zscored:
        collections["z-scored"] = _zscored(Path(options.zscored))
    for data in collections.values():
        rows = np.flatnonzero([any(map(str.isalnum, r)) for r in data.reports])
        data.X, data.labels = data.X[rows], data.labels[rows]
        data.patients = data.patients[rows]
        data.codes = [data.codes[i] for i in rows]
        data.reports = [data.reports[i] for i in rows]
    return collections


def _zscored(folder):
    """ECGs that were z-scored lead by lead, those with statements and a report."""
    table = pd.read_csv(folder / "labels.csv")
    signals = np.load(folder / "x_100hz_int16.npz")
    told = (table["report"].notna() & table["scp_codes"].notna()).to_numpy()
    place = {ecg: i for i, ecg in enumerate(signals["ecg_id"])}
    table = table[told]
    rows = [place[ecg] for ecg in table["ecg_id"]]
    return SimpleNamespace(
        X=signals["x"][rows].astype(np.float32) / 1000,
        codes=[ast.literal_eval(codes) for codes in table["scp_codes"]],
        reports=list(table["report"]),
        labels=table[CLASSES].to_numpy(int),
        patients=table["patient_id"].to_numpy(),
    )


# --- unseen --------------------------------------------------------------------------


def unseen(options):
    """Print AUROC of zero-shot for a superclass that pretraining never met."""
    data = _ptbxl(options)
    folds = GroupKFold(5, shuffle=True, random_state=0)
    for c, name in enumerate(CLASSES):
        scores = []
        for train, test in folds.split(data.X, groups=data.patients):
            train = train[data.labels[train][:, c] == 0]
            model = ECGReportPretrainer(random_state=0, **SMALL)
            model.fit(data.X[train], [data.codes[i] for i in train])
            shown = model.zero_shot(data.X[test], CLASSES)[:, c]
            scores.append(roc_auc_score(data.labels[test][:, c], shown))
        print(f"{name:5} left out: {interval(scores)} over folds", flush=True)


# --- transfer ------------------------------------------------------------------------


def transfer(options):
    """C-index on real signals with simulated follow-up, paired over draws.

    The folds are the same in all draws, so that an encoder is pretrained once on each
    training part, and never on ECGs that it is tested on.
    """
    data = _ptbxl(options)
    splitter = GroupKFold(3, shuffle=True, random_state=0)
    folds = list(splitter.split(data.X, groups=data.patients))
    starts = Parallel(n_jobs=options.n_jobs)(
        delayed(_pretrained)(data, train) for train, _ in folds
    )
    draws = Parallel(n_jobs=options.n_jobs)(
        delayed(_transfer_draw)(data, folds, starts, draw)
        for draw in range(options.n_draws)
    )
    table = pd.DataFrame(draws)
    print(f"{len(data.codes)} real ECGs, {options.n_draws} simulated draws, C-index")
    for name in table:
        gain = interval(table[name] - table["scratch"])
        print(f"  {name:36} {interval(table[name])}, over scratch {gain}")


def _pretrained(data, train):
    """Pretrainers of three kinds, on the training part of a fold."""
    recipes = {
        "alignment": {},
        "reconstruction": {"alignment_weight": 0.0, "reconstruction_weight": 1.0},
        "nothing": {"max_epochs": 1, "lr": 1e-12},
    }
    codes = [data.codes[i] for i in train]
    return {
        name: ECGReportPretrainer(**{**SMALL, "random_state": 0, **recipe}).fit(
            data.X[train], codes
        )
        for name, recipe in recipes.items()
    }


def _transfer_draw(data, folds, starts, draw):
    """Out-of-fold C-index of each way for one draw of the outcomes."""
    y, truth = data.follow_up(draw)
    risks = {}
    for (train, test), start in zip(folds, starts):
        for name, risk in _transfer_fold(data, y, train, test, start, draw).items():
            # Ranks within a fold: networks differ in origin and scale.
            rank = pd.Series(risk).rank(pct=True).to_numpy()
            risks.setdefault(name, np.empty(len(y)))[test] = rank
    for name, parts in {
        "age + sex and aligned": ("age + sex", "fine-tuned after alignment"),
        "measurements and aligned": ("measurements", "fine-tuned after alignment"),
        "age + sex and measurements": ("age + sex", "measurements"),
        "all three": ("age + sex", "measurements", "fine-tuned after alignment"),
    }.items():
        risks[name] = np.mean([risks[part] for part in parts], axis=0)
    risks["truth"] = truth
    scores = {name: concordance_index(y, risk) for name, risk in risks.items()}
    print(draw, {k: round(v, 3) for k, v in scores.items()}, flush=True)
    return scores


def _transfer_fold(data, y, train, test, start, seed):
    """Risks of the test part by each way."""
    risks = {}
    for name, weights in (
        ("scratch", None),
        ("fine-tuned after alignment", start["alignment"].encoder_weights_),
        ("fine-tuned after reconstruction", start["reconstruction"].encoder_weights_),
    ):
        model = DualAttentionSurvival(
            pretrained=weights, n_members=1, batch_size=64, random_state=seed
        )
        risks[name] = model.fit(data.X[train], y[train]).predict(data.X[test])
    tables = {
        "frozen aligned + ridge Cox": start["alignment"].transform(data.X),
        "frozen random + ridge Cox": start["nothing"].transform(data.X),
        "measurements": data.measurements,
        "age + sex": data.age_sex,
    }
    for name, table in tables.items():
        cox = make_pipeline(SimpleImputer(), StandardScaler(), PenalisedCox())
        risks[name] = cox.fit(table[train], y[train]).predict(table[test])
    return risks


# --- efficiency ----------------------------------------------------------------------


def efficiency(options):
    """C-index on unseen patients by size of the training set and by pretraining."""
    source = make_ecg_cohort(2000, sampling_rate=100, risk="both", random_state=99)
    recipes = {
        "reconstruction": {"alignment_weight": 0.0, "reconstruction_weight": 1.0},
        "reconstruction + classification": {
            "alignment_weight": 0.0,
            "reconstruction_weight": 1.0,
            "classification_weight": 1.0,
        },
        "alignment + reconstruction": {"reconstruction_weight": 1.0},
        "alignment": {},
    }
    weights = {"scratch": None}
    for name, recipe in recipes.items():
        model = ECGReportPretrainer(random_state=0, **recipe)
        weights[name] = model.fit(source.X, source.scp_codes).encoder_weights_
        print(f"pretrained by {name}: {len(model.history_)} epochs", flush=True)
    untrained = ECGReportPretrainer(max_epochs=1, lr=1e-12, random_state=0)
    weights["random, frozen"] = untrained.fit(
        source.X, source.scp_codes
    ).encoder_weights_
    rows = []
    for draw in range(options.n_draws):
        cohort = make_ecg_cohort(
            1800, sampling_rate=100, risk="both", event_rate=0.1, random_state=draw
        )
        for n in options.sizes:
            jobs = (
                delayed(_efficiency_score)(cohort, n, name, start)
                for name, start in weights.items()
            )
            scores = Parallel(n_jobs=options.n_jobs)(jobs)
            rows.append({"draw": draw, "n": n} | dict(zip(weights, scores)))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="draw")
    for n, scores in table.groupby("n"):
        print(f"n = {n}, {len(scores)} draws")
        for name in weights:
            gain = interval(scores[name] - scores["scratch"])
            print(f"  {name:34} {interval(scores[name])}, over scratch {gain}")


def _efficiency_score(cohort, n, name, start):
    rows = _with_events(cohort.y, n)
    model = DualAttentionSurvival(
        pretrained=start,
        freeze_encoder=name == "random, frozen",
        n_members=1,
        batch_size=min(128, n // 2),
        random_state=0,
    ).fit(cohort.X[rows], cohort.y[rows])
    return model.score(cohort.X[-1000:], cohort.y[-1000:])


def _with_events(y, n):
    """The first n of the first 800 patients, an event in ten."""
    event = y["event"][:800]
    n_events = max(4, round(n * event.mean()))
    rows = np.concatenate(
        [np.flatnonzero(event)[:n_events], np.flatnonzero(~event)[: n - n_events]]
    )
    return np.sort(rows)


# --- cost ----------------------------------------------------------------------------


def cost(options):
    """Print the time of pretraining on 2,000 ECGs."""
    cohort = make_ecg_cohort(2000, sampling_rate=100, random_state=0)
    for recipe in ({}, {"reconstruction_weight": 1.0}):
        start = time.perf_counter()
        model = ECGReportPretrainer(random_state=0, **recipe)
        model.fit(cohort.X, cohort.scp_codes)
        print(
            f"{recipe or 'default'}: {time.perf_counter() - start:.0f} s, "
            f"{len(model.history_)} epochs",
            flush=True,
        )


# --- data ----------------------------------------------------------------------------


class _ptbxl:
    """PTB-XL at 100 Hz with labels, measurements and what outcomes are drawn from."""

    def __init__(self, options):
        data = load_ptbxl(options.ptbxl, sampling_rate=100)
        self.X = np.asarray(data.X)
        self.codes, self.patients = list(data.scp_codes), np.asarray(data.patient_id)
        self.labels = _labels(data.superclasses)
        records = ECGRecords(self.X, sampling_rate=100)
        self.measurements = np.asarray(
            ECGMeasurements(sampling_rate=100).fit_transform(records), dtype=float
        )
        self.age_sex = data.covariates[["age", "sex"]].to_numpy(float)
        self.data = data

    def follow_up(self, draw):
        """Outcomes (15 % events) whose hazard physicians' labels and age drive."""
        age = pd.Series(self.age_sex[:, 0]).fillna(60).to_numpy()
        _, mi, sttc, cd, hyp = self.labels.T
        log_risk = 0.04 * (age - 60) + 0.8 * mi + 0.6 * sttc + 0.5 * cd + 0.7 * hyp
        y = simulate_follow_up(log_risk, event_rate=0.15, random_state=draw)
        return y, log_risk


def _labels(superclasses):
    if hasattr(superclasses, "columns"):
        return superclasses[CLASSES].to_numpy(int)
    return np.array([[c in found for c in CLASSES] for found in superclasses], int)


if __name__ == "__main__":
    parts = (collapse, real, text, unseen, transfer, efficiency, cost)
    parts = {part.__name__: part for part in parts}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=parts)
    parser.add_argument("--ptbxl", default="ptb-xl")
    parser.add_argument("--zscored", help="folder of z-scored records, for `text`")
    parser.add_argument("--n-seeds", type=int, default=3)
    parser.add_argument("--n-folds", type=int, default=5, help="of `text`")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=WAYS, help="of `text`"
    )
    parser.add_argument("--n-draws", type=int, default=10)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 200, 400, 800])
    options = parser.parse_args()
    parts[options.part](options)
