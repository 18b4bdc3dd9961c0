"""Signal quality of each lead, without detection of heart beats."""

from numbers import Real

import numpy as np
from scipy import fft
from sklearn.utils._param_validation import Interval

from ..records._records import as_records
from ..records._signal_checks import RATE_LIMITS, check_ecg, in_parts
from ._transformer import ECGTransformer

_ISSUES = np.array(["flat", "clipped", "noisy", "electrode off"], dtype=object)
ACCEPTABLE = 0.3  # the lowest score of a lead that is used
_STILL = 0.004  # mV, peak to peak over 1 s, below which a lead is flat
_AWAY = 0.2  # of the height of a lead; a limit nearer to its mean is its baseline
_PULSE = 0.3  # s, longer than a calibration pulse
_HIGHEST = 120.0  # Hz that are looked at
_WANDER = 1.0  # mV, standard deviation below 0.5 Hz that halves the score
_CHUNK = 256


class SignalQuality(ECGTransformer):
    """Score leads and recordings, and make unusable leads absent.

    The score of a lead, 0 to 1, is the lowest of four: the share of its seconds that
    are not flat; a score for clipping, 0 if 2 % of the samples are at its limits (a
    limit near the mean is a baseline without noise, and does not count; nor does a
    single stay of less than 0.3 s, which is a calibration pulse); the share of
    its power between 5 and 30 Hz that is not noise, estimated from the power above 40
    Hz; and a score for the wander of a detached electrode.

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

    def __init__(self, threshold=ACCEPTABLE, *, sampling_rate=None):
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
        return np.where(absent, "absent", issues(parts, self.threshold)).astype(object)

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
        X[scores(X, self._known_rate(rate)).min(axis=2) < self.threshold] = np.nan
        return X, rate

    def _parts(self, X):
        """The four scores (n_samples, n_leads, 4), and which leads are absent."""
        self._validate_params()
        records = as_records(X)
        rate = self._known_rate(records.sampling_rate)
        found = [
            (scores(part, rate), np.isnan(part[:, :, 0]))
            for part in in_parts(check_ecg(records.signals))
        ]
        return tuple(np.concatenate(values) for values in zip(*found))


def issues(scores, threshold=ACCEPTABLE):
    """What is worst in the leads whose lowest score is below the threshold, else ""."""
    worst = _ISSUES[scores.argmin(axis=-1)]
    return np.where(scores.min(axis=-1) < threshold, worst, "")


def scores(X, rate):
    """Not flat, not clipped, not noisy, not off: (n_samples, n_leads, 4)."""
    found, absent = np.zeros((*X.shape[:2], len(_ISSUES))), np.isnan(X[:, :, 0])
    for first in range(0, len(X), _CHUNK):
        part = slice(first, first + _CHUNK)
        filled = X[part]
        if absent[part].any():
            filled = np.where(absent[part, :, None], np.float32(0), filled)
        moving = (swings(filled, rate) > _STILL).mean(axis=2)
        found[part] = np.stack(
            [moving, _unclipped(filled, rate), *_clean_and_on(filled, rate)], 2
        )
    found[absent] = 0
    return found


def swings(X, rate):
    """Peak to peak (n_samples, n_leads, n_parts) of each lead in parts of 1 s.

    A signal without noise may be still between two beats, but not for long.
    """
    width = min(max(int(rate), 2), X.shape[2])
    n_parts = X.shape[2] // width
    parts = X[:, :, : n_parts * width].reshape(*X.shape[:2], n_parts, width)
    return np.ptp(parts, axis=3)


def _unclipped(X, rate):
    """One where a lead touches its limits in passing, zero where it stays there."""
    low, high = X.min(axis=2, keepdims=True), X.max(axis=2, keepdims=True)
    mean, height = X.mean(axis=2, keepdims=True), high - low
    lowest, highest = low + 1e-4 * height, high - 1e-4 * height
    lowest = np.where(mean - low >= _AWAY * height, lowest, -np.inf)
    highest = np.where(high - mean >= _AWAY * height, highest, np.inf)
    at_limit = _clipping(lowest >= X, rate) + _clipping(highest <= X, rate)
    # A few samples at the limits are the peaks of an ECG.
    return np.clip(1 - (at_limit - 0.004) / 0.016, 0, 1)


def _clipping(there, rate):
    """Share of the samples at a limit (n_samples, n_leads), none of a single pulse.

    A calibration pulse stays at its height for 0.1 to 0.2 s, once; the peaks of a
    clipped ECG stay at theirs again and again.
    """
    first = there.argmax(axis=2)
    last = there.shape[2] - 1 - there[:, :, ::-1].argmax(axis=2)
    return np.where(last - first < _PULSE * rate, 0.0, there.mean(axis=2))


def _clean_and_on(X, rate):
    """Scores of noise and of baseline wander, from the power of frequency bands."""
    n_times = X.shape[2]
    hertz = fft.rfftfreq(n_times, 1 / rate)
    hertz = hertz[hertz < _HIGHEST]
    spectrum = fft.rfft(X - X.mean(axis=2, keepdims=True))[:, :, : len(hertz)]
    power = spectrum.real**2 + spectrum.imag**2
    beats = (hertz >= 5) & (hertz <= 30)
    above = (hertz > 40) & (hertz < min(0.49 * rate, _HIGHEST))
    for mains in (50, 60, 100):
        above &= np.abs(hertz - mains) > 1
    # The noise of muscles is about as dense below 30 Hz as above 40.
    noise = _median(power[:, :, above]) / np.log(2) if above.any() else 0
    clean = 1 - noise / (power[:, :, beats].mean(axis=2) + 1e-12)
    wander = np.sqrt(2 * power[:, :, hertz < 0.5].sum(axis=2)) / n_times
    return np.clip(clean, 0, 1), 1 / (1 + (wander / _WANDER) ** 2)


def _median(values):
    """Median over the last axis; sorting is faster here than `np.median`."""
    n = values.shape[-1]
    return np.sort(values, axis=-1)[..., (n - 1) // 2 : n // 2 + 1].mean(axis=-1)
