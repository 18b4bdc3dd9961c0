"""What the transformers from ECGs to ECGs share."""

from numbers import Real

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval

from .._validation import check_ecg
from ..records import ECGRecords, as_records

RATE_LIMITS = [Interval(Real, 0, None, closed="neither"), None]


class ECGTransformer(TransformerMixin, BaseEstimator):
    """What the transformers share: checks, and the kind of what is returned."""

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
        self._learn(check_ecg(records.signals))
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
            Transformed ECGs in float32.
        """
        records = as_records(X)
        signals, rate = self._apply(check_ecg(records.signals), records.sampling_rate)
        if not isinstance(X, ECGRecords):
            return signals
        return ECGRecords(
            signals,
            rate,
            records.leads,
            records.covariates,
            records.ids,
            records.patient_ids,
        )

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
