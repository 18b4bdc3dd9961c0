"""Cohorts of ECGs: simulated, and read from local copies of public sets."""

from ._check_leads import LeadReport, check_leads
from ._cinc2021 import load_cinc2021
from ._code15 import load_code15
from ._formats._recording import ECGFileError
from ._limb_leads import complete_leads
from ._mimic import load_mimic_iv_ecg
from ._music import load_music
from ._ptbxl import load_ptbxl
from ._read_ecg import read_ecg
from ._read_folder import read_ecg_folder
from ._reading_report import ReadingReport
from ._samitrop import load_samitrop
from ._simulation._cohort import make_ecg_cohort
from ._simulation._follow_up import simulate_follow_up
from ._ukb_cohort import ukb_cohort
from ._ukb_ecg import load_ukb_ecg
from ._wave_marks import read_wave_marks

__all__ = [
    "ECGFileError",
    "LeadReport",
    "ReadingReport",
    "check_leads",
    "complete_leads",
    "load_cinc2021",
    "load_code15",
    "load_mimic_iv_ecg",
    "load_music",
    "load_ptbxl",
    "load_samitrop",
    "load_ukb_ecg",
    "make_ecg_cohort",
    "read_ecg",
    "read_ecg_folder",
    "read_wave_marks",
    "simulate_follow_up",
    "ukb_cohort",
]
