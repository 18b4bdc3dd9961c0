"""Features of random convolutions of ECGs."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..records._records import as_records
from ..records._signal_checks import check_ecg


class RandomConvolutions(TransformerMixin, BaseEstimator):
    """Features of random convolutions of an ECG, by aeon's MiniRocket.

    An absent lead counts as zero.

    Parameters
    ----------
    n_kernels : int, default=10000
        Number of convolutions.
    n_jobs : int, default=1
        Threads that share the convolutions.
    random_state : int, RandomState instance or None, default=None
        Determines the convolutions.

    Attributes
    ----------
    transformer_ : aeon.transformations.collection.convolution_based.MiniRocket
        The fitted convolutions.
    n_leads_in_ : int
        Number of leads seen in `fit`.

    References
    ----------
    Dempster, Schmidt and Webb (2021), MiniRocket: a very fast (almost) deterministic
    transform for time series classification.

    Examples
    --------
    >>> from ecgdan_sk.baselines import RandomConvolutions
    >>> RandomConvolutions(n_kernels=500).n_kernels
    500
    """

    _parameter_constraints = {
        "n_kernels": [Interval(Integral, 84, None, closed="left")],
        "n_jobs": [Integral],
        "random_state": ["random_state"],
    }

    def __init__(self, n_kernels=10_000, *, n_jobs=1, random_state=None):
        self.n_kernels = n_kernels
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw the convolutions and fit their biases.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV, of at least 9 samples.
        y : None
            Ignored.

        Returns
        -------
        RandomConvolutions
            This transformer.
        """
        self._validate_params()
        signals = _filled(X)
        self.n_leads_in_ = signals.shape[1]
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        self.transformer_ = _minirocket()(
            n_kernels=self.n_kernels, n_jobs=self.n_jobs, random_state=seed
        ).fit(signals)
        return self

    def transform(self, X):
        """Share of positive values in the output of each convolution.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            From 0 to 1.
        """
        check_is_fitted(self)
        return np.asarray(self.transformer_.transform(_filled(X)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _filled(X):
    """ECGs with zeros in place of absent leads."""
    return np.nan_to_num(check_ecg(as_records(X).signals))


def _minirocket():
    """The MiniRocket of aeon."""
    try:
        from aeon.transformations.collection.convolution_based import MiniRocket
    except ImportError:
        raise ImportError(
            "RandomConvolutions needs aeon: pip install aeon. It brings numba, which "
            "may ask for an older NumPy than yours: a separate environment is safest."
        ) from None
    return MiniRocket
