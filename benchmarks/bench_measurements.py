"""ECGMeasurements compared with truth, physicians, vendors, labels, NeuroKit2.

Run: python benchmarks/bench_measurements.py [--n-simulated 1000] [--n-neurokit 12]
or:  python benchmarks/bench_measurements.py ludb [--others 40]
or:  python benchmarks/bench_measurements.py quality
Real recordings are sought in the folder ECGDAN_DATA, else ../shared/data; vendors'
files need sierraecg, the comparison neurokit2. What is not there is said and left out.
"""

import argparse
import importlib.util
import os
import re
import warnings
from itertools import product
from pathlib import Path
from time import perf_counter, process_time
from unittest.mock import patch
from xml.etree import ElementTree

import ludb
import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.util import Surv

from ecgdan_sk._beats._delineation import delineate
from ecgdan_sk._beats._detection import BEFORE, find_beats
from ecgdan_sk.baselines import PenalisedCox
from ecgdan_sk.datasets import load_ptbxl, make_ecg_cohort, read_ecg
from ecgdan_sk.measurements import ECGMeasurements, _delineated
from ecgdan_sk.measurements._remembered import forget
from ecgdan_sk.metrics import bootstrap_ci, concordance_index
from ecgdan_sk.model_selection import RepeatedEventKFold, out_of_fold

DATA = Path(os.environ.get("ECGDAN_DATA", Path(__file__).parents[2] / "shared/data"))
AIMS = {
    "heart_rate_bpm": 1,
    "p_duration_ms": 12,
    "pr_interval_ms": 12,
    "qrs_duration_ms": 8,
    "qt_interval_ms": 15,
}

# The distinct recordings among the files.
PHILIPS = (
    "129DYPRG",
    "2020-5-18_15-48-11",
    "3191723_ZZDEMOPTONLY_1-04_orig",
    "ad4d3d80-d165_1-04_orig",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="?", choices=["all", "ludb", "quality"], default="all"
    )
    parser.add_argument("--others", type=int, default=0)
    parser.add_argument("--n-simulated", type=int, default=1000)
    parser.add_argument("--n-neurokit", type=int, default=12)
    arguments = parser.parse_args()
    if arguments.what == "ludb":
        ludb.compare(DATA / "ludb" / "data", arguments.others)
        return
    print("| what | measured | aim |\n|---|---|---|")
    if arguments.what == "quality":
        bad_leads()
        return
    simulator(arguments.n_simulated)
    if not DATA.is_dir():
        print(f"No real recordings in {DATA}.")
        return
    physicians()
    vendors()
    ptbxl = load_ptbxl(DATA / "ptbxl", sampling_rate=500)
    labels(ptbxl)
    bad_leads()
    neurokit(np.asarray(ptbxl.X[: arguments.n_neurokit]))
    music()


def row(what, measured, aim=""):
    print(f"| {what} | {measured} | {aim} |", flush=True)


def table_of(X, rate=500):
    return ECGMeasurements(rate).set_output(transform="pandas").fit_transform(X)


def with_degrees(table):
    axes = {}
    for wave in ("p", "qrs", "t"):
        sine, cosine = table[f"{wave}_axis_sin"], table[f"{wave}_axis_cos"]
        axes[f"{wave}_axis_deg"] = np.degrees(np.arctan2(sine, cosine))
    return table.assign(**axes)


def simulator(n_samples):
    cohort = make_ecg_cohort(n_samples, sampling_rate=500, random_state=0)
    found, truth = with_degrees(table_of(cohort.X)), cohort.parameters
    name = f"simulator, {n_samples} ECGs: mean absolute error of"
    errors = {}
    for column in [c for c in truth if c in found]:
        away = found[column] - truth[column]
        if column.endswith("_deg"):
            away = (away + 180) % 360 - 180
        errors[column] = away.abs().mean()
    for column, aim in AIMS.items():
        row(f"{name} `{column}`", f"{errors[column]:.2f}", f"<= {aim}")
    for kind, aim in [("_deg", 10), ("_mv", 0.05)]:
        worst = max((c for c in errors if c.endswith(kind)), key=errors.get)
        n_kind = sum(c.endswith(kind) for c in errors)
        label = f"{name} the worst of {n_kind} in {kind[1:]}: `{worst}`"
        row(label, f"{errors[worst]:.3f}", f"<= {aim}")
    fibrillating = cohort.conditions["atrial_fibrillation"]
    sinus = ~(fibrillating | cohort.conditions["paced"])
    missing = found[sinus].isna().to_numpy().mean()
    row("simulator: missing values in sinus rhythm", f"{missing:.2%}", "< 3 %")
    no_p = found.loc[fibrillating, "p_duration_ms"].isna().mean()
    row(
        f"simulator: no P in fibrillation (n = {fibrillating.sum()})",
        f"{no_p:.1%}",
        ">= 95 %",
    )


