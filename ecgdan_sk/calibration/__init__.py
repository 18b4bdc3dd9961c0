"""Calibrated absolute risks: recalibration within a cohort, and at a new site."""

from ._calibrated import CalibratedSurvival
from ._recalibrated import RecalibratedSurvival, recalibrate

__all__ = ["CalibratedSurvival", "RecalibratedSurvival", "recalibrate"]
