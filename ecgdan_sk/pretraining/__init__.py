"""The pretrainer: what reports say of ECGs, learned by an encoder."""

from ._estimator import ECGReportPretrainer

__all__ = ["ECGReportPretrainer"]
