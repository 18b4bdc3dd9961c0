"""Heart-failure risk from raw 12-lead ECGs, as time-to-event, for scikit-learn."""

from .survival import DualAttentionSurvival

__all__ = ["DualAttentionSurvival"]
__version__ = "0.1.0.dev0"
