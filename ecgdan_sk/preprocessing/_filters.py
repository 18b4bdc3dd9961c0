"""Sampling rate and filters: resampling, band-pass and mains filter, without phase."""

from fractions import Fraction
from numbers import Integral, Real

import numpy as np
from scipy import signal
from sklearn.utils._param_validation import Interval, StrOptions

from ..records._signal_checks import RATE_LIMITS
from ._transformer import ECGTransformer

_CHUNK = 256  # recordings that a filter holds in double precision at a time


class Resample(ECGTransformer):
    """Bring ECGs to another sampling rate by polyphase filtering.

    Parameters
    ----------
    target_rate : float
        New samples per second, in Hz. Any ratio is met to within 1 in 1000.
    sampling_rate : float or None, default=None
        Samples per second of the input, in Hz. None takes that of `ECGRecords`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.preprocessing import Resample
    >>> Resample(100, sampling_rate=500).fit_transform(np.zeros((3, 12, 5000))).shape
    (3, 12, 1000)
    """

    _parameter_constraints = {
        "target_rate": RATE_LIMITS[:1],
        "sampling_rate": RATE_LIMITS,
    }

    def __init__(self, target_rate, sampling_rate=None):
        self.target_rate = target_rate
        self.sampling_rate = sampling_rate

    def _apply(self, X, rate):
        rate = self._known_rate(rate)
        ratio = Fraction(self.target_rate / rate).limit_denominator(1000)
        if ratio == 1:
            return X, float(self.target_rate)
        up, down = ratio.numerator, ratio.denominator
        # Beyond its ends an ECG goes on at its median: zeros would make a step.
        level = np.median(X, axis=2, keepdims=True)
        X = signal.resample_poly(X - level, up, down, axis=2).astype(np.float32)
        return X + level, float(self.target_rate)


class BandPass(ECGTransformer):
    """Filter ECGs with zero phase: a Butterworth filter, forwards and backwards.

    A band of 0.5 to 40 Hz is suitable for networks. For the ST segment the
    International Electrotechnical Commission and the AHA (Kligfield et al. 2007)
    require 0.05 to 150 Hz.

    Parameters
    ----------
    low : float or None, default=0.5
        Frequencies below this, in Hz, are removed (wander). None removes nothing.
    high : float or None, default=40.0
        Frequencies above this, in Hz, are removed (muscle, mains). None removes
        nothing.
    order : int, default=2
        Order of the filter, which is applied twice.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None takes that of `ECGRecords`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.preprocessing import BandPass
    >>> wander = np.sin(2 * np.pi * 0.1 * np.arange(1000) / 100)
    >>> X = BandPass(sampling_rate=100).fit_transform(np.tile(wander, (1, 12, 1)))
    >>> bool(np.abs(X[0, 0, 200:800]).max() < 0.02)
    True
    """

    _parameter_constraints = {
        "low": RATE_LIMITS,
        "high": RATE_LIMITS,
        "order": [Interval(Integral, 1, 8, closed="both")],
        "sampling_rate": RATE_LIMITS,
    }

    def __init__(self, low=0.5, high=40.0, *, order=2, sampling_rate=None):
        self.low = low
        self.high = high
        self.order = order
        self.sampling_rate = sampling_rate

    def _apply(self, X, rate):
        rate = self._known_rate(rate)
        self._check_band(rate)
        if self.low is None and self.high is None:
            return X, rate
        edges = [edge for edge in (self.low, self.high) if edge is not None]
        kind = "band" if len(edges) == 2 else "low" if self.low is None else "high"
        edges = edges if len(edges) == 2 else edges[0]
        sos = signal.butter(self.order, edges, kind, fs=rate, output="sos")
        # A slow filter needs a long run-up, mirrored from the ECG itself.
        length = min(X.shape[2] - 1, int(2 * rate / (self.low or 1.0)))
        return _filtered(lambda x: signal.sosfiltfilt(sos, x, padlen=length), X), rate

    def _check_band(self, rate):
        """Raise unless the band has a width and lies below half the sampling rate."""
        if self.high is not None and self.high >= rate / 2:
            raise ValueError(
                f"high={self.high:g} Hz is not below half the sampling rate of "
                f"{rate:g} Hz; such ECGs hold nothing there. Lower it, or give "
                "high=None."
            )
        if None not in (self.low, self.high) and self.low >= self.high:
            raise ValueError(
                f"Expected low below high, got low={self.low:g}, high={self.high:g} Hz."
            )


class Notch(ECGTransformer):
    """Remove the mains frequency, with zero phase.

    Parameters
    ----------
    mains : {"auto"} or float, default="auto"
        Frequency in Hz. "auto" removes 50 or 60 Hz from each recording with a peak
        there in its spectrum, and leaves the others unchanged.
    quality : float, default=30.0
        Quality factor: the frequency divided by the width of the removed band.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None takes that of `ECGRecords`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.preprocessing import Notch
    >>> hum = np.sin(2 * np.pi * 50 * np.arange(5000) / 500)
    >>> X = Notch(sampling_rate=500).fit_transform(np.tile(hum, (1, 12, 1)))
    >>> bool(np.abs(X[0, 0, 1000:4000]).max() < 0.01)
    True
    """

    _parameter_constraints = {
        "mains": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "quality": [Interval(Real, 0, None, closed="neither")],
        "sampling_rate": RATE_LIMITS,
    }

    def __init__(self, mains="auto", *, quality=30.0, sampling_rate=None):
        self.mains = mains
        self.quality = quality
        self.sampling_rate = sampling_rate

    def _apply(self, X, rate):
        rate = self._known_rate(rate)
        X = X.copy()
        for mains in (50.0, 60.0) if self.mains == "auto" else (self.mains,):
            if mains >= rate / 2:
                continue
            rows = np.ones(len(X), bool)
            if self.mains == "auto":
                rows = _hums(X, rate, mains)
            sos = signal.tf2sos(*signal.iirnotch(mains, self.quality, rate))
            X[rows] = _filtered(lambda x, sos=sos: signal.sosfiltfilt(sos, x), X[rows])
        return X, rate


def _filtered(apply, X):
    """`apply` to the ECGs, a few at a time, since filters work in double precision."""
    filtered = np.empty_like(X)
    for first in range(0, len(X), _CHUNK):
        filtered[first : first + _CHUNK] = apply(X[first : first + _CHUNK])
    return filtered


def _hums(X, rate, mains):
    """Recordings (n,) in whose spectrum the mains frequency stands out."""
    frequency, power = signal.welch(
        np.nan_to_num(X), rate, nperseg=min(int(2 * rate), X.shape[2])
    )
    power = power.sum(axis=1)
    line = np.abs(frequency - mains) <= 1
    beside = (np.abs(frequency - mains) < 8) & ~line
    return power[:, line].max(axis=1) > 10 * np.median(power[:, beside], axis=1)
