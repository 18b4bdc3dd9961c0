"""Inputs of the methods, computed once for each draw and kept on disk."""

import time
from functools import lru_cache

import numpy as np

from ecgdan_sk.measurements import ECGMeasurements
from ecgdan_sk.preprocessing import LeadScaler, MedianBeat

from . import foundation
from .cohorts import draw_of, pretraining_set_of

# None of them learns from other patients, so that folds need not compute them anew.
STORED = ("measurements", "paper15", "median-beat", *foundation.INPUTS)


@lru_cache(maxsize=8)
def input_of(cohort, i, name, store):
    """An input of the i-th draw, and the seconds that it took for each ECG."""
    X = draw_of(cohort, i).X
    if name == "ecg":
        return X, 0.0
    if name == "covariates":
        return X.covariates[["age", "sex"]].to_numpy(np.float64), 0.0
    if name == "covariates+measurements":
        table, seconds = input_of(cohort, i, "measurements", store)
        return np.hstack([input_of(cohort, i, "covariates", store)[0], table]), seconds
    return _stored(X, name, store, input_step(i, name))


def input_step(i, name):
    """Under which name an input of the i-th draw is stored."""
    return f"inputs/draw{i:02d}-{name}"


def prepare_input(cohort, i, name, store, weights=None):
    """Compute an input and store it; `weights` are files by model."""
    _stored(draw_of(cohort, i).X, name, store, input_step(i, name), weights)


def pretraining_input(cohort, name, store):
    """ECGs, or their median beats, and reports, to pretrain an encoder with."""
    X, reports = pretraining_set_of(cohort)
    if name == "ecg":
        return X, reports
    return _stored(X, name, store, f"inputs/pretraining-{name}")[0], reports


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


def _stored(X, name, store, step, weights=None):
    """An input from the store, computed where it is missing."""
    if step not in store:
        start = time.perf_counter()
        values = np.asarray(computed(X, name, weights))
        seconds = (time.perf_counter() - start) / len(X)
        store.save(step, values=values, seconds=seconds)
    found = store.load(step)
    values = found["values"]
    if values.ndim == 3:
        values = X.with_signals(values, 500)
    return values, float(found["seconds"])
