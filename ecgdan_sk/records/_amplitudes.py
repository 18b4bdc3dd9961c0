"""Checks for amplitudes that are implausible for ECGs in mV."""

import warnings
from dataclasses import dataclass

import numpy as np

from .._warnings import warn

# Median height of each lead in mV: PTB-XL (Wagner et al. 2020, Scientific Data 7:154),
# records 1 to 343 as `heights` measures them.
TYPICAL_MV = {
    **{"I": 0.95, "II": 1.09, "III": 0.90, "aVR": 0.97, "aVL": 0.72, "aVF": 0.86},
    **{"V1": 1.25, "V2": 2.05, "V3": 1.96, "V4": 2.02, "V5": 1.76, "V6": 1.41},
}
# Log heights of clean cohorts have a standard deviation of 0.25 to 0.4; the farthest
# clean ECGs of seven databases are 3.1 times and 0.4 times the median.
_FAR, _N_SPREADS = np.log(4), 4.5
# Medians of whole databases lie within a factor of 1.35 of those above.
_COHORT_FAR, _SMALLEST_COHORT = np.log(1.65), 20
_N_BLOCKS, _N_SHAPES, _N_NAMED = 8, 64, 5
# Kurtosis of the differences of samples, median of a cohort: 3 in noise, 13 to 33 in
# databases, and 17 or more in simulated cohorts.
_PEAKED = 5.0
# Deviation from 1 of the standard deviations of z-scored ECGs.
_SCORED = 0.05
_FACTORS = np.array([1.0, 2.0, 3.0, 5.0])


@dataclass
class Amplitudes:
    """Amplitudes that a pass over ECGs found, and that `fit` stores.

    heights : (n, n_leads), in the unit of the ECGs; NaN where a lead holds nothing
    constant : (n, n_leads), leads that stay at one value
    spreads : (2, n), standard deviation of the typical lead, and of all leads
    peaks : (m,), kurtosis of the differences of some of the recordings
    """

    heights: np.ndarray
    constant: np.ndarray
    spreads: np.ndarray
    peaks: np.ndarray

    @classmethod
    def of(cls, parts):
        """Combine the results of the parts of a pass."""
        heights, constant, spreads, peaks = zip(*parts)
        return cls(
            np.concatenate(heights),
            np.concatenate(constant),
            np.concatenate(spreads, axis=1),
            np.concatenate(peaks),
        )

    def remembered(self):
        """Median log height of each lead, and spread of the log heights of ECGs."""
        median = _median(np.log(self.heights), axis=0)
        own = _deviations(self.heights, median)
        return {"median": median, "spread": 1.4826 * float(_median(np.abs(own), 0))}

    def is_in_unknown_unit(self):
        """Whether the ECGs are z-scored, by lead or as a whole, or are not ECGs."""
        with np.errstate(invalid="ignore"):
            away = _median(np.abs(self.spreads - 1), axis=1)
        return (away < _SCORED).any() or not _median(self.peaks, 0) > _PEAKED


