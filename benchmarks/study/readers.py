"""Real cohorts: recognised by their files, read, and converted once to a folder."""

import json
from pathlib import Path

import numpy as np

from ecgdan_sk.datasets import (
    load_code15,
    load_mimic_iv_ecg,
    load_ptbxl,
    load_samitrop,
    load_ukb_ecg,
    ukb_cohort,
)
from ecgdan_sk.preprocessing import Resample
from ecgdan_sk.records import LazySignals
from ecgdan_sk.study._store import Store, write_text

from .cohorts import RATE, StoredCohort, labelled_log_risk

_EVENT_RATE = 0.1  # of the simulated follow-up of PTB-XL


def stored_cohort(path, out, options, scale):
    """The cohort of a folder, converted below `out` unless it has been already."""
    kind = kind_of(path)
    folder = Path(out, "cohort")
    if not Path(folder, "outcome.npz").exists():
        _convert(*_READERS[kind](path, options), folder, options.n_samples)
    simulated = kind == "ptb-xl"
    return StoredCohort(
        kind,
        str(folder),
        n_draws=scale.n_draws if simulated else 1,
        event_rate=_EVENT_RATE if simulated else None,
        pretrain_on=pretraining_folder(out, options),
    )


def kind_of(path):
    """Which data set a folder holds."""
    path = Path(path)
    for kind, has in [
        ("ptb-xl", (path / "ptbxl_database.csv").exists()),
        ("mimic-iv-ecg", (path / "record_list.csv").exists()),
        ("samitrop", (path / "exams.hdf5").exists()),
        ("code15", any(path.glob("exams_part*.hdf5"))),
        ("ukb", path.is_dir() and any(path.rglob("*_20205_*.xml"))),
    ]:
        if has:
            return kind
    raise SystemExit(
        f"--data {path} is neither mi-like nor hyp-like, nor a folder of PTB-XL "
        "(ptbxl_database.csv), CODE-15 (exams_part*.hdf5), SaMi-Trop (exams.hdf5), "
        "MIMIC-IV-ECG (record_list.csv) or UK Biobank (*_20205_*.xml). Give the folder "
        "that holds these files."
    )


def _ptbxl(path, options):
    data = load_ptbxl(path, sampling_rate=RATE, lazy=True)
    # A patient has one outcome, so the first ECG of each stands for them.
    _, first = np.unique(data.patient_id, return_index=True)
    known = data.covariates.iloc[first].notna().all(axis=1).to_numpy()
    rows = np.sort(first[known])
    codes = [data.scp_codes[i] for i in rows]
    log_risk = labelled_log_risk(
        data.covariates.iloc[rows], data.superclasses.iloc[rows], codes
    )
    return data.X[rows], {"log_risk": log_risk}, codes


def _code15(path, options):
    data = load_code15(path)
    return data.X, _outcome(data.y), None


def _samitrop(path, options):
    data = load_samitrop(path)
    return data.X, _outcome(data.y), None


def _mimic(path, options):
    data = load_mimic_iv_ecg(path, _needed(options, "folder `hosp` of MIMIC-IV"))
    return data.X, _outcome(data.y), data.reports


def _ukb(path, options):
    table = _needed(options, "table of UK Biobank with its dates of diagnoses")
    data = ukb_cohort(table, options.cohort, ecgs=load_ukb_ecg(path).X)
    return data.X, _outcome(data.y), None


_READERS = {
    "ptb-xl": _ptbxl,
    "code15": _code15,
    "samitrop": _samitrop,
    "mimic-iv-ecg": _mimic,
    "ukb": _ukb,
}


def _needed(options, what):
    if options.outcomes is None:
        raise SystemExit(f"These ECGs need --outcomes: the {what}.")
    return options.outcomes


def _outcome(y):
    event, time = y.dtype.names
    return {"event": y[event], "time": y[time]}


def _convert(X, outcome, reports, folder, n_samples):
    """Write ECGs at 100 Hz, the outcome and the reports, of complete patients."""
    rows = np.flatnonzero(X.covariates[["age", "sex"]].notna().all(axis=1))
    if n_samples is not None and n_samples < len(rows):
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:n_samples])
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "ecgs").exists():
        _resampled(X[rows]).save(folder / "ecgs")
    if reports is not None:
        text = json.dumps([reports[i] for i in rows])
        write_text(folder / "reports.json", text)
    # The last to be written says that all is there.
    Store(folder).save("outcome", **{k: column[rows] for k, column in outcome.items()})


def _resampled(X):
    """ECGs at 100 Hz, each read and resampled when it is written."""
    if X.sampling_rate == RATE:
        return X

    def at_rate(i):
        return Resample(RATE).fit_transform(X[[i]]).signals[0]

    shape = at_rate(0).shape
    return X.with_signals(LazySignals(at_rate, range(len(X)), shape), RATE)


def pretraining_folder(out, options):
    """A folder of PTB-XL for pretraining, converted; None without `--pretrain-on`."""
    if options.pretrain_on is None:
        return None
    folder = Path(out, "pretraining")
    if not Path(folder, "outcome.npz").exists():
        _convert(*_ptbxl(options.pretrain_on, options), folder, None)
    return str(folder)
