"""ECGs with their leads, sampling rate and covariates; an array to scikit-learn."""

from ._leads_and_ids import LEADS
from ._records import ECGRecords, as_records

__all__ = ["LEADS", "ECGRecords", "as_records"]
