"""Checks on outcomes beyond event and time: causes, weights, strata, entry times."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

from ._columns import as_causes, as_days, as_series, warn_of_years

_DAYS_PER_YEAR = 365.25
# Days of three million years; larger values were cast from timedeltas.
_LARGEST = 1e12


@dataclass(frozen=True)
class Outcome:
    """Checked outcomes of the samples.

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
    """Check a target with weights, strata and entry times, for `fit`."""
    causes, time = check_causes(y)
    _check_gaps(causes)
    if entry is None:  # else time may be age
        warn_of_years(time)
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
    """Split a target into causes, 0 where censored, and times in float64."""
    codes, time = _columns(y)
    causes = codes.astype(int)
    if (causes != codes).any() or (causes < 0).any():
        raise ValueError(
            "The first field of y must hold True and False, or 0 for censored and 1, "
            f"2, ... for the causes, got {np.unique(codes)[:5].tolist()}. Is it the "
            "time?"
        )
    _check_times(time)
    _check_any(causes)
    return causes, time


def as_target(y):
    """The target as a structured array of causes, or of events, and days."""
    causes, time = check_causes(y)
    kind = bool if causes.max() == 1 else int
    target = np.empty(len(causes), dtype=[("event", kind), ("time", float)])
    target["event"], target["time"] = causes, time
    return target


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
    """Split a target into its event indicator and its times in float64."""
    event, time = _columns(y)
    if not np.isin(event, [False, True]).all():
        raise ValueError(
            "The first field of y must be the event indicator, True or False, got the "
            f"values {np.unique(event)[:5].tolist()}. Is it the time? Use "
            "sksurv.util.Surv.from_arrays(event, time). Of competing causes, make the "
            "one of interest True and the others False."
        )
    _check_times(time)
    _check_any(event)
    return event.astype(bool), time


def check_same_length(X, y):
    """Raise unless every ECG has its outcome."""
    if len(X) != len(y):
        raise ValueError(
            f"X holds {len(X)} ECGs, but y holds {len(y)} outcomes; give one outcome "
            "for each ECG, in the same order."
        )


def _columns(y):
    """Causes and times in days, from a structured array or a table."""
    if isinstance(y, pd.DataFrame):
        event, time = _named(y)
        return as_causes(y[event], f"{event!r}"), as_days(y[time], f"Times in {time!r}")
    y = y if isinstance(y, np.ma.MaskedArray) else np.asarray(y)
    if y.dtype.names is None or len(y.dtype.names) != 2:
        raise ValueError(
            "Expected y as a structured array with the fields (event, time), or a "
            f"table of two such columns, got dtype {y.dtype}. Build one with "
            "sksurv.util.Surv.from_arrays(event, time), or of a table with "
            "outcomes.from_table."
        )
    if y.ndim != 1:
        raise ValueError(f"Expected y of shape (n_samples,), got {y.shape}.")
    event, time = (y[name] for name in y.dtype.names)
    return as_causes(event), as_days(time)


def _named(y):
    """Names of the event and of the time in a table of two columns."""
    names = list(y.columns)
    for told in (_is_bool, _is_binary, _is_called_event):
        events = [name for name in names if names.count(name) == 1 and told(y[name])]
        if len(names) == 2 and len(events) == 1:
            return events[0], names[names[0] == events[0]]
    raise ValueError(
        f"Got y as a table with the columns {', '.join(map(repr, names[:10]))}; "
        "expected two, one of which is the event: True and False, or 0 and 1, or "
        "called 'event'. outcomes.from_table(df, event=..., time=...) takes names."
    )


def _is_bool(column):
    """Whether a column holds True and False."""
    return as_series(column).dtype.kind == "b"


def _is_binary(column):
    """Whether a column holds 0 and 1."""
    values = as_series(column)
    return values.dtype.kind in "iuf" and values.dropna().isin([0, 1]).all()


def _is_called_event(column):
    """Whether the name of a column tells its content."""
    return str(column.name).lower() == "event"


def _check_any(causes):
    """Raise unless somebody has an event."""
    if not causes.any():
        raise ValueError(
            f"All {len(causes)} samples are censored; at least one event is needed."
        )


def _check_times(time):
    """Raise unless all times are finite, positive and in days."""
    contact = "Give the time of the last contact, or leave these samples out"
    ended = "Leave out samples whose follow-up had ended by the time of the ECG"
    for problem, wrong, remedy in [
        ("missing", np.isnan(time), contact),
        ("not finite", np.isinf(time), contact),
        ("negative", time < 0, ended),
        ("zero", time == 0, ended),
    ]:
        if wrong.any():
            raise ValueError(
                f"Times must be positive numbers, but {wrong.sum()} of {len(time)} are "
                f"{problem}; the first is sample {np.argmax(wrong)}. {remedy}."
            )
    if len(time) and np.median(time) > _LARGEST:
        raise ValueError(
            f"Half of the times are above {_LARGEST:g} days. They look like timedeltas "
            "cast to numbers, as sksurv.util.Surv does; divide timedeltas by "
            "numpy.timedelta64(1, 'D') first."
        )


def unit_told(longest, unit):
    """Divisor and name of the unit in which people read times: years from two on."""
    if unit == "days" and longest >= 2 * _DAYS_PER_YEAR:
        return _DAYS_PER_YEAR, "years"
    return 1.0, str(unit)


def time_told(time, unit):
    """A time in words: 1825 or 1826 days are "5 years", and 400 stay "400 days"."""
    years = round(time / _DAYS_PER_YEAR)
    # Years of 365 days, or those of the calendar, with at most one leap day more.
    if unit == "days" and years and 365 * years <= time <= _DAYS_PER_YEAR * years + 1:
        return counted(years, "years")
    told = f"{time:g}"
    return f"{told} {unit.removesuffix('s') if told == '1' else unit}"


def counted(number, unit):
    """A number with its unit, which is singular for one: "1 year"."""
    told = f"{number:.3g}"
    return f"{told} {unit.removesuffix('s') if told == '1' else unit}"
