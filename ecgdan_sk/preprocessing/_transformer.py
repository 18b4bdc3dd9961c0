"""What the transformers from ECGs to ECGs share."""

from copy import copy

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..records import ECGRecords
from ..records._lazy import SignalView, derived
from ..records._records import as_records
from ..records._signal_checks import check_ecg, known_rate


class ECGTransformer(TransformerMixin, BaseEstimator):
    """What the transformers share: checks, and the kind of what is returned."""

    # Whether a recording comes out the same in whatever batch it is read.
    _one_by_one = True

    def fit(self, X, y=None):
        """Check the parameters and `X`, and learn what there is to learn.

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
        """Return the transformed ECGs, an array for an array, ECGRecords for those.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            ECGs in mV. A lead that is NaN throughout is absent, and stays so.

        Returns
        -------
        ndarray or ECGRecords of shape (n_samples, n_leads, n_times_out)
            Transformed ECGs in float32. Those of ECGRecords that are not in memory are
            transformed whenever they are read, and checked then; write the result with
            `ECGRecords.save` to do it once. What depends on all recordings, such as
            windows at random, reads them into memory.
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
        """Nothing, unless a subclass says otherwise."""

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
