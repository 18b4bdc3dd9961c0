"""The survival estimator: risk of an event over time from raw ECGs."""

from ._estimator import DualAttentionSurvival

__all__ = ["DualAttentionSurvival"]
