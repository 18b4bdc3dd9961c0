"""ECGs with their leads, sampling rate and covariates, usable like an array."""

from ._lazy import LazySignals
from ._leads_and_ids import LEADS
from ._records import ECGRecords

__all__ = ["LEADS", "ECGRecords", "LazySignals"]
