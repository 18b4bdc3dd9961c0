"""Length and scale: windows of an ECG, and scaling of its leads."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..records._signal_checks import check_ecg
from ._transformer import ECGTransformer


class Window(ECGTransformer):
    """Cut or pad ECGs to a number of samples.

    Parameters
    ----------
    n_times : int
        New number of samples.
    position : {"start", "centre", "end", "random"}, default="centre"
        Part of a longer ECG that is kept, or the place of a shorter one between zeros.
        A random part differs between recordings.
    random_state : int, RandomState instance or None, default=None
        Determines the random parts; an int makes them the same in every call.

    Attributes
    ----------
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.preprocessing import Window
    >>> Window(608).fit_transform(np.ones((3, 12, 600)))[0, 0, [0, 3, 4, 603, 604]]
    array([0., 0., 1., 1., 0.], dtype=float32)
    """

    _parameter_constraints = {
        "n_times": [Interval(Integral, 1, None, closed="left")],
        "position": [StrOptions({"start", "centre", "end", "random"})],
        "random_state": ["random_state"],
    }

    def __init__(self, n_times, *, position="centre", random_state=None):
        self.n_times = n_times
        self.position = position
        self.random_state = random_state

    @property
    def _one_by_one(self):
        return self.position != "random"

    def _apply(self, X, rate):
        free = X.shape[2] - self.n_times
        part = {"start": 0.0, "centre": 0.5, "end": 1.0}.get(self.position)
        if part is None:
            part = check_random_state(self.random_state).random_sample(len(X))
        first = np.broadcast_to(np.floor(np.abs(free) * np.asarray(part)), len(X))
        first = first.astype(int)[:, None, None]
        if free >= 0:
            return np.take_along_axis(X, first + np.arange(self.n_times), axis=2), rate
        # Padding an absent lead with zeros would make it present in part.
        padded = np.zeros((*X.shape[:2], self.n_times), np.float32)
        padded[np.isnan(X[:, :, 0])] = np.nan
        np.put_along_axis(padded, first + np.arange(X.shape[2]), X, axis=2)
        return padded, rate


class LeadScaler(ECGTransformer):
    """Scale the leads.

    Parameters
    ----------
    method : {"robust", "zscore", "fixed", "none"}, default="robust"
        "robust" centres each lead on its median over the training ECGs, and divides by
        its interquartile range: voltages keep their meaning. "zscore" gives each lead
        of each recording mean 0 and standard deviation 1, as Chen et al. (2025) do, and
        with it hypertrophy and low voltage vanish; a flat lead becomes 0. "fixed"
        divides by `scale`. "none" changes nothing.
    scale : float, default=1.0
        Divisor of "fixed", in mV.

    Attributes
    ----------
    center_ : ndarray of shape (n_leads,)
        Median of each lead in mV, 0 unless the method is "robust".
    scale_ : ndarray of shape (n_leads,)
        Divisor of each lead, in mV.
    n_leads_in_ : int
        Number of leads seen in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgdan_sk.preprocessing import LeadScaler
    >>> X = np.random.default_rng(0).normal(1, 2, (4, 12, 500))
    >>> round(float(LeadScaler("zscore").fit_transform(X).std()), 3)
    1.0
    """

    _parameter_constraints = {
        "method": [StrOptions({"robust", "zscore", "fixed", "none"})],
        "scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, method="robust", *, scale=1.0):
        self.method = method
        self.scale = scale

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.method == "robust"
        return tags

    def _learn(self, X):
        n_leads = X.shape[1]
        self.center_, self.scale_ = np.zeros(n_leads), np.ones(n_leads)
        if self.method == "fixed":
            self.scale_ *= self.scale
        if self.method == "robust":
            # Every tenth sample of at most a thousand ECGs tells the quartiles.
            part = check_ecg(np.asarray(X[:: max(1, len(X) // 1000)]))
            part = part[:, :, ::10].transpose(1, 0, 2)
            for lead, values in enumerate(part.reshape(n_leads, -1)):
                values = values[np.isfinite(values)]
                if values.size:
                    low, self.center_[lead], high = np.quantile(
                        values, [0.25, 0.5, 0.75]
                    )
                    self.scale_[lead] = high - low or 1.0

    def _apply(self, X, rate):
        if self.method == "none":
            return X, rate
        if self.method == "zscore":
            spread = X.std(axis=2, keepdims=True)
            spread[spread < 1e-6] = 1.0
            return (X - X.mean(axis=2, keepdims=True)) / spread, rate
        if self.method == "fixed":
            return X / np.float32(self.scale), rate
        check_is_fitted(self)
        center, scale = (
            v[:, None].astype(np.float32) for v in (self.center_, self.scale_)
        )
        return (X - center) / scale, rate