def physicians():
    import wfdb

    record = str(DATA / "ludb" / "3")
    ecg = wfdb.rdrecord(record)
    marks = {lead: wfdb.rdann(record, lead) for lead in ecg.sig_name}
    r_peaks = marks["ii"].sample[np.array(marks["ii"].symbol) == "N"]
    edges = {"p": [], "N": [], "t": []}
    for mark in marks.values():
        for i, symbol in enumerate(mark.symbol):
            if symbol in edges and 0 < i < len(mark.symbol) - 1:
                peak = mark.sample[i]
                own = {
                    "p": r_peaks[r_peaks > peak][:1],
                    "N": r_peaks[[np.abs(r_peaks - peak).argmin()]],
                    "t": r_peaks[r_peaks < peak][-1:],
                }[symbol]
                edges[symbol].append(mark.sample[[i - 1, i + 1]] - own[0])
    beats = find_beats(ecg.p_signal.T, ecg.fs)
    rr = np.median(np.diff(beats.positions))
    at = delineate(beats.median, BEFORE, rr, rr)
    nearest = np.abs(r_peaks[:, None] - beats.positions).argmin(axis=1)
    lag = BEFORE + np.median(r_peaks - beats.positions[nearest])
    (p_on, p_off), (q_on, q_off), (_, t_off) = (
        np.median(edges[symbol], axis=0) + lag for symbol in ("p", "N", "t")
    )
    truth = [p_on, p_off, q_on, q_off, t_off]
    found = [at.p_onset, at.p_offset, at.qrs_onset, at.qrs_offset, at.t_offset]
    away = " ".join(f"{2 * (f - t):+.0f}" for f, t in zip(found, truth))
    label = "LUDB 3: ms from the annotated median: P on, P off, QRS on, QRS off, T off"
    row(label, away, "within 20")


def vendors():
    for name, signal, stored in [*philips(), *annotated()]:
        found = table_of(signal[None].astype(np.float32)).iloc[0]
        for column, aim in [
            ("qrs_duration_ms", 15),
            ("pr_interval_ms", 20),
            ("qt_interval_ms", 25),
            ("heart_rate_bpm", 2),
        ]:
            if stored.get(column) is not None:
                digits = 1 if column == "heart_rate_bpm" else 0
                value = f"{found[column]:.{digits}f} (stored {stored[column]:.0f})"
                row(f"{name}: `{column}`", value, f"within {aim}")


def philips():
    """Recordings of Philips Sierra XML with the measurements stored beside them."""
    if importlib.util.find_spec("sierraecg") is None:
        print("sierraecg is not installed: no Philips files.")
        return
    for name in PHILIPS:
        path = DATA / "vendor" / "philips_sierra_xml" / f"{name}.xml"
        content = path.read_bytes()
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = content.decode("utf-16" if wide else "utf-8")
        # Version 1.03 stores means of its groups of beats. Its global mean QRS, 135 ms,
        # contradicts its own marks, 96 ms apart, and the mean of its only group, 96.
        tags = ["qrsdur", "print", "qtint", "heartrate"]
        part = "globalmeasurements"
        if "<documentversion>1.03<" in text:
            tags, part = (
                ["meanqrsdur", "meanprint", "meanqtint", "meanventrate"],
                "groupmeasurement",
            )
        text = text[text.find(f"<{part}") : text.find(f"</{part}>")]
        values = [re.search(rf"<{tag}\b[^>]*>\s*(\d+)", text) for tag in tags]
        names = [
            "qrs_duration_ms",
            "pr_interval_ms",
            "qt_interval_ms",
            "heart_rate_bpm",
        ]
        stored = {n: float(v[1]) for n, v in zip(names, values) if v}
        # Read without the calibration pulses at the end.
        signal = np.asarray(read_ecg(path).signals)[0]
        yield f"Philips {name[:8]}", signal, stored


