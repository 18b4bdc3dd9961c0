"""Predictions of a fitted model for a cohort, computed once, and the outcomes."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sksurv.util import Surv

from .._outcomes import check_causes, check_same_length
from .._warnings import warn
from ..metrics._scorers import survival_curves
from ..records import ECGRecords


@dataclass(frozen=True)
class Predictions:
    """Scores and risks of a cohort beside its outcomes.

    Attributes
    ----------
    score : ndarray of shape (n_samples,)
        Higher means an earlier event.
    risks : ndarray of shape (n_samples, n_times)
        Probability of the event by each of `times`.
    times : ndarray of shape (n_times,)
        Horizons.
    causes, time : ndarray of shape (n_samples,)
        Cause of the event, 0 where censored, and when.
    patients : ndarray of int of shape (n_samples,)
        Number of the patient of each recording.
    n_causes : int
        Causes in the whole cohort.
    """

    score: np.ndarray
    risks: np.ndarray
    times: np.ndarray
    causes: np.ndarray
    time: np.ndarray
    patients: np.ndarray
    n_causes: int

    def __len__(self):
        return len(self.time)

    def __getitem__(self, rows):
        """Predictions of some rows, which may be repeated."""
        names = ("score", "risks", "causes", "time", "patients")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @property
    def y(self):
        """Fields (event, time) with the causes as they are."""
        y = np.empty(len(self), dtype=[("event", int), ("time", float)])
        y["event"], y["time"] = self.causes, self.time
        return y

    @property
    def y_first(self):
        """Fields (event, time) of the first cause, others censored."""
        return Surv.from_arrays(self.causes == 1, self.time)

    def clusters(self):
        """Rows of each patient."""
        order = np.argsort(self.patients, kind="stable")
        starts = np.flatnonzero(np.diff(self.patients[order], prepend=-1))
        return np.split(order, starts[1:])


def predictions(estimator, X, y, times, groups=None):
    """Predictions of a fitted model, with the checked outcomes of the patients."""
    check_same_length(X, y)
    causes, time = check_causes(y)
    times = _checked_times(times, causes, time)
    patients = _patients(X, groups, len(time))
    score = np.asarray(estimator.predict(X), dtype=np.float64)
    risks = risks_by(estimator, X, times)
    wrong = ~(np.isfinite(score) & np.isfinite(risks).all(axis=1))
    if wrong.any():
        raise ValueError(
            f"The model gives {wrong.sum()} of {len(wrong)} recordings no finite risk; "
            f"the first is number {np.argmax(wrong)}. Leave them out, and say how many."
        )
    n_causes = int(causes.max())
    return Predictions(score, risks, times, causes, time, patients, n_causes)


def risks_by(estimator, X, times):
    """Probability (n_samples, n_times) of the event of interest by each time."""
    if hasattr(estimator, "predict_risk"):
        risks = np.stack([estimator.predict_risk(X, t) for t in times], axis=1)
        # Incidences are sums, which rounding may carry past 1.
        return np.where((risks > 1) & (risks < 1 + 1e-6), 1.0, risks)
    if hasattr(estimator, "predict_survival_function"):
        return 1 - survival_curves(estimator, X)(times)
    raise TypeError(
        f"{type(estimator).__name__} has neither predict_risk nor "
        "predict_survival_function, so there are no risks to validate. Wrap it: "
        "CalibratedSurvival(estimator), from ecgdan_sk.calibration."
    )


def _checked_times(times, causes, time):
    """Horizons within the follow-up, each with at least one event before it."""
    times = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if times.ndim != 1 or not len(times):
        raise ValueError(f"Expected times of shape (n_times,), got {times.shape}.")
    late = times[~((times > 0) & (times < time.max()))]
    if len(late):
        raise ValueError(
            f"Cannot validate at time {late[0]:g}: follow-up runs to {time.max():g}. "
            "Ask for an earlier time."
        )
    n_events = [np.sum((causes == 1) & (time <= t)) for t in times]
    if not min(n_events):
        raise ValueError(
            f"Nobody of {len(time)} had the event by time "
            f"{times[np.argmin(n_events)]:g}. Ask for a later time."
        )
    return np.sort(times)


def _patients(X, groups, n_samples):
    """Number of the patient of each recording; one each where nothing is known."""
    if groups is None and isinstance(X, ECGRecords):
        groups = X.patient_ids
    if groups is None:
        return np.arange(n_samples)
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(
            f"Expected groups of shape ({n_samples},), the patient of each recording, "
            f"got {groups.shape}."
        )
    return pd.factorize(groups)[0]


def warn_of_seen(X, groups, fitted_to):
    """Warn if patients of these recordings belong to the training set."""
    ids = getattr(X, "patient_ids", None) if groups is None else groups
    if fitted_to is None:
        return
    if ids is None:
        raise ValueError(
            "fitted_to cannot be compared: the patients of X are not known. Give "
            "groups, or ECGRecords with patient_ids."
        )
    n_seen = int(np.isin(np.asarray(ids), np.asarray(fitted_to)).sum())
    if n_seen:
        warn(
            f"{n_seen} of these {len(ids)} recordings are of patients in fitted_to: "
            "the model looks better than it is. Validate on other patients.",
        )
