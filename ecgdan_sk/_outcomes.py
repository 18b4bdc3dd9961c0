"""Checks on outcomes beyond event and time: causes, weights, strata, entry times."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_array

_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Outcome:
    """What happened to each sample, checked.

    Attributes
    ----------
    causes : ndarray of int of shape (n_samples,)
        0 where censored, else the cause of the event: 1, 2, ...
    time : ndarray of shape (n_samples,)
        When, in the unit of the target.
    sample_weight, strata, entry : ndarray of shape (n_samples,) or None
        Weights, strata and times of entry, where they were given.
    """

    causes: np.ndarray
    time: np.ndarray
    sample_weight: np.ndarray | None = None
    strata: np.ndarray | None = None
    entry: np.ndarray | None = None

    @property
    def n_causes(self):
        """Number of causes."""
        return int(self.causes.max())

    def __getitem__(self, rows):
        """The outcome of some of the samples."""
        columns = vars(self).values()
        return Outcome(*(None if c is None else c[rows] for c in columns))


def check_outcome(y, *, sample_weight=None, strata=None, entry=None):
    """Check a target with what may come with it, for `fit`."""
    causes, time = check_causes(y)
    _check_gaps(causes)
    if sample_weight is not None:
        sample_weight = check_weight(sample_weight, len(time))
        _check_counted(sample_weight, causes)
    if strata is not None:
        strata = check_strata(strata, len(time))
        _check_learnable(strata, causes)
    if entry is not None:
        entry = check_entry(entry, time)
    return Outcome(causes, time, sample_weight, strata, entry)


def check_causes(y):
    """Split a structured target into causes, 0 where censored, and times in float64."""
    y = np.asarray(y)
    if y.dtype.names is None or len(y.dtype.names) != 2 or y.ndim != 1:
        check_survival(y)
    codes, time = (y[name] for name in y.dtype.names)
    causes = codes.astype(int)
    if (causes != codes).any() or (causes < 0).any():
        raise ValueError(
            "The first field of y must hold True and False, or 0 for censored and 1, "
            f"2, ... for the causes, got {np.unique(codes)[:5].tolist()}. Is it the "
            "time?"
        )
    any_event = np.empty(y.shape, dtype=[("event", bool), ("time", time.dtype)])
    any_event["event"], any_event["time"] = causes > 0, time
    return causes, check_survival(any_event)[1]


def check_known_causes(causes, n_causes):
    """Raise if a cause is there that the model has not seen."""
    if causes.max() > n_causes:
        raise ValueError(
            f"y holds cause {causes.max()}, but the model was fitted with the causes "
            f"up to {n_causes}. Number the causes as in fit."
        )


def check_weight(sample_weight, n_samples):
    """One weight in float64 for each sample, none negative and not all zero."""
    if sample_weight is None:
        return np.ones(n_samples)
    weight = check_array(
        sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
    )
    _check_shape(weight, n_samples, "weight", "sample_weight")
    if (weight < 0).any() or not weight.any():
        raise ValueError(
            "Weights must not be negative, and not all zero; got "
            f"{(weight < 0).sum()} negative and {(weight == 0).sum()} zero of "
            f"{n_samples}. Leave samples out instead."
        )
    return weight


def check_strata(strata, n_samples):
    """One stratum for each sample; a single one if none are given."""
    strata = np.zeros(n_samples) if strata is None else np.asarray(strata)
    _check_shape(strata, n_samples, "stratum", "strata")
    return strata


def check_entry(entry, time):
    """One time of entry in float64 for each sample, before its own end."""
    entry = check_array(entry, dtype=np.float64, ensure_2d=False, input_name="entry")
    _check_shape(entry, len(time), "time of entry", "entry")
    late = entry >= time
    if late.any():
        first = np.argmax(late)
        raise ValueError(
            f"{late.sum()} of {len(time)} samples enter at or after their end; the "
            f"first is sample {first}, which enters at {entry[first]:g} and ends at "
            f"{time[first]:g}. Are both on the same time scale? A sample must be "
            "followed for some time, or be left out."
        )
    return entry


def _check_gaps(causes):
    """Raise unless the causes are numbered 1, 2, ... without gaps."""
    found = np.unique(causes[causes > 0]).tolist()
    if found != list(range(1, len(found) + 1)):
        raise ValueError(
            f"y holds the causes {found}, but causes are numbered 1, 2, ... without "
            "gaps, 0 being censored. Number those that occur; rare ones may be merged."
        )


def _check_counted(weight, causes):
    """Raise if no event counts."""
    if not weight[causes > 0].any():
        raise ValueError(
            f"The weights of all {(causes > 0).sum()} events are zero, so nothing can "
            "be learned of them. Give some event a positive weight."
        )


def _check_learnable(strata, causes):
    """Raise if a stratum holds no event."""
    for stratum in np.unique(strata):
        inside = strata == stratum
        if not causes[inside].any():
            raise ValueError(
                f"Stratum {stratum!r} holds {inside.sum()} samples but no event, so "
                "nothing can be learned of its hazard. Merge it with another stratum, "
                "or leave its samples out."
            )


def _check_shape(values, n_samples, what, name):
    """Raise unless there is one value for each sample."""
    if values.shape != (n_samples,):
        raise ValueError(
            f"Expected one {what} for each of the {n_samples} samples, got {name} of "
            f"shape {values.shape}."
        )


def check_survival(y):
    """Split a structured target into its event indicator and its times in float64."""
    y = np.asarray(y)
    if y.dtype.names is None or len(y.dtype.names) != 2:
        raise ValueError(
            "Expected y as a structured array with the fields (event, time), got dtype "
            f"{y.dtype}. Build one with sksurv.util.Surv.from_arrays(event, time)."
        )
    if y.ndim != 1:
        raise ValueError(f"Expected y of shape (n_samples,), got {y.shape}.")
    event, time = (y[name] for name in y.dtype.names)
    if not np.isin(event, [False, True]).all():
        raise ValueError(
            "The first field of y must be the event indicator, True or False, got the "
            f"values {np.unique(event)[:5].tolist()}. Is it the time? Use "
            "sksurv.util.Surv.from_arrays(event, time). Of competing causes, make the "
            "one of interest True and the others False."
        )
    _check_times(np.asarray(time))
    if not event.any():
        raise ValueError(
            f"All {len(event)} samples are censored; at least one event is needed."
        )
    return event.astype(bool), time.astype(np.float64)


def check_same_length(X, y):
    """Raise unless every ECG has its outcome."""
    if len(X) != len(y):
        raise ValueError(
            f"X holds {len(X)} ECGs, but y holds {len(y)} outcomes; give one outcome "
            "for each ECG, in the same order."
        )


def _check_times(time):
    """Raise unless all times are finite and positive."""
    for problem, wrong in [
        ("not finite", ~np.isfinite(time)),
        ("negative", time < 0),
        ("zero", time == 0),
    ]:
        if wrong.any():
            raise ValueError(
                f"Times must be positive numbers, but {wrong.sum()} of {len(time)} are "
                f"{problem}; the first is sample {np.argmax(wrong)}. Leave out samples "
                "whose follow-up had ended by the time of the ECG."
            )


def unit_told(longest, unit):
    """What to divide times by for people, and its name: days become years at two."""
    if unit == "days" and longest >= 2 * _DAYS_PER_YEAR:
        return _DAYS_PER_YEAR, "years"
    return 1.0, str(unit)
