"""Heart-failure risk from raw 12-lead ECGs, as time-to-event, for scikit-learn."""

from ._version import __version__
from .pretraining import ECGReportPretrainer
from .survival import DualAttentionSurvival

__all__ = ["DualAttentionSurvival", "ECGReportPretrainer", "__version__"]
