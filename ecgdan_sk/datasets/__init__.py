"""Cohorts of ECGs: simulated, and read from local copies of public sets."""

from ._follow_up import simulate_follow_up
from ._ptbxl import load_ptbxl
from ._simulation import make_ecg_cohort

__all__ = ["load_ptbxl", "make_ecg_cohort", "simulate_follow_up"]
