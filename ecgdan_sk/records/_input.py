"""Properties of the ECGs of `fit`, with which an estimator checks later ECGs."""

from sklearn.utils.validation import check_is_fitted

from ._amplitudes import warn_of_amplitudes
from ._leads_and_ids import aligned_to, column, patient_groups, warn_of_missing
from ._records import as_records
from ._signal_checks import (
    check_same_rate,
    check_training_ecg,
    checked_amplitudes,
)


class ECGInput:
    """Mixin: the leads, length and sampling rate of ECGs, learned and checked."""

    def __sklearn_tags__(self):
        """ECGs of three dimensions, some leads absent, and a target to learn."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _learn_input(self, X):
        """Check the training ECGs and store their shape; return their signals.

        Signals that are not in memory are read once for the checks and stay in place.
        """
        records = as_records(X)
        X, seen = check_training_ecg(records.signals, records.leads)
        warn_of_amplitudes(seen, records.leads, records.ids)
        self._amplitudes_ = seen.remembered()
        self.leads_in_, self.sampling_rate_in_ = records.leads, records.sampling_rate
        _, self.n_leads_in_, self.n_times_in_ = X.shape
        return X

    def _aligned(self, X, **arguments):
        """Arguments beside `X`, with labelled ones in the order of its recordings."""
        return aligned_to(X, **arguments)

    def _patients(self, records, groups):
        """Number of the patient of each recording, or None if patients are unknown."""
        groups = records.patient_ids if groups is None else groups
        if groups is None:
            return None
        groups = column(groups)
        if groups.shape != (len(records),):
            raise ValueError(
                f"Expected groups of shape ({len(records)},), the patient of each ECG, "
                f"got {groups.shape}."
            )
        return patient_groups(groups)

    def _check_input(self, X):
        """Signals with the leads and the length seen in `fit`."""
        check_is_fitted(self)
        records = as_records(X)
        check_same_rate(records.sampling_rate, self.sampling_rate_in_)
        warn_of_missing(records.leads, self.leads_in_)
        X, seen = checked_amplitudes(records.select_leads(self.leads_in_).signals)
        if X.shape[2] != self.n_times_in_:
            raise ValueError(
                f"X has {X.shape[2]} samples per lead, but the model was fitted with "
                f"{self.n_times_in_}. Resample, crop or pad X to that length."
            )
        # Models of older files remember none.
        fitted = getattr(self, "_amplitudes_", None)
        warn_of_amplitudes(seen, self.leads_in_, records.ids, fitted)
        return X