def annotated():
    """The HL7 aECG example with the measurements stored beside it."""
    path = DATA / "vendor" / "hl7_aecg" / "Example_aECG.xml"
    root, leads, stored = ElementTree.parse(path).getroot(), {}, {}
    hl7 = "{urn:hl7-org:v3}"
    for sequence in root.find(f".//{hl7}series//{hl7}sequenceSet").iter(
        f"{hl7}sequence"
    ):
        lead = sequence.find(f"{hl7}code").get("code").removeprefix("MDC_ECG_LEAD_")
        digits = sequence.find(f".//{hl7}digits")
        if digits is not None:
            microvolts = float(sequence.find(f".//{hl7}scale").get("value"))
            leads[lead] = microvolts / 1000 * np.array(digits.text.split(), float)
    order = ["I", "II", "III", "AVR", "AVL", "AVF", *(f"V{i}" for i in range(1, 7))]
    names = {"QRS": "qrs_duration_ms", "PR": "pr_interval_ms", "QT": "qt_interval_ms"}
    for annotation in root.iter(f"{hl7}annotation"):
        code = annotation.find(f"{hl7}code").get("code", "")
        name = names.get(code.removeprefix("MDC_ECG_TIME_PD_"))
        if name:
            stored[name] = float(annotation.find(f"{hl7}value").get("value"))
    yield "aECG example", np.array([leads[lead] for lead in order]), stored


def labels(ptbxl):
    found = table_of(np.asarray(ptbxl.X))
    seconds = timed(lambda X: ECGMeasurements(500).transform(X), ptbxl.X[:100])
    row("one ECG, ms of the clock (of the processor)",
        f"{10 * seconds[0]:.1f} ({10 * seconds[1]:.1f})", "<= 10")  # fmt: skip
    codes = [set(record) for record in ptbxl.scp_codes]

    def has(*names):
        return np.array([bool(record & set(names)) for record in codes])

    wide, no_p = found["qrs_duration_ms"] >= 120, found["p_duration_ms"].isna()
    long = found["pr_interval_ms"] > 200
    qrs = found["qrs_duration_ms"].notna()
    for what, share, group, aim in [
        ("QRS found", qrs, np.ones(len(codes), bool), ">= 97 %"),
        ("QRS >= 120 ms in CLBBB, CRBBB", wide, has("CLBBB", "CRBBB"), ">= 80 %"),
        ("QRS >= 120 ms in NORM", wide, has("NORM"), "<= 5 %"),
        ("no P in AFIB", no_p, has("AFIB"), ">= 80 %"),
        ("PR > 200 ms in 1AVB", long, has("1AVB"), ">= 75 %"),
    ]:
        value = f"{share[group].mean():.1%} (n = {group.sum()})"
        row(f"PTB-XL: {what}", value, aim)
    for name, aim in [("sokolow_lyon_mv", "> 0.75"), ("peguero_lo_presti_mv", "")]:
        known = found[name].notna()
        auroc = roc_auc_score(has("LVH")[known], found.loc[known, name])
        row(f"PTB-XL: AUROC of `{name}` for LVH", f"{auroc:.3f}", aim)
    linear = LogisticRegression(C=0.05, max_iter=3000)
    trees = ExtraTreesClassifier(500, min_samples_leaf=2, random_state=0)
    for name, aim, model in [
        ("logistic regression", 0.86, make_pipeline(StandardScaler(), linear)),
        ("ExtraTrees", 0.90, trees),
    ]:
        scores = [
            macro_auroc(model, found, ptbxl.superclasses, seed) for seed in range(3)
        ]
        label = f"PTB-XL: macro AUROC of 5 superclasses, 5-fold, {name}"
        row(
            label,
            f"{np.mean(scores):.3f} (3 divisions: SD {np.std(scores):.3f})",
            f">= {aim}",
        )


def macro_auroc(model, table, superclasses, seed):
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), model)
    scores = []
    for name in superclasses:
        y = superclasses[name]
        p = cross_val_predict(model, table, y, cv=folds, method="predict_proba")
        scores.append(roc_auc_score(y, p[:, 1]))
    return np.mean(scores)


def bad_leads():
    """CinC 2011: how many ECGs are measured in full, bad leads left out or kept."""
    with np.load(DATA / "quality2011" / "x_250hz_int16.npz") as stored:
        X = stored["x"] * np.float32(stored["scale_mv"])
    said = pd.read_csv(DATA / "quality2011" / "labels.csv")["quality"].to_numpy()
    left_out = table_of(X, 250)
    # What was measured is remembered by the ECG.
    forget()
    with patch.object(_delineated, "lead_issues", lambda ecg, _: np.full(len(ecg), "")):
        kept = table_of(X, 250)
    forget()
    kinds = {
        "all R and S amplitudes": list(left_out.filter(regex="^[rs]_amplitude")),
        "rate, QRS and QT": ["heart_rate_bpm", "qrs_duration_ms", "qt_interval_ms"],
    }
    parts = {"all 700": slice(None), "every third": slice(None, None, 3)}
    for label, part, kind in product(("unacceptable", "acceptable"), parts, kinds):
        rows = np.flatnonzero(said == label)
        rows = np.intersect1d(rows, np.arange(len(X))[parts[part]])
        now, before = (
            table.iloc[rows][kinds[kind]].notna().all(axis=1).sum()
            for table in (left_out, kept)
        )
        value = f"{now} of {len(rows)}; {before} with bad leads kept"
        row(f"CinC 2011, {part}, {label}: {kind} measured", value)


