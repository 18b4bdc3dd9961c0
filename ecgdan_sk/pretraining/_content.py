"""Targets of a pretraining: reports, measurements, age and sex."""

from dataclasses import dataclass

import numpy as np

from ..reports import EncodedReports


@dataclass(frozen=True)
class Content:
    """Rows of all ECGs, whatever cohort they are of.

    Parameters
    ----------
    encoded : EncodedReports or None
        What is said of them, with a key of -1 where nothing is; None if of none.
    measurements, covariates : ndarray of shape (n_samples, n_columns)
        Standardised; NaN where unknown.
    patients, cohort : ndarray of shape (n_samples,)
        Number of the patient, and of the cohort.
    """

    encoded: EncodedReports | None
    measurements: np.ndarray
    covariates: np.ndarray
    patients: np.ndarray
    cohort: np.ndarray

    @property
    def keys(self):
        """Index of the distinct report of each ECG, -1 for none."""
        if self.encoded is None:
            return np.full(len(self.cohort), -1)
        return self.encoded.keys

    @property
    def codes(self):
        """SCP codes that occur, if the reports are such."""
        return None if self.encoded is None else self.encoded.codes

    @property
    def first(self):
        """Row of each distinct report, in the order of the keys."""
        keys, first = np.unique(self.keys, return_index=True)
        return first[keys >= 0]

    @property
    def texts(self):
        """Embeddings of the distinct reports; of a single nothing without any."""
        if self.encoded is None:
            return np.zeros((1, 1), np.float32)
        return self.encoded.embeddings[self.first]

    def target(self):
        """Columns for `ReportLoss`; the first would hold events, and is empty."""
        columns = [np.zeros(len(self.keys)), self.keys, self.patients]
        if self.encoded is not None and self.encoded.likelihoods is not None:
            columns.extend(self.encoded.likelihoods.T)
        columns.extend(self.measurements.T)
        columns.extend(self.covariates.T)
        return np.column_stack(columns).astype(np.float32)

    def teaches(self, estimator):
        """Whether there is more to learn than the ECGs themselves."""
        by_text = estimator.alignment_weight or estimator.classification_weight
        numbers = self.measurements.shape[1] + self.covariates.shape[1]
        return bool((by_text and self.encoded is not None) or numbers)
