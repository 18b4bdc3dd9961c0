"""One beat for each ECG."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from .._beats._detection import AFTER, BEFORE, RATE, find_beats
from .._warnings import warn
from ..records._signal_checks import RATE_LIMITS
from ._transformer import ECGTransformer
from ._windows import Window


class MedianBeat(ECGTransformer):
    """One beat for each ECG: the median of the beats of the dominant morphology.

    QRS complexes are detected on all leads together, ectopic beats are left out, and
    the others are aligned by correlation. The beat has 600 samples at 500 Hz, 1.2 s,
    with its QRS at 0.45 s, for any sampling rate of the ECG.

    Parameters
    ----------
    n_times : int, default=600
        Samples of the beat, at least 600; further samples are zeros on both sides. The
        network of Chen et al. (2025) takes 608.
    on_error : {"nan", "warn", "raise"}, default="nan"
        Reaction if no beats are found; the leads are then NaN.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None takes that of `ECGRecords`.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.preprocessing import MedianBeat
    >>> time = np.arange(1000) / 100
    >>> beat = np.exp(-(((time % 0.8 - 0.4) / 0.02) ** 2))
    >>> X = np.tile(beat, (2, 12, 1))
    >>> MedianBeat(608, sampling_rate=100).fit_transform(X).shape
    (2, 12, 608)
    """

    _parameter_constraints = {
        "n_times": [Interval(Integral, BEFORE + AFTER, None, closed="left")],
        "on_error": [StrOptions({"nan", "warn", "raise"})],
        "sampling_rate": RATE_LIMITS,
    }

    def __init__(self, n_times=600, *, on_error="nan", sampling_rate=None):
        self.n_times = n_times
        self.on_error = on_error
        self.sampling_rate = sampling_rate

    @property
    def _one_by_one(self):
        # A complaint tells the position of the recording.
        return self.on_error == "nan"

    def _apply(self, X, rate):
        rate = self._known_rate(rate)
        median = np.full((*X.shape[:2], BEFORE + AFTER), np.nan, np.float32)
        for i, ecg in enumerate(X):
            present = np.isfinite(ecg[:, 0])
            beats = find_beats(ecg[present], rate) if present.any() else None
            if beats is not None:
                median[i, present] = beats.median
            elif self.on_error != "nan":
                self._complain(f"No heart beat was found in ECG {i}.")
        return Window(self.n_times)._apply(median, float(RATE))

    def _complain(self, message):
        """Warn or raise."""
        if self.on_error == "raise":
            raise ValueError(message + ' Leave it out, or use on_error="nan".')
        warn(message)