def timed(measure, X, repeats=3):
    """Seconds of the clock and of the processor, the best of some repeats."""
    X, runs = np.ascontiguousarray(X), []
    for _ in range(repeats):
        forget()
        start = np.array([perf_counter(), process_time()])
        measure(X)
        runs.append(np.array([perf_counter(), process_time()]) - start)
    return np.min(runs, axis=0)


def neurokit(X, rate=500):
    """The same ECGs by NeuroKit2, which delineates each lead on its own."""
    if importlib.util.find_spec("neurokit2") is None:
        print("neurokit2 is not installed: no comparison.")
        return
    import neurokit2 as nk

    warnings.simplefilter("ignore")
    medians = np.full((len(X), 12, 3), np.nan)
    start = process_time()
    for i, ecg in enumerate(X):
        for j, lead in enumerate(ecg):
            try:
                medians[i, j] = one_lead(nk, lead, rate)
            except (ValueError, IndexError, ZeroDivisionError, KeyError):
                continue
    theirs = (process_time() - start) / len(X)
    ours = timed(lambda X: ECGMeasurements(rate).transform(X), X)[1] / len(X)
    found = table_of(X)[["pr_interval_ms", "qrs_duration_ms", "qt_interval_ms"]]
    value = f"{1000 * ours:.1f} and {1000 * theirs:.0f} ms: {theirs / ours:.0f} times"
    row(f"processor time per ECG ({len(X)}), here and NeuroKit2", value, ">= 50 times")
    missing = f"{found.isna().to_numpy().mean():.1%} and {np.isnan(medians).mean():.1%}"
    row("missing PR, QRS, QT, here and NeuroKit2 (per lead)", missing)
    spread = np.nanmax(medians[:, :, 1], axis=1) - np.nanmin(medians[:, :, 1], axis=1)
    value = f"0 (one global value) and {np.nanmedian(spread):.0f} ms"
    row("QRS duration, range over the leads of an ECG, here and NeuroKit2", value)


def one_lead(nk, lead, rate):
    """Median PR, QRS and QT in ms of one lead."""
    clean = nk.ecg_clean(lead, sampling_rate=rate)
    _, peaks = nk.ecg_peaks(clean, sampling_rate=rate)
    _, waves = nk.ecg_delineate(clean, peaks, sampling_rate=rate, method="dwt")
    p, q, s, t = (
        np.asarray(waves[name], float)
        for name in ("ECG_P_Onsets", "ECG_R_Onsets", "ECG_R_Offsets", "ECG_T_Offsets")
    )
    return [1000 / rate * np.nanmedian(x) for x in (q - p, s - q, t - q)]


def music():
    """Ridge Cox of stored ECG intervals for death by pump failure, in heart failure."""
    path = DATA / "music" / "subject-info.csv"
    patients = pd.read_csv(path, sep=";", decimal=",", encoding="latin-1")
    # The second column "Average RR (ms)", after stripping, is that of the Holter.
    patients.columns = patients.columns.str.strip()
    patients = patients.loc[:, ~patients.columns.duplicated()]
    names = ["PR interval (ms)", "QRS duration (ms)", "QT interval (ms)"]
    names += ["QT corrected", "Average RR (ms)", "Q-waves (necrosis, yes=1)"]
    ecg = patients[names].apply(pd.to_numeric, errors="coerce")
    ecg = ecg.mask(ecg == 999)
    ecg["fibrillation"] = patients["ECG rhythm"] == 1
    ecg["paced"] = patients["ECG rhythm"] == 3
    days = patients["Follow-up period from enrollment (days)"]
    event = patients["Cause of death"].isin([6, 7])
    known = (days > 0) & ecg["QRS duration (ms)"].notna()
    y = Surv.from_arrays(event[known], days[known])
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        StandardScaler(),
        PenalisedCox(),
    )
    folds = RepeatedEventKFold(5, n_repeats=5, random_state=0)
    risk = out_of_fold(model, ecg[known].astype(float), y, cv=folds)
    ci = bootstrap_ci(concordance_index, y, risk, random_state=0)
    value = f"C = {ci.value:.3f} [{ci.low:.3f}, {ci.high:.3f}]"
    row(f"MUSIC: ridge Cox of stored intervals, pump failure ({event[known].sum()} of "
        f"{known.sum()})", value, "a reference")  # fmt: skip


if __name__ == "__main__":
    main()
