"""Checks on what a metric receives besides outcomes: predictions, weights, times."""

import numpy as np
from sklearn.utils.validation import check_array

from .._outcomes import check_causes


def check_risk(y_pred, n_samples, name="y_pred"):
    """One finite risk in float64 for each sample."""
    risk = check_array(y_pred, dtype=np.float64, ensure_2d=False, input_name=name)
    if risk.shape != (n_samples,):
        raise ValueError(
            f"Expected one risk for each of the {n_samples} samples of y_true, got "
            f"{name} of shape {risk.shape}."
        )
    return risk


def check_probability(y_pred, shape, what):
    """Probabilities of the given shape."""
    probability = check_array(
        y_pred, dtype=np.float64, ensure_2d=False, input_name="y_pred"
    )
    if probability.shape != shape:
        raise ValueError(
            f"Expected y_pred as {what}, of shape {shape}, got {probability.shape}."
        )
    if (probability < 0).any() or (probability > 1).any():
        raise ValueError(
            f"Expected y_pred as {what}, between 0 and 1, got values from "
            f"{probability.min():.3g} to {probability.max():.3g}. Log risks are no "
            "probabilities; use predict_survival_function."
        )
    return probability


def check_times(times, time):
    """Finite times of shape (n_times,), all before the end of follow-up."""
    times = check_array(
        np.atleast_1d(times), dtype=np.float64, ensure_2d=False, input_name="times"
    )
    if times.ndim != 1:
        raise ValueError(f"Expected times of shape (n_times,), got {times.shape}.")
    late = times[times >= time.max()]
    if late.size or (times <= 0).any():
        wrong = late[0] if late.size else times.min()
        raise ValueError(
            f"Cannot score at time {wrong:g}: it must be positive and earlier than the "
            f"end of follow-up of y_true, {time.max():g}, after which nobody is left. "
            "Leave out later times; survival_scorers does so automatically."
        )
    return times


def check_cause(y_true, cause):
    """Split a target into causes (0 = censored) and times; `cause` must occur."""
    causes, time = check_causes(y_true)
    if cause < 1 or not (causes == cause).any():
        raise ValueError(
            f"Nobody has cause {cause}; y_true holds the causes "
            f"{np.unique(causes[causes > 0]).tolist()}. Ask for one of them."
        )
    return causes, time
