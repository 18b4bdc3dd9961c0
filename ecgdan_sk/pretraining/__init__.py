"""The pretrainer: an encoder of ECGs learns from their reports."""

from ._estimator import ECGReportPretrainer

__all__ = ["ECGReportPretrainer"]
