"""Signal quality of each lead, without detection of heart beats."""

from numbers import Real

import numpy as np
from scipy import fft
from sklearn.utils._param_validation import Interval

from ..records._records import as_records
from ..records._signal_checks import RATE_LIMITS, check_ecg, in_parts
from ._transformer import ECGTransformer

_ISSUES = np.array(["flat", "clipped", "noisy", "electrode off"], dtype=object)
_STILL = 0.004  # mV, peak to peak over 0.2 s, below which a lead is flat
_WANDER = 1.0  # mV, standard deviation below 0.5 Hz that halves the score
_CHUNK = 256


class SignalQuality(ECGTransformer):
    """Score leads and recordings, and make unusable leads absent.

    The score of a lead, 0 to 1, is the lowest of four: the share of its length that is
    not flat; a score for clipping, 0 if 2 % of the samples are at its limits; the share
    of its power between 5 and 30 Hz that is not noise, estimated from the power above
    40 Hz; and a score for the wander of a detached electrode.

    Parameters
    ----------
    threshold : float, default=0.3
        `transform` makes a lead with a lower score NaN, that is, absent.
    sampling_rate : float or None, default=None
        Samples per second, in Hz; at least 100. None takes that of `ECGRecords`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.preprocessing import SignalQuality
    >>> time = np.arange(1000) / 100
    >>> X = np.tile(np.exp(-(((time % 0.8 - 0.4) / 0.02) ** 2)), (2, 12, 1))
    >>> X += np.random.default_rng(0).normal(0, 0.005, X.shape)
    >>> X[0, 3] = 0
    >>> quality = SignalQuality(sampling_rate=100)
    >>> quality.issues(X)[0, 2:5].tolist()
    ['', 'flat', '']
    >>> np.isnan(quality.fit_transform(X)[:, 3, 0]).tolist()
    [True, False]
    """

    _parameter_constraints = {
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "sampling_rate": RATE_LIMITS,
    }

    def __init__(self, threshold=0.3, *, sampling_rate=None):
        self.threshold = threshold
        self.sampling_rate = sampling_rate

    def score_leads(self, X):
        """Score of each lead.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples, n_leads)
            From 0 to 1; an absent lead scores 0.
        """
        return self._parts(X)[0].min(axis=2)

    def score_records(self, X):
        """Score of each recording: the mean of its leads.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0 to 1.
        """
        return self.score_leads(X).mean(axis=1)

    def issues(self, X):
        """The problem of each lead with a score below the threshold.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples, n_leads)
            "absent", "flat", "clipped", "noisy", "electrode off", or nothing, as str.
        """
        parts, absent = self._parts(X)
        worst = _ISSUES[parts.argmin(axis=2)]
        found = np.where(parts.min(axis=2) < self.threshold, worst, "")
        return np.where(absent, "absent", found).astype(object)

    def select(self, X, *, min_score=0.5):
        """Recordings of sufficient quality.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        min_score : float, default=0.5
            Lowest sufficient score of a recording.

        Returns
        -------
        ndarray of shape (n_samples,)
            True for these recordings. Use it to index arrays and `ECGRecords`.
        """
        return self.score_records(X) >= min_score

    def _apply(self, X, rate):
        X = X.copy()
        X[_scores(X, self._known_rate(rate)).min(axis=2) < self.threshold] = np.nan
        return X, rate

    def _parts(self, X):
        """The four scores (n_samples, n_leads, 4), and which leads are absent."""
        self._validate_params()
        records = as_records(X)
        rate = self._known_rate(records.sampling_rate)
        found = [
            (_scores(part, rate), np.isnan(part[:, :, 0]))
            for part in in_parts(check_ecg(records.signals))
        ]
        return tuple(np.concatenate(values) for values in zip(*found))


def _scores(X, rate):
    """Not flat, not clipped, not noisy, not off: (n_samples, n_leads, 4)."""
    scores = np.zeros((*X.shape[:2], len(_ISSUES)))
    for first in range(0, len(X), _CHUNK):
        part = slice(first, first + _CHUNK)
        filled = np.nan_to_num(X[part])
        scores[part] = np.stack(
            [_moving(filled, rate), _unclipped(filled), *_clean_and_on(filled, rate)], 2
        )
    scores[np.isnan(X[:, :, 0])] = 0
    return scores


def _moving(X, rate):
    """Share of stretches of 0.2 s in which a lead moves."""
    width = min(max(int(0.2 * rate), 2), X.shape[2])
    n_parts = X.shape[2] // width
    parts = X[:, :, : n_parts * width].reshape(*X.shape[:2], n_parts, width)
    return (np.ptp(parts, axis=3) > _STILL).mean(axis=2)


def _unclipped(X):
    """One where a lead touches its limits in passing, zero where it stays there."""
    low, high = X.min(axis=2, keepdims=True), X.max(axis=2, keepdims=True)
    margin = 1e-4 * (high - low)
    at_limit = (np.minimum(X - low, high - X) <= margin).mean(axis=2)
    # A few samples at the limits are the peaks of an ECG.
    return np.clip(1 - (at_limit - 0.004) / 0.016, 0, 1)


def _clean_and_on(X, rate):
    """Share of the power from 5 to 30 Hz that is no noise, and smallness of wander."""
    n_times = X.shape[2]
    power = np.abs(fft.rfft(X - X.mean(axis=2, keepdims=True))) ** 2
    hertz = fft.rfftfreq(n_times, 1 / rate)
    beats = (hertz >= 5) & (hertz <= 30)
    above = (hertz > 40) & (hertz < min(0.49 * rate, 120))
    for mains in (50, 60, 100):
        above &= np.abs(hertz - mains) > 1
    # The noise of muscles is about as dense below 30 Hz as above 40.
    noise = np.median(power[:, :, above], axis=2) / np.log(2) if above.any() else 0
    clean = 1 - noise / (power[:, :, beats].mean(axis=2) + 1e-12)
    wander = np.sqrt(2 * power[:, :, hertz < 0.5].sum(axis=2)) / n_times
    return np.clip(clean, 0, 1), 1 / (1 + (wander / _WANDER) ** 2)
