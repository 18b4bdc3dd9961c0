"""What the methods read of an ECG, computed once for each draw and kept on disk."""

import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.preprocessing import LeadScaler, MedianBeat

from . import foundation
from .cohorts import draw_of, pretraining_set_of, replaced

# None of them learns from other patients, so that folds need not compute them anew.
STORED = ("measurements", "paper15", "median-beat", *foundation.INPUTS)


@lru_cache(maxsize=8)
def input_of(cohort, i, name, out):
    """An input of the i-th draw, and the seconds that it took for each ECG."""
    X = draw_of(cohort, i).X
    if name == "ecg":
        return X, 0.0
    if name == "covariates":
        return X.covariates[["age", "sex"]].to_numpy(np.float64), 0.0
    if name == "covariates+measurements":
        table, seconds = input_of(cohort, i, "measurements", out)
        return np.hstack([input_of(cohort, i, "covariates", out)[0], table]), seconds
    return _stored(X, name, Path(out, "inputs", f"draw{i:02d}-{name}.npz"))


def prepare_input(cohort, i, name, out, weights=None):
    """Compute a stored input, unless it is there; `weights` are files by model."""
    path = Path(out, "inputs", f"draw{i:02d}-{name}.npz")
    if not path.exists():
        _stored(draw_of(cohort, i).X, name, path, weights)


def pretraining_input(cohort, name, out):
    """ECGs, or their median beats, and reports, to pretrain an encoder with."""
    X, reports = pretraining_set_of(cohort)
    if name == "ecg":
        return X, reports
    return _stored(X, name, Path(out, "inputs", f"pretraining-{name}.npz"))[0], reports


def computed(X, name, weights=None):
    """An input of some ECGs."""
    if name in foundation.INPUTS:
        return foundation.features(X, name, weights)
    if name == "measurements":
        return ECGMeasurements().fit_transform(X)
    if name == "paper15":
        return ECGMeasurements(preset="paper15").fit_transform(X)
    beats = LeadScaler("zscore").fit_transform(MedianBeat().fit_transform(X))
    # Where no beat was found there is nothing to see, and the network wants numbers.
    return np.nan_to_num(np.asarray(beats, dtype=np.float32))


def _stored(X, name, path, weights=None):
    """Read an input from its file, which is made where it is missing."""
    if not path.exists():
        start = time.perf_counter()
        values = np.asarray(computed(X, name, weights))
        seconds = (time.perf_counter() - start) / len(X)
        replaced(path, lambda file: _save(file, values, seconds))
    with np.load(path) as stored:
        values, seconds = stored["values"], float(stored["seconds"])
    if values.ndim == 3:
        values = X.with_signals(values, 500)
    return values, seconds


def _save(file, values, seconds):
    with open(file, "wb") as stream:
        np.savez(stream, values=values, seconds=seconds)
