"""Base class of the transformers from ECGs to ECGs."""

from copy import copy

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..records import ECGRecords
from ..records._lazy import SignalView, derived
from ..records._records import as_records
from ..records._signal_checks import check_ecg, known_rate


class ECGTransformer(TransformerMixin, BaseEstimator):
    """Base class of the transformers: checks, and output of the kind of the input."""

    # Whether a recording comes out the same in whatever batch it is read.
    _one_by_one = True

    def fit(self, X, y=None):
        """Check the parameters and `X`, and learn from `X` if necessary.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV.
        y : None
            Ignored.

        Returns
        -------
        self
            This transformer.
        """
        self._validate_params()
        records = as_records(X)
        self.n_leads_in_ = records.shape[1]
        lazy = isinstance(records.signals, SignalView)
        # What is not in memory is checked as it is read.
        self._learn(records.signals if lazy else check_ecg(records.signals))
        return self

    def transform(self, X):
        """Transform ECGs: an array gives an array, ECGRecords give ECGRecords.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV. A lead that is all NaN is absent, and stays absent.

        Returns
        -------
        ndarray or ECGRecords of shape (n_samples, n_leads, n_times_out)
            Transformed ECGs in float32. ECGRecords that are not in memory are checked
            and transformed each time they are read; `ECGRecords.save` writes the
            result, so that this happens once. Transformations that depend on all
            recordings, such as random windows, read them into memory.
        """
        records = as_records(X)
        signals, rate = records.signals, records.sampling_rate
        if not self._one_by_one:
            signals = np.asarray(signals)
        applied = _Applied(copy(self), rate)
        signals, rate = derived(signals, applied), applied.rate_out
        if not isinstance(X, ECGRecords):
            return np.asarray(signals)
        return X.with_signals(signals, rate)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.requires_fit = False
        return tags

    def _learn(self, X):
        """Learn nothing; a subclass may override this."""

    def _known_rate(self, recorded):
        """Sampling rate in Hz, from the parameter or from the recordings."""
        return known_rate(self.sampling_rate, recorded, type(self).__name__)


class _Applied:
    """A transformer as a function of a batch, which may come later."""

    def __init__(self, transformer, rate):
        self.transformer, self.rate = transformer, rate

    def __call__(self, X):
        """The transformed ECGs; the sampling rate they have is remembered."""
        X, self.rate_out = self.transformer._apply(check_ecg(X), self.rate)
        return X
