"""Heart-failure risk from raw 12-lead ECGs, as time-to-event, for scikit-learn."""

from ._version import __version__
from .survival import DualAttentionSurvival

__all__ = ["DualAttentionSurvival", "__version__"]