def look(X):
    """`Amplitudes` of some recordings in memory."""
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = np.min(X, axis=2), np.max(X, axis=2)
        variance = X.var(axis=2)
        typical = _median(np.where(low < high, variance, np.nan), axis=1)
        spreads = np.sqrt([typical, np.nanmean(_filled(variance), axis=1)])
        some = X[:: max(1, len(X) // _N_SHAPES)]
        return heights(X), low == high, spreads, _peaks(some)


def heights(X):
    """Height of each lead without its wander, (n, n_leads); NaN if there is none.

    It is the largest range in overlapping quarters. Slow wander adds little to it, and
    one quarter of a single beat holds the whole QRS complex.
    """
    n_times = X.shape[2] // _N_BLOCKS
    if n_times < 2:
        return np.full(X.shape[:2], np.nan)
    blocks = X[:, :, : n_times * _N_BLOCKS].reshape(*X.shape[:2], _N_BLOCKS, n_times)
    low, high = blocks.min(axis=3), blocks.max(axis=3)
    ranges = np.maximum(high[:, :, 1:], high[:, :, :-1]).astype(np.float64)
    ranges -= np.minimum(low[:, :, 1:], low[:, :, :-1])
    found = ranges.max(axis=2)
    return np.where(found > 0, found, np.nan)


def nearest_factor(ratio):
    """Nearest number to a ratio among 1, 2, 3, 5, 10, 20, ..."""
    decades = 10.0 ** np.arange(-12, 13)
    steps = (decades[:, None] * _FACTORS).ravel()
    return float(f"{steps[np.abs(np.log(steps / ratio)).argmin()]:.1g}")


def factors_from_the_rest(seen):
    """The round factor by which each recording is far from the others, else 1."""
    factors, reference = np.ones(len(seen.heights)), seen.remembered()
    if len(factors) < _SMALLEST_COHORT:
        return factors
    away = _deviations(seen.heights, reference["median"])
    far = np.abs(away) > _limit(reference)
    factors[far] = [nearest_factor(ratio) for ratio in np.exp(away[far])]
    return factors


def warn_of_amplitudes(seen, leads, ids=None, fitted=None):
    """Warn once of constant leads and of amplitudes unlike those of the other ECGs.

    `fitted` holds the amplitudes of `fit`, if these are later ECGs.
    """
    reference = fitted or seen.remembered()
    away = _deviations(seen.heights, reference["median"])
    found = _of_constant(seen.constant, leads, ids)
    shift = _cohort_shift(seen, leads, away, fitted)
    if shift:
        found.append(_of_cohort(shift, "of fit" if fitted else "in mV"))
    if fitted or len(away) >= _SMALLEST_COHORT:
        # Later ECGs that are all in another unit are told of as a whole.
        away = away - shift if fitted else away
        others = "those of fit" if fitted else "the rest"
        found += _of_single(away, _limit(reference), ids, others)
    if found:
        warn(" ".join(found))


def _limit(reference):
    """Log ratio of heights from which on a recording is far from the others."""
    return max(_FAR, _N_SPREADS * reference["spread"])


def _cohort_shift(seen, leads, away, fitted):
    """Log ratio of a cohort's height to its reference; 0 if it is usual."""
    if len(away) < _SMALLEST_COHORT:
        return 0.0
    if fitted:
        shift = _median(away, 0)
    elif seen.is_in_unknown_unit():
        return 0.0
    else:
        published = np.log([TYPICAL_MV.get(lead, np.nan) for lead in leads])
        shift = _median(_median(np.log(seen.heights), axis=0) - published, 0)
    return float(shift) if np.abs(shift) > _COHORT_FAR else 0.0


def _of_cohort(shift, others):
    """A sentence on a cohort."""
    factor = nearest_factor(np.exp(shift))
    return (
        f"The typical amplitude is some {factor:g} times that of ECGs {others}. If "
        "their unit or gain differs, ECGRecords(X, sampling_rate=..., "
        f"scale={1 / factor:.3g}) puts it right; nothing was changed."
    )


def _of_single(away, limit, ids, others):
    """A sentence on recordings that are far from the others."""
    far = np.flatnonzero(np.abs(away) > limit)
    if not far.size:
        return []
    far = far[np.argsort(-np.abs(away[far]), kind="stable")]
    factors = {i: nearest_factor(np.exp(away[i])) for i in far[:_N_NAMED]}
    names = [f"{_name(i, ids)} (some {by:g} times)" for i, by in factors.items()]
    return [
        f"The amplitudes of {far.size} of {len(away)} recordings are far from "
        f"{others}: {_listed(names, far.size)}. If their unit or gain differs, divide "
        "them by that factor; else leave them out. Nothing was changed."
    ]


def _of_constant(constant, leads, ids):
    """A sentence on leads that are constant in some recordings."""
    rows = np.flatnonzero(constant.any(axis=1))
    if not rows.size:
        return []
    names = [
        f"{_name(i, ids)} ({', '.join(np.array(leads)[constant[i]])})"
        for i in rows[:_N_NAMED]
    ]
    return [
        f"Leads are constant in {rows.size} of {len(constant)} recordings: "
        f"{_listed(names, rows.size)}. Make such a lead NaN: it then counts as absent."
    ]


def _name(i, ids):
    """Name of a recording."""
    return f"X[{i}]" if ids is None else str(ids[i])


def _listed(names, n):
    """The first names, and the number of others."""
    return ", ".join(names) + (f" and {n - len(names)} more" if n > len(names) else "")


def _deviations(heights, median):
    """Of each recording the log ratio of its height, as its leads have it."""
    return np.nan_to_num(_median(np.log(heights) - median, axis=1))


def _peaks(X):
    """Kurtosis of the differences of neighbouring samples, median over leads."""
    steps = np.diff(X, axis=2).astype(np.float64) ** 2
    power = np.square(steps.mean(axis=2))
    return _median(np.square(steps).mean(axis=2) / np.where(power, power, np.nan), 1)


def _filled(values):
    """Values (n, n_leads), with 0 for recordings that have none."""
    return np.where(np.isnan(values).all(axis=1, keepdims=True), 0.0, values)


def _median(values, axis):
    """Median of the values that are not NaN, else NaN."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN|Mean of empty")
        return np.nanmedian(values, axis=axis)
