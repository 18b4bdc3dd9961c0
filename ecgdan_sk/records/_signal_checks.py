"""Checks on the signals that every estimator receives."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_array

from ._amplitudes import Amplitudes, look
from ._lazy import SignalView

RATE_LIMITS = [Interval(Real, 0, None, closed="neither"), None]

# The spread of an ECG in mV is 0.05 to 0.5 over a lead, that of a z-scored one is 1;
# in microvolts or at 200 to 1000 counts per mV it is above 10, in volts below 0.001.
_LARGEST_SPREAD, _SMALLEST_SPREAD = 5.0, 0.002


def check_ecg(X):
    """Return contiguous float32 ECGs of shape (n_samples, n_leads, n_times).

    A lead that is NaN throughout is absent, which is allowed. NaN or infinity in part
    of a lead is an error. Signals that are not in memory are checked part by part and
    returned unchanged.
    """
    X = _as_ecg(X)
    _check_finite([_gaps(part) for part in in_parts(X)])
    return X


def checked_amplitudes(X):
    """Return ECGs like `check_ecg`, and their amplitudes from the same pass."""
    X = _as_ecg(X)
    gaps, found = zip(*((_gaps(part), look(part)) for part in in_parts(X)))
    _check_finite(gaps)
    check_amplitude(X)
    return X, Amplitudes.of(found)


def check_training_ecg(X, leads):
    """Return what `checked_amplitudes` does; no lead may hold nothing in all ECGs."""
    X = _as_ecg(X)
    gaps, empty, found = zip(
        *((_gaps(part), _empty(part), look(part)) for part in in_parts(X))
    )
    _check_finite(gaps)
    for state, remedy, everywhere in zip(
        ("absent (NaN)", "constant or absent"),
        ("leave them out and name the others", "check the reader, or leave them out"),
        np.concatenate(empty, axis=1).all(axis=1),
    ):
        names = [lead for lead, is_empty in zip(leads, everywhere) if is_empty]
        if names:
            raise ValueError(
                f"Lead {', '.join(names)} is {state} in all {len(X)} recordings, so "
                f"nothing can be learned of it; {remedy} with "
                "ECGRecords(X, sampling_rate=..., leads=[...])."
            )
    check_amplitude(X)
    return X, Amplitudes.of(found)


def check_amplitude(X):
    """Raise if the samples cannot be mV (z-scored ECGs pass)."""
    typical = typical_spread(X)
    if typical > _LARGEST_SPREAD:
        raise ValueError(
            f"The typical standard deviation of a lead is {typical:.3g}, but ECGs in "
            "mV have about 0.2: X looks like microvolts or ADC counts. Divide it by "
            "1000 or by the gain in counts per mV."
        )
    if typical < _SMALLEST_SPREAD:
        raise ValueError(
            f"The typical standard deviation of a lead is {typical:.3g}, but ECGs in "
            "mV have about 0.2: X looks like volts. Multiply it by 1000."
        )


def typical_spread(X):
    """Median over recordings and leads of the standard deviation over time."""
    with np.errstate(invalid="ignore", over="ignore"):
        spread = np.asarray(X[:: max(1, len(X) // 256)]).std(axis=2)
    spread = spread[spread > 0]
    return float(np.median(spread)) if spread.size else 1.0


def in_parts(X):
    """An array as a whole, or lazy signals part by part."""
    if not isinstance(X, SignalView):
        return [X]
    return (np.asarray(part, np.float32) for part in X.parts())


def check_same_rate(sampling_rate, expected):
    """Raise if both sampling rates, in Hz, are known and differ."""
    if None not in (sampling_rate, expected) and sampling_rate != expected:
        raise ValueError(
            f"X is sampled at {sampling_rate:g} Hz, but the model was fitted at "
            f"{expected:g} Hz. Resample X to that rate."
        )


def _as_ecg(X):
    """`X` as an array of three axes in float32; or as it is, if it is not in memory."""
    lazy = isinstance(X, SignalView)
    array = check_array(
        X[:1] if lazy else X,
        dtype=np.float32,
        order="C",
        allow_nd=True,
        ensure_2d=False,
        ensure_all_finite=False,
        input_name="X",
    )
    if array.ndim != 3:
        raise ValueError(
            f"Expected ECGs of shape (n_samples, n_leads, n_times), got {array.shape}. "
            "Add the sample axis to a single recording with X[None]."
        )
    return X if lazy else array


def _gaps(X):
    """Whether each lead is not finite throughout, and whether it is absent."""
    # A finite sum has finite terms only; other sums need a closer look.
    suspect = ~np.isfinite(X.sum(axis=2, dtype=np.float64))
    absent = np.zeros_like(suspect)
    if suspect.any():
        absent[suspect] = np.isnan(X[suspect]).all(axis=1)
    return np.stack([suspect, absent])


def _empty(X):
    """Whether each lead is absent, and whether it is constant or absent."""
    low, high = np.fmin.reduce(X, axis=2), np.fmax.reduce(X, axis=2)
    return np.stack([np.isnan(low), ~(high > low)])


def _check_finite(gaps):
    """Raise with the first lead that is finite only in part."""
    suspect, absent = np.concatenate(gaps, axis=1)
    if not (suspect & ~absent).any():
        empty = suspect.all(axis=1)
        if empty.any():
            raise ValueError(
                f"{empty.sum()} of {len(empty)} recordings have no lead at all (all "
                f"NaN); the first is X[{np.argmax(empty)}]. Leave them out."
            )
        return
    samples, leads = np.nonzero(suspect & ~absent)
    raise ValueError(
        "X holds NaN or infinity in part of a lead, in "
        f"{len(np.unique(samples))} of {len(suspect)} recordings; the first is "
        f"X[{samples[0]}, {leads[0]}]. Interpolate the gap, or make the whole lead "
        "NaN: it then counts as absent."
    )


def known_rate(given, recorded, owner):
    """The sampling rate in Hz, given or that of the recordings, if they agree."""
    if given is None and recorded is None:
        raise ValueError(
            "The sampling rate is unknown: an array does not carry it. Give "
            f"{owner}(sampling_rate=...) in Hz, or pass ECGRecords."
        )
    if None not in (given, recorded) and given != recorded:
        raise ValueError(
            f"{owner} was given sampling_rate={given:g} Hz, but the recordings have "
            f"{recorded:g} Hz. Leave it None to take that of the recordings."
        )
    return float(recorded if given is None else given)
